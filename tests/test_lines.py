"""Carbon lines, groups, depletion, barium and strontium: known answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from cemp.candidates.gband import degrade, normalise, strip
from cemp.candidates.gcheck import measure_band
from cemp.constants import WAVE, air_to_vacuum
from cemp.lines import assemble, depletion, groups, kinds, neutron
from cemp.lines import fit as joint
from cemp.lines.carbon import (
    ALL,
    BANDS,
    BandTable,
    CarbonSettings,
    Zero,
    excess,
    fit_zero,
    measure,
    measure_stored,
)
from cemp.paths import ROOT
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import GRID_R

REAL = ROOT.parent / "shared" / "real" / "catalogues"
SETTINGS = CarbonSettings(teff=(4400.0, 6600.0, 5), height=(0.0, 1.0, 4), fe_h=(-4.0, 0.0, 5),
                          c_fe=(-0.6, 3.0, 9))
LABELS = np.array([[4800.0, 1.8, -2.5], [5400.0, 2.8, -2.2], [5000.0, 2.2, -3.0]])


@pytest.fixture(scope="module")
def library():
    return load_emulator("library", cache=ROOT / "build" / "emulator")


@pytest.fixture(scope="module")
def table(library):
    return BandTable(SETTINGS).fit(lambda x: library.emulate(x)[0], library.wave, GRID_R)


@pytest.fixture(scope="module")
def spectra(library):
    """Spectra of `LABELS` at a [C/Fe], without noise."""
    def make(c_fe, labels=LABELS):
        full = np.c_[labels, np.broadcast_to(c_fe, len(labels)), np.full(len(labels), 0.4),
                     np.zeros(len(labels))]
        return normalise(library.wave, degrade(library.wave, library.emulate(full)[0], 1800.0,
                                               GRID_R))
    return make


def exact(flux, error=1e-3):
    values = measure(flux, np.ones(flux.shape), np.ones(flux.shape, bool))[0]
    return values, np.full(values.shape, error)


NO_ZERO = Zero(np.zeros(len(ALL)), np.full(len(ALL), 0.02))
SURE = np.full((len(LABELS), 4), 1e-6)


# ---- bands --------------------------------------------------------------------------------------

def test_a_box_line_has_its_width():
    flux = np.ones((1, WAVE.size))
    low, high = air_to_vacuum((5600.0, 5620.0))
    edges = np.abs(WAVE - 0.5 * (low + high)) <= 0.5 * (high - low)
    flux[0, edges] = 0.5
    values, errors = measure(flux, np.full(flux.shape, 100.0), flux > 0, {"x": BANDS["c2_5636"]})
    assert values[0, 0] == pytest.approx(0.5 * edges.sum(), abs=0.01)
    # 46 pixels of error 0.1 against two side bands of 20 pixels, each with half the weight
    assert errors[0, 0] == pytest.approx(46 * 0.1 * np.sqrt(1 / 46 + 0.49 / 20), rel=0.1)


def test_a_bad_band_is_missing():
    flux, good = np.ones((1, WAVE.size)), np.ones((1, WAVE.size), bool)
    good[:, (WAVE > 4280) & (WAVE < 4320)] = False
    values, errors = measure(flux, flux, good)
    assert np.isnan(values[0, list(ALL).index("gband")])
    assert np.isfinite(values[0, list(ALL).index("c2_5165")])


def test_the_table_is_the_emulator(table, spectra):
    made = exact(spectra(1.0))[0]
    error = np.abs(table.predict(LABELS, 1.0) - made)
    assert error[:, list(ALL).index("gband")].max() < 0.5  # of 20 A; this table is coarse
    assert error[:, list(ALL).index("ca_k")].max() < 0.3


def test_outside_the_table_is_nan(table):
    outside = np.array([[3500.0, 2.0, -2.5], [5000.0, 2.0, 0.5], [np.nan, 2.0, -2.0]])
    assert np.isnan(table.predict(outside, 0.0)).all()
    assert np.isnan(table.predict(LABELS[:1] + [0, 0, 2.0], 2.0)).all()  # [C/H] = 1.5


def test_zero_points_are_found(table):
    generator = np.random.default_rng(1)
    labels = np.repeat(LABELS, 40, axis=0)
    error, floor = 0.05, 0.2
    truth = table.predict(labels, 0.0)
    values = truth + 0.3 + generator.normal(0, np.hypot(error, floor), truth.shape)
    zero = fit_zero(values, np.full(truth.shape, error), table, labels, np.zeros((120, 4)))
    np.testing.assert_allclose(zero.offset, 0.3, atol=0.08)
    np.testing.assert_allclose(zero.floor, floor, atol=0.08)


def test_a_spread_in_carbon_is_no_model_error(table):
    generator = np.random.default_rng(5)
    labels = np.repeat(LABELS, 40, axis=0)
    values = table.predict(labels, generator.normal(0, 0.15, 120))
    errors, label_errors = np.full(values.shape, 0.1), np.zeros((120, 4))
    blind, aware = (fit_zero(values, errors, table, labels, label_errors, spread=s).floor[0]
                    for s in (0.0, 0.2))
    assert aware < 0.05 < 0.5 < blind


def test_label_errors_hide_a_weak_excess(table, spectra):
    values, errors = exact(spectra(0.4))
    sure = excess(values, errors, table, NO_ZERO, LABELS, SURE)[1][:, 0]
    unsure = excess(values, errors, table, NO_ZERO, LABELS, SURE + [300, 0.5, 0.3, 0])[1][:, 0]
    assert (sure > 10).all() and (unsure < 0.3 * sure).all()


def test_slopes_are_kept_where_labels_are_held():
    """An index that is linear in the labels has the same slopes at and beyond the table's edges."""
    def linear(points):
        low, high = strip(points[:, 0])
        index = 0.003 * points[:, 0] + 2 * (low + points[:, 1] * (high - low)) + 5 * points[:, 2]
        return np.repeat(index[:, None], len(ALL), axis=1)

    made = BandTable(SETTINGS)
    made.table_ = linear
    low, high = strip(5000.0)
    at = np.array([[5000, 2.5, -2.5], [5000, 2.5, -4.0], [5000, 2.5, -4.6], [4400, 2.5, -2.5],
                   [5000, low, -2.5], [5000, low - 0.4, -2.5], [5000, high + 0.4, 0.0],
                   [7500, 4.0, -2.5]])
    slopes = made.slopes(at, 0.0)
    np.testing.assert_allclose(slopes[:-1, 1:, 0], np.tile([2.0, 5.0], (7, 1)), rtol=1e-6)
    np.testing.assert_allclose(slopes[:4, 0, 0], 0.003, rtol=1e-6)
    assert (slopes[-1] == 0).all()  # outside: nothing is predicted
    # errors of 100 K, 0.3, 0.2 dex are in the variance of a star held at [Fe/H] = -4
    sigma = excess(np.ones((1, len(ALL))), np.zeros((1, len(ALL))), made, NO_ZERO, at[1:2],
                   np.array([[100, 0.3, 0.2]]))
    variance = 0.3**2 + 0.6**2 + 1.0**2 + 0.02**2
    np.testing.assert_allclose(sigma[1], (1 - sigma[0]) / np.sqrt(variance), rtol=1e-6)


