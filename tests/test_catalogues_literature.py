"""JINAbase, Placco et al. (2014), a list of CEMP stars: traps of literature tables, real files."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cemp.catalogues.common import LABEL_TABLE, parse_angles
from cemp.catalogues.jinabase import read_jinabase
from cemp.catalogues.names import star_key
from cemp.catalogues.placco import read_placco
from cemp.catalogues.sanity import check_file, check_positions
from cemp.catalogues.scatter import repeatability, star_scatter
from cemp.catalogues.yoon import read_yoon
from cemp.errors import BadInputError

REAL = Path(__file__).parents[2] / "shared" / "real" / "catalogues"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real catalogues not at {REAL}")
JINA, PLACCO = REAL / "JINAbase-yelland25.csv", REAL / "placco2014_J_ApJ_797_21"
LIST = REAL / "cemp_master_257.csv"


@pytest.fixture(scope="module")
def jina():
    return read_jinabase(JINA)


@pytest.fixture(scope="module")
def raw():
    return pd.read_csv(JINA, dtype=str, keep_default_na=False)


def entry(table, star, reference):
    found = table[(table["star"] == star) & (table["reference"] == reference)]
    assert len(found) == 1
    return found.iloc[0]


@needs_real
def test_jinabase_rows_and_counts(jina):
    assert tuple(jina.columns[: len(LABEL_TABLE)]) == LABEL_TABLE
    assert jina.attrs["n_read"] == 7917 and len(jina) == 7911
    assert jina.attrs["dropped"] == {
        "row repeated": 1, "no position": 1, "no [Fe/H], or a limit": 4
    }  # fmt: skip
    star = entry(jina, "BPS CS 31079-0028", "Lai+2008")
    # log eps(C) = 6.05, log eps(Fe) = 4.66 in the file
    assert star["c_h"] == pytest.approx(6.05 - 8.43) and star["fe_h"] == pytest.approx(-2.84)
    assert star["name"] == "CS 31078-018" and star["recommended"] and not star["c_h_limit"]


@needs_real
def test_jinabase_limits_are_never_detections(jina, raw):
    texts = raw["C-H"][raw["C-H"].str.startswith("<")]
    assert len(texts) == 135 and "<6.56" in set(texts)
    limits = jina[jina["c_h_limit"]]
    assert len(limits) == jina.attrs["noted"]["carbon upper limit"] == 135
    row = raw[raw["C-H"] == "<6.56"].iloc[0]
    mine = entry(jina, row["Simbad_Identifier"], row["Reference"])
    assert mine["c_h_limit"] and mine["c_h"] == pytest.approx(6.56 - 8.43)
    # the scatter of detections must not see them
    alone = repeatability(jina[~jina["c_h_limit"]]).loc["c_h"]
    assert repeatability(jina).loc["c_h", "n_pairs"] == alone["n_pairs"] == 842


@needs_real
def test_jinabase_carbon_is_ch_and_cn_is_nitrogen(jina, raw):
    both = raw[(raw["C-N"] != "") & (raw["C-H"] != "") & (raw["Simbad_Identifier"] != "")]
    both = both.drop_duplicates(["Simbad_Identifier", "Reference"], keep=False)
    keys = ["star", "reference"]
    mine = both.rename(columns={"Simbad_Identifier": "star", "Reference": "reference"})[
        [*keys, "C-H", "C-N"]
    ].merge(jina.drop_duplicates(keys, keep=False), on=keys)
    carbon = mine["C-H"].str.lstrip("<").astype(float) - 8.43
    nitrogen = mine["C-N"].str.lstrip("<").astype(float) - 8.43
    assert len(mine) > 400
    np.testing.assert_allclose(mine["c_h"], carbon, atol=1e-9)
    assert np.median(np.abs(mine["c_h"] - nitrogen)) > 0.3


@needs_real
def test_jinabase_iron_is_fe_i_in_log_eps(jina):
    # McWilliam's model has [M/H] = -1.66, Cohen's -1.6; the lines say -2.86 and -3.48
    star = jina[(jina["name"] == "HE1012-1540") & (jina["reference"] == "Cohen+2008")].iloc[0]
    assert star["fe_h"] == pytest.approx(4.02 - 7.50)
    # its Fe II is -2.72, which is no log eps at all
    star = jina[(jina["name"] == "LP625-44") & (jina["reference"] == "Aoki+2002b")].iloc[0]
    assert star["fe_h"] == pytest.approx(4.78 - 7.50)
    # Keller's star has log eps(Fe) < 0.2 and M/H = -5.0: neither is [Fe/H]
    assert not (jina["star"] == "UCAC4 115-002803").any()


@needs_real
def test_jinabase_recommends_one_entry_a_star(jina, raw):
    chosen = raw[raw["I/O"] == "1"]["Simbad_Identifier"]
    assert len(chosen) == 4821 and chosen.is_unique and set(raw["I/O"]) == {"0", "1"}
    assert jina["recommended"].sum() == 4816  # five recommended entries have no iron or position
    assert not jina[jina["recommended"]]["star"].duplicated().any()


@needs_real
def test_jinabase_sexagesimal_columns_claim_digits_they_do_not_have(jina, raw):
    place = raw[raw["RA_deg"] != ""]
    ra, step = parse_angles(place["RA_hms"], hours=True)
    assert (step == 0.015).all()  # milliseconds of time
    np.testing.assert_allclose(ra, place["RA_deg"].astype(float), atol=1e-9)  # yet no news
    np.testing.assert_allclose(jina["coord_arcsec"], 0.36, atol=1e-9)


@needs_real
def test_literature_repeatability(jina):
    # the numbers on which MergeSettings.default_error rests
    table = repeatability(jina)
    np.testing.assert_allclose(table["sigma"], [73, 0.18, 0.10, 0.21], rtol=0.06)
    assert table["n_pairs"].tolist() == [8040, 7936, 8690, 842]
    assert table.loc["c_h", "far"] == pytest.approx(0.205, abs=0.005)
    # stars with carbon repeat worse in the other labels, too
    carbon = repeatability(jina, carbon_only=True)
    assert (carbon["n_pairs"] == 842).all()
    np.testing.assert_allclose(carbon["sigma"], [92, 0.28, 0.147, 0.21], rtol=0.01)


def test_repeatability_of_known_scatter():
    rng = np.random.default_rng(1)
    n = 4000
    names = np.repeat(np.arange(n), 2).astype(str)
    table = pd.DataFrame({"star": names, "c_h_limit": False})
    truth = dict(zip(("teff", "logg", "fe_h", "c_h"), (80.0, 0.2, 0.1, 0.3), strict=True))
    for label, sigma in truth.items():
        table[label] = np.repeat(rng.normal(size=n), 2) + rng.normal(0, sigma, 2 * n)
    table.loc[::4, "c_h_limit"] = True  # every other star: one of its two entries
    found = repeatability(table)
    for label, sigma in truth.items():
        assert abs(found.loc[label, "sigma"] - sigma) < 4 * found.loc[label, "e_sigma"]
    assert found.loc["c_h", "n_pairs"] == n // 2
    own = star_scatter(table, "star")
    assert len(own) == n and own["s_c_h"].notna().sum() == n // 2
    first = abs(table["teff"][0] - table["teff"][1])
    assert own.loc["0", "s_teff"] == pytest.approx(1.4826 * first / 2**0.5)


@needs_real
def test_placco_keeps_the_correction_out_of_the_labels():
    table = read_placco(PLACCO)
    assert len(table) == 616 and table["ra"].isna().all()
    star = table.set_index("name").loc["BD+06:0648"]
    assert star["c_h"] == pytest.approx(-0.19 - 2.09) and star["correction"] == 0.64
    assert table["correction"].between(0, 0.77).all()
    assert (table["correction"] > 0.3).sum() == 119
    raw = [line[48:53] for line in (PLACCO / "table3.dat").read_text().splitlines()]
    np.testing.assert_allclose(table["c_h"] - table["fe_h"], [float(t) for t in raw], atol=1e-9)


@needs_real
def test_cemp_list_gives_groups_and_no_carbon():
    table, placco = read_yoon(LIST), read_placco(PLACCO)
    assert len(table) == 257 and table["c_h"].isna().all() and table["gaia_source_id"].isna().all()
    assert table["group"].str.endswith(" III").sum() == 17
    assert table["fe_h"].isna().sum() == 5  # marked as limits in a column of their own
    # why: its c[C/Fe] is Placco's corrected carbon, to the last digit
    raw = pd.read_csv(LIST)
    raw = raw.assign(star=raw["Name"].map(star_key)).merge(placco, on="star")
    raw = raw[raw["correction"] > 0.3]
    excess = raw["c[C/Fe]"].astype(float) - (raw["c_h"] - raw["fe_h"])
    assert len(raw) == 27 and np.median(excess - raw["correction"]) == pytest.approx(0, abs=1e-6)


@needs_real
def test_names_find_most_stars_of_placco_in_jinabase(jina):
    known = {star_key(name) for column in ("star", "name") for name in jina[column]}
    stars = read_placco(PLACCO)["star"]
    assert stars.isin(known).sum() == 567  # the others are cut names such as SDSS J0002+29


@pytest.mark.parametrize("names", [
    ("BPS CS 22892-0052", "CS22892-052", "CS 22892-052"), ("HD 122563", "HD122563", "HD_122563"),
    ("BD +44 493", "BD+44:493", "BD+44_0493", "BD+440493"), ("G 64-12", "G64-12"),
])  # fmt: skip
def test_spellings_of_one_name_agree(names):
    assert len({star_key(name) for name in names}) == 1


def test_different_stars_keep_different_names():
    names = ["BD+04 2466", "BD+42 466", "BD-04 2466", "CS22892-052", "CS22892-520", "HD 1", "HD 10"]
    assert len({star_key(name) for name in names}) == len(names)


# ---------------------------------------------------------------- bad input


JINA_HEAD = "JINA_ID,I/O,Reference,Name,Simbad_Identifier,RA_deg,DEC_deg,Teff,logg,M/H,C-H,C-N,Fe I"


def jina_file(tmp_path, rows, head=JINA_HEAD):
    path = tmp_path / "jina.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def jina_rows(n=40, **changed):
    values = {"RA_deg": "{k}.1234", "DEC_deg": "-{k}.5", "Teff": "4800", "logg": "1.5",
              "M/H": "-2.5", "C-H": "6.1", "Fe I": "5.0"} | changed
    row = "{k},1,P{k},N{k},S{k}," + ",".join(
        values.get(c, "") for c in JINA_HEAD.split(",")[5:]
    )
    return [row.replace("{k}", str(k)).replace("{h}", f"{k * 24 / n:.4f}") for k in range(n)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Fe I": "-2.5"}, "not log eps"),
        ({"Fe I": "-2.5", "M/H": "-10.0"}, "median fe_h is -10"),
        ({"C-H": "-2.3"}, "median c_h is -10.7.*swapped, or on another scale"),
        ({"Teff": "1.5", "logg": "4800"}, "median teff is 1.5"),
        ({"RA_deg": "{h}"}, "look like hours"),
        ({"RA_deg": "-{k}.5", "DEC_deg": "1{k}.1"}, "look swapped"),
        ({"RA_deg": "", "DEC_deg": ""}, "no usable row.*no position"),
        ({"RA_deg": "nan", "DEC_deg": "nan"}, "no usable row.*no position"),
        ({"Fe I": "<5.0"}, "no usable row.*or a limit"),
    ],
)
def test_jinabase_refuses_what_is_on_another_scale(tmp_path, changed, message):
    with pytest.raises(BadInputError, match=f"jina.csv.*{message}"):
        read_jinabase(jina_file(tmp_path, jina_rows(**changed)))


def test_jinabase_as_it_should_be(tmp_path):
    table = read_jinabase(jina_file(tmp_path, jina_rows(n=5)))
    assert len(table) == 5 and table["c_h"].iloc[0] == pytest.approx(6.1 - 8.43)


@pytest.mark.parametrize("read", [read_jinabase, read_yoon])
def test_text_tables_refuse_other_files(tmp_path, read):
    with pytest.raises(BadInputError, match="missing or empty"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(BadInputError, match="is a folder"):
        read(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(BadInputError, match="missing or empty"):
        read(tmp_path / "empty.csv")
    (tmp_path / "login.csv").write_text("\n<!DOCTYPE html><html><body>log in</body></html>")
    with pytest.raises(BadInputError, match="login.csv is a web page"):
        read(tmp_path / "login.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInputError, match="other.csv is not .*lacks the columns"):
        read(tmp_path / "other.csv")
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)) * 8)
    with pytest.raises(BadInputError, match="bytes.csv"):
        read(tmp_path / "bytes.csv")


def test_placco_refuses_other_folders(tmp_path):
    with pytest.raises(BadInputError, match="no ReadMe and no table3.dat"):
        read_placco(tmp_path)


@needs_real
def test_placco_refuses_shifted_columns_and_a_cut_table(tmp_path):
    shutil.copy(PLACCO / "ReadMe", tmp_path / "ReadMe")
    (tmp_path / "ReadMe").chmod(0o644)
    lines = (PLACCO / "table3.dat").read_text().splitlines()
    # [C/Fe]c in the place of [C/Fe]: the labels would be corrected ones
    shifted = [line[:48] + line[60:65] + line[53:] for line in lines]
    (tmp_path / "table3.dat").write_text("\n".join(shifted) + "\n")
    with pytest.raises(BadInputError, match="columns are shifted"):
        read_placco(tmp_path)
    (tmp_path / "table3.dat").write_text("<html>login</html>\n")
    with pytest.raises(BadInputError, match="does not fit its ReadMe"):
        read_placco(tmp_path)


def test_positions_that_only_look_odd_pass():
    rng = np.random.default_rng(1)
    check_positions(rng.uniform(0, 360, 500), rng.uniform(-90, 90, 500), "sky")
    check_positions(rng.uniform(3, 20, 500), rng.uniform(-5, 5, 500), "a field below 24 deg")
    check_positions([0.1, 23.5], [0.0, 0.0], "two rows")
    check_positions([np.nan, 10.0], [95.0, np.nan], "nothing known")


def test_a_file_without_permission_says_so(tmp_path):
    path = tmp_path / "locked.csv"
    path.write_text("a,b\n")
    path.chmod(0)
    try:
        path.read_text()
    except PermissionError:
        with pytest.raises(BadInputError, match="locked.csv.*permissions"):
            check_file(path, "x")
    else:
        pytest.skip("this user may read everything")
