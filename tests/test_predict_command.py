"""``python -m cemp predict``: what is found, written, kept, and said when something is wrong."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from made_spectra import NATIVE, image_bytes, star, table_bytes, write
from sky_model import LABEL, constant_member

import cemp.predict.parts as parts
import cemp.predict.run as running
from cemp.__main__ import main
from cemp.errors import BadInputError
from cemp.paths import ROOT
from cemp.predict.columns import COLUMNS, SKIPPED
from cemp.predict.inputs import find_inputs, read_stretch, write_list
from cemp.predict.run import Outcome, predict_to_file, work_folder
from cemp.predict.settings import PredictSettings
from cemp.readers import ReadOptions

REAL = ROOT.parent / "shared" / "real"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real spectra are not beside the checkout")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    constant_member(folder / "member-0")
    return folder


@pytest.fixture(scope="module")
def spectra(tmp_path_factory):
    """Seven good files, two of them with the same obsid, and five that cannot be labelled."""
    folder = tmp_path_factory.mktemp("spectra")
    for k in range(6):
        made = star(teff=4500 + 300 * k, z=1e-4 * k, snr=40, seed=k, obsid=100 + k)
        build = table_bytes if k % 2 else image_bytes
        write(folder / f"s{k}.fits.gz", build(made, SNRG=5.0 if k == 2 else 40.0))
    (folder / "deep").mkdir()
    write(folder / "deep" / "copy.fits", table_bytes(star(obsid=101, snr=40)), packed=False)
    write(folder / "galaxy.fits", table_bytes(star(cls="GALAXY")), packed=False)
    write(folder / "norv.fits", table_bytes(star(), Z=-9999.0), packed=False)
    (folder / "login.fits").write_text("<!doctype html><html>please log in</html>")
    (folder / "empty.fits").write_bytes(b"")
    whole = (folder / "s1.fits.gz").read_bytes()
    (folder / "cut.fits.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("no spectrum")
    (folder / ".hidden.fits").write_bytes(b"")
    return folder


KINDS = {"not a star": 1, "no velocity": 1, "unreadable file": 3}


def predict(*words):
    return main(["predict", *map(str, words)])


# ---- what is found ----------------------------------------------------------------------------

def test_folders_patterns_lists_and_files(tmp_path, monkeypatch):
    for name in ("b/2.fits", "b/1.FITS.gz", "a.fits", "t.csv", ".h.fits", "x[1].fits"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    assert list(find_inputs(".")) == ["./a.fits", "./x[1].fits", "./b/1.FITS.gz", "./b/2.fits"]
    assert list(find_inputs(["*.csv", Path("b")])) == ["t.csv", "b/1.FITS.gz", "b/2.fits"]
    assert list(find_inputs("**/2*")) == ["b/2.fits"]
    assert list(find_inputs("x[1].fits")) == ["x[1].fits"]  # a file of that name wins
    assert list(find_inputs(["gone.fits"])) == ["gone.fits"]  # reported later, as missing
    (tmp_path / "list").write_text("# mine\n a.fits \n\nb\n*.csv\n")
    assert list(find_inputs("@list")) == ["a.fits", "b/1.FITS.gz", "b/2.fits", "t.csv"]
    monkeypatch.setattr(sys, "stdin", open("list"))
    assert len(list(find_inputs("-"))) == 4
    assert list(find_inputs(".", leave_out=[tmp_path / "a.fits"]))[0] == "./x[1].fits"


@pytest.mark.parametrize("entry, text", [
    ("*.nothing", "no file fits this pattern"), ("void", "no FITS file in it"),
    ("@gone", "gone: cannot read this list"), ("@image", "cannot read this list"),
])
def test_nothing_found_is_said(tmp_path, monkeypatch, entry, text):
    (tmp_path / "void").mkdir()
    (tmp_path / "image").write_bytes(b"\xff\xfe\x80")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match=text):
        list(find_inputs(entry))


def test_the_list_holds_each_file_once_in_parts(tmp_path):
    odd = os.fsdecode(b"caf\xe9\nnew.fits")
    names = ["a.fits", "./a.fits", "b.fits", odd, os.path.abspath("b.fits"), "c.fits"]
    edges, count, repeated = write_list(iter(names), tmp_path / "inputs", 3)
    assert (count, repeated, len(edges)) == (4, 2, 3)
    found = [read_stretch(tmp_path / "inputs", *pair)
             for pair in zip(edges[:-1], edges[1:], strict=True)]
    assert found == [["a.fits", "b.fits", odd], ["c.fits"]]
    assert write_list(iter([]), tmp_path / "inputs", 3)[1:] == (0, 0)
    many = [f"{k:06d}" for k in range(50_000)]
    edges, count, _ = write_list(iter(many), tmp_path / "inputs", 200)
    assert (len(edges), count) == (251, 50_000)
    assert read_stretch(tmp_path / "inputs", *edges[7:9]) == many[1400:1600]


# ---- what is written ---------------------------------------------------------------------------

def read(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".csv":
        return pd.read_csv(path)
    table = Table.read(path, hdu="LABELS") if path.suffix == ".fits" else Table.read(path)
    if path.suffix == ".fits":
        table.convert_bytestring_to_unicode()
    return table.to_pandas()


@pytest.mark.parametrize("suffix", [".fits", ".ecsv", ".csv", ".parquet"])
def test_every_format_holds_the_same(spectra, weights, tmp_path, capsys, suffix):
    out = tmp_path / f"labels{suffix}"
    settings = PredictSettings(weights=str(weights), part_size=4)
    predict_to_file([spectra], out, settings, progress=False)
    table = read(out)
    assert list(table) == list(COLUMNS) and len(table) == 7
    assert table["obsid"].tolist() == [100, 101, 102, 103, 104, 105, 101]
    assert table["identifier"].astype(str).tolist()[-1] == "101"
    assert table["file"].iloc[-1] == str(spectra / "deep" / "copy.fits")
    assert table["teff"].to_numpy() == pytest.approx(LABEL[0], rel=1e-6)
    assert table["z"].to_numpy() == pytest.approx([0, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 0])
    assert table["dec"].to_numpy() == pytest.approx(-2.25, abs=1e-12)
    assert table["cemp"].to_numpy().astype(bool).all()
    assert table["flag_low_snr"].to_numpy().astype(bool).tolist() == [0, 0, 1, 0, 0, 0, 0]
    skipped = pd.read_csv(tmp_path / "labels_skipped.csv")
    assert skipped["kind"].value_counts().to_dict() == KINDS and list(skipped) == list(SKIPPED)
    assert "web page" in skipped.set_index("file")["reason"][str(spectra / "login.fits")]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([out.name, "labels_skipped.csv"])


def test_fits_is_well_formed_and_tells_where_it_comes_from(spectra, weights, tmp_path):
    out = tmp_path / "labels.fits"
    assert predict(spectra, "--out", out, "--weights", weights, "--jobs", 1, "--quiet") == 0
    with fits.open(out) as hdus:
        hdus.verify("exception")
        head, skipped = hdus["LABELS"].header, hdus["SKIPPED"].data
        assert out.stat().st_size % 2880 == 0 and len(hdus) == 3
    assert set(skipped["kind"]) == set(KINDS) and len(skipped) == 5
    assert (head["NFILES"], head["NSKIPPED"], head["NMEMBERS"], head["DOMAIN"]) == (12, 5, 1, False)
    assert head["MODELSHA"].startswith(head["MODEL"].removeprefix("sky-"))
    assert str(spectra) in head["COMMAND"] and "--jobs 1" in head["COMMAND"]
    assert json.loads(head["SETTINGS"])["min_good_fraction"] == 0.3
    units = {head[f"TTYPE{k}"]: head.get(f"TUNIT{k}") for k in range(1, len(COLUMNS) + 1)}
    assert (units["teff"], units["ra"], units["gband"]) == ("K", "deg", "Angstrom")


def test_ecsv_tells_units_and_provenance(spectra, weights, tmp_path):
    out = tmp_path / "labels.ecsv"
    predict_to_file([spectra / "s0.fits.gz"], out, PredictSettings(weights=str(weights)),
                    progress=False)  # fmt: skip
    table = Table.read(out)
    assert table["teff"].unit == "K" and "giant" not in table["teff"].description
    assert table.meta["NFILES"] == 1 and table["cemp"].dtype == bool


@pytest.mark.parametrize("suffix", [".fits", ".ecsv", ".parquet"])
def test_missing_values_stay_missing(weights, tmp_path, suffix):
    write(tmp_path / "s.fits", image_bytes(star(obsid=None), RA=None, SNRU=-9999.0))
    out = tmp_path / f"labels{suffix}"
    predict_to_file([tmp_path / "s.fits"], out, PredictSettings(weights=str(weights)),
                    progress=False)  # fmt: skip
    row = read(out).iloc[0]
    assert pd.isna(row["obsid"]) and pd.isna(row["ra"]) and pd.isna(row["snru"])
    assert row["identifier"] == "s"


@pytest.mark.parametrize("suffix", [".fits", ".parquet"])
def test_equal_runs_write_equal_bytes_on_one_core_or_two(spectra, weights, tmp_path, suffix):
    out = tmp_path / f"labels{suffix}"
    settings, seen = PredictSettings(weights=str(weights), part_size=5), set()
    for jobs in (1, 2) if suffix == ".fits" else (1, 1):
        predict_to_file([spectra], out, settings, jobs, progress=False)
        seen.add(out.read_bytes())
    assert len(seen) == 1


def test_names_that_are_no_text_and_quotes(weights, tmp_path):
    for name in (b"caf\xe9.fits", "naïve, \"q\".fits".encode(), b"new\nline.fits"):
        write(tmp_path / os.fsdecode(name), table_bytes(star()), packed=False)
    for suffix in (".fits", ".csv", ".ecsv", ".parquet"):
        out = tmp_path / "out" / f"labels{suffix}"
        predict_to_file([tmp_path], out, PredictSettings(weights=str(weights)), progress=False)
        names = [Path(name).name for name in read(out)["file"]]
        accent = "na\\xefve" if suffix == ".fits" else "naïve"
        assert sorted(names) == ["caf\\xe9.fits", f'{accent}, "q".fits', "new line.fits"]


# ---- statuses and messages -----------------------------------------------------------------------

def test_the_summary_counts_everything(spectra, weights, tmp_path, capsys):
    out = tmp_path / "labels.csv"
    s0 = spectra / "s0.fits.gz"
    status = predict(spectra, s0, "gone.fits", "--out", out, "--weights", weights, "--jobs", 1)
    said = capsys.readouterr().err
    assert status == 0
    assert "7 spectra labelled" in said and "6 of 13 files skipped" in said
    assert "missing file: 1" in said and "unreadable file: 3" in said
    assert "1 names were given twice" in said and "2 rows share their obsid" in said
    assert "no domain.npz" in said


def test_nothing_labelled_is_status_1_and_leaves_the_old_table(spectra, weights, tmp_path, capsys):
    out = tmp_path / "labels.fits"
    out.write_bytes(b"old")
    assert predict(spectra / "galaxy.fits", "--out", out, "--weights", weights) == 1
    assert "no spectrum was labelled" in capsys.readouterr().err
    assert out.read_bytes() == b"old"
    assert "star" in pd.read_csv(tmp_path / "labels_skipped.csv")["reason"][0]


def test_what_the_caller_declares_is_used(spectra, weights, tmp_path):
    out = tmp_path / "labels.csv"
    words = ("--out", out, "--weights", weights, "--quiet", "--jobs", 1)
    assert predict(spectra / "galaxy.fits", spectra / "norv.fits", *words, "--star",
                   "--velocity", "-60") == 0  # fmt: skip
    assert pd.read_csv(out)["z"].tolist() == pytest.approx([-60 / 299_792.458] * 2)
    table = tmp_path / "star.txt"
    np.savetxt(table, np.c_[NATIVE / 10, star().flux])
    assert predict(table, *words, "--table-columns", "wave,flux", "--unit", "nm",
                   "--medium", "air", "--velocity", 0) == 0  # fmt: skip
    row = pd.read_csv(out).iloc[0]
    assert row["flag_ivar_estimated"] and row["z"] == 0


@pytest.mark.parametrize("words, status, text", [
    (["--out", "x.fits"], 2, "name the spectra"), (["a.fits"], 2, "name the spectra"),
    (["a.fits", "--out", "x.txt"], 2, "cannot tell the format"),
    (["a.fits", "--out", "folder.fits"], 2, "is a folder"),
    (["a.fits", "--out", "x.fits", "--jobs", "0"], 2, "at least 1"),
    (["a.fits", "--out", "x.fits", "--weights", "gone"], 2, "no sky model in gone"),
    (["a.fits", "--out", "x.fits", "--min-good", "7"], 2, "min_good_fraction"),
    (["a.fits", "--out", "x.fits", "--velocity", "nan"], 2, "km/s"),
    (["a.fits", "--out", "file/x.fits"], 2, "cannot write"),
    (["*.nothing", "--out", "x.fits"], 2, "no file fits"),
    (["@void", "--out", "x.fits"], 2, "no file to label"),
    (["a.fits", "--out", "x.fits", "--medium", "water"], 2, "invalid choice"),
])
def test_bad_commands_end_with_one_line(
    weights, tmp_path, monkeypatch, capsys, words, status, text
):
    monkeypatch.chdir(tmp_path)
    Path("folder.fits").mkdir()
    Path("file").touch()
    Path("void").touch()
    words = words if "--weights" in words else [*words, "--weights", str(weights)]
    try:
        code = predict(*words)
    except SystemExit as stop:  # from argparse
        code = stop.code
    said = capsys.readouterr().err
    assert code == status and text in said and "Traceback" not in said
    assert text in said.strip().splitlines()[-1]
    assert not Path("x.fits").exists()


def test_damaged_weights_are_named(weights, tmp_path, capsys):
    constant_member(tmp_path / "w" / "member-0")
    with open(tmp_path / "w" / "member-0" / "macrn.pt", "ab") as file:
        file.write(b"x")
    words = ("a.fits", "--out", tmp_path / "x.fits", "--weights", tmp_path / "w")
    assert predict(*words) == 2 and "macrn.pt" in capsys.readouterr().err


def test_help_and_columns(capsys):
    for words, text in ((["predict", "--help"], "exit status"), (["--help"], "predict")):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 0 and text in capsys.readouterr().out
    assert main(["predict", "--columns"]) == 0
    assert "p_cemp" in capsys.readouterr().out
    loaded = "import sys; from cemp.__main__ import main; main(['predict', '--columns']); " \
             "assert 'torch' not in sys.modules"  # fmt: skip
    subprocess.run([sys.executable, "-c", loaded], check=True, cwd=ROOT, stdout=-1)


# ---- stopped, full, restarted ------------------------------------------------------------------

def run(spectra, weights, out, **changes):
    settings = PredictSettings(weights=str(weights), part_size=4)
    return predict_to_file([spectra], out, settings, progress=False, **changes)


def test_nothing_is_left_of_a_run_that_could_not_begin(weights, tmp_path):
    out, empty = tmp_path / "a.fits", tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInputError, match="no FITS file"):
        run(empty, weights, out)
    assert not work_folder(out).exists()


def test_columns_that_may_be_the_error_are_named(weights, tmp_path):
    rows = [f"{w:.2f},{f:.4f},0.02" for w, f in zip(NATIVE, star(snr=50).flux, strict=True)]
    (tmp_path / "s.csv").write_text("\n".join(["wave,flux,dflx", *rows]))
    for columns, estimated in ((None, True), (("wave", "flux", "dflx"), False)):
        read = ReadOptions(medium="vacuum", velocity_kms=0.0, columns=columns)
        out = tmp_path / "o.parquet"
        predict_to_file(tmp_path / "s.csv", out, PredictSettings(weights=str(weights), read=read),
                        progress=False)  # fmt: skip
        row = pd.read_parquet(out).iloc[0]
        assert row["flag_ivar_estimated"] == estimated
        assert ("if one of dflx is the error" in row["reason"]) == estimated


def test_a_run_goes_on_where_it_was_stopped(spectra, weights, tmp_path, monkeypatch):
    out, whole = tmp_path / "a.fits", tmp_path / "b.fits"
    plain = parts.label_files
    calls = []

    def stopping(files, settings):
        calls.append(files)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(files, settings)

    monkeypatch.setattr(parts, "label_files", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(spectra, weights, out)
    assert not out.exists() and len(list(work_folder(out).glob("part-*.parquet"))) == 4
    (work_folder(out) / ".1.part-half").touch()
    outcome = run(spectra, weights, out)
    assert (outcome.fresh, outcome.labelled, len(calls)) == (4, 7, 4)
    assert not work_folder(out).exists()
    monkeypatch.undo()
    run(spectra, weights, whole)
    assert out.read_bytes() == whole.read_bytes()


def test_parts_are_kept_for_new_files_only_if_asked_and_made_anew_for_new_settings(
    weights, tmp_path
):
    folder, out = tmp_path / "spectra", tmp_path / "a.fits"
    folder.mkdir()
    for k in range(8):
        (folder / f"{k}.fits").write_text("<html>")
    assert run(folder, weights, out, keep=True).fresh == 8
    assert run(folder, weights, out, keep=True).fresh == 0
    write(folder / "9.fits", table_bytes(star()), packed=False)
    assert run(folder, weights, out, keep=True).fresh == 1
    os.utime(folder / "0.fits", ns=(1, 1))
    assert run(folder, weights, out, keep=True).fresh == 4
    settings = PredictSettings(weights=str(weights), part_size=4, low_snr=20)
    outcome = predict_to_file([folder], out, settings, progress=False, keep=True)
    assert outcome.fresh == 9
    assert len(list(work_folder(out).glob("part-*"))) == 2 * 3  # the old ones are gone


def test_two_runs_of_one_table_do_not_mix(spectra, weights, tmp_path):
    out = tmp_path / "a.fits"
    with parts.only_writer(work_folder(out)):
        with pytest.raises(BadInputError, match="another run is writing here"):
            run(spectra, weights, out)


@pytest.mark.parametrize("where", ["to_parquet", "FitsWriter"])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    spectra, weights, tmp_path, monkeypatch, capsys, where
):
    out = tmp_path / "a.fits"

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    if where == "to_parquet":
        monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    else:
        monkeypatch.setattr(running.WRITERS[".fits"], "write", full)
    words = (spectra, "--out", out, "--weights", weights, "--jobs", 1)
    assert predict(*words) == 2
    assert "No space left" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not out.exists()
    monkeypatch.undo()
    assert predict(*words) == 0 and out.exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


CTRL_C = """
import sys, time
import cemp.predict.parts as parts
plain, calls = parts.label_files, []
def label_files(files, settings):
    if calls:
        print("ready", flush=True)
        time.sleep(60)
    calls.append(files)
    return plain(files, settings)
