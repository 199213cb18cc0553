"""The mock's catalogues: the surveys' formats, traps and limits, with known answers."""

import gzip

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

from cemp.mock import apogee_table as apogee
from cemp.mock import lamost_catalogue as lamost
from cemp.mock import saga_table as saga
from cemp.mock import subaru_table as subaru
from cemp.mock import survey
from cemp.mock.labels import Errors, limit_carbon, measure
from cemp.paths import Paths

FACTS = """obsid, uid, gp_id, designation, obsdate, lmjd, mjd, planid, spid, fiberid, ra_obs,
dec_obs, snru, snrg, snrr, snri, snrz, class, subclass, z, z_err, ps_id, mag_ps_g, mag_ps_r,
mag_ps_i, mag_ps_z, mag_ps_y, gaia_source_id, gaia_g_mean_mag, fibertype, offsets, offsets_v, ra,
dec, teff, teff_err, logg, logg_err, feh, feh_err, rv, rv_err, alpha_m, alpha_m_err, vsini_lasp"""


def pretend_measured(observations):
    """Stand in for what the written spectra give."""
    snr = {f"snr{band}": observations["snr_g"] for band in "ugriz"}
    z = (observations["rv"] / 299792.458).mask(observations["z_bad"])
    return observations.assign(**snr, z=z, z_err=1e-5, r_1800=1800.0)


@pytest.fixture(scope="module")
def drawn():
    stars, observations = survey.draw_survey(survey.SurveySettings.scaled(2000))
    return stars, pretend_measured(observations)


@pytest.fixture(scope="module")
def apogee_rows(drawn):
    stars, _ = drawn
    table = apogee.apogee_table(stars)
    stars = stars[stars["kind"] == "star"]
    member = stars.set_index("gaia_source_id").reindex(table["GAIAEDR3_SOURCE_ID"])
    return table, member.reset_index()


def test_lamost_catalogue_has_the_documented_columns(drawn, tmp_path):
    lamost.write_lamost(lamost.lamost_table(*drawn), tmp_path / survey.LAMOST)
    with fits.open(tmp_path / survey.LAMOST) as hdus:
        data = hdus[1].data
        assert data.names == [name.strip() for name in FACTS.replace("\n", " ").split(",")]
        assert data["gaia_source_id"].dtype.kind == "i" and data["obsid"].dtype.itemsize == 8
        assert len(np.unique(data["obsid"])) == len(drawn[1]) < len(data)
    first = (tmp_path / survey.LAMOST).read_bytes()
    lamost.write_lamost(lamost.lamost_table(*drawn), tmp_path / survey.LAMOST)
    assert first == (tmp_path / survey.LAMOST).read_bytes()


def test_lamost_pipeline_labels_end_at_their_floor(drawn):
    stars, observations = drawn
    table = lamost.lamost_table(stars, observations).drop_duplicates("obsid").set_index("obsid")
    known = table["feh"] > -9000
    assert table.loc[known, "feh"].min() >= -2.5
    truth = observations.merge(stars[["star_key", "fe_h", "kind"]]).set_index("obsid")
    lost = (truth["fe_h"] < -2.5) | (truth["kind"] != "star") | (truth["snr_g"] < 10)
    assert not known.loc[truth.index[lost]].any()
    assert (table.loc[truth.index[truth["z_bad"]], "z"] == -9999).all()
    near = truth.index[(truth["fe_h"].between(-1, 0.3)) & (truth["snr_g"] > 60)]
    error = (table["feh"] - truth["fe_h"]).loc[near][known.loc[near]]
    assert abs(error.median()) < 0.02 and 0.03 < error.std() < 0.08


def test_lamost_positions_are_those_of_epoch_2000(drawn):
    stars, observations = drawn
    fast = stars[np.hypot(stars["pmra"], stars["pmdec"]).between(200, 2000) & stars["in_lamost"]]
    row = observations.drop_duplicates("star_key").set_index("star_key").loc[fast["star_key"]]
    now = SkyCoord(fast["ra"].to_numpy(), fast["dec"].to_numpy(), unit="deg")
    then = SkyCoord(row["ra"].to_numpy(), row["dec"].to_numpy(), unit="deg")
    moved = now.separation(then).arcsec
    expected = np.hypot(fast["pmra"], fast["pmdec"]).to_numpy() * 0.016
    np.testing.assert_allclose(moved, expected, atol=0.4)


