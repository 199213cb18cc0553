"""Score tables on their way to the reader: wide tables, arrays of figures, single scores."""

import numpy as np
import pandas as pd

from cemp.evaluate.scores import verdict


def wide(table, rows=("sample", "label", "method")):
    """One line a sample, label and method, one column a statistic.

    Parameters
    ----------
    table : pandas.DataFrame
        Long, from `cemp.evaluate.scores` (and a column `sample`).
    rows : sequence of str

    Returns
    -------
    pandas.DataFrame
        n_stars, n_spectra, then the statistics in the order of the long table.
    """
    keys = [*rows, "n_stars", "n_spectra"]
    order = list(dict.fromkeys(table["statistic"]))
    lines = table[list(rows)].drop_duplicates()
    values = table.pivot(index=keys, columns="statistic", values="value")[order].reset_index()
    values.columns.name = None
    return lines.merge(values, on=list(rows), how="left")[[*keys, *order]]


def bin_texts(edges):
    """Name bins between edges; an infinite edge leaves one side open.

    >>> bin_texts([-np.inf, -2.5, -1.0]), bin_texts([5, 10, np.inf])
    (['< -2.5', '-2.5 to -1'], ['5 to 10', '> 10'])
    """
    texts = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        both = f"{low:g} to {high:g}"
        texts.append(f"< {high:g}" if np.isinf(low) else f"> {low:g}" if np.isinf(high) else both)
    return texts


def bin_arrays(table, name):
    """Arrays of a binned score table for the figure of residuals.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.evaluate.scores.score_bins`.
    name : str
        Key of the binned quantity.

    Returns
    -------
    dict of str to ndarray
        ``<name>_<label>_<method>_<statistic>``, shape (3, n_bin): value, low, high; and
        ``<name>_<label>_n`` (n_bin,), spectra in each bin.
    """
    arrays = {}
    kept = table[table["statistic"].isin(["bias", "scatter"])]
    for (label, method, statistic), part in kept.groupby(["label", "method", "statistic"]):
        part = part.sort_values("low_edge")
        key = f"{name}_{label}_{method.split()[-1].lower()}_{statistic}"
        arrays[key] = part[["value", "low", "high"]].to_numpy().T
        arrays[f"{name}_{label}_n"] = part["n_spectra"].to_numpy()
    return arrays


def difference_table(samples, labels, compare):
    """Compare the methods on several samples and labels.

    Parameters
    ----------
    samples : dict of str to (pandas.DataFrame, str)
        From `cemp.evaluate.samples.samples`.
    labels : sequence of str
    compare : callable
        `cemp.evaluate.scores.paired_difference` with its settings.

    Returns
    -------
    pandas.DataFrame
        One row a sample and label, with a column `ahead`.
    """
    rows = [
        {"sample": name, **compare(frame, label, reference)}
        for name, (frame, reference) in samples.items()
        for label in labels
    ]
    return pd.DataFrame(rows).assign(ahead=[verdict(row) for row in rows])


def far_off(frame, reference="true_"):
    """Count the spectra whose labels lie a dex off in the two ways that matter.

    Parameters
    ----------
    frame : pandas.DataFrame
        Predicted labels and, with the prefix `reference`, known ones.
    reference : str

    Returns
    -------
    str
        Metal-poor spectra with [C/H] over 1 dex too high, and dwarfs with log g over 1 dex too low.
    """
    known = frame[[f"{reference}{name}" for name in ("fe_h", "c_h", "logg")]].set_axis(
        ["fe_h", "c_h", "logg"], axis=1)
    poor, dwarf = known["fe_h"] < -2, known["logg"] > 4.5
    high = poor & (frame["c_h"] - known["c_h"] > 1)
    normal = high & (known["c_h"] - known["fe_h"] <= 0.7)
    low = dwarf & (frame["logg"] - known["logg"] < -1)
    return (f"[C/H] over 1 dex too high: {high.sum()} of {poor.sum()} spectra with [Fe/H] < -2, "
            f"{normal.sum()} of them not CEMP\n"
            f"log g over 1 dex too low: {low.sum()} of {dwarf.sum()} dwarfs (log g > 4.5)")


def pick(table, statistic, method="MACRN", **keys):
    """Take one score from a long table.

    Parameters
    ----------
    table : pandas.DataFrame
    statistic, method : str
    **keys
        More columns with the value wanted, e.g. ``sample="truth"``.

    Returns
    -------
    pandas.Series
        The row: value, low, high and the rest.
    """
    wanted = {"statistic": statistic, "method": method, **keys}
    rows = table[np.all([table[name] == value for name, value in wanted.items()], axis=0)]
    return rows.iloc[0]
