import fcntl
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_spectra import LINES, NATIVE, lines, planck, star, table_bytes, write

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.preprocess import PreprocessSettings, preprocess, preprocess_all, steps, write_reports
from cemp.preprocess.continuum import continuum, trusted_from, window_weight
from cemp.preprocess.repair import in_protected, repair
from cemp.preprocess.resample import resample
from cemp.vectors import open_vectors, part_names

GOOD = np.ones(NATIVE.size, dtype=bool)


def extinction(wave, ebv):
    """Smooth reddening, A ~ 1/wave."""
    return 10 ** (-0.4 * 3.1 * ebv * 5500 / wave)


# --- continuum ---------------------------------------------------------------------------------
@pytest.mark.parametrize("teff", [4000, 4500, 5500, 6500, 7500])
@pytest.mark.parametrize("ebv", [0, 0.5])
def test_smooth_sloped_spectrum_normalises_to_one(teff, ebv):
    flux = planck(NATIVE, teff) * extinction(NATIVE, ebv)
    assert np.ptp(flux) / flux.mean() > 0.3  # sloped indeed
    ratio = flux / continuum(NATIVE, flux, GOOD)
    inside = (NATIVE > 3800) & (NATIVE < 8800)
    assert np.abs(ratio[inside] - 1).max() < 0.005


def test_scale_and_bad_pixels_do_not_matter():
    flux = planck(NATIVE, 5000)
    good = GOOD.copy()
    good[1000:1100] = False
    spoilt = np.where(good, flux, -1e6)
    expected = continuum(NATIVE, flux, GOOD)
    np.testing.assert_allclose(continuum(NATIVE, 1e-17 * flux, GOOD), 1e-17 * expected, rtol=1e-9)
    np.testing.assert_allclose(continuum(NATIVE, spoilt, good), expected, rtol=2e-3)


@pytest.mark.parametrize("start, first", [(4100, 4175), (4200, 4530), (4450, 4530)])
def test_a_blue_end_without_a_window_is_not_good(start, first):
    spectrum = star(5000, snr=100)
    inside = spectrum.wave >= start
    cut = replace(spectrum, **{key: getattr(spectrum, key)[inside]
                               for key in ("wave", "flux", "ivar", "good")})
    whole, part = preprocess(spectrum), preprocess(cut)
    assert WAVE[part.good][0] == pytest.approx(first, abs=2)
    near = part.good & (WAVE < first + 300)
    assert np.abs(part.flux - whole.flux)[near].max() < 0.04
    beyond = part.good & (WAVE > 6000)  # another arm; only the kernel's bins begin elsewhere
    np.testing.assert_allclose(part.flux[beyond], whole.flux[beyond], atol=3e-4)


@pytest.mark.parametrize("start", [3700, 3900, 5950])
def test_a_spectrum_that_begins_with_its_windows_is_left_alone(start):
    assert trusted_from(NATIVE, start <= NATIVE) == -np.inf


@pytest.mark.parametrize("stray", [[3750], [3890], [3906, 3990], [3950]])
def test_a_single_good_pixel_does_not_hold_the_blue_end(stray):
    good = NATIVE >= 4100
    good[np.searchsorted(NATIVE, stray)] = True
    assert trusted_from(NATIVE, good) == pytest.approx(4175, abs=1)


def test_a_hole_in_the_first_window_is_not_its_loss():
    good = np.abs(NATIVE - 3908) > 4
    assert trusted_from(NATIVE, good) == -np.inf


def test_continuum_is_linear_enough_that_its_mean_ignores_noise():
    depths = {snr: [] for snr in (200, 10)}
    for snr in depths:
        for seed in range(60):
            vector = preprocess(star(5000, snr=snr, seed=seed))
            depths[snr].append(vector.flux)
    high, low = (np.mean(depths[snr], axis=0) for snr in (200, 10))
    blocks = (low - high)[1:].reshape(50, 100).mean(axis=1)
    assert np.abs(blocks).max() < 0.005  # every 100 A, the blue end included
    assert abs((low - high).mean()) < 0.001


@pytest.mark.parametrize("size, masked", [(1.03, False), (1.25, True), (0.8, True)])
@pytest.mark.parametrize("where", [5730, 5870])
def test_arm_mismatch_is_taken_out_or_masked(size, masked, where):
    step = np.where(NATIVE < where, 1.0, size)
    vector = preprocess(star(5000, shape=step, depths=()))
    join = (WAVE > 5700) & (WAVE < 5900)
    assert np.abs(vector.flux[~join] - 1).max() < 0.005
    far = (WAVE < 5697) | (WAVE > 5903)
    assert vector.good[join].any() != masked and vector.good[far].all()
    assert np.abs(vector.flux[vector.good] - 1).max() < 0.03


