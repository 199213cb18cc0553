"""Score tables on their way to the reader: wide tables, figure arrays, cells in TeX."""

import numpy as np
import pandas as pd

from cemp.evaluate.scores import METHODS, verdict

#: Labels and samples as the paper's tables name them.
LABEL_TEX = {
    "teff": r"$T_{\rm eff}$ (K)",
    "logg": r"$\log g$",
    "fe_h": "[Fe/H]",
    "c_h": "[C/H]",
    "c_fe": "[C/Fe]",
}
SAMPLE_TEX = {
    "apogee": "APOGEE, held out",
    "beyond": "Subaru and SAGA, held out",
    "labels": "all labels, held out",
    "truth": "mock truth",
    "corner": "CEMP corner",
}


def digits(label):
    """Format that shows a label's statistics to their meaningful digit."""
    return ".0f" if label == "teff" else ".3f"


def number(value, fmt):
    r"""Write one number in TeX; NaN becomes ``\nodata`` and no zero is negative.

    >>> number(-0.123, ".2f"), number(float("nan"), ".2f"), number(-0.001, ".2f")
    ('$-0.12$', '\\nodata', '$0.00$')
    """
    return f"${value:z{fmt}}$" if np.isfinite(value) else r"\nodata"


def span(value, low, high, fmt):
    r"""Write a number with the ends of its interval as differences.

    >>> span(0.20, 0.18, 0.23, ".2f")
    '$0.20_{-0.02}^{+0.03}$'
    """
    if not np.isfinite(value):
        return r"\nodata"
    below, above = f"{-abs(value - low):{fmt}}", f"+{abs(high - value):{fmt}}"
    return f"${value:z{fmt}}_{{{below}}}^{{{above}}}$"


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


def bin_texts(edges, unit=""):
    """Name bins between edges; an infinite edge leaves one side open.

    >>> bin_texts([5, 10, 20, np.inf])
    ['5-10', '10-20', '>20']
    >>> bin_texts([-np.inf, -2.5, -1.0])
    ['<-2.5', '-2.5..-1']
    """
    texts = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        joint = "-" if low >= 0 else ".."
        both = f"{low:g}{joint}{high:g}"
        texts.append(f"<{high:g}" if np.isinf(low) else f">{low:g}" if np.isinf(high) else both)
    return [text + unit for text in texts]


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


def metric_rows(table, method="MACRN"):
    """Rows of the paper's table of scores of one method.

    Parameters
    ----------
    table : pandas.DataFrame
        Long, with a column `sample`.
    method : str

    Returns
    -------
    list of list of str
        Sample, label, spectra, stars, bias, scatter, MAE, RMSE with interval, R2, slope.
    """
    rows = []
    ours = table[table["method"] == method]
    for (sample, label), part in ours.groupby(["sample", "label"], sort=False):
        line, fmt = part.set_index("statistic"), digits(label)
        value = line["value"]
        rows.append(
            [SAMPLE_TEX[sample], LABEL_TEX[label], *part[["n_spectra", "n_stars"]].iloc[0]]
            + [number(value[name], fmt) for name in ("bias", "scatter", "mae")]
            + [span(*line.loc["rmse", ["value", "low", "high"]], fmt)]
            + [number(value[name], ".2f") for name in ("r2", "slope")]
        )
    return rows


def method_rows(differences):
    """Rows of the paper's table of one method against the other.

    Parameters
    ----------
    differences : pandas.DataFrame
        One row a sample and label, columns of `cemp.evaluate.scores.paired_difference`.

    Returns
    -------
    list of list of str
        Sample, label, spectra, RMSE of each method, difference with interval, who is ahead.
    """
    rows = []
    for line in differences.to_dict("records"):
        fmt = digits(line["label"])
        rows.append(
            [SAMPLE_TEX[line["sample"]], LABEL_TEX[line["label"]], line["n_spectra"]]
            + [number(line[name], fmt) for name in ("first", "second")]
            + [span(line["difference"], line["low"], line["high"], fmt), verdict(line)]
        )
    return rows


def bin_rows(table, labels, texts):
    """Rows of the paper's table of robust scatter in bins.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.evaluate.scores.score_bins`.
    labels : sequence of str
    texts : sequence of str
        Name of each bin.

    Returns
    -------
    list of list of str
        Bin, spectra, then for every label the scatter of each method.
    """
    kept = table[table["statistic"] == "scatter"]
    rows = []
    for text, (_, part) in zip(texts, kept.groupby("low_edge"), strict=True):
        cells = [
            span(*part[(part["label"] == label) & (part["method"] == method)]
                 [["value", "low", "high"]].iloc[0], digits(label))
            for label in labels for method in METHODS
        ]  # fmt: skip
        rows.append([text.replace("<", "$<$").replace(">", "$>$"), part["n_spectra"].max(), *cells])
    return rows


def class_rows(table):
    """Rows of the paper's table of the simple cut: method, precision, recall, F1."""
    return [
        [method, *(span(*line, ".2f") for line in part[["value", "low", "high"]].to_numpy())]
        for method, part in table.groupby("method", sort=False)
    ]


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
