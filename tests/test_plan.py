"""The plan: what is there, what would come, and what it takes, with known sums."""

import gzip
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.io import fits

from cemp.archives.settings import FetchSettings
from cemp.catalogues.lamost import NEEDED
from cemp.errors import BadInputError
from cemp.paths import ROOT, Paths
from cemp.workflow import plan, rates
from cemp.workflow.sizes import fits_rows, sizes, spectra_there

MANNERS = FetchSettings(per_second=2.0)


@pytest.fixture
def repo(tmp_path):
    """A checkout with the real notebooks, a profile of real files and a list of archives."""
    profiles = tmp_path / "notebooks" / "profiles"
    profiles.mkdir(parents=True)
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(path, tmp_path / "notebooks")
    for name in ("demo", "dr11"):
        shutil.copy(ROOT / "notebooks" / "profiles" / f"{name}.yaml", profiles)
    return tmp_path


def catalogue(path, n):
    """A gzip-compressed FITS table of n rows."""
    buffer = io.BytesIO()
    columns = [fits.Column(name, "K", array=np.arange(n)) for name in NEEDED]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(buffer.getvalue()))


def observe(repo, n_search=700):
    """Write 1,000 observations: 300 labelled, of the 180 for training 60 bright."""
    folds = ["train"] * 180 + ["validation"] * 45 + ["test"] * 75 + ["search"] * n_search
    snrg = np.where(np.arange(len(folds)) < 60, 80.0, 20.0)
    snrg[70] = np.nan
    table = pd.DataFrame({"fold": folds, "snrg": snrg})
    table.to_parquet(Paths("dr11", repo).stage("01") / "observations.parquet")


def test_rows_are_read_from_headers(tmp_path):
    catalogue(tmp_path / "a.fits.gz", 1234)
    assert fits_rows(tmp_path / "a.fits.gz") == 1234
    (tmp_path / "b.fits").write_text("<html>")
    (tmp_path / "c.fits").write_bytes((tmp_path / "a.fits.gz").read_bytes()[:40])
    for name in ("b.fits", "c.fits", "none.fits"):
        assert fits_rows(tmp_path / name) is None


def test_sizes_are_those_of_the_best_that_is_known(repo):
    paths, path = Paths("dr11", repo), repo / "data" / "dr11_v1.1_LRS_stellar.fits.gz"
    expected = sizes(paths, 50.0, path, 1_000_000)
    assert (expected.spectra, expected.labelled) == (1_000_000, 30_000)
    assert "guess" in expected.basis and "expected rows" in expected.basis
    catalogue(path, 5000)
    assert sizes(paths, 50.0, path, 1_000_000).spectra == 5000
    observe(repo)
    known = sizes(paths, 50.0, path, 1_000_000)
    assert (known.spectra, known.labelled, known.bright) == (1000, 300, 60)
    assert (known.validation, known.test, known.search) == (45, 75, 700)


def test_plan_of_real_files(repo):
    paths = Paths("dr11", repo)
    made = plan.make_plan(paths, "labelled", manners=MANNERS)
    state = {line[0]: line[1] for line in made.files}
    assert state["dr11_v1.1_LRS_stellar.fits.gz"] == "fetch (with CEMP_LAMOST_TOKEN)"
    assert state["allStarLite-dr17-synspec_rev1.fits"] == "fetch"
    assert state["saga.tsv"] == "fetch by hand"
    text = plan.text(made, "dr11")
    assert "11,900,000" in text and "733,901" in text and "guess" in text
    assert "DOES NOT FIT" in plan.text(plan.make_plan(paths, "all"), "dr11")