def test_dead_arm_is_not_good_and_harms_not_the_other():
    good = NATIVE > 5750
    whole = preprocess(star(5000))
    half = preprocess(star(5000, good=good), PreprocessSettings(min_good_fraction=0.3))
    assert not half.good[WAVE < 5900].any() and half.good[WAVE > 5905].all()
    red = WAVE > 5905
    np.testing.assert_allclose(half.flux[red], whole.flux[red], atol=1e-6)


@pytest.mark.parametrize("centre", [4305.0, 5250.0, 6000.0, 8600.0])
def test_injected_line_keeps_its_depth(centre):
    made = steps(star(5000, depths=(*LINES, (centre, 0.3))))
    pixel = np.argmin(np.abs(NATIVE - centre))
    expected = lines(NATIVE, depths=((centre, 0.3),))[pixel]
    plain = steps(star(5000))
    normalised, unaltered = (m["flux"][pixel] / m["continuum"][pixel] for m in (made, plain))
    assert normalised == pytest.approx(unaltered * expected, abs=0.01)


def test_windows_avoid_carbon_bands_and_strong_lines():
    bands = (3883, 4305, 4200, 4735, 5160, 5630, 3934.8, 4102.9, 4862.7, 5892, 6564.6, 8544.4)
    assert not window_weight(np.array(bands)).any()
    np.testing.assert_array_equal(window_weight([3904.9, 3905, 4084.9, 4085]), [0, 0.3, 1, 0])


# --- repair ------------------------------------------------------------------------------------
def test_cosmic_rays_are_found_and_flagged():
    made = star(5000, snr=50)
    hits = np.array([700, 1500, 2345, 3000])
    made.flux[hits] *= 2.0
    flux, good, n_repaired = repair(made.wave, made.flux, made.ivar, made.good)
    assert not good[hits].any() and n_repaired == hits.size
    clean = planck(NATIVE, 5000) * lines(NATIVE)
    assert np.abs(flux[hits] / clean[hits] - 1).max() < 0.1


@pytest.mark.parametrize("snr", [10, 50, 300])
def test_clean_spectrum_is_left_alone(snr):
    repaired = [preprocess(star(4800, snr=snr, seed=seed)).n_repaired for seed in range(10)]
    assert np.mean(repaired) < 0.001 * NATIVE.size


def test_emission_in_calcium_cores_is_the_star():
    for centre in (3934.8, 3969.6, 8500.4, 8544.4, 8664.5):
        made = star(5000, snr=300)
        made.flux[np.argmin(np.abs(NATIVE - centre))] *= 3
        flux, good, n_repaired = repair(made.wave, made.flux, made.ivar, made.good)
        assert n_repaired == 0 and good.all()
        np.testing.assert_array_equal(flux, made.flux)
        assert in_protected(np.array([centre]))[0]


def test_bad_pixels_are_filled_but_not_good():
    made = star(5000)
    made.good[2000:2003] = False
    made.flux[2000:2003] = 0
    flux, good, n_repaired = repair(made.wave, made.flux, made.ivar, made.good)
    assert n_repaired == 0 and not good[2000:2003].any()
    np.testing.assert_allclose(flux[2000:2003], planck(NATIVE[2000:2003], 5000), rtol=0.01)


# --- resampling --------------------------------------------------------------------------------
def test_resample_is_linear_and_conservative():
    wave, grid = np.array([1.0, 2.0, 4.0, 5.0]), np.array([0.5, 1.0, 1.5, 3.0, 4.0, 4.5, 6.0])
    good = np.array([True, True, True, False])
    flux, ivar, ok = resample(wave, 10 * wave, np.ones(4), good, grid)
    np.testing.assert_allclose(flux[1:-1], [10, 15, 30, 40, 45])
    assert np.isnan(flux[[0, -1]]).all()
    np.testing.assert_array_equal(ok, [False, True, True, True, True, False, False])
    np.testing.assert_allclose(ivar, [0, 1, 2, 2, 1, 0, 0])


# --- the whole ---------------------------------------------------------------------------------
@pytest.mark.parametrize("velocity", [-300.0, 0.0, 250.0])
def test_injected_velocity_is_taken_out(velocity):
    vector = preprocess(star(5000, z=velocity / 299792.458))
    for centre in (4862.7, 6564.6, 8544.4):
        near = np.abs(WAVE - centre) < 6
        weight = 1 - vector.flux[near]
        assert np.average(WAVE[near], weights=weight) == pytest.approx(centre, abs=0.15)


