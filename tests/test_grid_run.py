"""The code behind `make grid`: design, abundances, downloads, runs that stop and go on, collecting.

Spectra themselves are computed where the grid's environment is (`make grid-check`).
"""

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_synthesis import make_fake, quiet

from cemp.constants import SOLAR_A, air_to_vacuum
from cemp.errors import BadInputError
from cemp.paths import ROOT
from cemp.synthesis import collect, collect_stars, run
from cemp.synthesis import grid as gr
from cemp.synthesis.abundances import abundances, fractions, mean_mass, sme_abundances
from cemp.synthesis.atmosphere import Structure, clean
from cemp.synthesis.benchmarks import BENCHMARK_FILE
from cemp.synthesis.design import draw
from cemp.synthesis.downloads import Download, fetch
from cemp.synthesis.grid import unpack
from cemp.synthesis.lines import Lines, _bad_ch, _hydrogen_levels, _repeated, isotope_shares
from cemp.synthesis.spectrum import (
    CONT_AIR,
    WAVE_OUT,
    SynthesisError,
    broaden_fine,
    check,
    hydrogen_reach,
)
from cemp.synthesis.stars import BENCHMARKS, Star, read_stars

GRID_PYTHON = ROOT / ".venv-grid" / "bin" / "python"
ENVIRONMENT = GRID_PYTHON.parent.parent / "installed"


# ---- what a design index stands for --------------------------------------------------------------

def test_design_gives_the_labels_of_every_stored_spectrum():
    grid = gr.load_grid()
    assert np.array_equal(draw()[grid.index], grid.labels)


def test_design_stays_in_its_ranges():
    teff, logg, fe_h, c_fe, alpha_fe, n_fe = draw().T
    assert teff.min() >= 3900 and teff.max() <= 7100
    assert logg.min() >= 0.2 and logg.max() <= 5.0
    assert fe_h.min() >= -4 and fe_h.max() <= 0.5
    assert c_fe.min() >= -0.8 and np.all(c_fe + fe_h <= 0.3 + 1e-9) and c_fe.max() <= 3.5
    assert np.all(np.abs(alpha_fe - 0.2) <= 0.4) and np.ptp(n_fe) > 1.4


def test_wavelengths_are_those_of_the_grid():
    grid = gr.load_grid()
    assert np.allclose(WAVE_OUT, grid.wave, rtol=1e-9)
    assert CONT_AIR.size == grid.cont_wave.size


# ---- physics of the input ------------------------------------------------------------------------

def test_solar_abundances_are_those_of_the_package():
    a = abundances(0.0)
    assert [a[5], a[6], a[25]] == [SOLAR_A["C"], SOLAR_A["N"], SOLAR_A["Fe"]]


def test_alpha_carbon_and_nitrogen_move_their_elements_alone():
    moved = abundances(-2, 0.4, 1.5, 0.7) - abundances(-2)
    changed = {z + 1: round(moved[z], 6) for z in np.flatnonzero(moved)}
    assert changed == dict.fromkeys((8, 10, 12, 14, 16, 18, 20, 22), 0.4) | {6: 1.5, 7: 0.7}


def test_library_gets_hydrogen_as_a_number_and_others_as_logarithms():
    x = sme_abundances(abundances(0.0))
    assert x[0] == pytest.approx(0.921, abs=0.001)  # N(H) / N(all), Asplund et al. (2009)
    assert x[0] + np.sum(10.0 ** x[1:]) == pytest.approx(1)


def test_mass_fractions_of_the_sun():
    a = abundances(0.0)
    share = fractions(a)
    assert share[0] * 1.008 / mean_mass(a) == pytest.approx(0.7381, abs=0.001)  # X
    assert share[1] * 4.0026 / mean_mass(a) == pytest.approx(0.2485, abs=0.001)  # Y


def test_isotopes_share_all():
    share = isotope_shares(15.0)
    assert share["12C"] + share["13C"] == pytest.approx(1)
    assert share["12C"] / share["13C"] == pytest.approx(15)
    assert share["24Mg"] + share["25Mg"] + share["26Mg"] == pytest.approx(1, abs=0.01)


def test_hydrogen_lines_know_their_levels():
    lower, upper = _hydrogen_levels(np.array([6562.79, 4861.35, 3797.90, 8598.39]))
    assert lower.tolist() == [2, 2, 2, 3]
    assert upper.tolist() == [3, 4, 10, 14]
    assert hydrogen_reach(lower, upper).tolist() == [400, 300, 100, 80]


