"""Measures of real and mock spectra, on spectra whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d

from cemp.constants import WAVE
from cemp.mock import likeness, realism, realism_report, sharpness, twins
from cemp.paths import ROOT
from cemp.spectrum import Spectrum
from cemp.synthesis.resolution import FWHM_TO_SIGMA

REAL = ROOT.parent / "shared" / "real" / "lamost"
NATIVE = 10 ** (3.5682 + 1e-4 * np.arange(3909))


def spectrum(flux, sigma, good=None, **more):
    good = np.ones(flux.size, dtype=bool) if good is None else good
    ivar = np.where(good, 1.0 / np.broadcast_to(sigma, flux.size) ** 2, 0.0)
    snr = dict.fromkeys("ugriz", 50.0)
    return Spectrum(1, NATIVE, flux, ivar, good, 0.0, snr=snr, **more)


@pytest.fixture
def white():
    random = np.random.default_rng(0)
    return spectrum(100 + 2.0 * random.normal(size=NATIVE.size), 2.0)


# ---- measures


def test_white_noise_of_the_stated_size_gives_one(white):
    _, ratio = realism.second_difference(white)
    assert ratio.std() == pytest.approx(1, abs=0.04)
    wide = realism.structure(white, (1, 3), 4000, 8800)
    assert wide == pytest.approx([1, 1], abs=0.12)


def test_noise_smaller_than_ivar_says_is_noticed(white):
    claimed = spectrum(white.flux, 4.0)
    assert realism.second_difference(claimed)[1].std() == pytest.approx(0.5, abs=0.02)


def test_bad_pixels_enter_no_difference(white):
    good = np.ones(NATIVE.size, dtype=bool)
    good[500:520] = False
    flux = white.flux.copy()
    flux[505] = 1e6
    _, ratio = realism.second_difference(spectrum(flux, 2.0, good))
    assert np.abs(ratio).max() < 6
    assert realism.runs(~good).tolist() == [20]
    assert realism.measure(spectrum(flux, 2.0, good))["masked runs"] == 1


def test_depth_of_a_telluric_band_comes_back():
    flux = 100 + 0.002 * (NATIVE - 6000)
    band = (NATIVE > 7596) & (NATIVE < 7680)
    depth = realism.telluric_residual(spectrum(np.where(band, 0.94 * flux, flux), 1.0))
    assert depth["O2 A"] == pytest.approx(0.06, abs=0.002)
    assert depth["O2 B"] == pytest.approx(0.0, abs=0.002)


def test_sky_residuals_raise_the_excess(white):
    from cemp.mock.sky import SKY_LINES, sky_lines

    miss = 2.0 * np.random.default_rng(1).normal(size=len(SKY_LINES)) * SKY_LINES[:, 1] ** 0.5
    dirty = spectrum(white.flux + sky_lines(NATIVE, miss), 2.0)
    assert realism.sky_excess(white)[0] == pytest.approx(1, abs=0.2)
    assert realism.sky_excess(dirty)[0] > 1.3


def test_header_factor_comes_back(white):
    assert realism.snr_ratio(white, "g") == pytest.approx(1, abs=0.01)


# ---- resolving power


@pytest.mark.parametrize("power", [1500.0, 2000.0])
def test_resolving_power_comes_back(power):
    random = np.random.default_rng(3)
    centre = 4600.0
    lines = 1 - 0.4 * gaussian_filter1d((random.random(WAVE.size) < 0.08).astype(float), 0.7)

    def brought_to(r):
        return gaussian_filter1d(lines, centre * FWHM_TO_SIGMA / r)

    flux = 1 + 0.8 * (brought_to(power) - 1)  # weaker lines must not pass for broader ones
    fitted = sharpness.fit_power(flux, np.full(WAVE.size, 1e4), np.ones(WAVE.size, dtype=bool),
                                 brought_to(sharpness.SHARPEST))  # fmt: skip
    window = [low < centre < high for low, high in sharpness.SHARP_WINDOWS].index(True)
    assert fitted[window] == pytest.approx(power, rel=0.02)


def test_a_lost_window_has_no_resolving_power():
    good = WAVE < 5000
    fitted = sharpness.fit_power(np.ones(WAVE.size), np.ones(WAVE.size), good, np.ones(WAVE.size))
    assert np.isnan(fitted[-1])


# ---- likeness


def two_samples(shift, n=60, k=40):
    random = np.random.default_rng(5)
    real, mock = random.normal(size=(n, k)), random.normal(size=(2 * n, k))
    mock[:, :4] += shift
    return real, mock, np.repeat(np.arange(n), 2)


def test_equal_samples_cannot_be_told_apart():
    found = likeness.tell_apart(*two_samples(0.0))
    assert found["low"] < 0.5 < found["high"]
    assert found["auc"] == pytest.approx(0.5, abs=0.12)


def test_shifted_samples_are_told_apart_and_the_place_is_found():
    real, mock, parent = two_samples(2.0)
    assert likeness.tell_apart(real, mock, parent)["auc"] > 0.95
    weight = likeness.direction(real, mock)
    assert np.abs(weight[:4]).min() > np.abs(weight[4:]).mean()
    assert (weight[:4] < 0).all()  # real lies below


def test_auc_of_known_orders():
    y = np.array([True, True, False, False])
    assert likeness.auc(np.array([3.0, 4.0, 1.0, 2.0]), y) == 1
    assert likeness.auc(np.array([1.0, 4.0, 2.0, 3.0]), y) == 0.5


def test_components_explain_their_own_sample_and_not_another():
    random = np.random.default_rng(2)
    basis = random.normal(size=(3, 50))
    one = random.normal(size=(80, 3)) @ basis
    other = random.normal(size=(80, 3)) @ random.normal(size=(3, 50))
    made = likeness.components(one, 3)
    assert likeness.explained(one, made) > 0.9
    assert likeness.explained(other, made) < 0.4


def test_coarse_steps_leave_out_bad_pixels():
    flux, good = np.ones((1, 10)), np.ones((1, 10), dtype=bool)
    flux[0, 2], good[0, 2] = 100.0, False
    good[0, 5:] = False
    out = likeness.coarse(flux, good)
    assert out[0, 0] == 1 and np.isnan(out[0, 1])


def test_difference_finds_a_common_offset():
    real, mock, parent = two_samples(0.5, n=200)
    mean, error = likeness.difference(real, mock, parent)
    assert mean[:4] == pytest.approx(-0.5, abs=5 * error[:4].max())
    assert np.abs(mean[4:] / error[4:]).max() < 5


# ---- twins and report


def test_nearest_library_spectrum_is_the_star_itself():
    random = np.random.default_rng(0)
    library = 1 - 0.3 * random.random((20, WAVE.size))
    real = (library[[7]] + 0.02 * random.normal(size=(1, WAVE.size)),
            np.full((1, WAVE.size), 2500.0), np.ones((1, WAVE.size), dtype=bool))  # fmt: skip
    labels = np.arange(120.0).reshape(20, 6)
    found = twins.nearest(real, labels, library)
    assert found["row"][0] == 7
    assert found["teff"][0] == 42.0


def test_labels_are_not_read_where_lte_or_the_atmosphere_decides():
    use = twins.fit_pixels()
    for wave in (3900, 4862, 6564, 5892, 6282, 6900, 7620):
        assert not use[np.argmin(np.abs(WAVE - wave))]


def test_real_spectra_are_stars_of_the_wanted_types():
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not there: real spectra are kept beside the repository")
    real = twins.read_real(REAL)
    assert len(real) > 60
    assert {s.cls for s in real} == {"STAR"}
    assert min(s.snr["g"] for s in real) >= 8
    names = [tuple(s.meta[k] for k in ("lmjd", "planid", "spid", "fiberid")) for s in real]
    assert len(set(names)) == len(names)


def test_committed_comparison_is_taken_over(tmp_path):
    for folder in ("paper/values", "figures"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "paper/values/00_realism.json").write_text("{}")
    kept = tmp_path / "kept"
    kept.mkdir()
    paths = SimpleNamespace(root=tmp_path, published=lambda kind: kept)
    realism_report.keep_committed(paths)
    assert (kept / "00_realism.json").read_text() == "{}"


def test_summary_knows_its_three_ways():
    values = pd.Series([1.0, 2.0, np.nan, 6.0])
    assert realism_report._summary(values, "median") == 2
    assert realism_report._summary(values, "mean") == 3
    assert realism_report._summary(values, "scatter") == pytest.approx(1.4826)


def test_the_verdict_counts_gaps_and_windows():
    sets = {name: SimpleNamespace(measures=pd.DataFrame({"masked runs": [0, gaps]}))
            for name, gaps in (("real", 0), ("first", 3), ("mock", 0))}
    asked = ["flux, all", "noise and sky, all"]
    keys = [("first", "auc"), ("mock", "auc")]
    aucs = pd.DataFrame([[1.0, 1.0], [0.9, 0.8]], asked, pd.MultiIndex.from_tuples(keys))
    windows = pd.DataFrame({"rms, first": [0.02, 0.01], "rms, mock": [0.03, 0.01],
                            "auc, first": [0.9, 0.8], "auc, mock": [0.95, 0.7]},
                           index=["4400-4800", "6650-7150"])
    table = realism_report.verdict(sets, aucs, windows)
    assert table.iloc[0].tolist() == [100, 50, 100]
    assert table.loc["AUC, noise and sky, all", "mock"] == 0.8
    assert table.loc["rms of real minus mock below 5650 A [%]", "mock"] == pytest.approx(3)
    assert table.iloc[-1][["first", "mock"]].tolist() == [1, 1]
