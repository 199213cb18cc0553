"""What a selection is worth: completeness and purity with intervals, and what they depend on."""

import numpy as np
import pandas as pd
from scipy.stats import beta


def binomial_interval(hits, trials, level=0.68):
    """Give the equal-tailed Clopper-Pearson interval of a fraction.

    Parameters
    ----------
    hits, trials : array_like of int
        Successes and trials.
    level : float
        Coverage; the interval covers at least this, for any true fraction.

    Returns
    -------
    low, high : ndarray
        0 to 1 where nothing was tried.

    Notes
    -----
    Clopper & Pearson (1934, Biometrika 26, 404), from quantiles of the beta distribution.

    Examples
    --------
    >>> [round(float(x), 4) for x in binomial_interval(0, 10, 0.9)]
    [0.0, 0.2589]
    """
    hits, trials = np.asarray(hits, dtype=float), np.asarray(trials, dtype=float)
    tail = (1 - level) / 2
    misses = trials - hits
    low = np.where(hits > 0, beta.ppf(tail, np.maximum(hits, 1), misses + 1), 0.0)
    high = np.where(misses > 0, beta.ppf(1 - tail, hits + 1, np.maximum(misses, 1)), 1.0)
    return low, high


def fraction(hits, trials, level=0.68):
    """Give a fraction with its interval.

    Parameters
    ----------
    hits, trials : int
        Successes and trials.
    level : float
        Coverage of the interval.

    Returns
    -------
    dict
        ``value`` (NaN if nothing was tried), ``low``, ``high``, ``hits``, ``trials``.
    """
    low, high = binomial_interval(hits, trials, level)
    value = hits / trials if trials else np.nan
    return {"value": value, "low": float(low), "high": float(high),
            "hits": int(hits), "trials": int(trials)}


def rates(selected, true):
    """Score a selection against the truth.

    Parameters
    ----------
    selected, true : array_like of bool, shape (n,)
        Whether a star was selected, and whether it is what was looked for.

    Returns
    -------
    pandas.DataFrame
        Rows ``completeness`` (true-positive rate), ``purity`` and ``false_alarm``
        (false-positive rate); columns value, low, high, hits, trials.
    """
    selected, true = np.asarray(selected, dtype=bool), np.asarray(true, dtype=bool)
    both = np.sum(selected & true)
    return pd.DataFrame(
        {
            "completeness": fraction(both, true.sum()),
            "purity": fraction(both, selected.sum()),
            "false_alarm": fraction(np.sum(selected & ~true), np.sum(~true)),
        }
    ).T


def rates_by(values, edges, selected, true):
    """Score a selection in bins of a quantity.

    Parameters
    ----------
    values : array_like, shape (n,)
        Quantity to bin, e.g. S/N.
    edges : sequence of float, length m + 1
        Bin edges; the last bin is closed.
    selected, true : array_like of bool, shape (n,)

    Returns
    -------
    pandas.DataFrame
        `rates` of every bin stacked: columns bin, low_edge, high_edge, rate, value, ...
    """
    values, selected, true = np.asarray(values), np.asarray(selected), np.asarray(true)
    tables = []
    for i, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        last = i == len(edges) - 2
        rows = (values >= low) & ((values <= high) if last else (values < high))
        table = rates(selected[rows], true[rows]).rename_axis("rate").reset_index()
        tables.append(table.assign(bin=i, low_edge=low, high_edge=high))
    return pd.concat(tables, ignore_index=True)


def purity_at(prevalence, completeness, false_alarm):
    """Scale purity to a population with another share of the stars looked for.

    Parameters
    ----------
    prevalence : array_like
        Share of true CEMP stars in the population searched.
    completeness, false_alarm : float
        True- and false-positive rates; they carry over only if the other stars do too.

    Returns
    -------
    ndarray
        Bayes: p TPR / (p TPR + (1 - p) FPR); NaN where nothing would be selected.

    Examples
    --------
    >>> purity_at([0.5], 0.8, 0.2)
    array([0.8])
    """
    prevalence = np.asarray(prevalence, dtype=float)
    wanted = prevalence * completeness
    total = wanted + (1 - prevalence) * false_alarm
    return np.divide(wanted, total, out=np.full_like(total, np.nan), where=total > 0)


