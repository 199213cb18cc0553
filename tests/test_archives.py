"""Downloads against a server that fails in every way: one clear line, nothing half-written."""

import csv
import functools
import gzip
import io
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pooch
import pytest
from astropy.io import fits

from cemp.archives import secret as secrets
from cemp.archives import sinks
from cemp.archives.catalogues import CHECKSUMS, fetch_cds, fetch_file, read_checksums
from cemp.archives.failures import (
    ArchiveError,
    DiskError,
    NotInArchiveError,
    TokenError,
    UnavailableError,
    WebPageError,
    WrongFileError,
)
from cemp.archives.http import Fetcher
from cemp.archives.registry import REGISTRY, SpectraSource, read_registry
from cemp.archives.settings import FetchSettings
from cemp.archives.sinks import MemorySink, PartSink
from cemp.archives.spectra import fetch_spectra
from cemp.errors import BadInputError
from cemp.paths import ROOT
from cemp.workflow import data
from tests.failing_server import running_archive
from tests.made_spectra import star, table_bytes
from tests.real_profile import SAGA, make_checkout, observe

TOKEN = "s3cret/Tok+en=&é"
QUICK = {"per_second": 20.0, "first_wait_s": 0.01, "timeout_s": 0.8, "attempts": 3}
#: Another proxy than none would be asked for 127.0.0.1.
NO_PROXY = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    for name, value in NO_PROXY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(secrets.VARIABLE, raising=False)


@pytest.fixture
def archive():
    with running_archive() as server:
        yield server


def fetcher(token=None, **changes):
    return Fetcher(FetchSettings(**QUICK | changes), token and secrets.Secret(token))


def fits_bytes(n=3000):
    """A FITS table of n rows of numbers that do not compress."""
    values = np.random.default_rng(1).normal(size=n)
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(
        [fits.Column("x", "D", array=values)])]).writeto(buffer)
    return buffer.getvalue()


