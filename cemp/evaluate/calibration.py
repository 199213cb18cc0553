"""How honest errors are: coverage, PIT, sharpness, scores, and their recalibration.

For any `cemp.methods.base.Prediction` with a covariance. The errors of a label are taken as
Gaussian. Judged are the four labels, [C/Fe], whose error follows from the covariance of [Fe/H] and
[C/H], and the joint ellipse of these two, on which a candidate's class rests.

Weights count spectra as a natural mix of stars would hold them
(`cemp.evaluate.recalibration.natural_weights`). Of two honest errors the sharper is better: proper
scores tell (Gneiting & Raftery 2007, JASA 102, 359).
"""

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import chi2, norm

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.evaluate.bootstrap import BootstrapSettings, interval, star_weights
from cemp.evaluate.metrics import weighted_quantile

#: What is judged one by one.
JUDGED = (*LABELS, "c_fe")
#: The two labels of the joint ellipse, and its name in tables.
PAIR, JOINT = [LABELS.index("fe_h"), LABELS.index("c_h")], "fe_h & c_h"
#: Probability within one and within two standard deviations, and the names of their columns.
LEVELS = {"68%": 0.6827, "95%": 0.9545}
#: From the four labels to the five judged.
_TO_JUDGED = np.vstack([np.eye(4), [0, 0, -1, 1]])
DEFAULT = BootstrapSettings()


def judged(prediction):
    """Add [C/Fe] = [C/H] - [Fe/H] to labels and errors.

    Parameters
    ----------
    prediction : Prediction

    Returns
    -------
    labels, sigma : ndarray (n, 5)
        As `JUDGED`; error NaN where the covariance is missing or not positive.

    Raises
    ------
    BadInputError
        If the method gives no covariance.
    """
    if prediction.covariance is None:
        raise BadInputError("this method gives no errors: calibrate one with a covariance")
    variance = np.einsum("ji,nik,jk->nj", _TO_JUDGED, prediction.covariance, _TO_JUDGED)
    return with_c_fe(prediction.labels), np.sqrt(np.where(variance > 0, variance, np.nan))


def with_c_fe(labels):
    """Append [C/Fe] to labels (n, 4): (n, 5)."""
    labels = np.asarray(labels, dtype=float)
    return np.column_stack([labels, labels[:, PAIR[1]] - labels[:, PAIR[0]]])


def pulls(prediction, labels):
    """Residuals in units of their errors.

    Parameters
    ----------
    prediction : Prediction
    labels : ndarray (n, 4)
        The truth, or a reference so much better that its errors do not count.

    Returns
    -------
    ndarray (n, 5)
        (true - predicted) / error of each `JUDGED`; standard normal if errors are honest.
    """
    predicted, sigma = judged(prediction)
    return (with_c_fe(labels) - predicted) / sigma


def pit(prediction, labels):
    """Probability integral transform (n, 5): uniform if errors are honest (Dawid 1984)."""
    return ndtr(pulls(prediction, labels))


def joint_distance(prediction, labels):
    """Squared Mahalanobis distance of ([Fe/H], [C/H]): chi-square of two if errors are honest.

    Parameters
    ----------
    prediction : Prediction
    labels : ndarray (n, 4)

    Returns
    -------
    ndarray (n,)
        NaN where a label or the covariance is missing or not positive definite.
    """
    residual = (np.asarray(labels) - prediction.labels)[:, PAIR]
    block = prediction.covariance[:, PAIR][:, :, PAIR]
    sound = np.isfinite(residual).all(axis=1) & np.isfinite(block).all(axis=(1, 2))
    sound &= np.linalg.det(np.where(sound[:, None, None], block, np.eye(2))) > 0
    block = np.where(sound[:, None, None], block, np.eye(2))
    solved = np.linalg.solve(block, residual[:, :, None])[:, :, 0]
    return np.where(sound, (residual * solved).sum(axis=1), np.nan)


def distances(prediction, labels):
    """Give by name the probability content of the central region that just holds the truth.

    Parameters
    ----------
    prediction : Prediction
    labels : ndarray (n, 4)

    Returns
    -------
    dict of str to ndarray (n,)
        For each of `JUDGED` and for `JOINT`; uniform in 0 to 1 if errors are honest: the share of
        values below p is the coverage of regions of content p.
    """
    content = 2 * ndtr(np.abs(pulls(prediction, labels))) - 1
    named = dict(zip(JUDGED, content.T, strict=True))
    return named | {JOINT: chi2.cdf(joint_distance(prediction, labels), len(PAIR))}


