"""The synthetic spectra against answers that were known before them."""

import numpy as np
import pytest

from cemp.constants import air_to_vacuum
from cemp.errors import BadInputError
from cemp.paths import ROOT
from cemp.synthesis import benchmarks as bm
from cemp.synthesis import checks, colours, compare, overview
from cemp.synthesis.emulator import Emulator, EmulatorSettings
from cemp.synthesis.grid import GRID_R, Grid, load_grid
from cemp.transfer import literature

MILES = ROOT.parent / "shared" / "real" / "miles"


@pytest.fixture(scope="module")
def stars():
    return bm.read_benchmarks()


@pytest.fixture(scope="module")
def lines():
    return bm.solar_table()


@pytest.fixture(scope="module")
def quick():
    """An emulator learnt in a hurry from every fourth pixel of 3800-6930 Angstrom."""
    grid, some = load_grid(), slice(300, 6300, 4)
    part = Grid(grid.index, grid.labels, grid.wave[some], grid.norm[:, some], grid.cont_wave,
                grid.cont)
    return Emulator(EmulatorSettings(n_members=1, n_steps=1500)).fit(part)


# ---- the Sun, line by line ----------------------------------------------------------------------

def test_a_gaussian_has_its_equivalent_width():
    wave = np.linspace(4990, 5010, 2001)
    ratio = 1 - 0.4 * np.exp(-0.5 * ((wave - 5000) / 0.5) ** 2)
    truth = 0.4 * 0.5 * np.sqrt(2 * np.pi)
    assert bm.equivalent_width(wave, ratio) == pytest.approx(truth, rel=1e-6)
    # a sloped pseudo-continuum is divided out; the window's ends cost what lies beyond them
    assert bm.measured_width(wave, ratio * (1 + 0.01 * (wave - 5000)), 5000.0, reach=3.0) \
        == pytest.approx(truth, rel=0.01)


def test_weak_solar_lines_have_their_published_widths(lines):
    """Lines of little saturation, with laboratory gf values: 5% each, as well as one measures."""
    for name in ("Ni I 6643", "Ni I 6767", "Si I 5948", "Fe I 6301", "Sc II 4246", "Ca II K"):
        assert lines.loc[name, "ratio"] == pytest.approx(1, abs=0.05), name


def test_solar_lines_are_too_strong_by_a_known_amount(lines):
    """A known shortcoming: with the grid's micro-turbulence (1.19 km/s for the Sun, where about 1.0
    is usual) and A(Fe) = 7.50, saturated lines are 16% too strong in the median (0.2 dex in
    abundance). More than 20%, or less than 10%, would mean that something has changed."""
    ratio = lines.loc[lines["lte"], "ratio"]
    assert len(ratio) > 35
    assert 1.10 < np.median(ratio) < 1.20
    assert 1.4826 * np.median(np.abs(np.log10(ratio / np.median(ratio)))) < 0.08


def test_known_widths_of_the_notes(lines):
    """Flux widths found when the recipe was set up: 8%, the windows are not the same."""
    for name, width in (("Ca II K", 20100), ("Na I D2", 844), ("Fe I 6301", 117), ("H beta", 3800),
                        ("H alpha", 3770), ("Ni I 6767", 75), ("O I 7771", 62)):
        assert lines.loc[name, "flux"] == pytest.approx(width, rel=0.08), name


def test_a_line_among_others_measures_as_alone(lines):
    """Local pseudo-continuum and all lines against the line alone: 10% in the median."""
    seen = lines[lines["blended"].notna()]
    assert len(seen) > 25
    assert np.median(seen["blended"] / seen["flux"]) == pytest.approx(1, abs=0.10)