def visible(folder):
    """Files that a user or a later stage would see."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name[0] != ".")


def one_line(error, *parts):
    text = str(error)
    assert "\n" not in text and all(part in text for part in parts), text
    return text


# ---- catalogues ---------------------------------------------------------------------------------

def test_a_catalogue_is_fetched_once_and_held_to_its_checksum(archive, tmp_path):
    archive.files["/a.fits"] = content = fits_bytes()
    path = tmp_path / "data" / "a.fits"
    assert fetch_file(archive.url + "/a.fits", path, fetcher())
    assert path.read_bytes() == content
    known = f"sha256:{pooch.file_hash(str(path))}"
    assert read_checksums(path.parent) == {"a.fits": known}
    assert not fetch_file(archive.url + "/a.fits", path, fetcher())
    assert archive.asked["/a.fits"] == 1
    path.write_bytes(content[:-2880])
    with pytest.raises(WrongFileError) as error:
        fetch_file(archive.url + "/a.fits", path, fetcher())
    one_line(error.value, str(path), "remove it")
    path.unlink()
    assert fetch_file(archive.url + "/a.fits", path, fetcher())


def test_wrong_checksum_of_what_comes(archive, tmp_path):
    archive.files["/a.fits"] = fits_bytes()
    (tmp_path / CHECKSUMS).write_text("a.fits sha256:" + "0" * 64 + "\n")
    with pytest.raises(WrongFileError) as error:
        fetch_file(archive.url + "/a.fits", tmp_path / "a.fits", fetcher())
    one_line(error.value, "a.fits", CHECKSUMS, "not kept")
    assert visible(tmp_path) == [CHECKSUMS] and not list(tmp_path.glob(".*part*"))
    (tmp_path / CHECKSUMS).write_text("a.fits md5:12\n")
    with pytest.raises(BadInputError, match="correct it"):
        fetch_file(archive.url + "/a.fits", tmp_path / "a.fits", fetcher())


FATAL = [
    (401, TokenError, "refused"), (403, TokenError, "refused"), (404, NotInArchiveError, "404"),
    (410, NotInArchiveError, "410"), (418, UnavailableError, "418"), (500, UnavailableError, "500"),
    ((429, 9000), UnavailableError, "9000 s"), ("hang", UnavailableError, "0.8 s"),
    ("stall", UnavailableError, "0.8 s"), ("truncate", UnavailableError, "connection cut"),
    ("drop", UnavailableError, "no connection"), ("page", WebPageError, "web page"),
    (("redirect", "/a.fits"), UnavailableError, "circles"),
    (("redirect", "/login"), NotInArchiveError, "404"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "said"), FATAL, ids=[str(f[0]) for f in FATAL])
def test_each_failure_is_one_line_and_a_rerun_goes_on(archive, tmp_path, fault, kind, said):
    archive.files["/a.fits"], archive.faults["/a.fits"] = fits_bytes(), [fault]
    url, path = archive.url + "/a.fits", tmp_path / "a.fits"
    with pytest.raises(kind) as error:
        fetch_file(url, path, fetcher())
    one_line(error.value, said, archive.url)
    assert visible(tmp_path) == []
    archive.faults.clear()
    archive.release.set()
    assert fetch_file(url, path, fetcher()) and path.read_bytes() == archive.files["/a.fits"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.fits", CHECKSUMS]


def test_a_cut_download_goes_on_where_it_stopped(archive, tmp_path):
    archive.files["/a.fits"], archive.faults["/a.fits"] = fits_bytes(), ["truncate", 500, None]
    assert fetch_file(archive.url + "/a.fits", tmp_path / "a.fits", fetcher())
    half = len(archive.files["/a.fits"]) // 2
    assert archive.ranges == [None, f"bytes={half}-", f"bytes={half}-"]
    assert (tmp_path / "a.fits").read_bytes() == archive.files["/a.fits"]


def test_a_part_of_another_version_is_not_continued(archive, tmp_path):
    url, path = archive.url + "/a.fits", tmp_path / "a.fits"
    archive.files["/a.fits"], archive.faults["/a.fits"] = fits_bytes(), ["truncate"]
    with pytest.raises(UnavailableError):
        fetch_file(url, path, fetcher(attempts=1))
    archive.files["/a.fits"], archive.tag = fits_bytes(2000), '"two"'
    archive.faults.clear()
    assert fetch_file(url, path, fetcher()) and path.read_bytes() == archive.files["/a.fits"]


def test_a_part_longer_than_the_file_is_thrown_away(archive, tmp_path):
    url, path = archive.url + "/a.fits", tmp_path / "a.fits"
    archive.files["/a.fits"] = fits_bytes()
    sink = PartSink(path)
    sink.begin(0, None, '"one"', url)
    sink.write(b"x" * 100_000)
    sink.end()
    assert fetch_file(url, path, fetcher()) and path.read_bytes() == archive.files["/a.fits"]


@pytest.mark.parametrize(("content", "said"), [
    (gzip.compress(fits_bytes())[:-300], "damaged gzip"), (fits_bytes()[:-100], "cut off"),
    (b"obsid|ra|dec\n1|2|3\n", "not a FITS file"), (gzip.compress(b"no FITS"), "not a FITS file"),
    (b"", "not a FITS file"),
], ids=["gzip", "blocks", "csv", "packed text", "empty"])  # fmt: skip
def test_content_is_checked_before_it_takes_its_place(archive, tmp_path, content, said):
    archive.files["/a.fits"] = content
    with pytest.raises(WrongFileError) as error:
        fetch_file(archive.url + "/a.fits", tmp_path / "a.fits", fetcher())
    one_line(error.value, said, "/a.fits")
    assert list(tmp_path.iterdir()) == []


def test_busy_archive_is_left_alone_as_long_as_it_asks(archive, tmp_path):
    archive.files["/a.fits"], archive.faults["/a.fits"] = fits_bytes(), [(429, 0.5), None]
    fetch_file(archive.url + "/a.fits", tmp_path / "a.fits", fetcher())
    assert archive.times[1] - archive.times[0] >= 0.5


def test_full_disk(archive, tmp_path, monkeypatch):
    archive.files["/a.fits"] = fits_bytes()
    url, path = archive.url + "/a.fits", tmp_path / "a.fits"
    with pytest.raises(DiskError) as error:
        fetch_file(url, path, fetcher(spare_bytes=1e18))
    one_line(error.value, "a.fits", "free space")

    class Stream(io.FileIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sinks, "open", lambda path, mode: Stream(path, "ab"), raising=False)
    with pytest.raises(DiskError) as error:
        fetch_file(url, path, fetcher())
    one_line(error.value, "a.fits", "No space left", "run again")
    assert visible(tmp_path) == []
    monkeypatch.undo()
    assert fetch_file(url, path, fetcher())


def test_folder_without_permission(archive, tmp_path, monkeypatch):
    archive.files["/a.fits"] = fits_bytes()
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(DiskError) as error:
        fetch_file(archive.url + "/a.fits", tmp_path / "data" / "a.fits", fetcher())
    one_line(error.value, "a.fits", "permissions")


def test_a_cds_catalogue_with_the_tables_of_its_readme(archive, tmp_path):
    archive.files |= {"/J/ReadMe": b"ReadMe   80  .  This file\ntable1.dat  9   2  Stars\n",
                      "/J/table1.dat": b"1.0\n2.0\n"}
    assert fetch_cds(archive.url + "/J", tmp_path, fetcher())
    assert visible(tmp_path) == ["ReadMe", CHECKSUMS, "table1.dat"]
    assert not fetch_cds(archive.url + "/J/", tmp_path, fetcher())
    archive.files["/K/ReadMe"] = b"nothing here"
    with pytest.raises(WrongFileError, match="no CDS ReadMe"):
        fetch_cds(archive.url + "/K/", tmp_path / "k", fetcher())


# ---- the token ----------------------------------------------------------------------------------

def everything_of(error):
    """All text that an error and its causes can give away."""
    texts = ["".join(traceback.format_exception(error))]
    while error is not None:
        texts += [str(error), repr(error), repr(error.args)]
        error = error.__context__ or error.__cause__
    return "\n".join(texts)


FAULTS = [401, 404, 429, 500, "hang", "drop", "truncate", "page", ("redirect", "/login?token=x")]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_token_reaches_the_archive_and_nothing_else(archive, tmp_path, caplog, fault):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "pooch"):
        caplog.set_level(logging.DEBUG, logger=name)
    archive.files["/a.fits"], archive.faults["/a.fits"] = fits_bytes(), [fault]
    with pytest.raises(ArchiveError) as error:
        fetch_file(archive.url + "/a.fits", tmp_path / "a.fits", fetcher(TOKEN), with_token=True)
    archive.faults.clear()
    archive.release.set()
    fetch_file(archive.url + "/a.fits", tmp_path / "a.fits", fetcher(TOKEN), with_token=True)
    assert TOKEN in archive.tokens
    said = everything_of(error.value) + caplog.text + "".join(map(repr, caplog.records))
    said += "".join(r.getMessage() + str(r.args) for r in caplog.records)
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    for form in (TOKEN, "s3cret", "s3cret%2FTok%2Ben%3D%26%C3%A9"):
        assert form not in said and form.encode() not in written


def test_the_token_does_not_follow_a_redirect_to_another_host(archive, tmp_path):
    with running_archive() as other:
        other.files["/b.fits"] = archive.files["/b.fits"] = fits_bytes()
        archive.faults["/a.fits"] = [("redirect", other.url + "/b.fits?token=echoed")]
        url = archive.url + "/a.fits"
        assert fetch_file(url, tmp_path / "a.fits", fetcher(TOKEN), with_token=True)
        assert other.tokens == [None] and archive.tokens == [TOKEN]
        archive.faults["/a.fits"] = [("redirect", "/b.fits")]
        assert fetch_file(url, tmp_path / "c" / "a.fits", fetcher(TOKEN), with_token=True)
        assert archive.tokens == [TOKEN] * 3


def test_a_token_is_not_printed_stored_or_sent_in_the_clear(tmp_path):
    token = secrets.Secret(TOKEN)
    assert "s3cret" not in f"{token} {token!r} {vars(secrets)}"
    with pytest.raises(TypeError):
        pickle.dumps(token)
    with pytest.raises(TokenError, match="https only"):
        Fetcher(FetchSettings(), token).fetch("http://www.example.org/a", MemorySink(), True)
    with pytest.raises(TokenError, match=f"{secrets.VARIABLE} is not set"):
        fetcher().fetch("https://www.example.org/a", MemorySink(), True)
    assert secrets.read_token({}) is None and secrets.read_token({secrets.VARIABLE: " "}) is None
    with pytest.raises(TokenError) as error:
        secrets.read_token({secrets.VARIABLE: "s3cret token"})
    assert "s3cret" not in str(error.value)


# ---- spectra ------------------------------------------------------------------------------------

@functools.cache
def packed_spectrum(obsid):
    return gzip.compress(table_bytes(star(obsid=obsid, snr=50.0)), 1, mtime=0)


@pytest.fixture
def survey(archive):
    """Twelve spectra in the archive; gives the rows to ask for and the source."""
    rows = []
    for obsid in range(101, 113):
        archive.files[f"/spectrum/{obsid}"] = packed_spectrum(obsid)
        rows.append((obsid, f"plan/spec-{obsid}.fits.gz"))
    return rows, SpectraSource(archive.url + "/spectrum/{obsid}", True, 5e4)


def get(survey, folder, token=TOKEN, **changes):
    rows, source = survey
    return fetch_spectra(rows, folder, fetcher(token, **changes), source, folder / "failed.csv")


def failures(folder):
    return {int(row["obsid"]): row["kind"] for row in csv.DictReader(open(folder / "failed.csv"))}


def test_spectra_come_once_at_most_so_many_at_a_time_and_a_second(archive, survey, tmp_path):
    tally = get(survey, tmp_path, in_flight=3)
    assert (tally.kept, tally.fetched, tally.failed) == (0, 12, 0)
    first = tmp_path / survey[0][0][1]
    assert first.read_bytes() == archive.files["/spectrum/101"] and failures(tmp_path) == {}
    assert archive.most <= 3 and set(archive.tokens) == {TOKEN}
    assert max(archive.times) - min(archive.times) > 11 / 20 - 0.05
    tally = get(survey, tmp_path)
    assert (tally.kept, tally.fetched) == (12, 0) and len(archive.times) == 12


def test_each_failing_spectrum_costs_itself_only(archive, survey, tmp_path):
    rows, source = survey
    faults = {101: 404, 103: "page", 105: "hang", 107: 500}
    archive.faults = {f"/spectrum/{k}": [v] for k, v in faults.items()}
    archive.files["/spectrum/106"] = archive.files["/spectrum/102"]  # another star's
    archive.files["/spectrum/108"] = archive.files["/spectrum/108"][:-500]
    archive.files["/spectrum/109"] = fits_bytes()
    archive.faults["/spectrum/110"] = [500, "drop", None]  # comes at the third attempt
    odd = [(1, "../outside.fits"), (2, ""), rows[0]]
    tally = get((rows + odd, source), tmp_path)
    assert failures(tmp_path) == {
        101: "not in the archive", 103: "web page", 105: "archive failed", 106: "wrong file",
        107: "archive failed", 108: "wrong file", 109: "wrong file", 1: "no path", 2: "no path",
    }  # fmt: skip
    assert tally.fetched == 5 and not (tmp_path.parent / "outside.fits").exists()
    names = visible(tmp_path)
    assert len(names) == 6 and not [p for p in tmp_path.rglob(".*") if p.is_file()]
    text = (tmp_path / "failed.csv").read_text()
    assert "obsid 102 came where 106" in text and "s3cret" not in text
    archive.faults.clear()
    archive.release.set()
    assert get(survey, tmp_path).fetched == 4  # 106, 108 and 109 stay wrong


@pytest.mark.parametrize(("fault", "kind", "most"), [
    (401, TokenError, 1), ("page", TokenError, 12), (500, UnavailableError, 30)], ids=str)
def test_an_archive_that_refuses_is_not_hammered(archive, survey, tmp_path, fault, kind, most):
    archive.faults = {f"/spectrum/{obsid}": [fault] for obsid, _ in survey[0]}
    with pytest.raises(kind) as error:
        get(survey, tmp_path, give_up_after=5, in_flight=2)
    one_line(error.value)
    assert len(archive.times) <= most and visible(tmp_path) == ["failed.csv"]
    assert 1 <= len(failures(tmp_path)) <= 8
    archive.faults.clear()
    assert get(survey, tmp_path).fetched == 12


def test_a_token_refused_for_a_catalogue_is_not_tried_on_spectra(archive, survey, tmp_path):
    rows, source = survey
    archive.faults["/a.fits"] = [403]
    asking = fetcher(TOKEN)
    with pytest.raises(TokenError, match="refused"):
        fetch_file(archive.url + "/a.fits", tmp_path / "a.fits", asking, with_token=True)
    archive.files["/open.fits"] = fits_bytes()
    assert fetch_file(archive.url + "/open.fits", tmp_path / "open.fits", asking)
    with pytest.raises(TokenError, match="not asked for; the token .* get a new one"):
        fetch_spectra(rows, tmp_path, asking, source, tmp_path / "failed.csv")
    assert list(archive.asked) == ["/a.fits", "/open.fits"]

def test_no_token_no_request(archive, survey, tmp_path):
    with pytest.raises(TokenError, match="export CEMP_LAMOST_TOKEN"):
        get(survey, tmp_path, token=None)
    assert archive.times == []


def test_full_disk_ends_the_run_at_once(survey, tmp_path, monkeypatch):
    from pathlib import Path

    real = Path.write_bytes

    def write(self, content):
        if "spec-103" in self.name:
            real(self, content[:1000])
            raise OSError(28, "No space left on device")
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(DiskError) as error:
        get(survey, tmp_path, in_flight=1)
    one_line(error.value, "spec-103", "No space left")
    assert not [p for p in tmp_path.rglob("*spec-103*")]
    monkeypatch.undo()
    assert get(survey, tmp_path).kept >= 2


# ---- make data ----------------------------------------------------------------------------------

@pytest.fixture
def repo(archive, survey, tmp_path):
    """A checkout with a profile whose files the local archive has."""
    return make_checkout(tmp_path / "repo", archive)


def observe_all(paths):
    """Write the observations of the twelve spectra."""
    observe(paths, range(101, 113), ["train"] * 4 + ["search"] * 7 + ["reject"])


def test_a_profile_is_fetched_and_what_is_left_is_said(archive, repo, survey):
    paths, registry = repo
    said = []

    def run(which="all"):
        said.clear()
        return data.fetch_profile(paths, which, fetcher(TOKEN), registry, said.append)

    assert run() == 1  # the table that must be saved by hand
    text = "\n".join(said)
    assert "save the search as text" in text and "make build/real/01/observations.parquet" in text
    (paths.root / "data" / "saga.tsv").write_text(SAGA)
    observe_all(paths)
    assert run("labelled") == 0 and sum("/spectrum/" in p for p in archive.asked) == 4
    assert run() == 0 and sum("/spectrum/" in p for p in archive.asked) == 11
    asked = len(archive.times)
    assert run() == 0 and len(archive.times) == asked
    assert "11 were there, 0 fetched" in "\n".join(said)


def test_the_head_of_a_catalogue_is_looked_at_once(repo, monkeypatch):
    paths, registry = repo
    seen, real = [], data.check_catalogue
    monkeypatch.setattr(data, "check_catalogue", lambda parameter, path: (
        seen.append(parameter), real(parameter, path)))
    for _ in range(2):  # fetched, without a checksum; then kept, with one
        seen.clear()
        data.fetch_profile(paths, "none", fetcher(TOKEN), registry, lambda line: None)
        assert len(seen) == len(set(seen)) and {"lamost_catalogue", "apogee_catalogue"} <= set(seen)


def test_without_a_token_the_open_files_come_all_the_same(archive, repo, capsys, monkeypatch):
    paths, registry = repo
    monkeypatch.setattr(data, "Paths", lambda profile: paths)
    assert data.main(["--profile", "real", "--registry", str(registry), "--per-second", "20"]) == 1
    out, err = capsys.readouterr()
    assert "CEMP_LAMOST_TOKEN is not set" in out and "fetched" in out and "still missing" in err
    assert (paths.root / "data" / "apogee.fits").is_file()
    assert data.main(["--per-second", "1000"]) == 1
    assert "lock out" in capsys.readouterr().err


def test_ctrl_c_is_one_line_and_leaves_nothing_half_written(archive, repo, survey, tmp_path):
    paths, registry = repo
    (paths.root / "data").mkdir()
    (paths.root / "data" / "saga.tsv").write_text(SAGA)
    observe_all(paths)
    archive.faults = {f"/spectrum/{obsid}": ["hang"] for obsid in (104, 105, 106, 107)}
    code = ("import signal, sys; from pathlib import Path; from cemp.paths import Paths\n"
            "from cemp.workflow import data\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"data.Paths = lambda profile: Paths('real', Path({str(paths.root)!r}))\n"
            f"sys.exit(data.main(['--registry', {str(registry)!r}, '--per-second', '20',\n"
            "          '--spectra', 'all', '--timeout', '30']))")
    environment = os.environ | NO_PROXY | {secrets.VARIABLE: TOKEN, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 90
    while archive.asked["/spectrum/107"] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and time.monotonic() - start < 15
    assert err.decode().strip() == "stopped; run again to go on: what came is kept"
    assert b"s3cret" not in out + err
    folder = paths.root / "data" / "spectra"
    assert visible(folder) == [f"spec-{n}.fits.gz" for n in (101, 102, 103)]
    assert not [p for p in folder.rglob(".*") if p.is_file()]


def test_manners_have_limits():
    for wrong in ({"in_flight": 0}, {"per_second": -1}, {"in_flight": 64}, {"per_second": 500}):
        with pytest.raises(BadInputError):
            FetchSettings(**wrong)


def test_the_list_of_archives_is_read_and_bad_ones_are_refused(tmp_path):
    sources, spectra = read_registry()
    assert [s.parameter for s in sources] == [
        "lamost_catalogue", "apogee_catalogue", "subaru_folder", "saga_table"]
    assert spectra.url.format(obsid=7).endswith("/spectrum/fits/7") and spectra.token
    assert all(s.url.startswith("https://") or s.by_hand for s in sources)
    assert "token=" not in REGISTRY.read_text()
    for text in ("[1]", "files: [{nme: x}]", "a: [", "files: []\nspectra: {url: 'ftp://a', "
                 "token: no, bytes: 1}"):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(BadInputError, match="bad.yaml"):
            read_registry(tmp_path / "bad.yaml")
    with pytest.raises(BadInputError, match="none.yaml"):
        read_registry(tmp_path / "none.yaml")


def test_one_rhythm_for_all_threads():
    pace, times, stop = Fetcher(FetchSettings(per_second=20)).pace, [], threading.Event()
    threads = [threading.Thread(target=lambda: (pace.wait(stop), times.append(time.monotonic())))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.diff(sorted(times)).min() > 0.03