def test_mask_covers_a_bad_arm_join():
    z = 1e-3
    made = star(5000, z=z)
    bad = (NATIVE > 5750) & (NATIVE < 5850)
    made.good[bad] = False
    vector = preprocess(made)
    rest = WAVE * (1 + z)
    assert not vector.good[(rest > 5750) & (rest < 5850)].any()
    assert vector.good[(rest < 5745) | (rest > 5855)].all()
    assert (vector.ivar[~vector.good] == 0).all() and (vector.ivar[vector.good] > 0).all()


def test_pixels_without_coverage_are_one_and_not_good():
    whole, cut = star(5000, z=8e-3), NATIVE < 8500
    arrays = {name: getattr(whole, name)[cut] for name in ("wave", "flux", "ivar", "good")}
    vector = preprocess(star(5000, z=8e-3, **arrays))
    beyond = WAVE > 8500 / 1.008
    assert (vector.flux[beyond] == 1).all() and not vector.good[beyond].any()
    assert vector.flux.shape == (N_PIX,) and vector.flux.dtype == np.float32


def test_inverse_variance_follows_the_flux():
    vector = preprocess(star(5000, depths=()))
    # at a native pixel S/N is 10,000 as made; half way between two pixels it is sqrt(2) more
    snr = vector.flux * np.sqrt(vector.ivar)
    assert snr.min() == pytest.approx(1e4, rel=0.005)
    assert snr.max() == pytest.approx(1e4 * np.sqrt(2), rel=0.005)


def test_what_is_no_galactic_star_is_refused():
    for changes, reason in (
        ({"cls": "GALAXY"}, "class GALAXY"), ({"z": np.nan}, "redshift missing"),
        ({"z": 0.3}, "not a Galactic star"), ({"good": NATIVE > 6500}, "good pixels under 50%"),
        ({"flux": np.zeros(NATIVE.size)}, "good pixels"),
    ):  # fmt: skip
        with pytest.raises(BadInputError, match=reason):
            preprocess(star(5000, **changes))


def test_steps_agree_with_preprocess():
    made, vector = steps(star(5000, snr=30)), preprocess(star(5000, snr=30))
    np.testing.assert_array_equal(made["grid_flux"].astype(np.float32), vector.flux)
    np.testing.assert_array_equal(made["grid_good"], vector.good)


# --- streaming ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Folder of 12 stars of rising temperature, and files that cannot be used among them."""
    folder = tmp_path_factory.mktemp("spectra")
    rows = []
    for i in range(12):
        content = table_bytes(star(4500 + 100 * i, z=1e-4 * i, snr=80, seed=i, obsid=100 + i))
        rows.append((100 + i, write(folder / f"{100 + i}.fits.gz", content).name))
    whole = table_bytes(star(5000))
    bad = {
        1: ("mrs.fits.gz", table_bytes(star(5000), extname="COADD_B")),
        4: ("galaxy.fits.gz", table_bytes(star(5000, obsid=4, cls="GALAXY"))),
        5: ("noz.fits.gz", table_bytes(star(5000, obsid=5, z=0.0), Z=-9999)),
        6: ("other.fits.gz", table_bytes(star(5000, obsid=999))),
    }
    for obsid, (name, content) in bad.items():
        rows.insert(2 * obsid, (obsid, write(folder / name, content).name))
    rows.insert(3, (2, write(folder / "cut.fits.gz", whole[:20000]).name))
    rows.insert(7, (3, write(folder / "empty.fits.gz", b"", packed=False).name))
    rows.insert(9, (8, "missing.fits.gz"))
    return folder, pd.DataFrame(rows, columns=["obsid", "path"])


def run(survey, out, **changes):
    folder, table = survey
    options = {"n_jobs": 1, "spectra_dir": folder, "part_size": 4, "progress": False} | changes
    return preprocess_all(table, out, **options)


