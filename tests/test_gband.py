"""The G-band check: expected bands, zero point, power, and what is said about a candidate."""

import numpy as np
import pytest

from cemp.candidates.gband import ExpectedBand, GBandSettings, degrade, normalise, strip
from cemp.candidates.gcheck import grade, snr_threshold, zero_point
from cemp.constants import WAVE

LN_WAVE = np.exp(np.arange(np.log(3700), np.log(9100), 1e-4))
BAND = (WAVE > 4290) & (WAVE < 4310)
SIDES = ((WAVE > 4255) & (WAVE < 4270)) | ((WAVE > 4330) & (WAVE < 4345))


def depth(labels):
    """Depth of a made-up band: linear in Teff, log g, [Fe/H] and [C/Fe]."""
    teff, logg, fe_h, c_fe = np.asarray(labels, dtype=float).T[:4]
    return 0.35 - 1e-4 * (teff - 5000) + 0.01 * logg + 0.02 * fe_h + 0.1 * c_fe


def emulate(labels):
    box = (LN_WAVE > 4280) & (LN_WAVE < 4320)
    return 1.0 - depth(labels)[:, None] * box


def measure(flux):
    return 1.0 - flux[:, BAND].mean(axis=1) / flux[:, SIDES].mean(axis=1)


@pytest.fixture(scope="module")
def expected():
    settings = GBandSettings(teff=(4000.0, 6900.0, 5), height=(0, 1, 4), fe_h=(-4.0, -0.7, 4))
    return ExpectedBand(measure, settings).fit(emulate, LN_WAVE, 5000.0)


STARS = np.array([[5100.0, 2.5, -2.5, 0.0], [4300.0, 1.0, -3.7, 0.0], [6400.0, 4.0, -1.1, 0.0]])


def test_expected_band_is_that_of_the_emulator_between_its_nodes(expected):
    # log g enters the table through the height in its strip, which bends: hence not exactly.
    # The continuum bends under the band, too; the side bands take that out.
    assert expected.predict(STARS) == pytest.approx(depth(STARS), abs=2e-3)
    strong = STARS + [0, 0, 0, 1.0]
    assert expected.predict(STARS, "strong") == pytest.approx(depth(strong), abs=2e-3)


def test_expected_band_outside_the_library(expected):
    labels = [[8000, 4.0, -2.5], [5000, 2.5, 0.0], [np.nan, 2.5, -2.5], [5000, 2.5, -4.5]]
    index = expected.predict(labels)
    assert np.isnan(index[:3]).all()
    assert index[3] == pytest.approx(expected.predict([[5000, 2.5, -4.0]])[0])


def test_label_errors_reach_the_expected_band(expected):
    errors = np.tile([100.0, 0.3, 0.2, 9.9], (3, 1))
    analytic = np.sqrt((1e-4 * 100) ** 2 + (0.01 * 0.3) ** 2 + (0.02 * 0.2) ** 2)
    assert expected.label_error(STARS, errors) == pytest.approx(np.full(3, analytic), rel=0.05)


def test_degrade_keeps_equivalent_width_and_gives_the_resolution():
    centre, native = 5000.0, 5000.0
    sigma = centre / native / 2.354820045
    line = 1 - 0.5 * np.exp(-0.5 * ((LN_WAVE - centre) / sigma) ** 2)
    wide = degrade(LN_WAVE, line[None], 1800.0, native)[0]
    area = [np.trapezoid(1 - f, LN_WAVE) for f in (line, wide)]
    assert area[1] == pytest.approx(area[0], rel=1e-3)
    moment = np.trapezoid((1 - wide) * (LN_WAVE - centre) ** 2, LN_WAVE) / area[1]
    assert np.sqrt(moment) * 2.354820045 == pytest.approx(centre / 1800.0, rel=0.01)


def test_normalise_removes_a_slope():
    flux = (LN_WAVE / 5500.0) ** -1.5
    assert normalise(LN_WAVE, flux[None])[0] == pytest.approx(np.ones(WAVE.size), abs=5e-3)


def test_strip_holds_giants_and_dwarfs():
    low, high = strip([4500.0, 6000.0])
    assert low == pytest.approx([0.6, 2.4])
    assert np.all(high > 4.7)


def test_zero_point_recovers_offset_and_floor():
    rng = np.random.default_rng(4)
    sigma = rng.uniform(0.1, 0.3, 4000)
    residual = 0.25 + np.hypot(sigma, 0.4) * rng.normal(size=4000)
    residual[::20] += 5.0
    offset, floor = zero_point(np.r_[residual, np.nan], np.r_[sigma, 0.1])
    assert offset == pytest.approx(0.25, abs=0.06)
    assert floor == pytest.approx(0.4, abs=0.05)
    quiet = 0.1 * rng.normal(size=500)
    assert zero_point(quiet, np.full(500, 0.5))[1] == pytest.approx(0, abs=1e-6)
    assert zero_point([0.1, 0.2], [0.1, 0.1]) == (0.0, 0.0)


def test_threshold_is_where_most_spectra_could_show_an_excess():
    snr = np.linspace(5, 200, 2000)
    edges = [5, 10, 20, 40, 80, 200]
    assert snr_threshold(snr, snr / 8, 3.0, edges) == 20  # power 3 at 24, 3.75 in the middle
    assert snr_threshold(snr, snr * 0, 3.0, edges) == np.inf


def test_grades():
    found = grade([5.0, 1.0, 1.0, 5.0, 5.0, np.nan], [4.0, 4.0, 1.0, 1.0, 4.0, np.nan],
                  [50, 50, 50, 50, 9, 50], 20.0, 3.0)
    assert list(found) == ["confirmed", "not confirmed", "untested", "confirmed", "untested",
                           "untested"]
    assert list(grade([9.0], [9.0], [999.0], np.inf, 3.0)) == ["untested"]