def made_lines(wave, loggf, isotope):
    n = len(wave)
    return Lines(np.array(wave), np.full(n, "CH 1"), np.zeros(n), np.array(loggf), np.zeros(n),
                 np.zeros(n), np.zeros(n), np.array(isotope))


def test_lines_of_overlapping_pieces_count_once():
    lines = made_lines([4990.1, 4990.1, 4990.1, 4990.1, 5100.2, 5100.2],
                       [-1.0, -1.0, -1.1, -1.0, -2.0, -2.0],
                       ["12C", "12C", "12C", "13C", "12C", "12C"])
    assert _repeated(lines).tolist() == [False, True, False, False, False, False]


def test_impossible_lines_of_ch():
    wave = np.array([4300.0, 4300.0, 4265.0, 4265.0, 6214.0])
    loggf = np.array([-0.95, -0.89, -0.88, -0.84, -1.5])
    assert _bad_ch(wave, np.full(5, 1.0), loggf).tolist() == [False, True, False, True, True]


def test_isotopes_and_species_reach_the_library():
    species, table = made_lines([4300.0, 4310.0], [-1.0, -1.0], ["12C", "13C"]).sme(15.0)
    assert species.tolist() == [b"CH 1"] * 2
    assert table.shape == (8, 2) and table[1].tolist() == [1, 1]
    assert table[4] == pytest.approx(-1 + np.log10([15 / 16, 1 / 16]))


def made_structure(**changed):
    depth = np.arange(1.0, 21.0)
    made = Structure(depth, 4000 + 100 * depth, depth, depth, depth, depth)
    return replace(made, **changed)


def test_a_good_atmosphere_is_left_alone():
    good = made_structure()
    assert clean(good) is good


@pytest.mark.parametrize("name, value, lost", [
    ("rhox", np.r_[1:11, 9.5, 8.0, 13:21], [10, 11]),  # falls with depth: a negative optical step
    ("rhox", np.r_[1:11, 14.5, 12:21], [11, 12, 13]),
    ("xna", np.r_[1:20, -1.0], [19]),  # more electrons than particles
])
def test_impossible_layers_are_left_out(name, value, lost):
    left = clean(made_structure(**{name: value.astype(float)}))
    assert np.array_equal(left.temp, np.delete(made_structure().temp, lost))
    assert np.all(np.diff(left.rhox) > 0) and np.all(left.xna > 0)


def test_an_atmosphere_with_many_impossible_layers_is_refused():
    with pytest.raises(BadInputError, match="9 of 20 layers"):
        clean(made_structure(xna=np.r_[np.ones(11), -np.ones(9)]))


def test_broadening_keeps_the_area_of_a_line_between_two_points():
    ln_wave = np.arange(8.5, 8.51, 1e-5)
    flux = np.ones(ln_wave.size)
    flux[500] = 0.0
    smooth = broaden_fine(ln_wave, flux, ln_wave[100:-100])
    assert np.sum(1 - smooth) == pytest.approx(1, rel=0.01)
    centre = 1 / (np.sqrt(2 * np.pi) / 2.3548 / 5000 / 1e-5)
    assert 1 - smooth.min() == pytest.approx(centre, rel=0.01)


@pytest.mark.parametrize("norm, cont", [(np.nan, 1.0), (np.inf, 1.0), (1.3, 1.0), (0.9, 0.0)])
def test_impossible_spectra_are_refused(norm, cont):
    spectrum = np.ones(WAVE_OUT.size, np.float16)
    spectrum[7] = norm
    with pytest.raises(SynthesisError):
        check(spectrum, np.full(CONT_AIR.size, cont, np.float32))


# ---- stars by name or file -----------------------------------------------------------------------

def test_stars_by_name_and_file(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("name,teff,logg,fe_h,c_fe,vmic\nA,5000,2,-2.5,1.5,\nB,6000,4,-1,,1.7\n")
    stars = read_stars(["Sun", str(path)])
    assert list(stars) == ["Sun", "A", "B"]
    assert stars["Sun"] == BENCHMARKS["Sun"]
    assert stars["A"] == Star(5000, 2, -2.5, 1.5) and stars["A"].c12_c13 == 15
    assert stars["B"].vmic == 1.7 and stars["B"].c12_c13 == 90


def test_unknown_stars_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="no benchmark star"):
        read_stars(["Vega"])
    bad = tmp_path / "stars.csv"
    bad.write_text("name,teff,logg\nA,5000,2\n")
    with pytest.raises(BadInputError, match="columns are"):
        read_stars([str(bad)])


