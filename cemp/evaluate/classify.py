"""The simple cut: CEMP or not from the predicted labels as they stand, no errors used."""

import numpy as np
import pandas as pd

from cemp.candidates.classes import table1
from cemp.evaluate.bootstrap import interval, star_weights
from cemp.evaluate.scores import DEFAULT, METHODS


def rates(predicted, true, weights):
    """Precision, recall and F1 for all resamplings at once.

    Parameters
    ----------
    predicted, true : ndarray of bool, shape (n,)
    weights : ndarray, shape (n_boot, n)

    Returns
    -------
    dict of str to ndarray, shape (n_boot,)
        NaN where nothing was predicted (precision), nothing was there (recall) or both (F1).
    """
    hit = weights @ (predicted & true).astype(float)
    called, there = weights @ predicted.astype(float), weights @ true.astype(float)
    with np.errstate(invalid="ignore"):
        return {
            "precision": np.where(called > 0, hit / called, np.nan),
            "recall": np.where(there > 0, hit / there, np.nan),
            "f1": np.where(called + there > 0, 2 * hit / (called + there), np.nan),
        }


def classification(frame, reference="true_", methods=tuple(METHODS), settings=DEFAULT):
    """Score the simple cut of every method on the same rows.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a spectrum, with fe_h and c_fe of methods and reference under their prefixes;
        rows whose reference is missing are left out, a missing prediction is no CEMP star.
    reference : str
    methods : sequence of str
    settings : cemp.evaluate.bootstrap.BootstrapSettings

    Returns
    -------
    pandas.DataFrame
        Columns method, statistic, value, low, high, n_cemp (spectra), n_spectra, n_stars.
    """
    rows = frame.dropna(subset=[f"{reference}fe_h", f"{reference}c_fe"])
    true = table1(rows[f"{reference}fe_h"], rows[f"{reference}c_fe"])["cemp"]
    weights, once = star_weights(rows["star_id"], settings), np.ones((1, len(rows)))
    counts = (int(true.sum()), len(rows), rows["star_id"].nunique())
    table = []
    for method in methods:
        prefix = METHODS[method]
        called = table1(rows[f"{prefix}fe_h"], rows[f"{prefix}c_fe"])["cemp"]
        draws = rates(called, true, weights)
        for name, value in rates(called, true, once).items():
            table.append((method, name, value[0], *interval(draws[name], settings), *counts))
    names = ["method", "statistic", "value", "low", "high", "n_cemp", "n_spectra", "n_stars"]
    return pd.DataFrame(table, columns=names)