def crps(prediction, labels):
    """Continuous ranked probability score of Gaussian errors: less is better.

    Parameters
    ----------
    prediction : Prediction
    labels : ndarray (n, 4)

    Returns
    -------
    ndarray (n, 5)
        In each label's unit: sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)), Gneiting &
        Raftery (2007), eq. 21; the absolute error where errors vanish.
    """
    z, (_, sigma) = pulls(prediction, labels), judged(prediction)
    return sigma * (z * (2 * ndtr(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))


def reliability(prediction, labels, weights=None, nominal=None):
    """Coverage of central regions of every content.

    Parameters
    ----------
    prediction : Prediction
    labels : ndarray (n, 4)
    weights : ndarray (n,), optional
    nominal : ndarray (m,), optional
        Contents; 0 to 1 by 0.05 if left out.

    Returns
    -------
    dict of str to ndarray (m,)
        ``nominal`` and, for `JUDGED` and `JOINT`, the share of the truth inside: equal to the
        nominal one if errors are honest, below it if they are too small.
    """
    nominal = np.linspace(0, 1, 21) if nominal is None else np.asarray(nominal)
    weights = np.ones(len(labels)) if weights is None else weights
    out = {"nominal": nominal}
    for name, content in distances(prediction, labels).items():
        known = np.isfinite(content)
        inside = content[known, None] <= nominal
        out[name] = np.average(inside, axis=0, weights=weights[known])
    return out


def table(prediction, labels, star_id, weights=None, settings=DEFAULT):
    """Tabulate how honest and how sharp the errors are.

    Parameters
    ----------
    prediction : Prediction
    labels : ndarray (n, 4)
    star_id : array_like (n,)
        Stars, not spectra, are resampled.
    weights : ndarray (n,), optional
    settings : BootstrapSettings

    Returns
    -------
    pandas.DataFrame
        One row each of `JUDGED` and `JOINT`: n; coverage of each of `LEVELS` and its interval;
        ``pit``, the largest distance of the distribution of PIT from the uniform one (of the
        joint region: of its content); ``sharpness``, the median error (of the joint region: the
        fourth root of the covariance's determinant, whose square is the area / pi); ``crps``.
    """
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
    draws = star_weights(star_id, settings) * weights
    contents = distances(prediction, labels)
    values = dict(zip(JUDGED, pit(prediction, labels).T, strict=True))
    values[JOINT] = contents[JOINT]
    block = prediction.covariance[:, PAIR][:, :, PAIR]
    sizes = dict(zip(JUDGED, judged(prediction)[1].T, strict=True))
    sizes[JOINT] = np.maximum(np.linalg.det(block), 0) ** 0.25
    scores = dict(zip(JUDGED, crps(prediction, labels).T, strict=True))
    scores[JOINT] = np.full(len(labels), np.nan)
    rows = {name: _row(contents[name], values[name], sizes[name], scores[name], weights, draws,
                       settings) for name in contents}  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def _row(content, value, size, score, weights, draws, settings):
    """One row of `table`."""
    known = np.isfinite(content)
    row = {"n": int(known.sum())}
    weights, draws = weights[known], draws[:, known]
    total = np.where(draws.sum(axis=1) > 0, draws.sum(axis=1), np.nan)
    for name, level in LEVELS.items():
        inside = (content[known] <= level).astype(float)
        row[name] = np.average(inside, weights=weights)
        row[f"{name} low"], row[f"{name} high"] = interval(draws @ inside / total, settings)
    row["pit"] = uniform_distance(value[known], weights)
    row["sharpness"] = weighted_quantile(size[known], weights[None], 0.5)[0]
    return row | {"crps": np.average(score[known], weights=weights)}


def uniform_distance(values, weights):
    """Largest distance of a weighted distribution on 0 to 1 from the uniform one."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    before = np.concatenate([[0], cumulative[:-1]])
    return float(max(np.abs(cumulative - values[order]).max(),
                     np.abs(before - values[order]).max()))  # fmt: skip
