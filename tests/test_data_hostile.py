"""make data and make plan on hostile input: one clear line, status not 0, nothing half-written."""

import fcntl
import gzip
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from cemp.archives import secret as secrets
from cemp.archives import there
from cemp.archives.catalogues import CHECKSUMS, fetch_file
from cemp.archives.http import Fetcher
from cemp.archives.registry import read_registry
from cemp.archives.settings import FetchSettings
from cemp.errors import BadInputError
from cemp.paths import ROOT, Paths
from cemp.workflow import data, observed, plan
from tests.failing_server import PAGE, running_archive
from tests.made_spectra import star, table_bytes
from tests.real_profile import (
    APOGEE,
    LAMOST,
    PROFILE,
    SAGA,
    make_checkout,
    observe,
    table_of,
    write_profile,
)

TOKEN = "s3cret/Tok+en"
OBSID = (101, 102, 103)


@pytest.fixture
def archive(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with running_archive() as server:
        for obsid in OBSID:
            packed = gzip.compress(table_bytes(star(obsid=obsid, snr=50.0)), 1, mtime=0)
            server.files[f"/spectrum/{obsid}"] = packed
        yield server


@pytest.fixture
def repo(archive, tmp_path, monkeypatch):
    """The root of a checkout whose files the archive has; both commands work there."""
    make_checkout(tmp_path, archive)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "saga.tsv").write_text(SAGA)
    monkeypatch.setenv(secrets.VARIABLE, TOKEN)
    for module in (data, plan):
        monkeypatch.setattr(module, "Paths", lambda name: Paths(name, tmp_path))
    return tmp_path


@pytest.fixture
def run(repo, capsys):
    """Run a command; give its status and what it printed."""

    def run(command, *more):
        quick = ["--attempts", "1", "--timeout", "2"] if command is data else []
        status = command.main(["--profile", "real", "--registry", str(repo / "archives.yaml"),
                               "--per-second", "20", *quick, *more])
        out, err = capsys.readouterr()
        assert "s3cret" not in out + err and "Traceback" not in out + err
        return status, out, err

    return run


def refused(answer, *parts):
    """Check that a command ended with one line on stderr that says this."""
    status, out, err = answer
    assert status == 1 and err.count("\n") == 1 and all(part in err for part in parts), err
    return out


def hidden(root):
    """Temporary files that were left."""
    return [p.name for p in root.rglob("*") if p.is_file() and p.name.startswith((".", "tmp"))]


def changed(section, **values):
    """The profile with other values; None takes a parameter out."""
    profile = {name: dict(entries) for name, entries in PROFILE.items()}
    profile[section] = {k: v for k, v in (profile[section] | values).items() if v is not None}
    return profile


# ---- the profile --------------------------------------------------------------------------------

FILES = [(b"01_crossmatch: {a: [\n b: 2\n", "not valid YAML"), (b"- a\n- b\n", "no list of"),
         (b"hello\n", "no list of"), (b"\xff\xfe\x00\x80", "no list of"), (PAGE, "no list of"),
         (b"01_crossmtach: {}\n", "no notebook 01_crossmtach")]  # fmt: skip


@pytest.mark.parametrize("command", [data, plan], ids=["data", "plan"])
@pytest.mark.parametrize(("content", "said"), FILES, ids=[str(k) for k in range(len(FILES))])
def test_a_file_that_is_no_profile(repo, run, archive, command, content, said):
    (repo / "notebooks" / "profiles" / "real.yaml").write_bytes(content)
    refused(run(command), "real.yaml", said)
    assert archive.times == []


VALUES = [
    ("01_crossmatch", {"radius": 3}, "no parameter radius"),
    ("02_preprocessing", {"spectra_dri": "a"}, "no parameter spectra_dri"),
    ("01_crossmatch", {"saga_table": None}, "does not name saga_table"),
    ("01_crossmatch", {"lamost_catalogue": ""}, "lamost_catalogue is no path"),
    ("01_crossmatch", {"apogee_catalogue": ["a"]}, "apogee_catalogue is no path"),
    ("02_preprocessing", {"spectra_dir": 7}, "spectra_dir is no path"),
]


@pytest.mark.parametrize("command", [data, plan], ids=["data", "plan"])
@pytest.mark.parametrize(("section", "values", "said"), VALUES, ids=[v[2] for v in VALUES])
def test_parameters_that_make_no_sense(repo, run, archive, command, section, values, said):
    write_profile(repo, changed(section, **values))
    refused(run(command), "real.yaml", said)
    assert archive.times == []


