"""Template matching gives back what was put in: velocities, labels, errors that hold."""

import importlib
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import cemp.plots.template  # noqa: F401  (registers its figures)
from cemp.constants import C_KMS
from cemp.errors import BadInputError
from cemp.figures import compact, draw
from cemp.methods.template import TemplateMatching, coarse, inject
from cemp.methods.template.fit import NAMES, Problem, solve
from cemp.methods.template.library import LATTICE, N_LATTICE, PAPER, Library, nodes, outside
from cemp.methods.template.native import (
    RANGE,
    Pixels,
    allowed,
    kernels,
    resolving_power,
)
from cemp.methods.template.posterior import Posterior, sample, surface
from cemp.methods.template.show import choose_giant, error_arrays, star_arrays
from cemp.synthesis.emulator import Emulator, EmulatorSettings
from cemp.synthesis.grid import GRID_R, load_grid
from cemp.transfer.miles import read_labels

REAL = "../shared/real/miles"
GIANT = np.array([4800.0, 1.8, -2.4, 1.2, 0.0, 0.2, 200.0, 0.0])


@pytest.fixture(scope="module")
def method():
    """The matching with a small emulator: stars are made of it too, so its own error is nought."""
    grid = load_grid("library")
    settings = EmulatorSettings(n_norm=30, n_cont=4, width=48, depth=2, n_members=1, n_steps=500)
    emulator = Emulator(settings).fit(grid.select(np.arange(0, len(grid.labels), 2)))
    return inject.matched(emulator)


def star(method, values=GIANT, snr=100.0, seed=0):
    return inject.inject(method.library_, values, snr, np.random.default_rng(seed))


def fitted(method):
    """Posterior of the giant, with its fit of the same pixels."""
    problem = method.problem(method.pixels(star(method), 200.0))
    fit = solve(problem, GIANT[:4], 200.0)
    return Posterior(method.library_, problem.pixels, fit, limits="paper", nuisance=False)


def test_a_line_of_a_receding_star_is_red_and_has_the_width_of_the_instrument():
    fine = np.exp(np.linspace(np.log(4900), np.log(5100), 400))
    sigma = 5000 / GRID_R / 2.3548
    line = 1 - 0.5 * np.exp(-0.5 * ((fine - 5000) / sigma) ** 2)
    wave = np.arange(4950, 5050, 0.05)
    read, *_ = kernels(wave, 200.0, fine)
    depth = 1 - read @ line
    centre = np.sum(wave * depth) / depth.sum()
    assert centre == pytest.approx(5000 * (1 + 200 / C_KMS), abs=0.01)
    width = np.sqrt(np.sum((wave - centre) ** 2 * depth) / depth.sum())
    assert width * 2.3548 == pytest.approx(centre / resolving_power(centre), rel=0.02)


def test_derivatives_of_the_operator_are_those_of_differences():
    fine = np.exp(np.linspace(np.log(4000), np.log(4200), 500))
    flux = 1 + 0.3 * np.sin(fine / 2)
    wave = np.linspace(4050, 4150, 90)
    _, by_velocity, by_power = kernels(wave, 50.0, fine)

    def seen(velocity=50.0, power=0.0):
        return kernels(wave, velocity, fine, 1800 * np.exp(power))[0] @ flux

    numeric = (seen(60) - seen(40)) / 20
    np.testing.assert_allclose(by_velocity @ flux, numeric, atol=0.01 * np.abs(numeric).max())
    numeric = (seen(power=0.05) - seen(power=-0.05)) / 0.1
    np.testing.assert_allclose(by_power @ flux, numeric, atol=0.03 * np.abs(numeric).max())


def test_masks_move_with_what_they_mask():
    line = np.array([6564.6 * (1 + 300 / C_KMS)])
    assert not allowed(line, 300.0)[0] and allowed(line, 0.0, masked=((6564.6, 4),))[0]
    assert not allowed(np.array([6880.0, 5800.0, 9050.0, 3790.0]), 0.0).any()
    assert allowed(np.array([RANGE[0] + 1, 4500.0]), 0.0).all()