parts.label_files = label_files
from cemp.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(weights, tmp_path, capsys):
    for k in range(50):  # the first part: fast, as there is nothing to label in it
        (tmp_path / f"{k:03d}.fits").write_text("<html>")
    for k in (998, 999):
        write(tmp_path / f"{k}.fits", table_bytes(star()), packed=False)
    words = ["predict", str(tmp_path), "--out", str(tmp_path / "a.csv"), "--weights",
             str(weights), "--jobs", "1"]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", CTRL_C, *words], cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.strip().splitlines()[-1].startswith("stopped") and "Traceback" not in said
    kept = list(work_folder(tmp_path / "a.csv").glob("part-000000-*.parquet"))
    assert len(kept) == 2
    assert main(words) == 0
    said = capsys.readouterr().err
    assert "2 spectra labelled" in said and "50 of 52 files skipped" in said


def test_progress_tells_rate_and_time_left(capsys):
    tell = running._Progress(Outcome(files=1000), True, every=0)
    tell.begin = time.monotonic() - 10
    part = {"number": 0, "name": "p", "files": 200, "labelled": 200, "skipped": {}, "widths": {},
            "cemp": 3, "clean_cemp": 1}
    tell(part | {"fresh": 0})
    tell(part | {"fresh": 200, "number": 1})
    first, second = capsys.readouterr().err.splitlines()
    assert first == "200 of 1,000 files (labelled before)"
    assert second == "400 of 1,000 files, 20 a second, 30 s left"


