"""SLAM, the Stellar LAbel Machine (Zhang et al. 2020, ApJS 246, 9): support-vector regression.

Each pixel's flux is a support-vector regression of the stellar labels; the labels of a spectrum
are those whose predicted fluxes fit it best. It is no convolutional network
(`cemp.methods.cnn` is one). As published: labels and pixels are standardised, the kernel is a
Gaussian, and penalty, tube and kernel width are chosen by cross-validation (`cross_validate`).
Simpler here: one choice for all pixels, so that fluxes are one product of matrices.
"""

import numpy as np
import pandas as pd
from sklearn.svm import SVR

from cemp.constants import SEED, rng
from cemp.methods.base import Method, Prediction, complete
from cemp.methods.kernel import KernelModel
from cemp.models.loss import bin_weights
from cemp.models.scaler import LabelScaler, pixel_scale

#: Least scatter of a pixel about its regression [normalised flux].
LEAST_SCATTER = 1e-3


class Slam(Method):
    """Support-vector regression of every pixel, inverted by least squares.

    Parameters
    ----------
    penalty, epsilon, gamma : float
        C, half width of the tube [scatter of a pixel] and inverse squared width of the kernel
        [scatter of the labels], for all pixels.
    balance : bool
        Whether every half-dex bin of [Fe/H] has the same weight.
    margin : float
        Labels are sought in the box of the training labels widened by this [their scatter].
    rank, n_starts, n_best, n_polish : int
        Of the inversion, see `cemp.methods.kernel.KernelModel`.
    n_check : int
        Pixels in which the scatter of stars not learnt from is compared with that of the rest.
    seed : int

    Attributes
    ----------
    model_ : cemp.methods.kernel.KernelModel
        Predicts fluxes, and finds labels.
    scaler_ : LabelScaler
    inflation_ : float
        Mean squared residual of stars left out over that of stars learnt from.
    """

    name = "SLAM"
    TRIALS = (
        {},
        {"balance": True},
        {"penalty": 10.0, "epsilon": 0.3},
    )

    def __init__(self, penalty=3.0, epsilon=0.5, gamma=0.1, balance=False, margin=0.3, rank=60,
                 n_starts=128, n_best=3, n_polish=3, n_check=60, seed=SEED):  # fmt: skip
        self.penalty, self.epsilon, self.gamma = penalty, epsilon, gamma
        self.balance, self.margin, self.rank = balance, margin, rank
        self.n_starts, self.n_best, self.n_polish = n_starts, n_best, n_polish
        self.n_check, self.seed = n_check, seed

    def fit(self, spectra, labels, validation=None):
        """Fit one regression a pixel; `validation` is not used."""
        x, pixels, mean, scale, weight, ivar = self._prepare(spectra, labels)
        regressions = [self._regression(x, *pixel, weight) for pixel in pixels]
        dual, intercept = (np.stack(parts, axis=-1) for parts in zip(*regressions, strict=True))
        self.inflation_ = self._inflation(x, pixels, weight)
        self.model_ = KernelModel(
            x, dual * scale, 1 + mean + scale * intercept, self.gamma, self.margin, self.rank,
            self.n_starts, self.n_best, self.n_polish,
        )  # fmt: skip
        residual = np.stack([y for y, _ in pixels], axis=1) * scale + 1 + mean
        residual -= self.model_.flux(x)
        good = np.stack([good for _, good in pixels], axis=1)
        excess = np.where(good, self.inflation_ * residual**2 - 1 / ivar, 0).sum(axis=0)
        variance = excess / np.maximum(good.sum(axis=0), 1)
        self.model_.scatter = np.sqrt(np.maximum(variance, LEAST_SCATTER**2))
        self.n_support_ = int(np.count_nonzero(dual))
        return self

    def predict(self, spectra, chunk=500):
        """Labels by weighted least squares, errors from the Jacobian with the pixels' scatter."""
        parts = [
            self._predict(spectra, slice(start, start + chunk))
            for start in range(0, len(spectra.flux), chunk)
        ]
        return Prediction(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def cross_validate(self, spectra, labels, grid, n_pixels=100):
        """Score settings by how well fluxes of stars left out are predicted.

        Parameters
        ----------
        spectra, labels
            As for `fit`.
        grid : sequence of dict
            Settings ``penalty``, ``epsilon``, ``gamma`` in place of this method's own.
        n_pixels : int
            Chosen at random.

        Returns
        -------
        pandas.DataFrame
            The grid with ``mse``, the mean squared residual over three folds and all pixels, in
            units of each pixel's variance; photon noise is part of it.
        """
        x, pixels, *_, weight, _ = self._prepare(spectra, labels)
        some = self._some(pixels, n_pixels)
        scores = []
        for settings in grid:
            own = {"penalty": self.penalty, "epsilon": self.epsilon, "gamma": self.gamma}
            left_out, _ = Slam(**own | settings, seed=self.seed)._folds(x, some, weight)
            scores.append(settings | {"mse": left_out})
        return pd.DataFrame(scores)

    @property
    def n_parameters(self):
        """Support vectors of all pixels and their intercepts."""
        return self.n_support_ + len(self.model_.base)

    def _prepare(self, spectra, labels):
        """Standardise labels and pixels of the rows that have all labels."""
        rows = complete(labels, 30, self.name)
        self.scaler_ = LabelScaler().fit(labels[rows])
        x = self.scaler_.transform(labels[rows])
        weight = bin_weights(labels[rows, 2]) if self.balance else np.ones(len(x))
        flux, ivar, good = spectra.flux[rows], spectra.ivar[rows], spectra.good[rows]
        good = good & np.isfinite(flux) & (ivar > 0)
        mean, scale = pixel_scale(flux, good, 1e-3)
        y = (np.where(good, flux, 1) - 1 - mean) / scale
        return x, list(zip(y.T, good.T, strict=True)), mean, scale, weight, np.where(good, ivar, 1)

    def _regression(self, x, y, good, weight):
        """Dual coefficients (n,), 0 but for support vectors, and intercept of one pixel."""
        dual = np.zeros(len(x))
        if good.sum() < 10:
            return dual, 0.0
        svr = SVR(C=self.penalty, epsilon=self.epsilon, gamma=self.gamma, cache_size=50)
        svr.fit(x[good], y[good], sample_weight=weight[good])
        dual[np.flatnonzero(good)[svr.support_]] = svr.dual_coef_[0]
        return dual, svr.intercept_[0]

    def _some(self, pixels, n):
        """Draw pixels without replacement."""
        chosen = rng("methods slam", self.seed).permutation(len(pixels))[:n]
        return [pixels[i] for i in chosen]

    def _folds(self, x, pixels, weight, n_folds=3):
        """Mean squared residual of stars left out, and of stars learnt from."""
        fold = rng("methods slam folds", self.seed).permutation(len(x)) % n_folds
        kernel = np.exp(-self.gamma * np.sum((x[:, None] - x) ** 2, axis=2))
        out, kept, n_out, n_kept = 0.0, 0.0, 0.0, 0.0
        for y, good in pixels:
            for number in range(n_folds):
                learnt, rest = good & (fold != number), good & (fold == number)
                dual, intercept = self._regression(x, y, learnt, weight)
                squared = weight * (kernel @ dual + intercept - y) ** 2
                out, n_out = out + squared[rest].sum(), n_out + weight[rest].sum()
                kept, n_kept = kept + squared[learnt].sum(), n_kept + weight[learnt].sum()
        return out / n_out, kept / n_kept

    def _inflation(self, x, pixels, weight):
        out, kept = self._folds(x, self._some(pixels, self.n_check), weight)
        return max(out / kept, 1.0)

    def _predict(self, spectra, rows):
        flux, ivar, good = spectra.flux[rows], spectra.ivar[rows], spectra.good[rows]
        good = good & np.isfinite(flux) & (ivar > 0)
        variance = 1 / np.where(good, ivar, 1).astype(float) + self.model_.scatter**2
        x, curvature = self.model_.invert(np.where(good, flux, 0), np.where(good, 1 / variance, 0))
        scale = self.scaler_.scale_
        covariance = np.linalg.pinv(curvature, hermitian=True) * scale[:, None] * scale
        return self.scaler_.inverse(x), covariance
