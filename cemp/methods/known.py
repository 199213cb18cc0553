"""A known answer for any method: spectra whose lines are a known function of the labels."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from cemp.constants import LABELS, SEED, WAVE, air_to_vacuum, rng
from cemp.indices import BANDS
from cemp.models.quadratic import quadratic

#: Centre and half width of the labels' box: [K], [dex], [dex], [dex].
CENTRE, HALF_WIDTH = np.array([5000, 2.5, -1.5, -1.2]), np.array([750, 1.5, 1.2, 1.05])


def line_spectra(n, noise=0.01, seed=SEED, bad=0.03):
    """Make spectra of 60 Gaussian lines whose depths are quadratic functions of the labels.

    Parameters
    ----------
    n : int
        Spectra, labels uniform in a box.
    noise : float
        Standard deviation of the flux, as ivar says.
    seed : int
        Of labels and noise; the lines are always the same.
    bad : float
        Share of pixels that are masked and hold nonsense.

    Returns
    -------
    spectra : object
        With arrays ``obsid``, ``flux``, ``ivar``, ``good``.
    labels : ndarray (n, 4)
    """
    fixed, random = rng("known answer lines", SEED), rng("known answer", seed)
    named = [air_to_vacuum(band.centre).mean() for band in BANDS.values()]
    centre = np.concatenate([named, fixed.uniform(3850, 8750, 60 - len(named))])
    width = fixed.uniform(2, 8, (60, 1))
    profile = np.exp(-0.5 * ((WAVE - centre[:, None]) / width) ** 2)
    coefficients = fixed.normal(0, 0.05, (15, 60))
    coefficients[0] -= 0.3
    coefficients[5:] *= 0.2  # curvature weaker than slope, as in spectra
    x = random.uniform(-1.5, 1.5, (n, len(LABELS)))
    flux = 1 + quadratic(x) @ coefficients @ profile
    flux = (flux + noise * random.standard_normal(flux.shape)).astype(np.float32)
    good = random.random(flux.shape) >= bad
    flux[~good] = 77.0
    ivar = np.where(good, 1 / noise**2, 0).astype(np.float32)
    spectra = SimpleNamespace(obsid=np.arange(n), flux=flux, ivar=ivar, good=good)
    return spectra, CENTRE + HALF_WIDTH * x / 1.5


def known_answer(method, n_train=600, n_test=200, noise=0.01):
    """Fit a method to spectra of known lines and ask it for the labels of others.

    Parameters
    ----------
    method : cemp.methods.base.Method
        Not yet fitted.
    n_train, n_test : int
    noise : float
        Of the spectra judged; those learnt from have a fifth of it.

    Returns
    -------
    pandas.DataFrame
        By label: ``rms`` residual and ``bias``, in percent of the labels' scatter, and
        ``pull``, the standard deviation of residuals over stated errors (NaN without errors).
    """
    spectra, labels = line_spectra(n_train, noise / 5)
    method.fit(spectra, labels, line_spectra(n_test, noise, SEED + 1))
    spectra, labels = line_spectra(n_test, noise, SEED + 2)
    prediction = method.predict(spectra)
    residual = prediction.labels - labels
    percent = 100 / labels.std(axis=0)
    table = {"rms": percent * np.sqrt(np.mean(residual**2, axis=0)),
             "bias": percent * residual.mean(axis=0)}  # fmt: skip
    table["pull"] = np.full(len(LABELS), np.nan)
    if prediction.covariance is not None:
        error = np.sqrt(np.einsum("nkk->nk", prediction.covariance))
        table["pull"] = np.std(residual / error, axis=0)
    return pd.DataFrame(table, index=list(LABELS))