# ---- the joint fit ------------------------------------------------------------------------------

@pytest.mark.parametrize("c_fe", [0.0, 0.7, 1.5])
def test_injected_carbon_comes_back(table, spectra, c_fe):
    values, errors = exact(spectra(c_fe))
    found = joint.fit(values, errors, table, NO_ZERO, LABELS, SURE)
    np.testing.assert_allclose(found["lines_c_fe"], c_fe, atol=0.25 if c_fe > 1 else 0.12)
    assert (found["lines_n"] == 5).all()


def test_verdicts(table, spectra):
    flux = np.concatenate([spectra(1.5)[:1], spectra(0.0)[:1], spectra(1.5)[:1]])
    values, errors = exact(flux, 0.3)
    labels, label_errors = LABELS[[0, 0, 0]], np.tile([100, 0.2, 0.1, 0.1], (3, 1))
    found = joint.fit(values, errors, table, NO_ZERO, labels, label_errors)
    said = joint.verdict(found, [50, 50, 8], 10, SETTINGS)
    assert said.tolist() == ["enhanced", "normal", "untested"]
    assert found["lines_sigma"][0] > 10 and abs(found["lines_sigma"][1]) < 1


def test_a_hot_star_is_not_called_normal(table, spectra):
    hot = np.array([[6500.0, 4.2, -3.5]])
    values, errors = exact(spectra(0.0, hot), 0.5)
    found = joint.fit(values, errors, table, NO_ZERO, hot, np.array([[150, 0.3, 0.2, 0.2]]))
    assert found["lines_power"][0] < 3
    assert joint.verdict(found, [50], 10, SETTINGS).tolist() == ["untested"]


