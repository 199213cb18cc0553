"""Finding CEMP stars with labels of any method: one score for all, and how well it finds them."""

import numpy as np

from cemp.candidates.classes import CEMP_C_FE, CEMP_FE_H


def corner_distance(fe_h, c_fe):
    """Tell how far inside Table 1's CEMP corner labels lie: the same score for all methods.

    Parameters
    ----------
    fe_h, c_fe : array_like, shape (n,)
        [dex]; NaN where missing.

    Returns
    -------
    ndarray, shape (n,)
        The smaller of -2.0 - [Fe/H] and [C/Fe] - 0.7 [dex]: positive inside; -inf where a label
        is missing, for no answer finds no star.
    """
    inside = np.minimum(CEMP_FE_H - np.asarray(fe_h, float), np.asarray(c_fe, float) - CEMP_C_FE)
    return np.where(np.isfinite(inside), inside, -np.inf)


def average_precision(score, true, weights):
    """Area under the precision-recall curve, as a sum of steps, for all resamplings at once.

    Parameters
    ----------
    score : ndarray, shape (n,)
        More is likelier; ties count as one step.
    true : ndarray of bool, shape (n,)
    weights : ndarray, shape (n_boot, n)

    Returns
    -------
    ndarray, shape (n_boot,)
        sum over steps of (recall gained) x (precision there), scikit-learn's definition; NaN
        without a true one. A score without skill gives the share of true ones.
    """
    order = np.argsort(-score, kind="stable")
    score, true, weights = score[order], true[order], weights[:, order]
    last = np.append(np.flatnonzero(score[1:] != score[:-1]), score.size - 1)  # of equal scores
    called = np.cumsum(weights, axis=1)[:, last]
    hits = np.cumsum(weights * true, axis=1)[:, last]
    there = hits[:, -1]
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    gained = np.diff(hits, axis=1, prepend=0.0)
    return np.divide((gained * precision).sum(axis=1), there, out=np.full(len(there), np.nan),
                     where=there > 0)  # fmt: skip


def precision_recall(score, true):
    """Precision and recall of every cut in a score, for the figure.

    Parameters
    ----------
    score : ndarray, shape (n,)
    true : ndarray of bool, shape (n,)

    Returns
    -------
    precision, recall : ndarray, shape (n_cut,)
        From the strictest cut to the one that takes all that have a score.
    """
    kept = np.isfinite(score)
    order = np.argsort(-score[kept], kind="stable")
    hits = np.cumsum(true[kept][order])
    return hits / np.arange(1, hits.size + 1), hits / max(true.sum(), 1)
