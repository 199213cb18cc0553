"""The Cannon finds again what a quadratic model was made of."""

from types import SimpleNamespace

import numpy as np
import pytest

from cemp.errors import BadInputError
from cemp.models.cannon import Cannon
from cemp.models.quadratic import quadratic, quadratic_gradient

N_PIXELS = 300
MEAN, SCALE = np.array([5000, 2.5, -1.5, -1.2]), np.array([500, 1.0, 0.8, 0.7])


def make(n, noise=0.0, scatter=0.0, seed=0):
    random = np.random.default_rng(seed)
    coef = np.random.default_rng(99).normal(0, 0.05, (15, N_PIXELS))
    coef[5:] *= 0.2  # curvature weaker than slope, as in spectra
    x = random.uniform(-1.5, 1.5, (n, 4))
    flux = 1 + quadratic(x) @ coef
    sigma = np.hypot(noise, scatter)
    flux = flux + sigma * random.standard_normal(flux.shape)
    ivar = np.full(flux.shape, 1 / max(noise, 1e-3) ** 2)
    good = random.random(flux.shape) > 0.05
    flux[~good] = 77.0
    return SimpleNamespace(flux=flux, ivar=ivar, good=good), MEAN + SCALE * x


def test_gradient_agrees_with_differences():
    x, h = np.random.default_rng(3).normal(size=(2, 4)), 1e-6
    for k in range(4):
        step = h * np.eye(4)[k]
        numeric = (quadratic(x + step) - quadratic(x - step)) / (2 * h)
        np.testing.assert_allclose(quadratic_gradient(x)[:, :, k], numeric, atol=1e-8)


def test_injected_labels_come_back():
    train, labels = make(200)
    test, truth = make(40, seed=1)
    result = Cannon().fit(train, labels).predict(test)
    assert np.abs((result.labels - truth) / SCALE).max() < 1e-3


def test_injected_scatter_comes_back():
    train, labels = make(800, noise=0.02, scatter=0.03)
    cannon = Cannon().fit(train, labels)
    # 15 coefficients of 760 stars: maximum likelihood is low by about 1%
    assert np.median(cannon.scatter_) == pytest.approx(0.03, rel=0.03)


def test_errors_and_chi2_are_those_of_the_noise():
    train, labels = make(800, noise=0.01)
    test, truth = make(400, noise=0.05, seed=2)
    result = Cannon().fit(train, labels).predict(test)
    error = np.sqrt(np.einsum("nkk->nk", result.covariance))
    pull = (result.labels - truth) / error
    assert np.std(pull, axis=0) == pytest.approx(np.ones(4), abs=0.12)
    assert np.mean(result.chi2 / (result.n_good - 4)) == pytest.approx(1, abs=0.05)


def test_bad_pixels_and_incomplete_rows_do_not_count():
    train, labels = make(200)
    wrong = labels.copy()
    wrong[:20, 3] = np.nan
    train.flux[:20] = -5.0
    test, truth = make(20, seed=1)
    result = Cannon().fit(train, wrong).predict(test)
    assert np.abs((result.labels - truth) / SCALE).max() < 1e-3


def test_chunks_do_not_matter():
    train, labels = make(100)
    test, _ = make(7, seed=4)
    cannon = Cannon().fit(train, labels)
    np.testing.assert_allclose(cannon.predict(test).labels, cannon.predict(test, 3).labels)


def test_too_few_stars_are_refused():
    train, labels = make(15)
    with pytest.raises(BadInputError, match="more than 15"):
        Cannon().fit(train, labels)