def test_missing_bands_and_labels(table, spectra):
    values, errors = exact(spectra(1.0))
    values[0], errors[0] = np.nan, np.nan
    values[1, list(ALL).index("gband")] = np.nan
    labels = LABELS.copy()
    labels[2, 0] = np.nan
    found = joint.fit(values, errors, table, NO_ZERO, labels, SURE)
    assert found["lines_n"].tolist() == [0, 4, 5]
    assert np.isfinite(found["lines_c_fe"]).tolist() == [False, True, False]
    assert joint.verdict(found, [50] * 3, 10, SETTINGS)[[0, 2]].tolist() == ["untested"] * 2


def test_no_spectrum_is_an_empty_table(table):
    none = np.zeros((0, len(ALL)))
    found = joint.fit(none, none, table, NO_ZERO, np.zeros((0, 4)), np.zeros((0, 4)))
    assert found.empty and list(found) == list(joint.COLUMNS)
    assert joint.verdict(found, [], 10, SETTINGS).shape == (0,)
    assert kinds.classify(none, none, table, NO_ZERO, np.zeros((0, 4)), found).shape == (0,)
    bands = measure_stored(None, np.zeros(0, dtype=int))
    assert bands.shape == (0, 2 * len(ALL)) and {"gband", "e_gband"} <= set(bands)
    assert measure_band(None, [], BANDS["gband"]).shape == (0, 2)


def test_intervals_hold_the_truth(table):
    """68% intervals cover about 68% of noisy stars."""
    generator, n = np.random.default_rng(2), 150
    noise = np.full(len(ALL), 0.4)
    # the table's own bands: between the nodes of this coarse table C2 is 1.5 sigma off
    values = table.predict(LABELS[:1], 1.0) + generator.normal(0, noise, (n, len(ALL)))
    sharp = Zero(np.zeros(len(ALL)), np.zeros(len(ALL)))
    found = joint.fit(values, np.tile(noise, (n, 1)), table, sharp, np.repeat(LABELS[:1], n, 0),
                      np.full((n, 4), 1e-6))
    truth = 1.0
    held = ((found["lines_c_fe_low"] < truth) & (found["lines_c_fe_high"] > truth)).mean()
    assert 0.55 < held < 0.85


# ---- kinds --------------------------------------------------------------------------------------

def test_kinds(table, spectra):
    flux = np.concatenate([spectra(1.5)[:1]] * 4 + [spectra(1.0, np.array([[4800, 2.0, -1.0]]))])
    emit, cover = flux[1], flux[2]
    emit += 2 * np.exp(-0.5 * ((WAVE - 6564.6) / 3) ** 2)
    cover *= np.where((WAVE > 7120) & (WAVE < 7140), 0.5, 1)
    flux[3] *= 1 - 0.7 * np.exp(-np.abs(WAVE - 4862.7) / 20)
    values, errors = exact(flux, 0.05)
    labels = np.array([*LABELS[[0, 0, 0, 0]], [4800.0, 2.0, -1.0]])
    found = joint.fit(values, errors, table, NO_ZERO, labels, np.full((5, 4), 1e-6))
    kind = kinds.classify(values, errors, table, NO_ZERO, labels, found)
    assert kind.tolist() == ["star", "emission", "M dwarf", "hot", "carbon star"]
    nothing = np.full((1, len(ALL)), np.nan)
    lost = joint.fit(nothing, nothing, table, NO_ZERO, LABELS[:1], SURE[:1])
    assert kinds.classify(nothing, nothing, table, NO_ZERO, LABELS[:1], lost)[0] == "no lines"


# ---- depletion ----------------------------------------------------------------------------------

def test_no_depletion_below_the_bump_and_much_at_the_tip():
    low, high = depletion.correction([4.5, 0.8], [-3.0, -3.0], [0.0, 0.0])
    assert low < 0.02 and 0.5 < high < 0.8
    assert np.isnan(depletion.correction([1.0], [-1.0], [0.0])[0])
    falls = depletion.correction([1.0] * 3, [-2.5] * 3, [0.0, 1.5, 3.0])
    assert (np.diff(falls) < 0).all()  # the carbon-rich lose less
    assert np.isfinite(depletion.correction([0.0], [-6.0], [5.0])).all()


def test_a_made_up_depletion_is_refitted():
    generator = np.random.default_rng(3)
    logg, fe_h = generator.uniform(0, 5, 400), generator.uniform(-4, -2, 400)
    c_fe = generator.uniform(-0.5, 3, 400)
    known = depletion.model(depletion.committed()["coefficients"], logg, fe_h, c_fe)
    assert depletion.fit(logg, fe_h, c_fe, known)["rms"] < 0.01