def test_chi_square_by_matrix_products_is_that_of_the_sum():
    random = np.random.default_rng(1)
    flux, weight = random.normal(1, 0.1, (2, N_LATTICE)), random.random((2, N_LATTICE))
    templates = random.normal(1, 0.1, (3, N_LATTICE))
    made = coarse.chi_square(flux, weight, templates)
    y, w, t = flux[1], weight[1], templates[2]
    scale = np.sum(w * y * t) / np.sum(w * t**2)
    assert made[1, 2] == pytest.approx(np.sum(w * (y - scale * t) ** 2))


def test_correlation_by_transforms_is_that_of_shifted_sums():
    random = np.random.default_rng(2)
    flux, weight = random.normal(0.8, 0.1, N_LATTICE), np.zeros(N_LATTICE)
    weight[100:-100] = random.random(N_LATTICE - 200)
    template = random.normal(0.8, 0.1, (1, N_LATTICE))
    gain = coarse.correlate(flux, weight, template, 5)
    depth = np.roll(1 - template[0], 3)
    expected = np.sum(weight * (1 - flux) * depth) ** 2 / np.sum(weight * depth**2)
    assert gain.shape == (1, 11) and gain[0, 5 + 3] == pytest.approx(expected, rel=1e-6)


def test_library_covers_the_papers_ranges_and_no_impossible_star():
    points = nodes(PAPER)
    for name, column in zip(PAPER, points.T, strict=True):
        assert (column.min(), column.max()) == PAPER[name]
    assert outside(points).max() < 0.3
    assert outside([[4500, 4.0, 0.0, 3.0]])[0] == pytest.approx(2.7)  # [C/H] above 0.3


@pytest.mark.parametrize("velocity", [200.0, -330.0])
def test_injected_velocity_and_labels_come_back(method, velocity):
    values = GIANT.copy()
    values[6] = velocity
    fit, = method.fit_spectra([star(method, values)])
    assert fit.converged and not fit.at_edge
    assert fit.values[6] == pytest.approx(velocity, abs=4)
    labels, covariance = fit.labels()
    error = np.sqrt(np.diag(covariance))
    offset = labels - [4800, 1.8, -2.4, -1.2]
    assert (np.abs(offset) < 4 * error).all() and (error < [60, 0.25, 0.12, 0.12]).all()
    assert fit.chi2 == pytest.approx(1, abs=0.1)


def test_derivatives_of_the_residuals_lead_to_the_minimum(method):
    spectrum = star(method)
    pixels = method.pixels(spectrum, 200.0)
    problem = Problem(method.library_, pixels, "paper", nuisance=True)
    x = problem.start(GIANT[:4], 190.0)
    jacobian = problem.jacobian(x)
    gradient = jacobian.T @ problem.residual(x)

    def cost(k, h):
        moved = x.copy()
        moved[k] += h
        return 0.5 * np.sum(problem.residual(moved) ** 2)

    numeric = [(cost(k, 0.3) - cost(k, -0.3)) / 0.6 for k in range(x.size)]
    np.testing.assert_allclose(gradient, numeric, rtol=0.1, atol=0.02 * np.abs(numeric).max())


def test_errors_hold_the_truth_as_often_as_they_say(method):
    table = inject.injection_test(method, n_stars=30, chains=False)
    assert table["converged"].all()
    share = inject.coverage(table)["coverage"]
    # 120 intervals: 0.68 with a binomial error of 0.04, more as labels of a star go together
    assert 0.55 < share.mean() < 0.80
    assert np.abs(table["rv"] - table["rv_true"]).median() < 4


def test_chain_agrees_with_the_fits_gaussian(method):
    posterior = fitted(method)
    fit = posterior.fit
    chain = sample(posterior, n_walkers=12, n_burn=20, n_steps=80, seed=1)
    labels, covariance = fit.labels()
    error = np.sqrt(np.diag(covariance))
    assert (np.abs(chain.labels().mean(axis=0) - labels) < error).all()
    assert np.std(chain.labels(), axis=0) / error == pytest.approx(np.ones(4), abs=0.4)
    short = [sample(posterior, n_walkers=12, n_burn=0, n_steps=15, seed=1) for _ in range(2)]
    np.testing.assert_array_equal(short[0].values, short[1].values)


