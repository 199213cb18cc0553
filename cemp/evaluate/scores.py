"""Tables of scores: which method, on which stars, against which reference, how sure.

The frames have one row a spectrum: `star_id`, the labels of each method and of each reference
under a prefix (``""`` for MACRN, ``"cannon_"``, ``"ref_"`` for catalogues, ``"true_"`` for the
mock's truth). Intervals are bootstrap percentiles over stars.
"""

import numpy as np
import pandas as pd

from cemp.evaluate.bootstrap import BootstrapSettings, interval, star_weights
from cemp.evaluate.metrics import STATISTICS

#: Column prefix of each method.
METHODS = {"MACRN": "", "The Cannon": "cannon_"}

DEFAULT = BootstrapSettings()


def _arrays(frame, label, reference, methods):
    """Star, reference and predictions of the rows where all of them are finite."""
    columns = [f"{reference}{label}"] + [f"{METHODS[m]}{label}" for m in methods]
    values = frame[columns].to_numpy(float)
    rows = np.isfinite(values).all(axis=1)
    return frame["star_id"].to_numpy()[rows], values[rows, 0], values[rows, 1:].T


def score(frame, label, reference="true_", methods=tuple(METHODS), settings=DEFAULT):
    """Score methods on the same rows of one sample.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a spectrum (see the module).
    label : str
        ``"teff"`` ... ``"c_fe"``.
    reference : str
        Prefix of the reference.
    methods : sequence of str
        Keys of `METHODS`; rows that lack one of them are left out for all.
    settings : BootstrapSettings

    Returns
    -------
    pandas.DataFrame
        Columns label, method, statistic, value, low, high, n_spectra, n_stars; values are NaN
        where fewer than `settings.min_stars` stars remain.
    """
    star_id, truth, predictions = _arrays(frame, label, reference, methods)
    n_stars = np.unique(star_id).size
    enough = n_stars >= settings.min_stars
    weights = star_weights(star_id, settings) if enough else None
    rows = []
    for method, predicted in zip(methods, predictions, strict=True):
        for name, statistic in STATISTICS.items():
            value = low = high = np.nan
            if enough:
                value = statistic(predicted, truth, np.ones((1, truth.size)))[0]
                low, high = interval(statistic(predicted, truth, weights), settings)
            rows.append((label, method, name, value, low, high, truth.size, n_stars))
    names = ["label", "method", "statistic", "value", "low", "high", "n_spectra", "n_stars"]
    return pd.DataFrame(rows, columns=names)


def score_labels(frame, labels, reference="true_", methods=tuple(METHODS), settings=DEFAULT):
    """Score several labels of one sample; see `score`."""
    parts = [score(frame, label, reference, methods, settings) for label in labels]
    return pd.concat(parts, ignore_index=True)


def score_bins(frame, labels, by, edges, reference="true_", settings=DEFAULT):
    """Score in bins of one quantity.

    Parameters
    ----------
    frame : pandas.DataFrame
    labels : sequence of str
    by : str
        Column to bin; rows where it is NaN are in no bin.
    edges : sequence of float
        Rising bin edges; a bin holds its lower edge.
    reference : str
    settings : BootstrapSettings

    Returns
    -------
    pandas.DataFrame
        As `score`, with `by`, `low_edge`, `high_edge` and the median of the bin's rows.
    """
    parts = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = frame[(frame[by] >= low) & (frame[by] < high)]
        part = score_labels(inside, labels, reference, settings=settings)
        middle = inside[by].median() if len(inside) else np.nan
        parts.append(part.assign(by=by, low_edge=low, high_edge=high, middle=middle))
    return pd.concat(parts, ignore_index=True)


def paired_difference(frame, label, reference="true_", statistic="rmse", methods=None,
                      settings=DEFAULT):
    """Difference of one statistic between two methods on the same stars.

    Parameters
    ----------
    frame : pandas.DataFrame
    label, reference, statistic : str
    methods : (str, str), optional
        Column prefixes of first and second; MACRN and The Cannon if left out.
    settings : BootstrapSettings

    Returns
    -------
    dict
        `first`, `second` (values), `difference` (second minus first: positive where the first
        is better, for errors), `low`, `high` (paired interval), `n_spectra`, `n_stars`.
    """
    first, second = methods or tuple(METHODS.values())
    columns = [f"{reference}{label}", f"{first}{label}", f"{second}{label}"]
    rows = frame[["star_id", *columns]].dropna()
    truth, one, two = rows[columns].to_numpy(float).T
    n_stars = rows["star_id"].nunique()
    result = dict.fromkeys(("first", "second", "difference", "low", "high"), np.nan)
    result.update(label=label, n_spectra=len(rows), n_stars=n_stars)
    if n_stars < settings.min_stars:
        return result
    function, once = STATISTICS[statistic], np.ones((1, truth.size))
    weights = star_weights(rows["star_id"], settings)
    result["first"], result["second"] = function(one, truth, once)[0], function(two, truth, once)[0]
    result["difference"] = result["second"] - result["first"]
    draws = function(two, truth, weights) - function(one, truth, weights)
    result["low"], result["high"] = interval(draws, settings)
    return result


def verdict(difference, first="MACRN", second="The Cannon"):
    """Say which method is ahead, for a statistic where less is better.

    Parameters
    ----------
    difference : dict
        From `paired_difference`.
    first, second : str
        Names of the methods.

    Returns
    -------
    str
        The name of the better one if the interval excludes zero, ``"neither"`` if it holds it,
        ``"too few"`` if there is none.
    """
    low, high = difference["low"], difference["high"]
    if not np.isfinite(low):
        return "too few"
    return first if low > 0 else second if high < 0 else "neither"