def purity_bounds(prevalence, table, level=0.95):
    """Bound the purity at another prevalence from counted true and false positives.

    Parameters
    ----------
    prevalence : array_like
        Shares of true CEMP stars.
    table : pandas.DataFrame
        From `rates`.
    level : float
        One-sided coverage of the bound on the false-positive rate.

    Returns
    -------
    value, lower : ndarray
        Purity from the measured rates, and from the upper limit of the false-positive rate:
        with no false positive among n stars the first is 1 and only the second says something.
    """
    alarm = table.loc["false_alarm"]
    _, upper = binomial_interval(alarm["hits"], alarm["trials"], 2 * level - 1)
    complete = table.loc["completeness", "value"]
    return (purity_at(prevalence, complete, alarm["value"]), purity_at(prevalence, complete, upper))


def reliability(probability, true, edges):
    """Compare stated probabilities with the share of stars that are what they were said to be.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Stated probabilities; NaN rows are left out.
    true : array_like of bool, shape (n,)
    edges : sequence of float, length m + 1
        Bins of probability.

    Returns
    -------
    pandas.DataFrame
        One row a bin that holds stars: stated (mean probability), value, low, high, trials.
    """
    probability, true = np.asarray(probability, dtype=float), np.asarray(true, dtype=bool)
    number = np.clip(np.digitize(probability, edges) - 1, 0, len(edges) - 2)
    rows = []
    for i in range(len(edges) - 1):
        inside = (number == i) & np.isfinite(probability)
        if inside.any():
            counted = fraction(true[inside].sum(), inside.sum())
            rows.append({"stated": probability[inside].mean(), **counted})
    return pd.DataFrame(rows, columns=["stated", "value", "low", "high", "hits", "trials"])


def brier_score(probability, true):
    """Mean squared difference of stated probability and outcome; 0 is perfect.

    Parameters
    ----------
    probability : array_like, shape (n,)
        NaN rows are left out.
    true : array_like of bool, shape (n,)

    Returns
    -------
    float
        Brier (1950, Monthly Weather Review 78, 1).
    """
    probability, true = np.asarray(probability, dtype=float), np.asarray(true, dtype=float)
    known = np.isfinite(probability)
    return float(np.mean((probability[known] - true[known]) ** 2))


def curve(probability, true, thresholds):
    """Score the selection at many thresholds.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Stated probabilities; NaN is never selected.
    true : array_like of bool, shape (n,)
    thresholds : sequence of float
        A star is selected above, not at, the threshold.

    Returns
    -------
    pandas.DataFrame
        Columns threshold, completeness, purity (NaN where nothing is selected), selected.
    """
    probability, true = np.asarray(probability, dtype=float), np.asarray(true, dtype=bool)
    rows = []
    for threshold in thresholds:
        selected = probability > threshold
        value = rates(selected, true)["value"]
        rows.append((threshold, value["completeness"], value["purity"], int(selected.sum())))
    return pd.DataFrame(rows, columns=["threshold", "completeness", "purity", "selected"])


def pulls(held, labels):
    """Check stated errors: residuals of held-out spectra in units of their total error.

    Parameters
    ----------
    held : pandas.DataFrame
        Predicted labels and errors e_..., adopted ones label_... and label_e_...
    labels : sequence of str

    Returns
    -------
    pandas.DataFrame
        One row a label: n; median and robust scatter (1.4826 times the median absolute
        deviation) of the pull, 0 and 1 if errors are right; share beyond three.
    """
    rows = []
    for name in labels:
        error = np.hypot(held[f"e_{name}"], held[f"label_e_{name}"].fillna(0.0))
        pull = ((held[f"label_{name}"] - held[name]) / error).dropna()
        middle = pull.median()
        spread = 1.4826 * (pull - middle).abs().median()
        rows.append((name, len(pull), middle, spread, (pull.abs() > 3).mean()))
    return pd.DataFrame(rows, columns=["label", "n", "median", "scatter", "beyond 3"])