def test_line_names_and_profiles_belong_together():
    wave, centre, flux = bm.solar_profiles()
    assert wave.shape == centre.shape == flux.shape == (len(bm.SOLAR_LINES), wave.shape[1])
    middle = wave[:, wave.shape[1] // 2]
    assert np.abs(middle - [line.air for line in bm.SOLAR_LINES]).max() < 0.1
    assert (flux.min(axis=1) < 0.95).all() and flux.max() < 1.0001


def test_strong_lines_of_the_sun_are_where_the_laboratory_puts_them(stars):
    """Vacuum, within 0.1 Angstrom (air would be 1.1 to 2.4 Angstrom off)."""
    offsets = checks.solar_positions(stars)
    assert offsets.abs().max() < 0.1, offsets
    assert air_to_vacuum(8542.09) - 8542.09 > 2.3


# ---- flux and colours ---------------------------------------------------------------------------

def test_a_black_body_has_its_flux():
    wave = np.geomspace(500, 1e7, 200_000)
    total = np.trapezoid(colours.planck_flux(wave, 5777.0), wave)
    assert total == pytest.approx(5.670374e-5 * 5777.0**4, rel=1e-3)


def test_equal_flux_has_no_colour_but_the_zero_points():
    wave = np.linspace(3600, 7100, 3000)
    assert colours.b_minus_v(wave, np.ones(3000)) == pytest.approx(-2.5 * np.log10(363.1 / 632.0))
    with pytest.raises(BadInputError, match="does not cover passband B"):
        colours.b_minus_v(wave[500:], np.ones(2500))
    with pytest.raises(BadInputError, match="no passband 'R'"):
        colours.mean_flux(wave, wave, "R")


def test_the_sun_shines_as_it_should(stars):
    """Irradiance: 3.5% beyond 5900 Angstrom, where lines are few. In the violet the line list lacks
    the many weak lines that were never measured: up to 11% too bright, a known shortcoming."""
    ratio = {at: colours.irradiance(stars.wave, stars.flux("sun"), at) / seen
             for at, seen in colours.SOLAR_IRRADIANCE.items()}
    assert all(ratio[at] == pytest.approx(1, abs=0.035) for at in (6000, 6700, 7500, 7990)), ratio
    assert ratio[5500] == pytest.approx(1, abs=0.07)
    assert 1.05 < ratio[4050] < 1.15


def test_colours_follow_temperature(stars):
    """B - V within 0.05 for warm metal-poor stars. For want of violet lines the Sun (0.653, Ramirez
    et al. 2012) is 0.05 too blue, cool stars up to 0.15; all are in the right order."""
    found = {name: colours.b_minus_v(stars.wave, stars.flux(name)) for name in colours.OBSERVED_B_V}
    assert sorted(found, key=found.get) == sorted(found, key=colours.OBSERVED_B_V.get)
    for name, seen in colours.OBSERVED_B_V.items():
        warm = name in ("HD140283", "HD10700")
        assert found[name] == pytest.approx(seen, abs=0.05 if warm else 0.15), name
    assert found["sun"] == pytest.approx(0.602, abs=0.005)  # a known fault, that may not grow


# ---- series in one label ------------------------------------------------------------------------

def test_carbon_bands_of_computed_spectra_are_those_of_the_notes(stars):
    """Mean depths found when the recipe was set up: G .27, .62, .68, C2 .02, .16, .55 ..."""
    depth = checks.computed_depths(stars).set_index(["name", "kind"])["depth"]
    known = {("giant_c0", "giant_g"): 0.27, ("giant_c15", "giant_g"): 0.62,
             ("giant_c23", "giant_g"): 0.68, ("giant_c0", "giant_c2"): 0.02,
             ("giant_c15", "giant_c2"): 0.16, ("giant_c23", "giant_c2"): 0.55,
             ("turnoff_c0", "turnoff_g"): 0.02, ("turnoff_c18", "turnoff_g"): 0.12,
             ("turnoff_c18", "turnoff_c2"): 0.0}
    for key, value in known.items():
        assert depth[key] == pytest.approx(value, abs=0.01), key


def test_the_emulator_grows_carbon_bands_as_the_synthesis_does(quick):
    """0.05 of the continuum, the hurried emulator's own error; 0.12 for C2 in the sparse corner."""
    series = checks.carbon_series(quick, [0.0, 1.5, 1.8, 2.3])
    assert np.allclose(series["giant_g"].loc[[0, 1.5, 2.3]], (0.27, 0.62, 0.68), atol=0.05)
    assert np.allclose(series["giant_c2"].loc[[0, 1.5, 2.3]], (0.02, 0.16, 0.55), atol=0.12)
    assert np.allclose(series["turnoff_g"].loc[[0, 1.8]], (0.02, 0.12), atol=0.03)
    assert series["turnoff_c2"].max() < 0.02


def test_carbon_bands_never_shrink_with_carbon(quick):
    series = checks.carbon_series(quick)
    for column in ("giant_g", "giant_c2", "turnoff_g"):
        assert series[column].diff().min() > -0.02, column  # the emulator errs by as much


def test_balmer_lines_grow_with_temperature(quick):
    series = checks.temperature_series(quick, np.arange(5000, 7001, 250.0))
    assert (series.diff().iloc[1:] > 0).all().all(), series


def test_metal_lines_grow_with_metals_and_nearly_vanish_at_minus_four(quick):
    series = checks.metallicity_series(quick)
    assert (series.diff().iloc[1:] > 0).all().all(), series
    assert series["blocked"].iloc[0] < 0.005 < 0.08 < series["blocked"].iloc[-1]
    assert 1 < series["Ca II K"].iloc[0] < 3  # Ca II K is the last to go


def test_magnesium_grows_with_gravity_in_cool_dwarfs(quick):
    norm, _ = quick.emulate(checks.labels_along("logg", [3.0, 3.5, 4.0, 4.5], 4900.0, fe_h=-1.0))
    assert (np.diff(checks.line_width(quick.wave, norm, 5177.0, 20.0)) > 0.2).all()


# ---- the grid as a whole ------------------------------------------------------------------------

def test_no_spectrum_of_the_grid_is_broken():
    table = overview.health(load_grid())
    assert table["good"].all(), table


def test_a_broken_spectrum_is_found():
    grid = load_grid().select(slice(0, 5))
    broken = grid.norm.copy()
    broken[2, 100] = np.nan
    bad = Grid(grid.index, grid.labels, grid.wave, broken, grid.cont_wave, grid.cont)
    assert not overview.health(bad).loc["pixels not finite", "good"]


def test_errors_of_the_corner_are_those_of_its_spectra():
    labels = np.array([[5000, 2, -2.5, 1.0, 0.4, 0]] * 11 + [[5000, 2, -1.0, 0.0, 0.2, 0]] * 4)
    rms = np.r_[np.arange(11) / 1000, 0.5, 0.5, 0.5, np.nan]
    told = overview.error_table(labels, rms).loc["CEMP"]
    assert told["held_out"] == 11
    assert (told["median"], told["p90"]) == (pytest.approx(0.5), pytest.approx(0.9))


def test_known_answers_say_what_is_wrong(stars):
    table = checks.known_answers(stars)
    assert table.index.is_unique and table["found"].notna().all()
    assert 5 <= table["good"].sum() < len(table)
    assert len(checks.tex_rows(table)) == len(table)


# ---- observed against computed ------------------------------------------------------------------

def test_the_polynomial_is_taken_out_and_a_deviation_is_not(stars):
    wave = np.arange(3850.0, 7350.0, 0.9)
    model = compare.at_constant_fwhm(stars.wave, stars.norm[stars.row("sun")], wave, 2.5)
    x = (wave - 5500) / 1800
    seen = 3e-12 * model * (1 + 0.3 * x - 0.2 * x**2)
    good = np.ones(wave.size, bool)
    assert np.nanmax(np.abs(compare.ratio_to_model(wave, seen, good, model) - 1)) < 2e-3
    seen[(wave > 5000) & (wave < 5002)] *= 0.5
    ratio = compare.ratio_to_model(wave, seen, good, model)
    assert np.interp(5001, wave, ratio) == pytest.approx(0.5, abs=0.01)
    rms = compare.window_rms(wave, ratio, good)
    assert rms["4800-5300"] == pytest.approx(0.5 * np.sqrt(2 / 500), rel=0.2)
    assert rms["6000-7150"] < 2e-3


def test_a_narrow_line_gets_the_width_of_the_instrument(stars):
    norm = np.ones_like(stars.wave)
    centre = np.argmin(np.abs(stars.wave - 6000))
    norm[centre] = 0.0
    wave = np.arange(5980.0, 6020.0, 0.05)
    seen = 1 - compare.at_constant_fwhm(stars.wave, norm, wave, 2.5)
    above = wave[seen > seen.max() / 2]
    # a line of no width at R = 5000 becomes sqrt(2.5^2 - 1.2^2) wide
    assert np.ptp(above) == pytest.approx(np.sqrt(2.5**2 - (6000 / GRID_R) ** 2), abs=0.15)


def test_cores_and_tellurics_do_not_count():
    wave = np.arange(3850.0, 7350.0, 1.0)
    use = compare.judged(wave, np.ones(wave.size, bool))
    assert not use[np.abs(wave - 6564.6) < 5].any() and not use[np.abs(wave - 6910) < 40].any()
    assert use.mean() > 0.85


def test_ordinary_stars_have_ordinary_abundances():
    labels = literature.ordinary_abundances([4600, 4800, 5777], [1.3, 2.5, 4.4], [-2.0, -0.0, 0.0])
    assert labels.tolist() == [[4600, 1.3, -2.0, -0.4, 0.4, 0.4],
                               [4800, 2.5, 0, -0.2, 0.05, 0.3], [5777, 4.4, 0, 0, 0.05, 0]]


needs_miles = pytest.mark.skipif(not (MILES / "labels.csv").is_file(),
                                 reason=f"real MILES spectra are not in {MILES}")


@needs_miles
def test_the_test_half_stays_closed():
    seen = literature.open_rows(MILES)
    assert seen["dev"].all() and "HD122563" not in set(seen["star"])


@needs_miles
def test_metal_poor_standards_agree_with_no_label_fitted(stars):
    """Below [Fe/H] = -1.2 green and red agree to 2%, nothing but a polynomial fitted; in the violet
    the cool giant is off by 9%, the warmer three by less than 3%."""
    ratios, table = literature.standard_stars(MILES, stars)
    poor = table[table["fe_h"] < -1.2]
    assert len(table) >= 6 and len(poor) >= 4
    assert (poor[["4400-4800", "4800-5300", "5300-6000"]] < 0.025).all().all(), poor
    assert (poor.loc[poor["teff"] > 5000, "3900-4200"] < 0.04).all()
    assert (poor["H alpha core"] < 0.95).all()  # LTE cores are too shallow, in every star
    assert set(ratios) == set(table.index)