def test_surface_is_lowest_at_the_fit(method):
    posterior = fitted(method)
    fit = posterior.fit
    grids = [fit.values[NAMES.index(n)] + np.linspace(-0.2, 0.2, 5) for n in ("fe_h", "c_fe")]
    chi2 = surface(posterior, ("fe_h", "c_fe"), grids)
    assert np.unravel_index(np.argmin(chi2), chi2.shape) == (2, 2) and chi2[0, 0] > 10


def test_cosmic_rays_do_not_move_the_labels(method):
    clean = star(method)
    hit = clean.flux.copy()
    hit[[700, 1250, 1800]] *= 4
    labels = [fit.labels()[0] for fit in method.fit_spectra(
        [clean, SimpleNamespace(**{**vars(clean), "flux": hit})])]
    assert (np.abs(labels[1] - labels[0]) < [10, 0.03, 0.02, 0.02]).all()


def test_what_cannot_be_fitted_is_counted_and_the_rest_is(method):
    good = star(method)
    dark = SimpleNamespace(**{**vars(good), "good": np.zeros(good.wave.size, dtype=bool)})
    linear = SimpleNamespace(**{**vars(good), "wave": np.linspace(3800, 8800, good.wave.size)})
    fits = method.fit_spectra([dark, good, linear])
    prediction = method._collect([1, 2, 3], fits)
    assert np.isfinite(prediction.labels).all(axis=1).tolist() == [False, True, False]
    assert method.report_["reason"].ne("").tolist() == [True, False, True]
    assert "1e-4 dex" in method.report_.loc[2, "reason"]


def test_strong_lines_err_by_their_strength_and_the_continuum_does_not():
    flat = np.ones(2)
    pixels = Pixels(None, np.array([4300.0, 4500]), flat, 0.01 * flat, 2 * flat, flat[:, None])
    sigma = pixels.with_line_error(np.array([1.0, 2.0]), 0.1).sigma
    assert sigma == pytest.approx([np.hypot(0.01, 2 * 0.1 * 0.5 * np.log(2)), 0.01])


def test_carbon_that_does_not_show_stays_at_its_prior(method):
    hot = np.array([6400.0, 4.0, -3.6, 0.3, 0.0, 0.2, 0.0, 0.0])
    problem = Problem(method.library_, method.pixels(star(method, hot, snr=20), 0.0), "grid",
                      nuisance=False, carbon=True)
    fit = solve(problem, hot[:4] + [100, 0.2, 0.2, 0.9], 0.0)
    labels, covariance = fit.labels()
    assert fit.converged and not fit.at_edge
    assert 0.3 < np.sqrt(covariance[3, 3]) < 1.2 and abs(labels[3] + 3.3) < 1.2


def test_a_stopped_injection_test_goes_on(method, tmp_path, monkeypatch):
    command = importlib.import_module("cemp.methods.template.__main__")
    monkeypatch.setattr(command, "matched", lambda: method)
    monkeypatch.setattr(command, "PART", 1)
    monkeypatch.setattr(command, "STEPS", {"n_walkers": 10, "n_burn": 2, "n_steps": 5})
    whole = command.run(2, 9.0, tmp_path)
    rows = (tmp_path / "injection.csv").read_text().splitlines()
    (tmp_path / "injection.csv").write_text("\n".join(rows[:2]) + "\n")
    again = command.run(2, 9.0, tmp_path)
    assert again["star"].tolist() == [0, 1]
    np.testing.assert_allclose(again["fe_h_low"], whole["fe_h_low"], atol=1e-4)


