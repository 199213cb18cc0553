"""Class probabilities against Monte Carlo and against limits known in closed form."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import multivariate_normal

from cemp.candidates.classes import table1
from cemp.candidates.probability import bivariate_cdf, probabilities, to_c_fe


def covariance(s_fe, s_c, rho):
    return np.array([[s_fe**2, rho * s_fe * s_c], [rho * s_fe * s_c, s_c**2]])


@pytest.mark.parametrize("rho", [-0.99, -0.6, 0.0, 0.3, 0.95, 0.99])
def test_bivariate_cdf_at_the_origin_is_sheppards_formula(rho):
    expected = 0.25 + np.arcsin(rho) / (2 * np.pi)
    assert bivariate_cdf(0.0, 0.0, rho) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rho", [-0.97, -0.4, 0.8, 0.97])
def test_bivariate_cdf_agrees_with_scipy(rho):
    h, k = (x.ravel() for x in np.meshgrid([-2.5, -0.3, 1.1, 3.0], [-1.7, 0.2, 2.2]))
    exact = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf(np.column_stack([h, k]))
    assert np.allclose(bivariate_cdf(h, k, np.full(h.size, rho)), exact, atol=2e-5)


def test_c_fe_error_needs_the_covariance():
    joint = to_c_fe(covariance(0.1, 0.3, 0.5))
    assert joint[1, 1] == pytest.approx(0.01 + 0.09 - 2 * 0.5 * 0.03)
    assert joint[0, 1] == pytest.approx(0.5 * 0.03 - 0.01)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.7])
def test_all_probabilities_agree_with_monte_carlo(rho):
    cov = covariance(0.25, 0.35, rho)
    draws = np.random.default_rng(1).multivariate_normal([-2.3, -1.3], cov, size=400_000)
    flags = table1(draws[:, 0], draws[:, 1] - draws[:, 0])
    found = probabilities([-2.3], [1.0], cov[None])
    for name in ("cemp", "emp", "vmp"):
        assert found[f"p_{name}"][0] == pytest.approx(flags[name].mean(), abs=4e-3)


def test_without_errors_the_probabilities_are_the_flags():
    fe_h = np.array([-2.0, -2.1, -2.4, -3.0, -3.1, -1.5, -2.5, -2.2])
    c_fe = np.array([1.0, 0.7, 0.8, 0.0, 2.0, 0.0, 0.0, 0.71])
    flags = table1(fe_h, c_fe)
    for sigma in (0.0, 1e-9):
        keep = slice(None) if sigma == 0 else [2, 4, 7]
        cov = np.broadcast_to(covariance(sigma, sigma, 0.0), (8, 2, 2))[keep]
        found = probabilities(fe_h[keep], c_fe[keep], cov)
        assert np.allclose(found["p_cemp"], flags["cemp"][keep])
        assert np.allclose(found["p_emp"], flags["emp"][keep])
    vmp = probabilities(fe_h, c_fe, np.zeros((8, 2, 2)))["p_vmp"]
    assert np.array_equal(vmp, flags["vmp"])


def test_independent_iron_and_c_fe_give_the_product():
    # cov([Fe/H], [C/H]) = var([Fe/H]) makes [C/Fe] independent of [Fe/H].
    s_fe, s_cfe = 0.2, 0.3
    cov = np.array([[s_fe**2, s_fe**2], [s_fe**2, s_fe**2 + s_cfe**2]])
    found = probabilities([-2.1], [0.5], cov[None])["p_cemp"][0]
    assert found == pytest.approx(ndtr(0.1 / s_fe) * ndtr(-0.2 / s_cfe), abs=1e-12)


def test_far_from_the_limits_and_missing():
    cov = np.broadcast_to(covariance(0.1, 0.1, 0.3), (4, 2, 2)).copy()
    cov[3] = np.nan
    found = probabilities([-3.5, 0.0, np.nan, -3.0], [2.5, 0.0, 1.0, 1.0], cov)
    assert found["p_cemp"][:2] == pytest.approx([1.0, 0.0], abs=1e-12)
    assert np.all(np.isnan(found["p_cemp"][2:]))
    assert np.all(np.isnan(found["p_emp"][2:]))
    missing_carbon = probabilities([-3.5], [np.nan], cov[:1])
    assert np.isnan(missing_carbon["p_cemp"][0])
    assert missing_carbon["p_emp"][0] == pytest.approx(1.0, abs=1e-6)
