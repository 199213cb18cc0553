"""The final catalogue: every format says the same, and what is said of known stars is right."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_sun
from astropy.io.votable import parse_single_table
from astropy.time import Time
from astropy.utils import iers
from made_candidates import OBSIDS, candidate_table

from cemp.candidates.catalogue import designation, read_fits, write_fits
from cemp.catalogue_out import build, columns, counterparts, finder, known, misses, validate
from cemp.catalogue_out.formats import FORMATS, differences, read_back
from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.figures import draw
from cemp.inspect import tally
from cemp.inspect.decisions import FIELDS
from cemp.plots import validation as _figures  # noqa: F401  (registers the figures)
from cemp.selection.domain import add_flags
from cemp.selection.recipe import Recipe, select

REAL = Path(__file__).resolve().parent.parent.parent / "shared" / "real" / "catalogues"
NOTE = 'blend? "H&K", #3; 可能是双星'
PROVENANCE = {"PROFILE": ("toy", "profile of the run"), "SEED": (7, "seed of the run"),
              "MOCK": (True, "T: a mock survey"), "PCUT": (0.5, "P(CEMP) above this")}


def decisions(*rows):
    names = candidate_table().set_index("obsid")["designation"]
    full = [(o, names[o], what, note, "A", "2026-01-31T18:05:00Z") for o, what, note in rows]
    return pd.DataFrame(full, columns=FIELDS).astype({"obsid": "int64"})


def catalogue(*rows, lines=None):
    """Four candidates, one of them south of the equator by half a degree."""
    table = candidate_table()
    table.loc[1, "dec"] = -0.5
    table["designation"] = designation(table["ra"], table["dec"])
    seen = decisions(*rows)
    seen["designation"] = seen["obsid"].map(table.set_index("obsid")["designation"])
    return build.final_catalogue(table, seen, ("MACRN (mock survey)", "0123456789abcdef"), lines)


# ---- columns ------------------------------------------------------------------------------------

def test_sexagesimal_positions():
    # CS 31078-018 as JINAbase writes it: 03:01:00.696 +06:16:31.800
    hms, dms = build.sexagesimal([45.2529, 359.9999999999, 10.0], [6.2755, -0.5, -89.99999999])
    assert hms == ["03:01:00.6960", "00:00:00.0000", "00:40:00.0000"]
    assert dms == ["+06:16:31.800", "-00:30:00.000", "-90:00:00.000"]


def test_columns_are_described_once_and_well():
    lines = pd.DataFrame({name: [0.5] * 4 for name in columns.LINES}).assign(obsid=OBSIDS)
    _, about = catalogue(lines=lines)
    assert {c.name for c in about} >= set(columns.LINES)
    # a FITS card holds 68 characters; more needs a convention that not every reader knows
    assert not [c.name for c in about if len(c.what.replace("'", "''") + " (dex)") > 68]
    assert len({c.name for c in about}) == len(about)
    assert validate.wrong_ucds(about) == []
    assert not [c.name for c in about if c.what[:1] in "[?" or c.what.startswith("its ")]
    assert {c.name: c.unit for c in about}["e_teff"] == "K"


def test_line_measurements_enter_where_they_exist():
    lines = pd.DataFrame({"obsid": OBSIDS[:3], "star_id": ["G0", "G1", "G2"],
                          "lines_c_fe": [1.0, 2.0, 3.0], "lines_n": 4, "unheard_of": 1.0})
    table, about = catalogue(lines=lines)
    assert "unheard_of" not in table
    assert {c.name for c in about} >= {"lines_c_fe", "lines_n"}
    by_obsid = table.set_index("obsid")["lines_c_fe"]
    assert by_obsid[OBSIDS[1]] == 2.0 and np.isnan(by_obsid[OBSIDS[3]])


def test_a_column_without_description_is_refused():
    table, _ = catalogue()
    with pytest.raises(BadInputError, match="undescribed odd"):
        columns.columns_of(table.assign(odd=1.0))
    with pytest.raises(BadInputError, match="lacks teff"):
        columns.columns_of(table.drop(columns="teff"))


def test_rank_puts_rejected_stars_last():
    table, _ = catalogue()
    assert table["obsid"].tolist() == [OBSIDS[2], OBSIDS[1], OBSIDS[0], OBSIDS[3]]
    table, _ = catalogue((OBSIDS[2], "reject", "sky line"))
    assert table["obsid"].tolist()[-1] == OBSIDS[2] and table["rank"].tolist() == [1, 2, 3, 4]


def test_dictionary_is_tex():
    rows = dict((row[0], row[1:]) for row in columns.dictionary_rows(catalogue()[1]))
    assert rows[r"\texttt{gaia\_source\_id}"] == (r"\nodata", "Gaia source, 0 if none")
    assert rows[r"\texttt{vmp}"][1] == r"Table 1: $-$2.5 $\le$ [Fe/H] $<$ $-$1.5"
    assert rows[r"\texttt{gband}"][0] == r"\AA"
    about = [columns.Column("x", "", "a 68% interval, A & B", "stat.value")]
    assert columns.dictionary_rows(about)[0][2] == r"a 68\% interval, A \& B"


# ---- formats ------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def written(tmp_path_factory):
    table, about = catalogue((OBSIDS[0], "unsure", NOTE))
    stem = tmp_path_factory.mktemp("formats") / "candidates"
    return table, about, validate.write_all(table, about, stem, PROVENANCE, "A title", "A. Author")


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_comes_back_identical(written, suffix):
    table, about, files = written
    back = read_back(next(f for f in files if f.suffix == suffix), about)
    assert differences(table, back, suffix in validate.ASCII) == []
    row = back[back["obsid"] == OBSIDS[1]].iloc[0]
    assert row["dec"] == -0.5 and row["dec_dms"] == "-00:30:00.000"
    assert np.isnan(back[back["obsid"] == OBSIDS[3]]["gband"]).all()
    assert back["cemp"].all() and not back["emp"].any()
    note = back[back["obsid"] == OBSIDS[0]]["inspection_note"].item()
    plain = NOTE.replace("可能是双星", "?????") if suffix in validate.ASCII else NOTE
    assert note == f"A: {plain}"


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_column_empty_throughout_shifts_nothing(tmp_path, suffix):
    table, about = catalogue()
    path = tmp_path / f"c{suffix}"
    FORMATS[suffix][0](table, about, path, PROVENANCE)
    assert differences(table, read_back(path, about), suffix in validate.ASCII) == []


@pytest.mark.parametrize("suffix", FORMATS)
def test_equal_tables_give_equal_files(written, tmp_path, suffix):
    table, about, files = written
    path = tmp_path / f"candidates{suffix}"
    about_paper = {"title": "A title", "authors": "A. Author"} if suffix == ".mrt" else {}
    FORMATS[suffix][0](table, about, path, PROVENANCE, **about_paper)
    assert path.read_bytes() == next(f for f in files if f.suffix == suffix).read_bytes()


def test_validators_find_nothing(written):
    table, about, files = written
    verdicts = validate.check_files(files, table, about)
    assert (verdicts["different"] == "none").all()
    assert verdicts.loc[["fits", "vot"], "standard"].tolist() == ["no violation"] * 2


def test_a_changed_digit_is_found(written):
    table, about, files = written
    back = read_back(files[0], about)
    back.loc[2, "fe_h"] += 0.001
    assert differences(table, back, ascii_only=True) == ["fe_h"]
    assert differences(table, back.iloc[:3]) == ["rows"]


def test_machine_readable_header_tells_the_bytes(written):
    table, _, files = written
    lines = files[2].read_text().splitlines()
    assert lines[:2] == ["Title: A title", "Authors: A. Author"] and files[2].suffix == ".mrt"
    assert lines[4] == "Byte-by-byte Description of file: candidates.mrt"
    first = next(line for line in lines if " fe_h " in line)
    low, high = (int(part) for part in first[:8].split("-"))
    assert [float(line[low - 1 : high]) for line in lines[-4:]] == table["fe_h"].tolist()
    assert "[-]" in first and all(len(line) <= 80 for line in lines[:-4])


def test_votable_tells_meaning_and_origin(written):
    table = parse_single_table(str(written[2][1]))
    fields = {field.name: field for field in table.fields}
    assert fields["teff"].ucd == "phys.temperature.effective" and str(fields["teff"].unit) == "K"
    assert fields["ra"].ref == "icrs"
    params = {param.name: param.value for param in table.params}
    assert params["SEED"] == 7 and params["MOCK"] and params["PROFILE"] == "toy"


def test_no_candidate_is_no_machine_readable_table(tmp_path):
    table, about = catalogue()
    none = table.iloc[:0]
    files = validate.write_all(none, about, tmp_path / "c", PROVENANCE)
    assert [f.suffix for f in files] == [".fits", ".vot", ".csv"]
    assert all(len(read_back(f, about)) == 0 for f in files)
    said = (tmp_path / "c.mrt").read_text()
    assert "no candidate" in said and "PROFILE = toy" in said  # the file is there and says why
    with pytest.raises(BadInputError, match="not the catalogue"):
        read_back(tmp_path / "c.mrt", about)


@pytest.mark.parametrize("n", [0, 1])
def test_no_candidate_or_a_single_one_goes_all_the_way(tmp_path, n):
    """What notebook 13 does to candidates, from the table of 05 to files, tables and figures."""
    write_fits(candidate_table().iloc[:n], tmp_path / "candidates.fits", PROVENANCE)
    candidates = read_fits(tmp_path / "candidates.fits")
    lines = pd.DataFrame({"obsid": OBSIDS, "lines_c_fe": 1.0, "lines_verdict": "enhanced"})
    final, about = build.final_catalogue(candidates, decisions(), ("MACRN", "0123"), lines)
    assert len(final) == len(candidates) == n and len(about) == final.shape[1]
    assert tally(candidates, decisions())["not inspected"] == n
    provenance = validate.provenance_of(tmp_path / "candidates.fits")
    files = validate.write_all(final, about, tmp_path / "c", provenance, "T", "A")
    verdicts = validate.check_files(files, final, about)
    assert (verdicts["different"] == "none").all() and (verdicts["rows"] == n).all()
    validate.other_validators(files)
    finding = finder.finding_table(final, finder.site("maunakea"))
    assert len(finding) == len(finder.finding_rows(finding)) == n
    hours = finder.dark_hours(finding["ra"], finding["dec"], finder.site("maunakea"))
    count, name = validate.month_counts(hours, finding["gmag"], [-np.inf, 14, np.inf], 2.0)
    assert count.shape == (2, 12) and (count.sum() > 0) == (n > 0)
    draw("13_season", {"count": count, "name": np.array(name), "note": "toy"})
    assert int((finding["n_months"] > 0).sum()) == n


def test_no_known_star_to_find_is_no_error():
    stars = predicted().assign(obsid=OBSIDS[0], c_fe=0.9, e_c_fe=0.3, cov_fe_h_c_h=0.0)
    labels = known_entries().assign(c_source="", fold="train")
    known = counterparts.known_cemp(labels, stars)
    assert known.empty
    none = known[known["obsid"].notna()].astype({"obsid": "int64"})
    flags = add_flags(none, None, None)
    assert {"carbon_good", "gband_good", "outside_reconstruction"} <= set(flags)
    known = known.join(select(flags, Recipe())).join(flags.filter(regex="_good$|outside_"))
    known = misses.add_band(counterparts.explain(known, 0.5), None, None)
    assert known["found"].sum() == 0 and {"gband", "band_label"} <= set(known)
    assert counterparts.fraction(0, len(known), 0.95)["high"] == 1
    draw("13_known", misses.plane_arrays(known, "toy"))
    draw("13_misses", misses.miss_arrays(known, None, None, "toy"))
    assert misses.reason_table({"labelled": known}, counterparts.REASONS).to_numpy().sum() == 0


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_damaged_file_is_named(written, tmp_path, suffix):
    path = tmp_path / f"bad{suffix}"
    path.write_text("nothing of the kind\n")
    with pytest.raises(BadInputError, match=f"bad{suffix} is not the catalogue"):
        read_back(path, written[1])


def test_provenance_is_the_candidates(tmp_path):
    path = tmp_path / "candidates.fits"
    write_fits(candidate_table(), path, PROVENANCE)
    assert validate.provenance_of(path) == PROVENANCE
    with pytest.raises(BadInputError, match="notebook 05"):
        validate.provenance_of(tmp_path / "none.fits")


def test_the_model_is_named(tmp_path):
    (tmp_path / "macrn.pt").write_bytes(b"weights")
    with pytest.raises(BadInputError, match="run notebook 03"):
        build.model_of(tmp_path / "macrn.pt")
    (tmp_path / "macrn.json").write_text('{"trained_on": "mock survey"}')
    name, digest = build.model_of(tmp_path / "macrn.pt")
    assert name == "MACRN (mock survey)" and len(digest) == 16


# ---- visibility ---------------------------------------------------------------------------------

def test_altitudes_agree_with_astropy():
    where = finder.SITES["xinglong"]
    place = EarthLocation(lat=where.latitude, lon=where.longitude)
    times = Time(["2020-03-20T15:00", "2020-07-01T18:00", "2020-12-10T12:30"])
    ra, dec = np.array([10.0, 130.0, 280.0]), np.array([41.0, -5.0, 60.0])
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        frame = AltAz(obstime=times, location=place)
        stars = SkyCoord(ra, dec, unit="deg").transform_to(frame).alt.deg
        sun = get_sun(times).transform_to(frame).alt.deg
    assert np.abs(finder.altitude(ra, dec, times.jd, where) - stars).max() < 0.35  # precession
    ours = finder.altitude(*finder.sun_position(times.jd), times.jd, where)
    assert np.abs(ours - sun).max() < 0.05


def test_dark_hours_of_known_stars():
    north = finder.Site("lat 60", 60.0, 0.0)
    pole, south = finder.dark_hours([0.0, 0.0], [90.0, -60.0], north)
    assert pole[5] == 0  # no astronomical night at 60 deg in June
    # the Sun at -23.27 deg is above -18 deg for 2 x 85.87 / 15 h; all else is night
    assert pole[11] == pytest.approx(24 - 2 * 85.87 / 15, abs=0.17)
    assert not south.any()
    equator = finder.Site("equator", 0.0, 0.0)
    # a star that culminates at midnight spends 2 x 48.19/15 h above airmass 1.5 (secant of 48.19)
    best = finder.dark_hours(np.arange(0.0, 360, 5), np.zeros(72), equator).max()
    assert best == pytest.approx(2 * 48.19 / 15.041, abs=0.2)


def test_finding_table_leaves_out_the_rejected():
    table, _ = catalogue((OBSIDS[2], "reject", ""))
    found = finder.finding_table(table, finder.site("Maunakea"))
    assert len(found) == 3 and found["rank"].tolist() == [1, 2, 3]
    star = found[found["dec"] == -0.5].iloc[0]  # 20 deg, so the autumn sky
    assert star["best_month"] in ("Oct", "Nov") and star["least_airmass"] == 1.07
    assert finder.finding_rows(found)[0][2].startswith("$-$00~30")


def test_finding_rows_are_rounded_once_from_the_full_value():
    """-2.8254 is -2.825 in the catalogue, which twice rounded would be -2.82."""
    table, _ = catalogue()
    found = finder.finding_table(table, finder.site("Maunakea")).head(1)
    found = found.assign(fe_h=-2.825, c_fe=2.095, ra=10.0, dec=-0.5)
    exact = found.assign(fe_h=-2.8254, c_fe=2.0946, ra=10.000031, dec=-0.500195)
    row = finder.finding_rows(found, pd.concat([exact, exact.assign(designation="another")]))[0]
    assert row[1:3] == ("00~40~00.01", "$-$00~30~01") and row[5:7] == ("$-2.83$", "2.09")
    assert finder.finding_rows(found)[0][1:3] == ("00~40~00.00", "$-$00~30~00")


def test_unknown_sites_are_refused():
    with pytest.raises(BadInputError, match="not known"):
        finder.site("nowhere")


def test_months_are_counted_by_brightness():
    hours = np.zeros((3, 12))
    hours[0, :2], hours[1, 0], hours[2, 0] = 5.0, 1.0, 5.0
    count, name = validate.month_counts(hours, [13.0, 13.0, 15.0], [-np.inf, 14, np.inf], 2.0)
    assert count[:, :2].tolist() == [[1, 1], [1, 0]] and name == ["g < 14", "g > 14"]


# ---- counterparts -------------------------------------------------------------------------------

def predicted(n=20):
    """Stars whose predicted labels are those of `known_entries` plus an offset of 0.1 in [Fe/H]."""
    stars = pd.DataFrame({"star_id": [f"s{k}" for k in range(n)], "fold": "test", "snrg": 50.0,
                          "teff": 5000.0, "logg": 2.0, "fe_h": -2.4, "c_h": -1.5, "p_cemp": 0.9})
    return stars.assign(e_teff=100.0, e_logg=0.3, e_fe_h=0.2, e_c_h=0.3)


def known_entries(n=20):
    entries = pd.DataFrame({"star_id": [f"s{k}" for k in range(n)], "source": "saga",
                            "teff": 5000.0, "logg": 2.0, "fe_h": -2.5, "c_h": -1.5,
                            "c_h_limit": False, "sep_arcsec": 0.1, "reference": "X"})
    entries.loc[0, "c_h_limit"] = True
    entries.loc[1, "c_h"] = -2.4  # [C/Fe] = 0.1: not CEMP
    return entries.assign(**{f"e_{name}": np.nan for name in LABELS})


def test_agreement_gives_the_offset_that_was_put_in():
    table = counterparts.star_by_star(predicted(), known_entries())
    rows = counterparts.agreement(table).set_index("label")
    assert rows.loc["fe_h", "offset"] == pytest.approx(0.1) and rows.loc["fe_h", "n"] == 20
    assert rows.loc["c_h", "n"] == 19  # the limit is no value
    shares = counterparts.class_agreement(table, 0.5).loc["saga"]
    assert counterparts.class_agreement(table, 0.5)["both"].dtype.kind == "i"
    assert (shares["both"], shares["network only"], shares["catalogue only"]) == (18, 1, 0)
    assert shares["stars"] == 19 and shares["found"] == 1.0
    cells = counterparts.agreement_rows(counterparts.agreement(table))[0]
    assert cells[0] == "SAGA" and cells[9:11] == ["20", r"$+0.10\pm0.00$"]


def test_only_the_fold_asked_for_judges():
    stars = predicted().assign(fold=["train"] * 10 + ["test"] * 10)
    assert len(counterparts.star_by_star(stars, known_entries())) == 10
    with pytest.raises(BadInputError, match="in a catalogue"):
        counterparts.star_by_star(stars.assign(fold="train"), known_entries())


def test_known_stars_keep_those_without_a_spectrum():
    labels = pd.DataFrame({"star_id": ["s0", "s1", "lost", "old"], "source": "saga", "c_source": "",
                           "teff": 5000.0, "logg": 2.0, "fe_h": [-2.5, -2.5, -2.5, -2.5],
                           "c_h": [-1.5, -2.4, -1.5, -1.5], "c_h_limit": [False] * 3 + [True],
                           "fold": "test", "e_teff": 90.0, "e_logg": 0.2, "e_fe_h": 0.1,
                           "e_c_h": 0.1})  # fmt: skip
    stars = predicted(2).assign(c_fe=0.9)
    known_stars = counterparts.known_cemp(labels, stars)
    assert known_stars["star_id"].tolist() == ["s0", "lost"]  # no limit, no normal carbon
    # iron 5 sigma inside, carbon 0.3 inside with an error of 0.1414: Phi(2.12)
    assert known_stars["p_label"].tolist() == pytest.approx([0.983, 0.983], abs=0.001)
    assert np.isnan(known_stars["p_cemp"].iloc[1])


def test_every_miss_has_its_reason():
    cases = {  # fe_h, c_fe, p_cemp, p_label, selected, dark
        "found": (-2.5, 1.5, 0.9, 1.0, True, False), "none": (np.nan,) * 3 + (1.0, None, None),
        "light": (-2.5, 1.5, 0.9, 1.0, False, True), "outside": (-2.5, 1.5, 0.9, 1.0, False, False),
        "limit": (-1.9, 0.6, 0.2, 0.7, False, False), "both": (-1.9, 0.6, 0.2, 1.0, False, False),
        "iron": (-1.9, 1.5, 0.2, 1.0, False, False), "carbon": (-2.5, 0.6, 0.2, 1.0, False, False),
        "unsure": (-2.1, 0.8, 0.4, 1.0, False, False),
    }  # fmt: skip
    names = ["fe_h", "c_fe", "p_cemp", "p_label", "selected", "refused_snr"]
    rows = pd.DataFrame.from_dict(cases, orient="index", columns=names)
    rows["refused_carbon"] = rows["refused_gband"] = False
    told = counterparts.explain(rows, 0.5)
    assert told["why"].tolist() == list(cases)
    assert set(counterparts.REASONS) == set(cases) - {"found"}
    table = misses.reason_table({"a": told}, counterparts.REASONS)
    assert table["a"].sum() == 8 and table.index[0] == "no usable spectrum"


def test_stars_missed_by_truth():
    stars = pd.DataFrame({"star_id": ["a", "b", "c"], "true_cemp": [True, True, False],
                          "true_fe_h": -3.0, "true_c_fe": 0.7, "e_fe_h": 0.1, "e_c_h": 0.1,
                          "cov_fe_h_c_h": 0.0})
    lost = misses.missed_by_truth(stars, ["a"])
    assert lost["star_id"].tolist() == ["b"]
    assert lost["p_label"].tolist() == pytest.approx([0.5], abs=0.001)  # on the limit in carbon
    more = pd.concat([lost] * 3, ignore_index=True).assign(
        why=["limit", "iron", "carbon"], snrg=[90.0, 20.0, 50.0], obsid=[1, 2, 3], logg=2.0,
        true_teff=5000.0)
    drawn = misses.truth_as_label(more)
    assert drawn["obsid"].tolist() == [3, 2] and drawn["label_c_fe"].tolist() == [0.7, 0.7]


# ---- any list against the literature ------------------------------------------------------------

def test_a_list_meets_a_catalogue(tmp_path):
    stars = pd.DataFrame({"RA": [10.0, 20.0], "Dec": [5.0, 5.0], "obsid": [1, 2]})
    stars.to_csv(tmp_path / "list.csv", index=False)
    read = known.read_list(tmp_path / "list.csv")
    literature = pd.DataFrame({
        "star": ["X"], "ra": [10.0], "dec": [5.0 + 1 / 3600], "coord_arcsec": 0.1, "epoch": 2000.0,
        "pmra": 0.0, "pmdec": 0.0, "gaia_source_id": 0, "teff": 5000.0, "logg": 2.0, "fe_h": -3.0,
        "c_h": -1.0, "c_h_limit": False, "source": "saga", "reference": "A",
        **{f"e_{name}": np.nan for name in LABELS},
    })  # fmt: skip
    found = known.crossmatch_list(read, {"saga": literature})
    assert found["star_id"].tolist() == ["0"] and found["lit_cemp"].all()
    assert found["sep_arcsec"].item() == pytest.approx(1.0, abs=1e-3)
    nothing = known.crossmatch_list(read.assign(dec=-40.0), {"saga": literature})
    assert nothing.empty and "lit_c_fe" in nothing


def test_bad_lists_are_named(tmp_path, capsys):
    (tmp_path / "list.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInputError, match="ra and dec"):
        known.read_list(tmp_path / "list.csv")
    assert known.main([str(tmp_path / "none.fits"), "--real", "x"]) == 1
    assert "none.fits cannot be read" in capsys.readouterr().err


GAIA = 3630453428187466491  # more digits than a float holds


@pytest.mark.parametrize("suffix", FORMATS)
def test_lists_keep_identifiers_and_names(written, suffix):
    table, _, files = written
    found = known.read_list(next(f for f in files if f.suffix == suffix))
    assert found["gaia_source_id"].tolist() == table["gaia_source_id"].tolist()
    assert found["ra"].to_numpy() == pytest.approx(table["ra"].to_numpy())
    assert found["designation"].tolist() == table["designation"].tolist()


def test_a_blank_identifier_spoils_no_other(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(f"# a list\nname,ra,dec,gaia_source_id\na#1,10,5,{GAIA}\nb,20,5,\n")
    found = known.read_list(path)
    assert found["gaia_source_id"].tolist() == [GAIA, 0]
    assert found["designation"].tolist() == ["a#1", "b"]


@pytest.mark.parametrize("line", ["13:01:43.0,5", "10,400", "370,5", ",5"])
def test_positions_that_are_none_are_named_with_their_row(tmp_path, line):
    (tmp_path / "list.csv").write_text(f"ra,dec\n1,1\n{line}\n")
    with pytest.raises(BadInputError, match="list.csv, row 2: .*degrees"):
        known.read_list(tmp_path / "list.csv")


@pytest.mark.skipif(not REAL.is_dir(), reason="real catalogues are not beside the repository")
def test_cs_31078_018_among_lamost_stars():
    rows = known.read_list(REAL / "lamost_dr10_lrs_stellar_3000rows.csv")
    rows = rows[rows["ra"].between(45, 46)]
    catalogues = dict(known.read(REAL / name) for name in ("JINAbase-yelland25.csv",
                                                           "placco2014_J_ApJ_797_21"))
    found = known.crossmatch_list(rows, catalogues)
    star = found.merge(rows[["star_id", "obsid"]], on="star_id").iloc[0]
    assert star["obsid"] == 965007128 and star["source"] == "jinabase" and star["n_entries"] == 3
    assert star["lit_fe_h"] == pytest.approx(-2.84) and not star["lit_cemp"]
    assert star["lit_c_fe"] == pytest.approx(0.505)
