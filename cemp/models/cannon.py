"""The Cannon: a quadratic model of each pixel with its own scatter (Ness et al. 2015, ApJ 808, 16).

Beside the network so that its numbers have something to be compared with.
"""

from dataclasses import dataclass

import numpy as np

from cemp.errors import BadInputError
from cemp.models.quadratic import minimise, quadratic, quadratic_gradient
from cemp.models.scaler import LabelScaler

#: Scatter of a pixel is sought between these [normalised flux].
SCATTER_RANGE = (1e-4, 0.3)
_GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class CannonResult:
    """Labels by maximum likelihood.

    Parameters
    ----------
    labels : ndarray (n, 4)
        Physical units.
    covariance : ndarray (n, 4, 4)
        Inverse of the Gauss-Newton curvature, physical units.
    chi2 : ndarray (n,)
        At the minimum, over good pixels, scatter included in the errors.
    n_good : ndarray (n,)
        Pixels used.
    """

    labels: np.ndarray
    covariance: np.ndarray
    chi2: np.ndarray
    n_good: np.ndarray


class Cannon:
    """Generative model: flux of each pixel as a quadratic function of the labels.

    Parameters
    ----------
    margin : float
        Labels are sought in the box of the training labels widened by this, in units of
        their scatter: a quadratic has nothing to say far outside.
    n_starts : int
        Training stars whose labels serve as starting points.

    Attributes
    ----------
    coef_ : ndarray (15, n_pix)
        Coefficients of the monomials of standardised labels.
    scatter_ : ndarray (n_pix,)
        Intrinsic scatter of a pixel [normalised flux].
    scaler_ : LabelScaler
    """

    def __init__(self, margin=0.5, n_starts=64):
        self.margin = margin
        self.n_starts = n_starts

    def fit(self, vectors, labels):
        """Learn coefficients and scatter.

        Parameters
        ----------
        vectors : object
            With arrays ``flux``, ``ivar``, ``good`` (n, n_pix).
        labels : ndarray (n, 4)
            Rows with a missing label are left out.

        Returns
        -------
        Cannon
            Itself.

        Raises
        ------
        BadInputError
            If fewer complete rows than coefficients are left.
        """
        rows = np.isfinite(labels).all(axis=1)
        n_coef = quadratic(np.zeros((1, labels.shape[1]))).shape[1]
        if rows.sum() <= n_coef:
            raise BadInputError(
                f"The Cannon needs more than {n_coef} stars with all labels, got {rows.sum()}: "
                "enlarge the training sample"
            )
        labels = np.asarray(labels, dtype=float)[rows]
        self.scaler_ = LabelScaler().fit(labels)
        x = self.scaler_.transform(labels)
        self._box = x.min(axis=0) - self.margin, x.max(axis=0) + self.margin
        self._starts = x[np.linspace(0, len(x) - 1, min(self.n_starts, len(x))).astype(int)]
        flux, variance, good = _prepare(vectors, rows)
        self.coef_ = np.empty((n_coef, flux.shape[1]))
        self.scatter_ = np.empty(flux.shape[1])
        for start in range(0, flux.shape[1], 1000):
            part = slice(start, start + 1000)
            self.coef_[:, part], self.scatter_[part] = _fit_pixels(
                quadratic(x), flux[:, part], variance[:, part], good[:, part]
            )
        return self

    def predict(self, vectors, chunk=1000):
        """Infer labels with their covariance.

        Parameters
        ----------
        vectors : object
            With arrays ``flux``, ``ivar``, ``good`` (n, n_pix).
        chunk : int
            Stars at a time.

        Returns
        -------
        CannonResult

        Notes
        -----
        With fixed weights chi-square is A(x)' M A(x) - 2 b' A(x) + c in the 15 monomials A:
        the pixels are summed once a star, and every start and step after that is cheap.
        """
        parts = [
            self._predict(vectors, slice(start, start + chunk))
            for start in range(0, len(vectors.flux), chunk)
        ]
        fields = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
        return CannonResult(*fields)

    def _predict(self, vectors, rows):
        flux, variance, good = _prepare(vectors, rows)
        weight = np.where(good, 1 / (variance + self.scatter_**2), 0)
        outer = self.coef_[:, None] * self.coef_[None]  # (m, m, n_pix)
        m = len(self.coef_)
        moments = (
            (weight @ outer.reshape(m * m, -1).T).reshape(-1, m, m),
            (weight * flux) @ self.coef_.T,
            np.sum(weight * flux**2, axis=1),
        )
        x, chi2 = minimise(moments, self._starts, self._box)
        gradient = quadratic_gradient(x)
        curvature = np.einsum("nak,nab,nbl->nkl", gradient, moments[0], gradient)
        scale = self.scaler_.scale_
        covariance = np.linalg.pinv(curvature, hermitian=True) * scale[:, None] * scale
        return self.scaler_.inverse(x), covariance, chi2, good.sum(axis=1)


def _prepare(vectors, rows):
    """Flux, variance and mask with harmless values at bad pixels."""
    flux, ivar = np.asarray(vectors.flux)[rows], np.asarray(vectors.ivar)[rows]
    good = np.asarray(vectors.good)[rows] & np.isfinite(flux) & (ivar > 0)
    variance = 1 / np.where(good, ivar, 1).astype(float)
    return np.where(good, flux, 0).astype(float), variance, good


def _weighted_fit(design, flux, weight):
    """Least squares of every pixel at once: coefficients (m, p) and residuals (n, p)."""
    n, m = design.shape
    outer = (design[:, :, None] * design[:, None]).reshape(n, m * m)
    normal = (weight.T @ outer).reshape(-1, m, m)
    normal += 1e-10 * np.eye(m) * np.trace(normal, axis1=1, axis2=2)[:, None, None]
    normal += 1e-12 * np.eye(m)  # a pixel that no star has is left at zero
    right = (weight * flux).T @ design
    coef = np.linalg.solve(normal, right[:, :, None])[:, :, 0].T
    return coef, flux - design @ coef


def _fit_pixels(design, flux, variance, good, n_iter=22):
    """Coefficients and scatter of pixels by golden-section search in ln(scatter)."""

    def cost(log_scatter):
        total = variance + np.exp(2 * log_scatter)
        weight = np.where(good, 1 / total, 0)
        _, residual = _weighted_fit(design, flux, weight)
        return np.sum(weight * residual**2 + good * np.log(total), axis=0)

    low, high = (np.full(flux.shape[1], np.log(edge)) for edge in SCATTER_RANGE)
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    cost_in, cost_out = cost(inner), cost(outer)
    for _ in range(n_iter):
        left = cost_in < cost_out
        low, high = np.where(left, low, inner), np.where(left, outer, high)
        new = np.where(left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        new_cost = cost(new)
        inner, outer = np.where(left, new, outer), np.where(left, inner, new)
        cost_in, cost_out = (
            np.where(left, new_cost, cost_out),
            np.where(left, cost_in, new_cost),
        )
    scatter = np.exp((low + high) / 2)
    weight = np.where(good, 1 / (variance + scatter**2), 0)
    return _weighted_fit(design, flux, weight)[0], scatter
