"""Notebooks 01 and 02 on real rows, and what they need for it: few stars, empty folds, headers."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_spectra import star, table_bytes

from cemp import crossmatch_tables as tables
from cemp.catalogues import read_lamost, spectra
from cemp.catalogues.sources import read_sources
from cemp.constants import LABELS, WAVE, rng
from cemp.errors import BadInputError
from cemp.figures import draw
from cemp.paths import ROOT, Paths
from cemp.plots import crossmatch as _figures  # noqa: F401  (registers the figures)
from cemp.preprocess.labelled import write_labelled
from cemp.sample import draw_training, spectrum_paths
from cemp.sources import TRUST, compare_sources, merging_of
from cemp.workflow import run

REAL = Path(__file__).parents[2] / "shared" / "real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real files not at {REAL}")
ROWS = REAL / "catalogues" / "lamost_dr10_lrs_stellar_3000rows.csv"


# ---------------------------------------------------------------- the two notebooks


@pytest.fixture(scope="module")
def profile():
    """Return a copy of the profile in a folder of its own, gone after the tests."""
    name = "test-rows"
    build = ROOT / "build" / name
    build.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "notebooks" / "profiles" / "rows.yaml").read_text()
    text = text.replace("build/rows", f"build/{name}").replace("n_draw: 20", "n_draw: 4")
    (build / "profile.yaml").write_text(text.replace("../shared/real", str(REAL)))
    yield Paths(name)
    shutil.rmtree(build)


@needs_real
def test_notebooks_01_and_02_run_on_real_rows(profile, capsys):
    folders = [str(REAL / "lamost" / name) for name in ("dr10", "dr7_spectrograph")]
    survey = profile.build / "survey"
    assert spectra.main([*folders, "--rows", str(ROWS), "--out", str(survey)]) == 0
    assert "125 spectra, 3000 further rows" in capsys.readouterr().out
    run.set_environment(ROOT)
    for name in ("01", "02"):
        assert run.run(name, profile) == 0, capsys.readouterr().err
    observations = pd.read_parquet(profile.build / "01" / "observations.parquet")
    labels = pd.read_parquet(profile.build / "01" / "labels.parquet")
    assert len(observations) == 3125 and observations["obsid"].is_unique
    assert observations["fold"].eq("reject").sum() == 13  # galaxies, and four of unknown class
    # the one star with labels is CS 31078-018, 0.05 arcsec from its entries in JINAbase
    assert len(labels) == 1 and labels["source"][0] == "jinabase" and labels["n_entries"][0] == 3
    assert labels["sep_arcsec"][0] == pytest.approx(0.046, abs=0.005)
    assert labels["c_h"][0] == pytest.approx((6.14 + 6.05) / 2 - 8.43)
    found = observations[observations["star_id"] == labels["star_id"][0]]
    assert found["obsid"].tolist() == [965007128]
    assert not len(pd.read_parquet(profile.build / "01" / "draw.parquet"))
    skipped = pd.read_csv(profile.build / "02" / "skipped.csv")
    assert skipped["kind"].value_counts().to_dict() == {
        "missing file": 3000, "unusable spectrum": 14
    }  # fmt: skip
    done = pd.read_csv(profile.build / "02" / "processed.csv")
    assert len(done) == 111 and done["good_fraction"].median() > 0.99
    text = (profile.build / "notebooks" / "01_crossmatch.ipynb").read_text()
    assert "APOGEE: none of its 313 stars is in this catalogue" in text
    assert "no labelled spectrum of the training fold has S/N(g) >= 50" in text


# ---------------------------------------------------------------- catalogue of headers


@needs_real
def test_catalogue_of_real_headers_of_every_release(tmp_path):
    table = spectra.catalogue_of([REAL / "lamost"])
    # spec-55859-F5902_sp01-001 is there as DR7 image and as DR9 table, and one more pair is
    assert table.attrs["dropped"] == {
        "medium resolution": 2, "unreadable": 0, "no obsid": 5, "obsid repeated": 2
    }  # fmt: skip
    assert len(table) == 135 and table["obsid"].is_unique
    spectra.write_survey(table, tmp_path)
    read = read_lamost(tmp_path / "catalogue.csv")
    assert len(read) == 135 and read["obsid"].tolist() == table["obsid"].tolist()
    row = read.set_index("obsid").loc[3703110]
    assert row["planid"] == "B7708" and row["fiberid"] == 110 and row["subclass"] == "K7"
    assert row["z"] == pytest.approx(-5.617e-05) and row["snrg"] == 19.35


def made(folder, *obsids):
    folder.mkdir(exist_ok=True)
    for obsid in obsids:
        content = table_bytes(star(teff=5000, snr=30, obsid=obsid))
        (folder / f"{obsid}.fits").write_bytes(content)


def test_links_follow_the_table(tmp_path, capsys):
    made(tmp_path / "in", 1, 2)
    (tmp_path / "in" / "bad.fits").write_text("<html>log in</html>")
    out = tmp_path / "out"
    assert spectra.main([str(tmp_path / "in"), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "2 spectra (left out: {'unreadable': 1})" in said.out and "bad.fits" in said.err
    assert sorted(p.name for p in (out / "spectra").iterdir()) == ["1.fits", "2.fits"]
    (tmp_path / "in" / "1.fits").unlink()
    assert spectra.main([str(tmp_path / "in"), "--out", str(out)]) == 0
    assert [p.name for p in (out / "spectra").iterdir()] == ["2.fits"]


def test_folders_without_spectra_are_refused(tmp_path, capsys):
    assert spectra.main([str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("no usable spectrum under")
    assert spectra.main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
    assert "no such folder" in capsys.readouterr().err
    made(tmp_path / "in", 1)
    (tmp_path / "file").write_text("")
    assert spectra.main([str(tmp_path / "in"), "--out", str(tmp_path / "file")]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- few stars


def test_paths_by_obsid():
    rows = pd.DataFrame({"obsid": [7, 8], "lmjd": 56001, "planid": ["HD1", ""],
                         "spid": 1, "fiberid": [7, -1]})  # fmt: skip
    assert spectrum_paths(rows, "{obsid}.fits.gz").tolist() == ["7.fits.gz", "8.fits.gz"]
    assert spectrum_paths(rows, "{planid}/{obsid}.fits").tolist() == ["HD1/7.fits", ""]
    with pytest.raises(BadInputError, match="spectrum_pattern.*use only {obsid}, {lmjd}"):
        spectrum_paths(rows, "{plate}.fits")


def few(fold):
    labels = pd.DataFrame({"star_id": ["a"], "source": "jinabase", "fe_h": -2.8, "c_h": -2.3,
                           "c_h_limit": False, "fold": fold})  # fmt: skip
    survey = pd.DataFrame({"obsid": [1, 2], "star_id": ["a", "b"], "snrg": [20.0, 90.0],
                           "fold": [fold, "search"]})  # fmt: skip
    return labels, survey


@pytest.mark.parametrize("fold", ["train", "test"])
def test_a_draw_from_nothing_is_empty(fold):
    labels, survey = few(fold)
    chosen, counts = draw_training(survey, labels, rng("x"), snrg_min=50.0)
    assert chosen.empty and list(chosen) == ["obsid", "star_id"]
    assert counts["drawn"].sum() == 0 and (fold == "test" or counts["spectra"].sum() == 1)
    draw("01_draw", {"edge": np.zeros(0), "bright": np.zeros(0), "drawn": np.zeros(0),
                     "different": np.zeros(0), "width": 0.25, "snrg_min": 50.0, "origin": ""})


def test_a_fold_table_shows_further_sources_only_where_they_have_stars():
    labels, survey = few("train")
    assert list(tables.fold_table(labels, survey))[2:6] == [
        "APOGEE", "LAMOST-Subaru", "SAGA", "JINAbase"]
    assert "JINAbase" not in tables.fold_table(labels.assign(source="saga"), survey)


def test_a_single_source_has_nothing_to_compare_with():
    table = pd.DataFrame({"star_id": ["a"], "source": "jinabase", "c_h_limit": False,
                          **{label: [1.0] for label in LABELS}})  # fmt: skip
    comparison, moved = compare_sources(table, merging_of(["jinabase"]))
    assert comparison.empty and "applied" in comparison and moved.equals(table)
    data = tables.overlap_arrays(table, comparison)
    assert not len(data["pairs"]) and not len(data["teff_difference"])
    assert tables.overlap_rows(comparison) == []
    draw("01_overlaps", {**data, "origin": ""})


def test_trust_keeps_the_papers_order():
    assert merging_of({"apogee", "saga", "subaru"}).priority == ("subaru", "saga", "apogee")
    assert merging_of(TRUST).priority == TRUST


def test_sources_that_a_profile_leaves_out(tmp_path):
    path = tmp_path / "jina.csv"
    path.write_text(
        "JINA_ID,I/O,Reference,Name,Simbad_Identifier,RA_deg,DEC_deg,Teff,logg,M/H,C-H,C-N,Fe I\n"
        "1,1,P1,N1,S1,10.1234,5.1234,4800,1.5,-2.5,6.1,,5.0\n"
    )
    found = read_sources(Paths("demo"), apogee="", subaru="", jinabase=str(path))
    assert list(found) == ["jinabase"] and len(found["jinabase"]) == 1
    with pytest.raises(BadInputError, match="names no source of labels"):
        read_sources(Paths("demo"), apogee="", saga="")
    with pytest.raises(BadInputError, match="no source of labels gaia"):
        read_sources(Paths("demo"), gaia="x")


def test_a_labelled_sample_of_nobody_keeps_its_columns(tmp_path):
    empty = pd.DataFrame(columns=["obsid", "star_id", *LABELS])
    assert write_labelled(empty, None, tmp_path / "labelled.csv") == 0
    assert pd.read_csv(tmp_path / "labelled.csv").shape == (0, 6 + WAVE.size)
