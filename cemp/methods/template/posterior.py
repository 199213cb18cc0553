"""Posterior of one star: the same chi-square, sampled by emcee, and its surfaces."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import vstack

from cemp.methods.template.fit import NAMES, STEP, Problem, prior
from cemp.methods.template.library import complete_labels
from cemp.methods.template.native import kernels

#: Least spacing of the three velocities through which the template is interpolated [km/s].
LEAST_SPACING = 5.0


class Posterior:
    """Logarithm of the posterior of one star, for many points at once.

    Chi-square is taken at the best polynomials for each point (a profile, as in the fit). The
    template is read exactly at three velocities about the fitted one and by the parabola through
    them in between: an operator for each point would cost more than the template. Where the fit's
    reduced chi-square is above 1, chi-square is divided by it, as the fit's covariance is
    multiplied: templates that do not fit may not be sure of their labels.

    Parameters
    ----------
    library : cemp.methods.template.library.Library
    pixels : cemp.methods.template.native.Pixels
    fit : cemp.methods.template.fit.Fit
        Of the same pixels.
    **settings
        As of `cemp.methods.template.fit.Problem`: limits, nuisance, carbon.
    """

    def __init__(self, library, pixels, fit, **settings):
        self.library, self.fit = library, fit
        problem = Problem(library, pixels, **settings)
        self.carbon = problem.carbon
        self.free, self.low, self.high = problem.free, problem.low, problem.high
        self.temper, error = max(fit.chi2, 1.0), np.sqrt(np.diag(fit.covariance))
        self.spacing = max(3 * error[6], LEAST_SPACING)
        rv, power = fit.values[6:8]
        made = [kernels(pixels.wave, rv + k * self.spacing, library.wave, 1800 * np.exp(power))
                for k in (-1, 0, 1)]
        self._read, self._by_power = vstack([m[0] for m in made], format="csr"), made[1][2]
        self._ivar = pixels.sigma**-2.0
        self._flux, self._design = pixels.flux, pixels.design
        n = pixels.design.shape[1]
        self._pairs = (pixels.design[:, :, None] * pixels.design[:, None]).reshape(-1, n * n)
        self._constant = float(self._ivar @ self._flux**2)

    def templates(self, values):
        """Read templates on the observed pixels; (n, 8) parameters to (n, m) fluxes."""
        v = np.atleast_2d(values)
        fine = self.library.flux(complete_labels(v[:, :4], v[:, 4], v[:, 5]))
        fine = np.ascontiguousarray(fine.T)
        t = (v[:, 6] - self.fit.values[6]) / self.spacing
        share = np.array([t * (t - 1) / 2, 1 - t**2, t * (t + 1) / 2], dtype=np.float32)
        seen = np.einsum("kn,kmn->mn", share, (self._read @ fine).reshape(3, -1, len(v)))
        change = (v[:, 7] - self.fit.values[7]).astype(np.float32)
        if np.any(change):
            seen = seen + change * (self._by_power @ fine)
        return seen.T.astype(float)

    def chi2(self, values):
        """Chi-square at the best polynomials; (n, 8) parameters to (n,)."""
        seen = self.templates(values)
        n = self._design.shape[1]
        normal = ((seen**2 * self._ivar) @ self._pairs).reshape(-1, n, n)
        right = (seen * (self._ivar * self._flux)) @ self._design
        ridge = 1e-10 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(n)
        coef = np.linalg.solve(normal + ridge, right[:, :, None])[:, :, 0]
        return self._constant - np.sum(right * coef, axis=1)

    def __call__(self, values):
        """Compute ln(posterior) + constant; -inf outside the borders, (n, 8) to (n,)."""
        v = np.atleast_2d(values)
        inside = ((v >= self.low) & (v <= self.high)).all(axis=1)
        out = np.full(len(v), -np.inf)
        if inside.any():
            offset = prior(v[inside], self.carbon)
            out[inside] = -0.5 * (self.chi2(v[inside]) / self.temper + np.sum(offset**2, axis=1))
        return out

    def full(self, points):
        """Fill in what is held: free parameters (n, k) to all of them (n, 8)."""
        out = np.tile(self.fit.values, (len(points), 1))
        out[:, self.free] = points
        return out


@dataclass(frozen=True)
class Chain:
    """Samples of a posterior.

    Parameters
    ----------
    values : ndarray, shape (n, 8)
        In the order of `cemp.methods.template.fit.NAMES`.
    acceptance : float
        Share of accepted steps.
    length : float
        Longest integrated autocorrelation time of a label [steps]; rough for a short chain.
    """

    values: np.ndarray
    acceptance: float
    length: float

    def labels(self):
        """Give samples of teff, logg, fe_h, c_h; shape (n, 4)."""
        out = self.values[:, :4].copy()
        out[:, 3] += out[:, 2]
        return out

    def interval(self, share=0.68):
        """Equal-tailed intervals of the labels (lowest, highest), each of shape (4,)."""
        tails = [50 * (1 - share), 50 * (1 + share)]
        return tuple(np.percentile(self.labels(), tails, axis=0))


def sample(posterior, n_walkers=20, n_burn=100, n_steps=400, seed=0):
    """Sample a posterior (emcee: Foreman-Mackey et al. 2013, PASP 125, 306).

    Parameters
    ----------
    posterior : Posterior
    n_walkers : int
        Twice the number of free parameters at least.
    n_burn, n_steps : int
        Steps dropped and kept. Walkers start as the fit's Gaussian: little is to be burnt.
    seed : int

    Returns
    -------
    Chain
    """
    import emcee

    free, fit = posterior.free, posterior.fit
    random = np.random.default_rng(seed)
    covariance = fit.covariance[np.ix_(free, free)]
    unit = STEP[free]
    root = np.linalg.cholesky(covariance / np.outer(unit, unit) + 1e-8 * np.eye(free.sum()))
    start = fit.values[free] + (random.normal(size=(n_walkers, free.sum())) @ root.T) * unit
    margin = 1e-3 * (posterior.high - posterior.low)[free]
    start = np.clip(start, posterior.low[free] + margin * random.random(start.shape),
                    posterior.high[free] - margin * random.random(start.shape))
    moves = [(emcee.moves.DEMove(), 0.7), (emcee.moves.StretchMove(), 0.3)]
    sampler = emcee.EnsembleSampler(n_walkers, free.sum(), lambda x: posterior(posterior.full(x)),
                                    moves=moves, vectorize=True)
    state = np.random.RandomState(seed).get_state()
    sampler.run_mcmc(emcee.State(start, random_state=state), n_burn + n_steps,
                     skip_initial_state_check=True)
    kept = sampler.get_chain(discard=n_burn)
    # tol=0: a short chain is no error here, its length is reported
    with np.errstate(invalid="ignore"):
        times = emcee.autocorr.integrated_time(kept[..., :4], tol=0)
    return Chain(posterior.full(kept.reshape(-1, free.sum())),
                 float(sampler.acceptance_fraction.mean()), float(np.max(times)))


def surface(posterior, names, grids):
    """Chi-square over two parameters, the others held at the fit.

    Parameters
    ----------
    posterior : Posterior
    names : tuple of str
        Two of `NAMES`; ``c_h`` in place of ``c_fe`` is not one.
    grids : tuple of ndarray, shapes (a,), (b,)
        Their values.

    Returns
    -------
    ndarray, shape (a, b)
        Chi-square above its least value on the grid.
    """
    first, second = np.meshgrid(*grids, indexing="ij")
    values = np.tile(posterior.fit.values, (first.size, 1))
    for name, grid in zip(names, (first, second), strict=True):
        values[:, NAMES.index(name)] = grid.ravel()
    parts = [posterior.chi2(values[start:start + 64]) for start in range(0, len(values), 64)]
    chi2 = np.concatenate(parts).reshape(first.shape)
    return chi2 - chi2.min()
