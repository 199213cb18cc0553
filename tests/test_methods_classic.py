"""Methods that came before the network find again what spectra of known labels were made of."""

from types import SimpleNamespace

import numpy as np
import pytest

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.methods.adapters import MacrnMethod, TheCannon
from cemp.models.io import save_model
from cemp.models.macrn import Macrn, MacrnConfig
from cemp.models.quadratic import quadratic

MEAN, SCALE = np.array([5000, 2.5, -1.5, -1.2]), np.array([500, 1.0, 0.8, 0.7])


def make(n, noise=0.01, seed=0, bad=0.03):
    """Spectra whose lines answer to the labels smoothly: 60 Gaussian lines, quadratic depths."""
    random = np.random.default_rng(seed)
    fixed = np.random.default_rng(99)
    centre = np.sort(fixed.uniform(3850, 8750, 60))
    profile = np.exp(-0.5 * ((WAVE - centre[:, None]) / fixed.uniform(2, 8, (60, 1))) ** 2)
    coef = fixed.normal(0, 0.05, (15, 60))
    coef[0] -= 0.3
    coef[5:] *= 0.2  # curvature weaker than slope, as in spectra
    x = random.uniform(-1.5, 1.5, (n, 4))
    flux = 1 + quadratic(x) @ coef @ profile
    flux = (flux + noise * random.standard_normal(flux.shape)).astype(np.float32)
    good = random.random(flux.shape) > bad
    flux[~good] = 77.0
    ivar = np.where(good, 1 / noise**2, 0).astype(np.float32)
    obsid = np.arange(n)
    return SimpleNamespace(obsid=obsid, flux=flux, ivar=ivar, good=good), MEAN + SCALE * x


@pytest.fixture(scope="module")
def train():
    return make(300, noise=0.002)


@pytest.fixture(scope="module")
def test():
    return make(60, seed=1)


def worst(prediction, truth):
    """Largest rms residual of a label [scatter of the labels]."""
    return np.sqrt(np.mean(((prediction.labels - truth) / SCALE) ** 2, axis=0)).max()


def pulls(prediction, truth):
    """Residuals in units of their errors, (n, 4)."""
    return (prediction.labels - truth) / np.sqrt(np.einsum("nkk->nk", prediction.covariance))


def test_the_cannon_by_the_interface(train, test):
    method = TheCannon(draw_width=0.0).fit(*train)
    prediction = method.predict(test[0])
    assert worst(prediction, test[1]) < 0.02
    assert np.std(pulls(prediction, test[1])) == pytest.approx(1, abs=0.12)
    assert method.n_parameters == 16 * N_PIX


def test_the_cannon_draws_from_complete_rows_only(train, test):
    labels = train[1].copy()
    labels[:100, 3] = np.nan
    method = TheCannon().fit(train[0], labels)
    assert worst(method.predict(test[0]), test[1]) < 0.03
    labels[:280] = np.nan
    with pytest.raises(BadInputError, match="at least 30 spectra"):
        TheCannon().fit(train[0], labels)


def small_network(**options):
    return MacrnConfig(kernels=(3,), channels=(2, 2, 8), lstm_units=4, head_units=8, **options)


@pytest.mark.parametrize("covariance", [False, True])
def test_macrn_is_read_as_it_was_written(tmp_path, test, covariance):
    model = Macrn(small_network(covariance=covariance)).eval()
    save_model(model, tmp_path)
    method = MacrnMethod(folder=tmp_path).fit(*test)
    prediction = method.predict(test[0])
    assert len(prediction) == 60 and np.isfinite(prediction.labels).all()
    assert (prediction.covariance is not None) == covariance
    assert method.n_parameters == sum(p.numel() for p in model.parameters())
    assert np.isnan(method.fit_seconds_)


def test_macrn_wants_validation_when_it_trains(train):
    with pytest.raises(BadInputError, match="validation"):
        MacrnMethod().fit(*train)
