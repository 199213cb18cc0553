"""Fluxes as sums of Gaussians in label space, and the labels that fit a spectrum best."""

import numpy as np


class KernelModel:
    """Flux of each pixel: a base and a sum of Gaussians centred on training stars.

    Parameters
    ----------
    centres : ndarray (m, k)
        Standardised labels of the training stars.
    dual : ndarray (m, n_pix)
        Weight of each star's Gaussian in each pixel [normalised flux].
    base : ndarray (n_pix,)
    gamma : float
        Gaussians are ``exp(-gamma |x - centre|^2)``.
    margin : float
        Labels are sought in the box of the centres widened by this.
    rank : int
        Principal components of the fluxes of all training stars, in which the search goes on
        until its last steps; those, and the errors, use the pixels themselves.
    n_starts, n_best : int
        Training stars whose labels are tried as starting points, and how many are followed.
    n_polish : int
        Gauss-Newton steps with all pixels.

    Attributes
    ----------
    scatter : ndarray (n_pix,)
        Of stars about the model; set once it is known.

    Notes
    -----
    With fluxes ``base + V a(x)``, a of `rank` numbers, and fixed weights W, chi-square is
    ``a' M a - 2 b' a + c`` with ``M = V' W V``: the pixels are summed once a star, and every
    start and step after that is cheap.
    """

    def __init__(self, centres, dual, base, gamma, margin, rank, n_starts, n_best, n_polish):
        self.centres, self.base, self.gamma = centres, base, gamma
        self.dual = dual.astype(np.float32)
        self.scatter = np.zeros(len(base))
        self.box = centres.min(axis=0) - margin, centres.max(axis=0) + margin
        self.n_best, self.n_polish = n_best, n_polish
        chosen = np.argsort(centres[:, 2], kind="stable")  # by [Fe/H], evenly
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(n_starts, len(chosen))).astype(int)]
        self._starts = centres[chosen]
        fluxes = (self._kernel(centres) @ self.dual).astype(float)
        vectors = np.linalg.eigh(fluxes @ fluxes.T)[1][:, : -min(rank, len(fluxes)) - 1 : -1]
        self._vectors = np.linalg.qr((vectors.T @ fluxes).T)[0]  # (n_pix, r)
        self._coefficients = _with_products(centres, self.dual @ self._vectors)

    def flux(self, x):
        """Fluxes (n, n_pix) of stars with standardised labels x (n, k)."""
        return self.base + self._kernel(x) @ self.dual

    def truncation(self):
        """Root mean square of what the components miss of the training stars' fluxes."""
        fluxes = self._kernel(self.centres) @ self.dual
        missed = fluxes - fluxes @ self._vectors @ self._vectors.T
        return float(np.sqrt(np.mean(missed**2)))

    def invert(self, flux, weight):
        """Find labels by weighted least squares.

        Parameters
        ----------
        flux, weight : ndarray (n, n_pix)
            Weight is the inverse variance, 0 where a pixel is bad.

        Returns
        -------
        x : ndarray (n, k)
            Standardised labels.
        curvature : ndarray (n, k, k)
            Of half chi-square at x: the inverse of the covariance.
        """
        residual, v = flux - self.base, self._vectors
        i, j = np.triu_indices(v.shape[1])
        matrix = np.empty((len(flux), v.shape[1], v.shape[1]))
        matrix[:, i, j] = matrix[:, j, i] = weight @ (v[:, i] * v[:, j])
        constant = np.sum(weight * residual**2, axis=1)
        moments = matrix, (weight * residual) @ v, constant
        x = self._search(moments)
        return self._polish(x, residual, weight)

    def _kernel(self, x):
        """Gaussians (n, m) of float32."""
        square = np.sum(x**2, axis=1)[:, None] + np.sum(self.centres**2, axis=1)
        square -= 2 * x @ self.centres.T
        return np.exp(-self.gamma * np.maximum(square, 0)).astype(np.float32)

    def _reduced(self, x):
        """Coefficients a (n, r) of components and their derivatives (n, r, k)."""
        n_label, rank = x.shape[1], self._vectors.shape[1]
        sums = (self._kernel(x) @ self._coefficients).reshape(len(x), 1 + n_label, rank)
        a = sums[:, 0].astype(float)
        slope = 2 * self.gamma * (sums[:, 1:] - x[:, :, None] * a[:, None])
        return a, slope.transpose(0, 2, 1)

    def _search(self, moments):
        """Labels at the lowest minimum reached from the best starting points."""
        matrix, vector, constant = moments
        a = self._reduced(self._starts)[0]
        outer = (a[:, :, None] * a[:, None]).reshape(len(a), -1)
        cost = matrix.reshape(len(matrix), -1) @ outer.T - 2 * vector @ a.T + constant[:, None]
        order = np.argsort(cost, axis=1, kind="stable")[:, : self.n_best]
        runs = [self._levenberg(moments, self._starts[which]) for which in order.T]
        x, chi2 = (np.stack(parts) for parts in zip(*runs, strict=True))
        return x[np.argmin(chi2, axis=0), np.arange(len(matrix))]

    def _levenberg(self, moments, x, n_iter=25):
        """Damped Gauss-Newton steps, each star with its own damping, inside the box."""
        matrix, vector, constant = moments

        def model(x):
            a, slope = self._reduced(x)
            product = np.einsum("nab,nb->na", matrix, a)
            return np.sum(a * (product - 2 * vector), axis=1) + constant, vector - product, slope

        chi2, residual, slope = model(x)
        damping = np.full(len(x), 1e-2)
        for _ in range(n_iter):
            curvature = slope.transpose(0, 2, 1) @ matrix @ slope
            gradient = np.einsum("nak,na->nk", slope, residual)
            trial = np.clip(x + _step(curvature, gradient, damping), *self.box)
            new = model(trial)
            better = new[0] < chi2
            x = np.where(better[:, None], trial, x)
            chi2, residual = np.where(better, new[0], chi2), _take(better, new[1], residual)
            slope = _take(better, new[2], slope)
            damping = np.where(better, damping / 5, damping * 4)
        return x, chi2

    def _polish(self, x, residual, weight):
        """Go on with all pixels; a step that makes chi-square worse is not kept."""
        best, best_chi2 = x, np.full(len(x), np.inf)
        curvature = np.zeros((len(x), x.shape[1], x.shape[1]))
        for _ in range(self.n_polish + 1):
            chi2, here, gradient = self._all_pixels(x, residual, weight)
            better = chi2 < best_chi2
            best, best_chi2 = _take(better, x, best), np.where(better, chi2, best_chi2)
            curvature = _take(better, here, curvature)
            step = _step(here, gradient, np.full(len(x), 1e-3))
            x = np.clip(x + np.where(better[:, None], step, (best - x) / 2), *self.box)
        return best, curvature

    def _all_pixels(self, x, residual, weight):
        """Chi-square, its curvature and gradient with all pixels."""
        kernel = self._kernel(x)
        model = kernel @ self.dual
        slopes = np.stack([
            2 * self.gamma * ((kernel * centre) @ self.dual - here[:, None] * model)
            for centre, here in zip(
                self.centres.T.astype(np.float32), x.T.astype(np.float32), strict=True)
        ], axis=1)  # fmt: skip
        left = residual - model
        curvature = (slopes * weight[:, None]) @ slopes.transpose(0, 2, 1)
        gradient = np.einsum("nkp,np->nk", slopes, weight * left)
        return np.sum(weight * left**2, axis=1), curvature, gradient


def _with_products(centres, coefficients):
    """Coefficients (m, r) beside their products with each label of the centres: (m, (1 + k) r)."""
    products = [coefficients, *(centre[:, None] * coefficients for centre in centres.T)]
    return np.hstack(products).astype(np.float32)


def _step(curvature, gradient, damping):
    """Damped Gauss-Newton steps (n, k)."""
    diagonal = np.einsum("nkk->nk", curvature)
    extra = (damping[:, None] * diagonal + 1e-9)[:, None] * np.eye(gradient.shape[1])
    return np.linalg.solve(curvature + extra, gradient[:, :, None])[:, :, 0]


def _take(which, new, old):
    """Rows of `new` where `which`, else of `old`."""
    return np.where(which.reshape(-1, *[1] * (new.ndim - 1)), new, old)