# ---- downloads -----------------------------------------------------------------------------------

CONTENT = b"line lists"
GOOD = Download("made==1", "made.txt", hashlib.sha256(CONTENT).hexdigest())


def test_download_happens_once(tmp_path):
    calls = []

    def get(download, folder):
        calls.append(download.package)
        (folder / download.file).write_bytes(CONTENT)

    assert fetch(GOOD, tmp_path, get) == fetch(GOOD, tmp_path, get) == tmp_path / "made.txt"
    assert calls == ["made==1"]


def test_download_with_another_checksum_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="not the file expected"):
        fetch(GOOD, tmp_path, lambda d, folder: (folder / d.file).write_bytes(b"something else"))


def test_download_that_brings_nothing_is_reported(tmp_path):
    with pytest.raises(BadInputError, match="came without made.txt"):
        fetch(GOOD, tmp_path, lambda download, folder: None)


# ---- runs: stop, go on, count failures -----------------------------------------------------------

def computed(folder):
    return [path.name.split("-")[1] for path in Path(folder).glob("computed-*")]


def test_run_shares_the_work_and_computes_nothing_twice(tmp_path):
    tasks = run.grid_tasks(tmp_path, 0, list(range(6)))
    first = run.run(tasks[:3], 2, make_fake, (str(tmp_path),), quiet)
    lines = []
    second = run.run(tasks, 2, make_fake, (str(tmp_path),), lines.append)
    assert (first.done, second.done, second.there) == (3, 3, 3)
    assert sorted(computed(tmp_path)) == sorted(f"{teff:.4f}" for teff in draw()[:6, 0])
    assert lines[0] == "3 of 6 spectra are there already"
    assert lines[-1] == "3 of 3 spectra, about 0 min left"


def test_run_counts_failures_with_their_reason_and_tries_them_again(tmp_path):
    tasks = run.grid_tasks(tmp_path, 0, [0, 1, 2])
    bad = float(draw()[1, 0])
    report = run.run(tasks, 1, make_fake, (str(tmp_path), 0.0, bad), quiet)
    assert report.done == 2
    assert report.failed == {"00001": "ValueError: this star fails"}
    assert not tasks[1].path.exists()
    assert run.run(tasks, 1, make_fake, (str(tmp_path),), quiet).done == 1


def test_half_written_and_bad_spectra_are_computed_again(tmp_path):
    good, half, bad = (task.path for task in run.grid_tasks(tmp_path, 0, [0, 1, 2]))
    good.parent.mkdir(parents=True)
    arrays = {"norm": np.ones(9), "cont": np.ones(3), "par": np.ones(6)}
    np.savez_compressed(good, ok=True, **arrays)
    half.write_bytes(good.read_bytes()[:200])
    np.savez_compressed(bad, ok=False, **arrays)
    assert [run.is_done(path) for path in (good, half, bad)] == [True, False, False]


