"""Quadratic functions of the labels, and the labels that fit them best."""

import numpy as np


def quadratic(x):
    """Make the vector of monomials up to second order.

    Parameters
    ----------
    x : ndarray (n, k)
        Standardised labels.

    Returns
    -------
    ndarray (n, 1 + k + k (k + 1) / 2)

    Examples
    --------
    >>> quadratic([[2.0, 3.0]]).tolist()
    [[1.0, 2.0, 3.0, 4.0, 6.0, 9.0]]
    """
    x = np.atleast_2d(x)
    i, j = np.triu_indices(x.shape[1])
    return np.hstack([np.ones((len(x), 1)), x, x[:, i] * x[:, j]])


def quadratic_gradient(x):
    """Differentiate `quadratic`: ndarray (n, m, k) of d(monomial)/d(label)."""
    n, k = x.shape
    i, j = np.triu_indices(k)
    gradient = np.zeros((n, 1 + k + len(i), k))
    gradient[:, 1 + np.arange(k), np.arange(k)] = 1
    rows = 1 + k + np.arange(len(i))
    gradient[:, rows, i] += x[:, j]
    gradient[:, rows, j] += x[:, i]
    return gradient


def _chi2(moments, x):
    matrix, vector, constant = moments
    a = quadratic(x)
    return (
        np.einsum("na,nab,nb->n", a, matrix, a) - 2 * np.einsum("na,na->n", vector, a) + constant
    )


def minimise(moments, starts, box, n_best=4):
    """Minimise each star's chi-square from its best few starting points.

    Parameters
    ----------
    moments : tuple of ndarray (n, m, m), (n, m), (n,)
        Matrix M, vector b and constant c of ``A' M A - 2 b' A + c``.
    starts : ndarray (s, k)
        Standardised labels to start from.
    box : tuple of ndarray (k,)
        Lowest and highest labels allowed.
    n_best : int
        Starting points followed to the end.

    Returns
    -------
    x : ndarray (n, k)
        Labels at the lowest minimum found.
    chi2 : ndarray (n,)
    """
    n = len(moments[0])
    cost = np.stack([_chi2(moments, np.broadcast_to(s, (n, s.size))) for s in starts])
    best_x, best = None, np.full(n, np.inf)
    for which in np.argsort(cost, axis=0, kind="stable")[:n_best]:
        x, chi2 = _levenberg(moments, starts[which], box)
        if best_x is None:
            best_x = x
        better = chi2 < best
        best_x, best = np.where(better[:, None], x, best_x), np.where(better, chi2, best)
    return best_x, best


def _levenberg(moments, x, box, n_iter=40):
    """Damped Gauss-Newton steps, each star with its own damping, inside the box."""
    matrix, vector, _ = moments
    chi2, damping = _chi2(moments, x), np.full(len(x), 1e-2)
    for _ in range(n_iter):
        gradient = quadratic_gradient(x)
        residual = vector - np.einsum("nab,nb->na", matrix, quadratic(x))
        slope = np.einsum("nak,na->nk", gradient, residual)
        hessian = np.einsum("nak,nab,nbl->nkl", gradient, matrix, gradient)
        diagonal = np.einsum("nkk->nk", hessian)
        hessian = hessian + np.eye(x.shape[1]) * (damping[:, None] * diagonal + 1e-9)[:, None]
        step = np.linalg.solve(hessian, slope[:, :, None])[:, :, 0]
        trial = np.clip(x + step, *box)
        trial_chi2 = _chi2(moments, trial)
        better = trial_chi2 < chi2
        x, chi2 = np.where(better[:, None], trial, x), np.where(better, trial_chi2, chi2)
        damping = np.where(better, damping / 5, damping * 4)
    return x, chi2