def test_depletion_is_that_of_the_table():
    if not (REAL / "placco2014_J_ApJ_797_21" / "table3.dat").is_file():
        pytest.skip("Placco et al. (2014) is not beside the repository")
    from cemp.catalogues.placco import read_placco

    stars = read_placco(REAL / "placco2014_J_ApJ_797_21")
    c_fe = stars["c_h"] - stars["fe_h"]
    kept = depletion.committed()
    again = depletion.fit(stars["logg"], stars["fe_h"], c_fe, stars["correction"])
    np.testing.assert_allclose(again["coefficients"], kept["coefficients"], atol=0.02)
    off = depletion.correction(stars["logg"], stars["fe_h"], c_fe) - stars["correction"]
    assert np.sqrt(np.mean(off**2)) == pytest.approx(kept["rms"], abs=0.002)
    assert kept["rms"] < 0.02 and np.abs(off).max() < 0.11


# ---- groups -------------------------------------------------------------------------------------

def test_groups_of_known_stars():
    found = groups.probabilities([-2.5, -3.5, -4.8], [8.1, 6.0, 6.9])
    assert found.iloc[:, :3].to_numpy().argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.iloc[:, :3].sum(axis=1), 1)
    assert found["p_cemp_no"][0] < 0.2 < 0.9 < found["p_cemp_no"][1]


def test_errors_of_a_star_blur_its_group():
    wide = np.array([[[0.09, 0.05], [0.05, 0.25]]])
    sharp, blurred = (groups.probabilities([-2.8], [6.2], own)["p_cemp_no"][0]
                      for own in (None, wide))
    assert 0.5 < blurred < sharp
    assert groups.probabilities([np.nan], [7.0]).isna().all(axis=None)


def test_groups_of_many_stars_are_those_of_each():
    random = np.random.default_rng(7)
    place = random.normal([-3, 7], [0.8, 1.0], (40, 2))
    own = np.tile([[0.04, 0.03], [0.03, 0.09]], (40, 1, 1)) * random.uniform(0.1, 4, (40, 1, 1))
    found, kept = groups.probabilities(*place.T, own).to_numpy(), groups.committed()["groups"]
    for star, at, error in zip(found, place, own, strict=True):
        density = np.array([g["share"] * multivariate_normal.pdf(
            at, g["mean"], np.array(g["covariance"]) + error) for g in kept.values()])
        np.testing.assert_allclose(star[:3], density / density.sum(), rtol=1e-11, atol=1e-12)
    own[3, 0, 0], place[5, 1] = np.nan, np.nan
    lost = groups.probabilities(*place.T, own).isna().all(axis=1)
    assert np.flatnonzero(lost).tolist() == [3, 5]
    assert groups.probabilities([], []).shape == (0, 4)


def test_groups_of_made_up_stars():
    generator = np.random.default_rng(4)
    plane = [generator.multivariate_normal(m, 0.04 * np.eye(2), 60)
             for m in ((-2.5, 8.0), (-3.3, 6.2), (-4.6, 6.8))]
    stars = pd.DataFrame(np.concatenate(plane), columns=["fe_h", "a_c"])
    stars["group"], stars["no"] = np.repeat(groups.GROUPS, 60), np.repeat([0.0, 1.0, 1.0], 60)
    made = groups.fit(stars)
    np.testing.assert_allclose(made["II"]["mean"], (-3.3, 6.2), atol=0.1)
    assert made["I"]["no"] < 0.02 < 0.98 < made["III"]["no"]
    judged = groups.cross_validate(stars)
    assert judged["group"] > 0.98 and judged["no"] > 0.98 and judged["overlap"] < 0.05


def test_groups_are_those_of_the_list():
    path = REAL / "cemp_master_257.csv"
    if not path.is_file():
        pytest.skip("the list of 257 CEMP stars is not beside the repository")
    stars, kept = groups.read_list(path), groups.committed()
    again = groups.fit(stars)
    for name in groups.GROUPS:
        assert again[name]["n"] == kept["groups"][name]["n"]
        np.testing.assert_allclose(again[name]["mean"], kept["groups"][name]["mean"], atol=1e-3)
    judged = groups.cross_validate(stars)
    assert judged["no"] == pytest.approx(kept["cross_validation"]["no"], abs=1e-3)


# ---- barium and strontium -----------------------------------------------------------------------

