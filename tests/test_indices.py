import numpy as np
import pytest

from cemp.constants import N_PIX, WAVE, air_to_vacuum
from cemp.indices import BANDS, MIN_GOOD, Band, band_mean, magnitude, measure
from cemp.indices import pseudo_equivalent_width as width

GOOD = np.ones((1, N_PIX), dtype=bool)
IVAR = np.full((1, N_PIX), 100.0**2)


def test_box_of_known_width():
    flux = np.ones((1, N_PIX))
    flux[:, (WAVE >= 4290) & (WAVE <= 4299)] = 0.4  # ten pixels, 6 A
    for scale in (1.0, 250.0):
        value, error = width(WAVE, scale * flux, IVAR / scale**2, GOOD, "gband_lick")
        assert value[0] == pytest.approx(6.0, abs=1e-9)
    # 35 A of noise 0.01 a pixel, and two side bands of 16.25 A
    expected = 35 * 0.01 * np.sqrt(1 / 35 + 2 * 0.25 * (1 - 6 / 35) ** 2 / 16.25)
    assert error[0] == pytest.approx(expected, rel=0.02)


def test_slope_of_the_continuum_does_not_count():
    slope = 1 + 2e-4 * (WAVE - 5000)
    for name, band in BANDS.items():
        if not band.magnitude:
            assert width(WAVE, slope, IVAR[0], GOOD[0], name)[0] == pytest.approx(0, abs=1e-4)


def test_known_magnitude():
    low, high = air_to_vacuum(BANDS["cn_3883"].centre)
    flux = np.where((WAVE > low - 1) & (WAVE < high), 0.5, 1.0)
    band = Band((3847, 3881), ((3886, 3916),), "test", magnitude=True)
    value, error = magnitude(WAVE, flux, IVAR[0], GOOD[0], band)
    assert value == pytest.approx(2.5 * np.log10(2), abs=1e-9)
    expected = 1.0857 * 0.01 * np.sqrt(1 / 34 / 0.25 + 1 / 30)
    assert error == pytest.approx(expected, rel=0.02)


def test_errors_match_the_scatter():
    noise = np.random.default_rng(3).normal(scale=0.05, size=(400, N_PIX))
    ivar, good = np.full(noise.shape, 400.0), np.ones(noise.shape, dtype=bool)
    values = measure(WAVE, 1 + noise, ivar, good)
    for name in BANDS:
        pull = values[name] / values[f"e_{name}"]
        assert np.std(pull) == pytest.approx(1, abs=0.12) and abs(np.mean(pull)) < 0.25


def test_edges_are_vacuum_and_cut_pixels_count_in_part():
    flux = np.where(WAVE == 5000, 0.0, 1.0)[None]
    mean, _ = band_mean(WAVE, flux, IVAR, GOOD, (4999.75, 5009.75))
    assert mean[0] == pytest.approx(0.925)
    assert air_to_vacuum(4281.375) == pytest.approx(4282.58, abs=0.01)


def test_too_few_good_pixels_give_nan():
    band = (WAVE > 4283) & (WAVE < 4317)
    few, enough = GOOD[0].copy(), GOOD[0].copy()
    few[np.flatnonzero(band)[:8]] = False
    enough[np.flatnonzero(band)[:6]] = False
    assert 27 / 35 < MIN_GOOD < 29 / 35
    flux = np.where(enough, 1.0, np.nan)
    np.testing.assert_array_equal(
        np.isnan(width(WAVE, np.tile(flux, (2, 1)), IVAR.repeat(2, 0),
                       np.array([few, enough]), "gband_lick")[0]), [True, False],
    )  # fmt: skip


def test_dark_band_has_no_magnitude():
    assert np.isnan(magnitude(WAVE, -np.ones(N_PIX), IVAR[0], GOOD[0], "egp")[0])