def test_bad_files_are_named_and_shift_nothing(survey, tmp_path):
    report = run(survey, tmp_path / "vectors")
    kinds = report.set_index("obsid")["kind"]
    assert (kinds[100:].loc[100:111] == "done").all() and len(report) == len(survey[1])
    assert kinds.drop(range(100, 112)).to_dict() == {
        1: "medium resolution", 2: "unreadable file", 3: "unreadable file", 8: "missing file",
        4: "unusable spectrum", 5: "unusable spectrum", 6: "wrong file",
    }  # fmt: skip
    store = open_vectors(tmp_path / "vectors")
    vectors = store.read([111, 100, 105])
    for i, row in zip((11, 0, 5), vectors.flux, strict=True):
        expected = preprocess(star(4500 + 100 * i, z=1e-4 * i, snr=80, seed=i))
        np.testing.assert_allclose(row, expected.flux, atol=2e-4)  # float32 in the file
    write_reports(report, tmp_path)
    skipped = pd.read_csv(tmp_path / "skipped.csv", index_col="obsid")
    assert "cut.fits.gz" in skipped.reason[2] and "class GALAXY" in skipped.reason[4]
    assert len(pd.read_csv(tmp_path / "processed.csv")) == 12


def test_two_processes_make_the_same_as_one(survey, tmp_path):
    one, two = run(survey, tmp_path / "one"), run(survey, tmp_path / "two", n_jobs=2)
    pd.testing.assert_frame_equal(one, two)
    ids = range(100, 112)
    a, b = (open_vectors(tmp_path / name).read(ids) for name in ("one", "two"))
    np.testing.assert_array_equal(a.flux, b.flux)
    np.testing.assert_array_equal(a.ivar, b.ivar)


def times(folder):
    return {name: (folder / f"{name}.npy").stat().st_mtime_ns for name in part_names(folder)}


def test_rerun_makes_only_what_changed(survey, tmp_path):
    out = tmp_path / "vectors"
    run(survey, out)
    first = times(out)
    run(survey, out)
    assert times(out) == first
    os.utime(survey[0] / "103.fits.gz", ns=(1, 1))
    run(survey, out)
    assert len(times(out)) == len(first) and len(times(out).keys() & first.keys()) == len(first) - 1
    run(survey, out, settings=PreprocessSettings(spike_sigma=6.0))
    assert not times(out).keys() & first.keys()
    assert len(list(out.glob("part-*"))) == 3 * len(first)


KILLED = """
import sys, os, time
import pandas as pd
import cemp.preprocess.stream as stream
plain = stream.make_part
def make_part(task):
    if "part-00002" in task["name"]:
        open(task["folder"] + "/.1.part-00002-half.npy", "w").write("half")
        print("ready", flush=True)
        time.sleep(60)
    return plain(task)
stream.make_part = make_part
stream.preprocess_all(pd.read_csv(sys.argv[1]), sys.argv[2], n_jobs=1, spectra_dir=sys.argv[3],
                      part_size=4, progress=False)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_run_is_completed(survey, tmp_path, how):
    folder, table = survey
    out, csv = tmp_path / "vectors", tmp_path / "table.csv"
    table.to_csv(csv, index=False)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, csv, out, folder], stdout=-1, stderr=subprocess.DEVNULL
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(how)
    process.wait(20)
    process.stdout.close()
    kept = times(out)
    assert len(kept) == 2
    report = run(survey, out)
    assert {name: times(out)[name] for name in kept} == kept
    assert (report["kind"] == "done").sum() == 12 == len(open_vectors(out))
    assert not list(out.glob(".*.part-*"))


SLEEPER = """
import fcntl, sys, time
from cemp.preprocess.workers import run_tasks
def sleep(path):
    lock = open(path, "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.write("held")
    lock.flush()
    time.sleep(60)
if __name__ == "__main__":
    run_tasks(sleep, sys.argv[1:], 2, print)
"""


def test_workers_end_when_the_parent_is_killed(tmp_path):
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    locks = [tmp_path / "a.lock", tmp_path / "b.lock"]
    process = subprocess.Popen([sys.executable, tmp_path / "sleeper.py", *locks])
    assert wait_for(lambda: all(p.exists() and p.read_text() == "held" for p in locks))
    assert not is_free(locks[0])
    process.kill()
    process.wait()
    assert wait_for(lambda: all(map(is_free, locks)))


def is_free(path):
    """Tell whether the process that locked a file has ended."""
    with open(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def wait_for(ask, seconds=20):
    end = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


def test_second_writer_is_refused(survey, tmp_path):
    from cemp.preprocess.stream import _only_writer

    with _only_writer(tmp_path), pytest.raises(BadInputError, match="another run"):
        run(survey, tmp_path)


def test_repeated_identifiers_are_refused(survey, tmp_path):
    folder, table = survey
    with pytest.raises(BadInputError, match="101.*twice"):
        preprocess_all(pd.concat([table, table[table.obsid == 101]]), tmp_path)