def test_ratios_grow_with_abundance():
    made = neutron.ratios()
    assert made["ratio"].shape == (len(made["labels"]), 4, 6, 17)
    np.testing.assert_allclose(made["ratio"][:, :, 0], 1, atol=1e-6)  # [X/Fe] = 0
    depth = 1 - made["ratio"].min(axis=3)
    assert (np.diff(depth, axis=2) > 0).all()
    deepest = made["wave"][0][made["ratio"][0, 0, -1].argmin()]
    assert abs(deepest - air_to_vacuum(4554.029)) < 1
    assert Path(neutron.FILE).stat().st_size < 2**20


def test_raised_lines_are_where_they_belong():
    made = neutron.ratios()
    flux = neutron.raise_lines(np.ones(WAVE.size), made, 0, 3)
    changed = WAVE[flux < 0.97]
    centres = air_to_vacuum(np.array([4554.029, 4934.076, 4077.709, 4215.519]))
    assert np.min(np.abs(changed[:, None] - centres), axis=1).max() < 6
    assert all(np.abs(changed - c).min() < 1 for c in centres)


def test_limits_interpolate():
    found = pd.DataFrame({"line": "ba4554", "snr": 50.0, "x_fe": [0.0, 1.0, 2.0],
                          "found": [0.0, 0.25, 0.75], "lost": 2})
    assert neutron.limits(found).iloc[0].tolist() == ["ba4554", 50.0, 1.5, 0.0, 6]
    assert neutron.limits(found.assign(found=0.1))["limit"][0] == np.inf


def test_what_cannot_be_judged_is_not_called_unseen():
    sigma = np.array([np.nan, np.nan, 1.0, 4.0, 5.0, 2.0])
    assert neutron._judge(sigma) == (3.0, 0.5, 2)
    assert np.isnan(neutron._judge(sigma[:2])[:2]).all() and neutron._judge(sigma[:2])[2] == 2
    seen = pd.DataFrame({"line": "ba4554", "snr": 50.0, "x_fe": np.tile([0.0, 1.0, 2.0], 2),
                         "found": [0.0, 0.25, 0.75] + 3 * [np.nan], "lost": [0] * 3 + [50] * 3})
    assert neutron.limits(seen).iloc[0].tolist() == ["ba4554", 50.0, 1.5, 0.0, 150]
    lost = neutron.limits(seen.iloc[3:]).iloc[0]
    assert np.isnan(lost["limit"]) and lost["lost"] == 150


def test_strong_barium_is_seen_and_none_is_not(table, spectra):
    made, labels = neutron.ratios(), LABELS[:1]
    base = spectra(1.0)[:1]
    star = int(np.argmin(np.abs(made["labels"][:, :3] - labels[0]) @ [1e-3, 0.3, 1]))
    for step, low, high in ((0, -3, 3), (5, 3, 99)):
        values, errors = measure(neutron.raise_lines(base, made, star, step),
                                 np.full(base.shape, 1e4), base > 0)
        w = neutron.WHERE
        found = neutron.significance(values[:, w], errors[:, w], table, labels, np.array([1.0]))
        assert low < found[0, 0] < high


# ---- the table ----------------------------------------------------------------------------------

def test_class_columns():
    stars = pd.DataFrame({"logg": [1.0, 4.5, 2.0], "fe_h": [-3.0, -2.5, -0.5],
                          "c_fe": [0.5, 2.0, 0.0], "a_c": [5.93, 7.93, 7.93], "e_fe_h": 0.1,
                          "e_c_h": 0.2, "cov_fe_h_c_h": 0.005})
    made = assemble.class_columns(stars)
    assert made["a_c_natal"][0] - 5.93 == pytest.approx(made["c_fe_correction"][0])
    assert made["c_fe_correction"][0] > 0.4 and made["c_fe_correction"][1] < 0.02
    assert made["p_group1"][1] > 0.8 and np.isnan(made["p_cemp_no"][2])


def test_band_columns_have_the_promised_names(table, spectra):
    values, errors = exact(spectra(1.0))
    made = assemble.band_columns(values, errors, table, NO_ZERO, LABELS, SURE)
    assert set(made) <= set(assemble.ORDER)
    assert {"gband", "e_gband", "gband_normal", "gband_excess", "ba4554", "tio5"} <= set(made)
    low, high = strip(LABELS[:, 0])
    assert ((LABELS[:, 1] > low) & (LABELS[:, 1] < high)).all()
    assert (made["gband_excess"] > 3).all()
