"""Levenberg-Marquardt: labels, velocity and scale of one spectrum on its native pixels."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import least_squares

from cemp.methods.template.library import LIMITS, NITROGEN, complete_labels, outside
from cemp.methods.template.native import kernels

#: Parameters in order: labels, nuisances, what the instrument and the orbit do. ``alpha`` is
#: [alpha/Fe] relative to the Galactic trend, ``power`` is ln(R / 1800) at 5500 Angstrom.
NAMES = ("teff", "logg", "fe_h", "c_fe", "alpha", "n_fe", "rv", "power")
#: Unit in which the fit moves.
STEP = np.array([50.0, 0.1, 0.1, 0.1, 0.05, 0.1, 10.0, 0.1])
#: Step of the derivatives by labels in these units: small against the curvature of the spectra,
#: large against the rounding of an emulator in single precision.
DIFFERENCE = 0.2
#: Mean and standard deviation of what is not asked for but not known either: the spread of
#: [alpha/Fe] about the trend, of [N/Fe] in mixed and unmixed stars, of fibres' resolution.
PRIOR = {"alpha": (0.0, 0.1), "n_fe": (NITROGEN, 0.4), "power": (0.0, 0.1)}
#: Mean and standard deviation of [C/Fe] (most stars 0, some up to 3) where it is given a prior:
#: hot metal-poor stars show no carbon at all, and the fit would run to the library's border.
CARBON = (0.3, 0.8)
#: Ranges of the parameters that are not labels.
RANGES = {"alpha": (-0.25, 0.25), "n_fe": (-0.3, 1.2), "rv": (-1500.0, 1500.0),
          "power": (-0.3, 0.3)}  # fmt: skip
#: Softness [dex] of the border of the grid's stars.
BORDER = 0.1


@dataclass(frozen=True)
class Fit:
    """A finished fit.

    Parameters
    ----------
    values : ndarray, shape (8,)
        In the order of `NAMES`.
    covariance : ndarray, shape (8, 8)
        Inverse of J'J; zero rows for what was held. Times the reduced chi-square where above 1.
    chi2 : float
        Reduced.
    n_used : int
        Pixels.
    converged : bool
        The optimiser met a tolerance before its last step, and no error is infinite.
    at_edge : bool
        A label lies on the border of the library.
    x : ndarray, optional
        Free parameters in units of `STEP`.
    """

    values: np.ndarray
    covariance: np.ndarray
    chi2: float
    n_used: int
    converged: bool
    at_edge: bool
    x: np.ndarray | None = None

    def labels(self):
        """Give labels teff, logg, fe_h, c_h (4,) and their covariance (4, 4)."""
        turn = np.eye(4)
        turn[3, 2] = 1  # [C/H] = [C/Fe] + [Fe/H]
        return turn @ self.values[:4], turn @ self.covariance[:4, :4] @ turn.T


def prior(values, carbon=False):
    """Offsets from `PRIOR` and from the grid's border, in their standard deviations.

    Parameters
    ----------
    values : ndarray, shape (n, 8)
        In the order of `NAMES`.
    carbon : bool
        Add that from `CARBON`.

    Returns
    -------
    ndarray, shape (n, 4) or (n, 5)
        Half the sum of their squares is -ln(prior).
    """
    given = PRIOR | ({"c_fe": CARBON} if carbon else {})
    mean, sigma = np.array(list(given.values())).T
    offset = (values[:, [NAMES.index(name) for name in given]] - mean) / sigma
    return np.column_stack([offset, outside(values) / BORDER])


class Problem:
    """Residuals of one spectrum and their derivatives.

    The polynomials' coefficients, on which the model depends linearly, are solved for at every
    step (variable projection: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413, with Kaufman's
    1975 approximation of the derivative).

    Parameters
    ----------
    library : cemp.methods.template.library.Library
    pixels : cemp.methods.template.native.Pixels
    limits : str
        Key of `LIMITS`.
    nuisance : bool
        Fit alpha, n_fe and power with their priors; else they stay at the priors' means.
    carbon : bool
        Give [C/Fe] the prior `CARBON`.
    """

    def __init__(self, library, pixels, limits="grid", nuisance=True, carbon=False):
        self.library, self.pixels, self.carbon = library, pixels, carbon
        held = () if nuisance else tuple(PRIOR)
        self.free = np.array([name not in held for name in NAMES])
        edges = LIMITS[limits] | RANGES
        self.low, self.high = np.array([edges[name] for name in NAMES], dtype=float).T
        self.weight = 1 / pixels.sigma
        self._last = None

    def values(self, x):
        """Parameters (8,) from the free ones in units of `STEP`."""
        out = np.array([PRIOR.get(name, (0.0,))[0] for name in NAMES])
        out[self.free] = x * STEP[self.free]
        return out

    def start(self, labels, velocity):
        """Free parameters for labels (4,) and velocity, moved inside the borders."""
        out = self.values(np.zeros(self.free.sum()))
        out[:4], out[6] = labels, velocity
        margin = 0.01 * (self.high - self.low)
        return (np.clip(out, self.low + margin, self.high - margin) / STEP)[self.free]

    @property
    def bounds(self):
        """Lowest and highest free parameters."""
        return tuple((edge / STEP)[self.free] for edge in (self.low, self.high))

    def _state(self, x):
        """Template, operators and linear solution at x, kept for the derivative."""
        if self._last is not None and np.array_equal(self._last["x"], x):
            return self._last
        v = self.values(x)
        operators = kernels(self.pixels.wave, v[6], self.library.wave, 1800 * np.exp(v[7]))
        fine = self.library.flux(complete_labels(v[:4], v[4], v[5]))[0]
        seen = (operators[0] @ fine).astype(float)
        columns = self.pixels.design * (seen * self.weight)[:, None]
        normal = columns.T @ columns
        factor = cho_factor(normal + 1e-10 * np.trace(normal) * np.eye(len(normal)))
        coef = cho_solve(factor, columns.T @ (self.pixels.flux * self.weight))
        self._last = {"x": x.copy(), "v": v, "operators": operators, "fine": fine, "seen": seen,
                      "columns": columns, "factor": factor, "scale": self.pixels.design @ coef}
        return self._last

    def model(self, x):
        """Fitted flux (m,) and the scale (m,) that multiplies the template."""
        state = self._state(x)
        return state["seen"] * state["scale"], state["scale"]

    def residual(self, x):
        """Weighted residuals, priors and border behind them."""
        state = self._state(x)
        fit = (state["seen"] * state["scale"] - self.pixels.flux) * self.weight
        return np.concatenate([fit, prior(state["v"][None], self.carbon)[0]])

    def jacobian(self, x):
        """Differentiate `residual` by x; a row a residual, a column a free parameter."""
        state = self._state(x)
        v, (read, by_velocity, by_power) = state["v"], state["operators"]
        step = DIFFERENCE * np.where(v + STEP > self.high, -1.0, 1.0)
        moved = v + np.diag(step * STEP)[self.free]
        which = np.flatnonzero(self.free)
        label = which < 6
        fine = self.library.flux(np.vstack([
            complete_labels(v[:4], v[4], v[5]),
            complete_labels(moved[label, :4], moved[label, 4], moved[label, 5])]))
        slopes = np.empty((self.pixels.wave.size, which.size))
        slopes[:, label] = (read @ (fine[1:] - fine[0]).T) / step[which[label]]
        for column in np.flatnonzero(~label):
            operator = by_velocity if which[column] == 6 else by_power
            slopes[:, column] = (operator @ state["fine"]) * STEP[which[column]]
        slopes *= (state["scale"] * self.weight)[:, None]
        inner = cho_solve(state["factor"], state["columns"].T @ slopes)
        priors = prior(moved, self.carbon) - prior(v[None], self.carbon)
        return np.vstack([slopes - state["columns"] @ inner, priors.T / step[which]])


def solve(problem, labels, velocity, max_steps=30, tolerance=1e-5):
    """Fit one spectrum from one starting point.

    Parameters
    ----------
    problem : Problem
    labels : array_like, shape (4,)
        Teff [K], log g, [Fe/H], [C/Fe] to start from.
    velocity : float
        [km/s].
    max_steps : int
    tolerance : float
        Relative change of chi-square at which the fit ends: of 3,000 pixels 1e-5 is 0.03, and
        what is left after such a step is far less.

    Returns
    -------
    Fit
    """
    done = least_squares(problem.residual, problem.start(labels, velocity), problem.jacobian,
                         problem.bounds, ftol=tolerance, xtol=1e-5, gtol=1e-6, max_nfev=max_steps)
    return finish(problem, done)


def finish(problem, done):
    """Turn scipy's result into a `Fit`."""
    v, free, m = problem.values(done.x), problem.free, problem.pixels.wave.size
    chi2 = np.sum(done.fun[:m] ** 2) / max(m - free.sum() - problem.pixels.design.shape[1], 1)
    inner = np.linalg.pinv(done.jac.T @ done.jac, hermitian=True) * max(chi2, 1.0)
    covariance = np.zeros((len(NAMES), len(NAMES)))
    covariance[np.ix_(free, free)] = inner * np.outer(STEP[free], STEP[free])
    margin = 1e-3 * (problem.high - problem.low)
    edge = (v - problem.low < margin) | (problem.high - v < margin)
    sound = np.isfinite(v).all() and np.isfinite(covariance).all()
    return Fit(v, covariance, float(chi2), m, bool(done.status > 0 and sound), bool(edge[:4].any()),
               done.x)


def found(labels, velocity, chi2, n_used):
    """Make the `Fit` of a coarse template that is not refined: no covariance."""
    values = np.array([*labels, 0.0, NITROGEN, velocity, 0.0])
    nothing = np.full((len(NAMES), len(NAMES)), np.nan)
    return Fit(values, nothing, float(chi2 / n_used), int(n_used), True, False)