# ---- memory and real files ----------------------------------------------------------------------

def test_tasks_and_summaries_stay_small(tmp_path):
    tasks = parts.make_tasks(tmp_path, list(range(0, 1001)), PredictSettings(), "0" * 64)
    assert len(tasks) == 1000
    assert tasks[0]["mark"] is tasks[-1]["mark"] and "rows" not in tasks[0]


@real
def test_miles_stars_and_sdss_go_the_same_way(weights, tmp_path):
    some = sorted((REAL / "miles").glob("*.fits"))[:3]
    out = tmp_path / "labels.csv"
    words = ("--out", out, "--weights", weights, "--quiet", "--jobs", 1)
    assert predict(*some, *words, "--medium", "air", "--velocity", 0) == 0
    table = pd.read_csv(out)
    assert len(table) == 3 and table["flag_ivar_estimated"].all()
    assert not table["flag_partial"].any()  # they end at 7410 Angstrom, beyond all that is read
    assert predict(*some, *words) == 1  # air or vacuum: nobody said
    reasons = pd.read_csv(tmp_path / "labels_skipped.csv")["reason"]
    assert reasons.str.contains("air").all()


def test_nothing_but_a_number_is_taken_for_a_velocity(weights, tmp_path, capsys):
    with pytest.raises(SystemExit):
        predict("a.fits", "--out", tmp_path / "x.csv", "--velocity", "fast")
    assert "invalid float value" in capsys.readouterr().err