def test_a_whole_injection_test_of_todays_grid_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(inject, "matched", lambda: None)
    monkeypatch.setattr(inject, "injection_test", lambda *_, **__: "new")
    about = {"n_stars": 2, "grid": inject.grid_hash(), **inject.STEPS}
    for stars, grid, how in (([0, 1], {}, "emcee"), ([0], {}, "Gaussian"),
                             ([0, 1], {"grid": "old"}, "Gaussian"),
                             ([0, 1], {"n_steps": 10}, "Gaussian")):
        pd.DataFrame({"star": stars}).to_csv(tmp_path / "injection.csv", index=False)
        (tmp_path / "injection.json").write_text(json.dumps(about | grid))
        assert inject.injected(2, folder=tmp_path)[1] == how
    assert inject.injected(2, folder=tmp_path / "none")[0] == "new"


def test_unknown_spectra_and_limits_are_refused(method):
    with pytest.raises(BadInputError, match="not in observations"):
        method.observations = pd.DataFrame({"obsid": [4], "path": ["4.fits"]})
        method.predict(SimpleNamespace(obsid=np.array([5])))
    with pytest.raises(BadInputError, match="limits"):
        TemplateMatching("", None, limits="all", refine=False).fit()


def test_best_of_the_grids_own_spectra_is_near_the_truth(method):
    quick = TemplateMatching("", None, refine=False).fit()
    fit, = quick.fit_spectra([star(method)])
    labels, covariance = fit.labels()
    assert np.isnan(covariance).any() and fit.values[6] == pytest.approx(200, abs=30)
    assert (np.abs(labels - [4800, 1.8, -2.4, -1.2]) < [400, 1.2, 0.8, 0.8]).all()


def test_library_keeps_only_what_it_needs(method):
    assert isinstance(method.library_, Library)
    assert method.library_.wave[0] > 3750 and method.library_.wave[-1] < 8970
    assert LATTICE[0] == pytest.approx(10**3.5682)


def test_empirical_templates_find_temperatures_of_real_stars():
    pytest.importorskip("astropy")
    try:
        read_labels(REAL)
    except BadInputError as error:
        pytest.skip(str(error))
    from cemp.methods.template.empirical import leave_one_out, miles_templates

    made, table = miles_templates(REAL)
    assert table["dev"].all()
    offset = leave_one_out(made) - made.labels
    scatter = 1.4826 * np.median(np.abs(offset - np.median(offset, axis=0)), axis=0)
    assert (scatter[:3] < [220, 0.5, 0.3]).all() and np.isnan(scatter[3])


def test_giant_of_the_figure_is_the_brightest_carbon_enhanced_one():
    rows = pd.DataFrame({"obsid": [1, 2, 3, 4], "snrg": [50, 90, 70, 200], "teff": 5000.0,
                         "logg": [2.0, 2.0, 2.0, 4.5], "fe_h": -2.5, "c_h": [0, -2.4, 0, 0]})
    assert choose_giant(rows) == 3
    with pytest.raises(BadInputError, match="no carbon-enhanced"):
        choose_giant(rows[rows["obsid"] == 2])


def test_figures_data_are_those_of_the_fit(method):
    data = star_arrays(method, star(method), n_walkers=12, n_burn=5, n_steps=10)
    assert np.nanstd(data["residual"]) == pytest.approx(1, abs=0.1)
    assert data["best"][4] == pytest.approx(200, abs=4)
    for k, column in enumerate((2, 0)):
        lowest = data[f"first_{k}"][np.argmin(data[f"surface_{k}"].min(axis=1))]
        assert lowest == pytest.approx(data["best"][column], abs=0.5 * data["error"][column])
    draw("08_template", compact(data))


def test_residuals_of_both_physics_are_found_minus_true():
    table = pd.DataFrame({"snr": [10.0, 20], "converged": [True, False]})
    for name, value in zip(("teff", "logg", "fe_h", "c_h"), (5000.0, 2, -2, -1), strict=True):
        table[name], table[f"{name}_true"] = [value + 1, np.nan], value
    data = error_arrays(table, np.full((3, 4), 2.0), np.zeros((3, 4)), [5, 50, 500])
    assert data["matched"].tolist() == [[1, 1, 1, 1]] and data["mock"].shape == (3, 4)
    assert len(draw("08_template_errors", compact(data)).axes) == 4