def test_apogee_stops_where_its_models_do(apogee_rows):
    table, truth = apogee_rows
    fine = (table["ASPCAPFLAG"] & apogee.STAR_BAD) == 0
    assert table.loc[fine, "C_FE"].max() <= 1.0 and table.loc[fine, "FE_H"].min() >= -2.5
    poor = (truth["fe_h"] < -2.6) & (truth["star_key"].fillna("") != "")
    assert poor.any() and table.loc[poor.to_numpy(), "FE_H"].isna().all()
    warm = ((truth["fe_h"] < -1.5) & (truth["teff"] > 5200)).to_numpy()
    assert warm.any() and table.loc[warm, "C_FE"].isna().all()
    assert (table.loc[warm, "C_FE_FLAG"] & apogee.TEFF_CUT).all()


def test_apogee_labels_have_the_stated_errors(apogee_rows):
    table, truth = apogee_rows
    fine = ((table["ASPCAPFLAG"] & apogee.STAR_BAD) == 0) & (table["EXTRATARG"] == 0)
    fine &= truth["fe_h"].notna().to_numpy()
    for name, label, zero, sigma in (("TEFF", "teff", -15, 28), ("FE_H", "fe_h", 0.01, 0.025)):
        error = (table[name] - truth[label].to_numpy())[fine].dropna()
        assert np.median(error) == pytest.approx(zero, abs=0.15 * sigma)
        width = 1.4826 * np.median(np.abs(error - np.median(error)))
        assert width == pytest.approx(sigma, rel=0.12)


def test_apogee_duplicates_and_neighbours_are_marked_as_real_ones(apogee_rows, drawn):
    table, truth = apogee_rows
    twice = table[table["APOGEE_ID"].duplicated(keep=False)]
    assert (twice.groupby("APOGEE_ID")["EXTRATARG"].sum() == apogee.DUPLICATE).all()
    strangers = table[truth["star_key"].isna().to_numpy() & (table["EXTRATARG"] == 0)]
    targets = drawn[0][drawn[0]["in_lamost"]]
    here = SkyCoord(strangers["RA"].to_numpy(), strangers["DEC"].to_numpy(), unit="deg")
    there = SkyCoord(targets["ra"].to_numpy(), targets["dec"].to_numpy(), unit="deg")
    separation = here.match_to_catalog_sky(there)[1].arcsec
    assert len(strangers) >= 10 and (separation < 4.5).all() and np.median(separation) > 0.8


def test_apogee_file_has_real_types(drawn, tmp_path):
    apogee.write_apogee(apogee.apogee_table(drawn[0]), tmp_path / "a.fits")
    table = Table.read(tmp_path / "a.fits")
    assert table.colnames == list(apogee.COLUMNS)
    assert table["GAIAEDR3_SOURCE_ID"].dtype.kind == "i" and table["TEFF"].dtype == ">f4"


def test_subaru_folder_reads_back_through_cds(drawn, tmp_path):
    table = subaru.subaru_table(drawn[0])
    subaru.write_subaru(table, tmp_path)
    read = {n: Table.read(tmp_path / n, format="ascii.cds", readme=str(tmp_path / "ReadMe"))
            for n in subaru.TABLES}
    for row, parts in enumerate(zip(read["table1.dat"], read["table2.dat"], strict=True)):
        assert parts[0]["Name"] == parts[1]["Name"] == table["Name"][row]
    values = read["table2.dat"]["[C/Fe]"].filled(np.nan)
    np.testing.assert_allclose(values, table["[C/Fe]"], atol=0.0051)
    np.testing.assert_allclose(read["table2.dat"]["Teff"], table["Teff"], atol=0.51)
    gaia = read["table1.dat"]["GaiaEDR3"]
    assert gaia.dtype.kind == "i" and gaia.mask.sum() == table["GaiaEDR3"].isna().sum() > 0
    assert max(map(len, (tmp_path / "ReadMe").read_text().splitlines())) <= 80


def test_a_limit_is_written_where_the_band_cannot_be_seen(drawn):
    stars = drawn[0][drawn[0]["in_subaru"]].reset_index(drop=True)
    generator = np.random.default_rng(3)
    got = measure(stars, Errors(60, 0.1, 0.1, 0.1), generator)
    c_h, limit = limit_carbon(stars, got, np.full(len(stars), 60.0), generator)
    warm_normal = (stars["teff"] > 6200) & (stars["c_h"] < -2.2)
    cool_rich = (stars["teff"] < 5200) & (stars["c_fe"] > 1.0)
    assert limit[warm_normal].all() and warm_normal.sum() > 3
    assert not limit[cool_rich].any() and cool_rich.sum() > 2
    assert (c_h[limit] > stars["c_h"][limit] - 0.3).all()