@pytest.mark.parametrize(("section", "values", "said"), [
    ("01_crossmatch", {"snrg_min": "high"}, "snrg_min is 'high'"),
    ("02_preprocessing", {"n_jobs": 0}, "n_jobs is 0"),
], ids=["text", "zero"])  # fmt: skip
def test_numbers_that_the_plan_cannot_use(repo, run, section, values, said):
    write_profile(repo, changed(section, **values))
    refused(run(plan), "real.yaml", said)


def test_a_source_of_labels_may_be_left_out(repo, run):
    write_profile(repo, changed("01_crossmatch", saga_table=""))
    (repo / "data" / "saga.tsv").unlink()
    status, out, _ = run(data, "--spectra", "none")
    assert status == 0 and "saga" not in out


def test_a_profile_that_nobody_may_read(repo, run, monkeypatch):
    real = Path.read_text

    def read(self, *args, **more):
        if self.name == "real.yaml":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args, **more)

    monkeypatch.setattr(Path, "read_text", read)
    for command in (data, plan):
        refused(run(command), "real.yaml", "Permission denied", "correct")


def test_damaged_files_of_the_repository(repo, run):
    (repo / "tests" / "reference").mkdir(parents=True)
    (repo / "tests" / "reference" / "headline.json").write_text('{"stages": {"01": {"x": 1}}}')
    refused(run(plan), "headline.json", "git checkout")
    (repo / "notebooks" / "01_crossmatch.ipynb").write_text("{")
    for command in (data, plan):
        refused(run(command), "01_crossmatch.ipynb", "git checkout")


def test_lists_of_archives_that_would_fail_later(repo):
    path = repo / "archives.yaml"
    good = yaml.safe_load(path.read_text())
    for spectra, said in (({"url": "https://a/{id}"}, "obsid"), ({"url": 3}, "address"),
                          ({"url": "https://a/{obsid"}, "obsid"), ({"bytes": "x"}, "number")):
        path.write_text(yaml.safe_dump(good | {"spectra": good["spectra"] | spectra}))
        with pytest.raises(BadInputError, match=said):
            read_registry(path)
    for entry in ({"content": "csv"}, {"rows": "many"}, {"url": ""}):
        path.write_text(yaml.safe_dump(good | {"files": [good["files"][0] | entry]}))
        with pytest.raises(BadInputError, match="correct it"):
            read_registry(path)
    path.write_bytes(b"\xff\x80")
    with pytest.raises(BadInputError, match="no list of archives"):
        read_registry(path)


def test_a_time_without_end_is_refused():
    for wrong in (float("inf"), float("nan"), 1e9):
        with pytest.raises(BadInputError, match="timeout_s"):
            FetchSettings(timeout_s=wrong)


@pytest.mark.parametrize("token", ["s3cret\nline", "s3cret token", "s3cret\udce9"], ids=ascii)
def test_a_token_that_is_none(run, archive, monkeypatch, token):
    monkeypatch.setenv(secrets.VARIABLE, token)
    refused(run(data), secrets.VARIABLE, "token alone")
    assert archive.times == []


# ---- catalogues on disk -------------------------------------------------------------------------

def put(path, content):
    if content is None:
        path.mkdir()
        (path / "x").write_text("x")
    else:
        path.write_bytes(content)


CATALOGUE = gzip.compress(table_of(LAMOST, 300))
ON_DISK = [
    ("stars.fits.gz", PAGE, "web page"), ("stars.fits.gz", CATALOGUE[:-100], "damaged"),
    ("stars.fits.gz", None, "folder"), ("apogee.fits", CATALOGUE, "LAMOST LRS stellar catalogue"),
    ("apogee.fits", table_of(LAMOST)[:-100], "cut off"), ("saga.tsv", PAGE, "web page"),
    ("saga.tsv", b"JINA_ID,C-H,Fe I\n1,2,3\n", "JINAbase"), ("subaru", b"a", "is a file"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "said"), ON_DISK,
                         ids=[f"{name} {said}" for name, _, said in ON_DISK])
def test_a_wrong_file_in_a_catalogue_s_place(repo, run, name, content, said):
    path = repo / "data" / name
    path.unlink(missing_ok=True)
    put(path, content)
    lines = refused(run(data, "--spectra", "none"), "1 files are still missing or wrong")
    line = next(line for line in lines.splitlines() if "WRONG" in line)
    assert str(path) in line and said in line and ("remove" in line or "correct" in line)
    assert path.exists() and lines.count("\n  fetched ") + lines.count("\n  kept ") == 3
    if said not in ("damaged", "cut off"):  # the plan looks at heads only
        assert name in refused(run(plan))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    (repo / "data" / "saga.tsv").write_text(SAGA)
    assert run(data, "--spectra", "none")[0] == 0 and run(plan)[0] == 0 and not hidden(repo)


