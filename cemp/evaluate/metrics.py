"""Statistics of predicted against reference labels, for all bootstrap resamplings at once.

Every statistic takes ``(predicted, reference, weights)``, shapes ``(n,)``, ``(n,)`` and
``(n_boot, n)``, all finite, and returns shape ``(n_boot,)``; the estimate itself is the case of
one row of ones. Residuals are predicted minus reference.
"""

import numpy as np


def weighted_quantile(values, weights, q):
    """Quantile of weighted values, for many sets of weights.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite values.
    weights : ndarray, shape (n_boot, n)
        How often each value counts.
    q : float
        Quantile, between 0 and 1.

    Returns
    -------
    ndarray, shape (n_boot,)
        With whole weights, the averaged inverse of the empirical distribution function of the
        repeated values (``averaged_inverted_cdf`` of `numpy.quantile`); NaN if all weights are 0.
    """
    if values.size == 0:
        return np.full(len(weights), np.nan)
    order = np.argsort(values)
    cumulative = np.cumsum(weights[:, order], axis=1)
    total = cumulative[:, -1:]
    # the first value that reaches the target, and the first that passes it: equal but at a step
    reach = np.minimum((cumulative < q * total - 1e-9).sum(axis=1), values.size - 1)
    passes = np.minimum((cumulative <= q * total + 1e-9).sum(axis=1), values.size - 1)
    quantile = 0.5 * (values[order][reach] + values[order][passes])
    return np.where(total[:, 0] > 0, quantile, np.nan)


def _mean(values, weights):
    """Weighted mean, shape (n_boot,); NaN where the weights are all zero."""
    total = weights.sum(axis=1)
    safe = np.where(total > 0, total, np.nan)
    return weights @ values / safe


def bias(predicted, reference, weights):
    """Median residual."""
    return weighted_quantile(predicted - reference, weights, 0.5)


def scatter(predicted, reference, weights):
    """Robust scatter: half the width between the 16th and 84th percentile of the residuals."""
    residual = predicted - reference
    low, high = (weighted_quantile(residual, weights, q) for q in (0.15865525, 0.84134475))
    return 0.5 * (high - low)


def mae(predicted, reference, weights):
    """Mean absolute residual."""
    return _mean(np.abs(predicted - reference), weights)


def rmse(predicted, reference, weights):
    """Root mean square residual."""
    return np.sqrt(_mean((predicted - reference) ** 2, weights))


def r2(predicted, reference, weights):
    """Coefficient of determination, 1 - sum(residual^2) / sum((reference - mean)^2)."""
    centred = reference - reference.mean() if reference.size else reference
    variance = _mean(centred**2, weights) - _mean(centred, weights) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _mean((predicted - reference) ** 2, weights) / variance
    return np.where(variance > 1e-12, 1 - ratio, np.nan)


def slope(predicted, reference, weights):
    """Ordinary least-squares slope of predicted on reference: 1 is faithful, 0 knows nothing.

    Errors of the reference dilute it below 1; against a mock's truth there are none.
    """
    if reference.size == 0:
        return np.full(len(weights), np.nan)
    x, y = reference - reference.mean(), predicted - predicted.mean()
    mean_x, mean_y = _mean(x, weights), _mean(y, weights)
    variance = _mean(x * x, weights) - mean_x**2
    safe = np.where(variance > 1e-12, variance, np.nan)
    return (_mean(x * y, weights) - mean_x * mean_y) / safe


#: Statistic by name, in the order tables show them.
STATISTICS = {
    "bias": bias,
    "scatter": scatter,
    "mae": mae,
    "rmse": rmse,
    "r2": r2,
    "slope": slope,
}