def test_errors_of_teff_and_carbon_go_together():
    stars = pd.DataFrame({"teff": 5000.0, "logg": 2.0, "fe_h": -2.5, "c_h": -1.0},
                         index=range(20000))
    got = measure(stars, Errors(73, 0.18, 0.10, 0.21, outliers=0.0), np.random.default_rng(0))
    assert got["c_h"].std() == pytest.approx(0.21, rel=0.03)
    assert np.corrcoef(got["teff"], got["c_h"])[0, 1] == pytest.approx(0.6, abs=0.02)


def exact(scale, **habits):
    """Give a paper without errors."""
    return saga.Paper("x", scale, Errors(0, 0, 0, 0, outliers=0.0), **habits)


def test_saga_papers_write_on_their_own_solar_scale(drawn):
    stars = drawn[0].query("in_saga and c_fe > 1 and teff < 5500").head(20)
    stars = stars.assign(Object="x", pm_known=True)
    rows = {scale: saga.paper_rows(stars, exact(scale), np.random.default_rng(0))
            for scale in saga.SCALES}
    c_fe = {scale: row["[C/Fe]"].astype(float) for scale, row in rows.items()}
    np.testing.assert_allclose(c_fe["Asplund 2009"], stars["c_fe"], atol=0.006)
    np.testing.assert_allclose(c_fe["Grevesse 1996"], stars["c_fe"] - 0.12, atol=0.011)
    fe_h = rows["Asplund 2005"]["[Fe/H]"].astype(float)
    np.testing.assert_allclose(fe_h, stars["fe_h"] + 0.05, atol=0.006)
    absolute = saga.paper_rows(stars, exact("Grevesse 1996", carbon="logeps(C)"),
                               np.random.default_rng(0))
    np.testing.assert_allclose(absolute["logeps(C)"].astype(float), stars["c_h"] + 8.43, atol=0.006)


def test_saga_table_has_the_traps(drawn, tmp_path):
    table = saga.saga_table(drawn[0])
    saga.write_saga(table, tmp_path / "saga.tsv")
    read = pd.read_csv(tmp_path / "saga.tsv", sep="\t", dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(read, table, check_dtype=False)
    assert tuple(read.columns) == saga.COLUMNS
    assert not read.duplicated(["Object", "Reference"]).any()
    assert read["Object"].duplicated().mean() > 0.3
    assert read["[C/Fe]"].str.startswith("<").any()
    assert read["RAdeg"].str.contains(":").any()
    coarse = read["RAdeg"].str.fullmatch(r"\d+\.\d\d")
    assert (read.loc[coarse, "Reference"] == "MockD+2010").all() and coarse.any()


@pytest.fixture
def paths(tmp_path):
    profiles = tmp_path / "notebooks" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "tiny.yaml").write_text("")
    return Paths("tiny", tmp_path)


@pytest.fixture
def writer(monkeypatch):
    """Replace the writing of spectra; count calls; fail on request."""
    calls = {"n": 0, "fail": False}

    def write_spectra(stars, observations, folder, seed, n_jobs):
        calls["n"] += 1
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spectrum").write_text("")
        if calls["fail"]:
            raise KeyboardInterrupt
        return pretend_measured(observations)

    monkeypatch.setattr("cemp.mock.spectra.write_spectra", write_spectra)
    return calls


def test_truth_appears_last_and_the_survey_is_made_once(paths, writer):
    settings = survey.SurveySettings.scaled(300)
    writer["fail"] = True
    with pytest.raises(KeyboardInterrupt):
        survey.make_survey(settings, paths)
    assert not list(paths.truth.glob("*.parquet"))
    writer["fail"] = False
    stars, observations = survey.make_survey(settings, paths)
    survey.make_survey(settings, paths)
    assert writer["n"] == 2
    assert observations["obsid"].is_unique and set(observations["star_key"]) == set(
        stars["star_key"])
    assert stars.loc[stars["group"] == "contaminant", "fe_h"].isna().all()


def test_another_seed_clears_what_the_first_one_left(paths, writer):
    first, _ = survey.make_survey(survey.SurveySettings.scaled(300), paths)
    (paths.survey / survey.SPECTRA / "old").write_text("")
    second, _ = survey.make_survey(survey.SurveySettings.scaled(300, seed=1), paths)
    assert not (paths.survey / survey.SPECTRA / "old").exists()
    assert not np.intersect1d(first["teff"].dropna(), second["teff"].dropna()).size


def test_survey_files_hold_no_key_of_the_truth(paths, writer):
    stars, _ = survey.make_survey(survey.SurveySettings.scaled(300), paths)
    files = [p for p in paths.survey.rglob("*") if p.is_file()]
    text = b"".join(gzip.open(p).read() if p.suffix == ".gz" else p.read_bytes() for p in files)
    assert not any(key.encode() in text for key in stars["star_key"])