def test_a_web_page_that_was_recorded_once_is_not_kept(repo, run):
    path = repo / "data" / "stars.fits.gz"
    path.write_bytes(PAGE)
    value = hashlib.sha256(PAGE).hexdigest()
    (repo / "data" / CHECKSUMS).write_text(f"{path.name} sha256:{value}\n")
    assert "web page" in refused(run(data, "--spectra", "none"))


def test_another_catalogue_that_comes_is_not_kept(repo, run, archive):
    good, archive.files["/cat"] = archive.files["/cat"], table_of(APOGEE)
    out = refused(run(data, "--spectra", "none"), "still missing")
    assert "another file came" in out and "APOGEE allStar" in out and not hidden(repo)
    assert not (repo / "data" / "stars.fits.gz").exists()
    archive.files["/cat"] = good
    assert run(data, "--spectra", "none")[0] == 0


def test_an_empty_file_is_no_file(repo, run):
    (repo / "data" / "stars.fits.gz").write_bytes(b"")
    assert run(data, "--spectra", "none")[0] == 0
    assert (repo / "data" / "stars.fits.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_another_release_is_remarked(repo, run):
    (repo / "data" / "stars.fits.gz").write_bytes(gzip.compress(table_of(LAMOST, 200)))
    status, out, _ = run(data, "--spectra", "none")
    assert status == 0 and "200 rows, the archive states 300: is it the right release" in out


def test_tables_of_cds_that_are_web_pages(repo, run):
    folder = repo / "data" / "subaru"
    folder.mkdir()
    (folder / "ReadMe").write_text("ReadMe 80 . This file\ntable1.dat  4   2  Stars\n")
    (folder / "table1.dat").write_bytes(PAGE)
    assert "table1.dat is a web page" in refused(run(data, "--spectra", "none"))


def test_a_copy_that_is_read_only_is_as_good(repo, run, monkeypatch):
    run(data, "--spectra", "none")
    for path in (repo / "data").rglob(CHECKSUMS):
        path.unlink()
    real = os.replace

    def replace(source, target):
        if Path(target).name == CHECKSUMS:
            raise PermissionError(13, "Permission denied")
        return real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    assert run(data, "--spectra", "none")[0] == 0


def test_a_folder_that_cannot_be_written_is_said_in_few_words(repo, run, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pooch.utils.tempfile.NamedTemporaryFile", refuse)
    out = refused(run(data, "--spectra", "none"), "still missing")
    line = next(line for line in out.splitlines() if "stars.fits.gz" in line)
    assert "Permission denied; free" in line and "Pooch" not in line


@pytest.mark.parametrize("note", ["[1]", '{"url": 3}', "x", '{"url": "URL", "mark": 7}'])
def test_parts_of_earlier_runs_that_make_no_sense(repo, run, archive, note):
    part = repo / "data" / ".stars.fits.gz.part"
    part.write_bytes(b"half")
    note = note.replace("URL", archive.url + "/cat?name=stars")
    part.with_name(part.name + ".json").write_text(note)
    assert run(data, "--spectra", "none")[0] == 0 and not hidden(repo)


def test_checksums_that_are_no_text(repo, run):
    (repo / "data" / CHECKSUMS).write_bytes(b"\xff\xfe\x80")
    assert f"{CHECKSUMS} is no text: remove it" in refused(run(data, "--spectra", "none"))


def test_two_runs_do_not_mix_their_bytes(repo, archive):
    path = repo / "data" / "stars.fits.gz"
    fetcher = Fetcher(FetchSettings(per_second=20.0, attempts=1))
    with open(repo / "data" / ".stars.fits.gz.part", "ab") as other:
        other.write(b"theirs")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BadInputError, match="another run is writing here"):
            fetch_file(archive.url + "/cat", path, fetcher)
        assert (repo / "data" / ".stars.fits.gz.part").read_bytes() == b"theirs"
    assert fetch_file(archive.url + "/cat", path, fetcher)


# ---- observations and spectra on disk -----------------------------------------------------------

TABLES = [
    ({"obsid": ["a", "b", "c"]}, "obsid does not hold whole numbers"),
    ({"obsid": [101.0, np.nan, 3.5]}, "obsid does not hold whole numbers"),
    ({"obsid": [101, 102, 101]}, "names obsid 101 more than once"),
    ({"path": "plan/same.fits.gz"}, "shares its file"), ({"path": 1.5}, "path does not hold text"),
    ({"path": ["a", None, "b"]}, "no obsid or no path"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "said"), TABLES, ids=[t[1] for t in TABLES])
def test_observations_that_make_no_sense(repo, run, archive, columns, said):
    observe(Paths("real", repo), OBSID, "train", **columns)
    refused(run(data), "observations.parquet", said, "run notebook 01 again")
    assert not any("/spectrum/" in path for path in archive.asked)


def test_observations_that_are_no_table(repo, run):
    paths = Paths("real", repo)
    table = paths.build / "01" / "observations.parquet"
    observe(paths, OBSID, "train")
    half = table.read_bytes()[:-30]
    for content in (half, PAGE, None):
        table.unlink()
        put(table, content)
        for command in (data, plan):
            refused(run(command), "observations.parquet", "damaged", "notebook 01")
    shutil.rmtree(table)
    observe(paths, [], [])
    for command in (data, plan):
        refused(run(command), "holds no observation")
    observe(paths, OBSID, "train", snrg="60")
    refused(run(plan), "snrg does not hold numbers")


def test_null_rows_of_other_folds_do_no_harm(repo):
    observe(Paths("real", repo), OBSID, ["train", "search", "search"], path=["a", None, "c"])
    table = repo / "build" / "real" / "01" / "observations.parquet"
    assert list(observed.wanted_spectra(table, "labelled")) == [(101, "a")]
    assert observed.count_spectra(table, "labelled") == 1


WRONG = [(PAGE, "a web page"), (gzip.compress(PAGE), "a web page"), (b"\x1f\x8bxx", "damaged gzip"),
         (b"text", "no FITS file"), ("other", "of obsid 103, not 101"),
         (None, "a folder")]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), WRONG, ids=[w[1] for w in WRONG])