def test_plan_counts_what_is_there(repo):
    observe(repo)
    paths = Paths("dr11", repo)
    catalogue(repo / "data" / "dr11_v1.1_LRS_stellar.fits.gz", 1000)
    (repo / "data" / "lamost_subaru").mkdir()
    folder = repo / "data" / "spectra" / "plate"
    folder.mkdir(parents=True)
    for i in range(100):
        (folder / f"spec-{i}.fits.gz").write_bytes(b"x" * 10_000)
    (folder / ".1.spec-7.fits.gz").write_bytes(b"half")
    assert spectra_there(folder.parent) == (100, 1_000_000)
    made = plan.make_plan(paths, "labelled", manners=MANNERS)
    files = {line[0]: line for line in made.files}
    assert files["dr11_v1.1_LRS_stellar.fits.gz"][1:3] == ("there", 1000)
    assert files["lamost_subaru"][1] == "fetch"  # an empty folder is not the catalogue
    spectra = made.files[-1]
    assert "100 there, 200 to fetch" in spectra[1] and spectra[4] == pytest.approx(2.0)
    assert any("200 to fetch take 100 s" in note for note in made.notes)
    steps = {step.name: step for step in made.steps}
    assert steps["01"].done and not steps["02"].done
    assert steps["02"].disk == pytest.approx(300 * (40_010 + 33_000))
    assert "1,000 rows" in steps["01"].what and "300 spectra" in steps["02"].what
    everything = {s.name: s for s in plan.make_plan(paths, "all", manners=MANNERS).steps}
    assert "1,000 spectra" in everything["02"].what and "700" in everything["05"].what


def test_measured_rates_replace_the_recorded_ones(repo):
    path = repo / "build" / "demo" / "bench.json"
    assert rates.read_rates(path)[0] == rates.Rates()
    rates.write_rates(path, preprocessing=1000.0)
    rates.write_rates(path, inference=500.0)
    found, basis = rates.read_rates(path)
    assert (found.preprocessing, found.inference) == (1000.0, 500.0)
    assert found.training == rates.Rates().training and "preprocessing, inference" in basis
    observe(repo)
    before = {s.name: s.seconds for s in plan.make_plan(Paths("dr11", repo), "all").steps}
    rates.write_rates(path, preprocessing=2000.0)
    after = {s.name: s.seconds for s in plan.make_plan(Paths("dr11", repo), "all").steps}
    assert before["02"] == pytest.approx(2 * after["02"])
    with pytest.raises(BadInputError, match="no such rate"):
        rates.write_rates(path, speed=1.0)
    path.write_text("[1]")
    with pytest.raises(BadInputError, match="make bench"):
        rates.read_rates(path)


def test_a_mock_has_nothing_to_fetch(repo):
    made = plan.make_plan(Paths("demo", repo))
    assert made.files == [] and {s.name for s in made.steps} == {f"0{i}" for i in range(1, 7)}


def test_bad_profiles_are_one_line(repo, capsys, monkeypatch):
    path = repo / "notebooks" / "profiles" / "dr11.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["01_crossmatch"]["apogee_catalogue"] = "data/mine.fits"
    path.write_text(yaml.safe_dump(profile))
    state = {line[0]: line[1] for line in plan.make_plan(Paths("dr11", repo)).files}
    assert state["mine.fits"].startswith("MISSING: no archive")
    profile["01_crossmatch"]["radius"] = 3
    path.write_text(yaml.safe_dump(profile))
    monkeypatch.setattr(plan, "Paths", lambda name: Paths(name, repo))
    assert plan.main(["--profile", "dr11"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert plan.main(["--profile", "nowhere"]) == 1


def test_the_plan_reads_what_runs_recorded(repo):
    folder = repo / "tests" / "reference"
    folder.mkdir(parents=True)
    stages = {"06_synthetic_spectra": {"seconds": 600.0, "peak_bytes": 3 * 2**30}}
    (folder / "headline.json").write_text(json.dumps({"stages": stages}))
    step = plan.make_plan(Paths("dr11", repo)).steps[-1]
    assert step.name == "06" and step.seconds == 600.0 and step.memory == 3 * 2**30