KILLED = """
import sys
from cemp.synthesis import run
from fake_synthesis import make_fake, quiet
if __name__ == "__main__":
    tasks = run.grid_tasks(sys.argv[1], 0, list(range(12)))
    try:
        report = run.run(tasks, 2, make_fake, (sys.argv[1], 0.2), quiet)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def start_run(tmp_path):
    """Start a run of twelve slow spectra in a process group of its own; wait for two."""
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)], cwd=ROOT,
                               env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
                               start_new_session=True)
    for _ in range(600):
        if len(list(tmp_path.glob("spectra/[0-9]*.npz"))) >= 2:
            return process
        time.sleep(0.1)
    raise AssertionError("no spectrum in a minute")


def wait_for_end_of_group(group):
    """Wait until no process of a group is left: workers end with their parent."""
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("processes were left behind")


@pytest.mark.parametrize("stop, status", [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_run_goes_on_after_it_was_stopped(tmp_path, stop, status):
    process = start_run(tmp_path)
    os.kill(process.pid, stop)  # the parent alone
    assert process.wait(timeout=30) == status
    wait_for_end_of_group(process.pid)
    tasks = run.grid_tasks(tmp_path, 0, list(range(12)))
    there = [task.path for task in tasks if task.path.exists()]
    assert 2 <= len(there) < 12 and all(map(run.is_done, there))
    assert not (stop == signal.SIGINT and list(tmp_path.glob("spectra/.*")))
    report = run.run(tasks, 2, make_fake, (str(tmp_path),), quiet)
    assert (report.there, report.done, report.failed) == (len(there), 12 - len(there), {})


def test_spectra_of_the_package_are_not_computed_again(tmp_path):
    missing = [int(task.path.stem) for task in run.grid_tasks(tmp_path, gr.DESIGN_SIZE)]
    have = gr.load_grid().index.tolist()
    assert not set(missing) & set(have)
    assert len(missing) + len(have) + len(run.IMPOSSIBLE) == gr.DESIGN_SIZE


def test_index_outside_the_design_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="lies in 0 to 4095"):
        run.grid_tasks(tmp_path, 0, [4096])


def test_exit_status_tells_of_failures(tmp_path, monkeypatch, capsys):
    from cemp.synthesis import prepare

    bad = float(draw()[1, 0])
    monkeypatch.setattr(prepare, "prepare", lambda out: None)
    monkeypatch.setattr(run, "make_synthesiser", make_fake)
    words = ["--indices", "0", "1", "--jobs", "1"]
    arguments = run.parse(words)
    for wrong, status in ((bad, 1), (-1.0, 0)):
        arguments.out = tmp_path
        monkeypatch.setattr(run, "parse", lambda w: arguments)
        monkeypatch.setattr(run, "run", fake_run(tmp_path, wrong))
        assert run.main(words) == status
    assert "00001 failed: ValueError" in capsys.readouterr().err


def fake_run(folder, bad, original=run.run):
    """Give `run.run` with the fake synthesiser."""
    return lambda tasks, jobs, make, argument, show: original(
        tasks, jobs, make_fake, (str(folder), 0.0, bad), show)


# ---- collecting ----------------------------------------------------------------------------------

def write_spectrum(folder, index, level=0.9, **changed):
    folder.mkdir(exist_ok=True)
    arrays = {"norm": np.full(WAVE_OUT.size, level, np.float16), "par": draw()[index],
              "cont": np.full(CONT_AIR.size, 2.0, np.float32), "ok": True} | changed
    np.savez_compressed(folder / f"{index:05d}.npz", **arrays)


def collect_into(grid, *runs):
    status = collect.main([*map(str, runs), "--grid", str(grid)])
    gr._read.cache_clear()
    return status


def test_collect_merges_and_never_loses(tmp_path):
    first, second, grid = (tmp_path / name for name in ("one", "two", "grid"))
    write_spectrum(first, 3)
    write_spectrum(first, 700, level=0.8)
    assert collect_into(grid, first) == 0
    before = {path.name: path.read_bytes() for path in grid.iterdir()}
    write_spectrum(second, 2, level=0.7)
    write_spectrum(second, 700, level=0.1)  # the grid's own stays
    write_spectrum(second, 5, ok=False)
    assert collect_into(grid, second) == 0
    merged = gr.load_grid(folder=grid)
    assert merged.index.tolist() == [2, 3, 700]
    assert np.array_equal(merged.labels, draw()[[2, 3, 700]])
    assert np.allclose(merged.norm.mean(axis=1), [0.7, 0.9, 0.8], atol=3e-4)
    assert before["block-00512.npz"] == (grid / "block-00512.npz").read_bytes()


def test_collect_drops_impossible_spectra_and_replaces_others_if_told_to(tmp_path):
    grid = tmp_path / "grid"
    bad = gr.Grid(np.array([3, 4]), draw()[[3, 4]], WAVE_OUT, np.zeros((2, WAVE_OUT.size)),
                  air_to_vacuum(CONT_AIR), np.ones((2, CONT_AIR.size)))
    gr.write_blocks(bad, grid)
    write_spectrum(tmp_path / "one", 3, level=0.9)
    write_spectrum(tmp_path / "two", 3, level=0.8)
    for words, level in (["one"], 0.9), (["two"], 0.9), (["two", "--replace"], 0.8):
        assert collect_into(grid, tmp_path / words[0], *words[1:]) == 0
        merged = gr.load_grid(folder=grid)
        assert merged.index.tolist() == [3]  # what is impossible goes
        assert merged.norm.mean() == pytest.approx(level, abs=3e-4)


def test_collect_twice_changes_nothing(tmp_path):
    write_spectrum(tmp_path / "run", 3)
    collect_into(tmp_path / "grid", tmp_path / "run")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "grid").iterdir()}
    collect_into(tmp_path / "grid", tmp_path / "run")
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "grid").iterdir()}


def test_the_package_grid_survives_collecting_bit_for_bit(tmp_path):
    write_spectrum(tmp_path / "run", 4095)
    whole = gr.load_grid()
    merged = collect.merge(whole, collect.read_spectra(tmp_path / "run"))
    gr.write_blocks(merged, tmp_path / "grid")
    for path in gr.GRID_FOLDER.glob("*.npz"):
        if 4095 in whole.index and path == gr.block_file(4095):
            continue
        with np.load(path) as old, np.load(tmp_path / "grid" / path.name) as new:
            rows, kept = (np.isin(a["index"], b["index"]) for a, b in ((new, old), (old, new)))
            assert kept.sum() > 0.9 * kept.size  # but for impossible ones
            assert np.array_equal(old["norm"][:, kept], new["norm"][:, rows])
            assert np.array_equal(old["labels"][kept], new["labels"][rows])
            assert np.array_equal(old["cont"][kept], new["cont"][rows])


@pytest.mark.parametrize("changed, message", [
    ({"par": np.arange(6.0)}, "not those of its design index"),
    ({"norm": np.ones(9, np.float16)}, "has 9 pixels"),
    ({"norm": np.full(WAVE_OUT.size, np.inf, np.float16)}, "impossible"),
    ({"norm": np.zeros(WAVE_OUT.size, np.float16)}, "H-alpha falls to 0.00"),
])
def test_collect_refuses_what_does_not_belong(tmp_path, capsys, changed, message):
    write_spectrum(tmp_path / "run", 3, **changed)
    assert collect_into(tmp_path / "grid", tmp_path / "run") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "grid").exists()


def test_check_tells_spectra_that_differ(tmp_path):
    write_spectrum(tmp_path / "one", 3)
    collect_into(tmp_path / "grid", tmp_path / "one")
    words = [str(tmp_path / "two"), "--grid", str(tmp_path / "grid"), "--check"]
    write_spectrum(tmp_path / "two", 3, level=0.9005)
    assert collect.main(words) == 0
    write_spectrum(tmp_path / "two", 3, level=0.903)
    assert collect.main(words) == 1


# ---- the real thing ------------------------------------------------------------------------------

@pytest.mark.skipif(not ENVIRONMENT.is_file(), reason="make grid makes its environment")
def test_grid_environment_is_the_locked_one():
    frozen = subprocess.run([str(GRID_PYTHON), "-m", "pip", "freeze"], check=True,
                            capture_output=True, text=True).stdout.lower().split()
    lock = (ROOT / "cemp" / "synthesis" / "requirements.txt").read_text().lower().splitlines()
    assert sorted(frozen) == sorted(line for line in lock if not line.startswith("#"))


def test_benchmark_stars_are_renewed_whole_or_not_at_all(tmp_path, capsys):
    kept = tmp_path / "kept.npz"
    with np.load(BENCHMARK_FILE) as stored:
        arrays = dict(stored)
    np.savez(kept, **arrays)
    norm, cont = unpack(arrays["norm"]), arrays["cont"]
    for k, name in enumerate(arrays["names"]):
        np.savez(tmp_path / f"{name}.npz", norm=norm[k] * 0.99, cont=cont[k] * 2,
                 par=arrays["labels"][k], ok=True)
    assert collect_stars.main([str(tmp_path), "--file", str(kept)]) == 0
    assert "sun" in capsys.readouterr().out
    with np.load(kept) as new:
        assert np.allclose(unpack(new["norm"]), norm * 0.99, atol=3e-4)
        assert np.array_equal(new["cont"], cont * 2)
        assert np.array_equal(new["line_flux"], arrays["line_flux"])
    before = kept.read_bytes()
    np.savez(tmp_path / "sun.npz", norm=norm[0], cont=cont[0], par=arrays["labels"][1], ok=True)
    assert collect_stars.main([str(tmp_path), "--file", str(kept)]) == 2
    (tmp_path / "sun.npz").unlink()
    assert collect_stars.main([str(tmp_path), "--file", str(kept)]) == 2
    assert "sun.npz is not there" in capsys.readouterr().err and kept.read_bytes() == before