def test_a_wrong_file_in_a_spectrum_s_place(repo, run, archive, content, said):
    observe(Paths("real", repo), OBSID, "train")
    place = repo / "data" / "spectra" / "plan" / "spec-101.fits.gz"
    place.parent.mkdir(parents=True)
    put(place, archive.files["/spectrum/103"] if content == "other" else content)
    out = refused(run(data), "1 files are still missing or wrong")
    assert "2 fetched" in out and "1 wrong file on disk" in out
    failed = (repo / "build" / "real" / "data" / "spectra_failed.csv").read_text()
    assert str(place) in failed and said in failed and archive.asked["/spectrum/101"] == 0
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    status, out, _ = run(data)
    assert status == 0 and "2 were there, 1 fetched" in out and not hidden(repo)


def test_a_file_where_the_folder_of_spectra_belongs(repo, run):
    observe(Paths("real", repo), OBSID, "train")
    (repo / "data" / "spectra").write_text("x")
    refused(run(data), "spec-10", "Not a directory", "correct spectra_dir")


def test_spectra_that_cannot_be_read(repo, run, monkeypatch):
    observe(Paths("real", repo), OBSID, "train")
    (repo / "data" / "spectra" / "plan").mkdir(parents=True)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(there, "open", refuse, raising=False)
        with pytest.raises(there.DiskError, match="correct the permissions"):
            there.spectrum_there(repo / "data" / "spectra" / "a", 1)
    real = os.scandir
    monkeypatch.setattr(os, "scandir",
                        lambda path: (refuse if str(path).endswith("plan") else real)(path))
    refused(run(plan), "spectra/plan", "Permission denied", "correct the permissions")


@pytest.mark.parametrize("path", ["a\0b", "a" * 300, "/etc/x", "../x"], ids=ascii)
def test_paths_that_no_file_can_have(repo, run, path):
    observe(Paths("real", repo), OBSID[:1], "train", path=path)
    assert "1 no path" in refused(run(data), "1 files are still missing")


# ---- Ctrl-C -------------------------------------------------------------------------------------

def test_ctrl_c_in_a_catalogue_and_the_run_after(repo, run, archive):
    archive.faults["/cat"] = ["stall"]
    code = ("import signal, sys; from pathlib import Path; from cemp.paths import Paths\n"
            "from cemp.workflow import data\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"data.Paths = lambda profile: Paths('real', Path({str(repo)!r}))\n"
            f"sys.exit(data.main(['--registry', {str(repo / 'archives.yaml')!r}]))")
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    part = repo / "data" / ".stars.fits.gz.part"
    deadline = time.monotonic() + 90
    while not (part.is_file() and archive.asked["/cat"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and "s3cret" not in out + err
    assert err.strip() == "stopped; run again to go on: what came is kept"
    assert sorted(p.name for p in (repo / "data").iterdir() if p.name[0] != ".") == ["saga.tsv"]
    archive.faults.clear()
    archive.release.set()
    assert run(data, "--spectra", "none")[0] == 0 and archive.ranges[1].startswith("bytes=")
    assert (repo / "data" / "stars.fits.gz").read_bytes() == archive.files["/cat"]
    assert not hidden(repo)


def test_ctrl_c_in_a_plan(run, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "make_plan", stop)
    assert run(plan)[::2] == (130, "stopped; run again to go on: what came is kept\n")
