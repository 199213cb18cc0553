"""Score tables as cells in TeX, for the paper."""

import re

import numpy as np

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


def count(n):
    r"""Write a count as the paper's text does.

    >>> count(2916)
    '2{,}916'
    """
    return f"{n:,d}".replace(",", "{,}")


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
            [SAMPLE_TEX[sample], LABEL_TEX[label]]
            + [count(part[name].iloc[0]) for name in ("n_spectra", "n_stars")]
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
            [SAMPLE_TEX[line["sample"]], LABEL_TEX[line["label"]], count(line["n_spectra"])]
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
        values = part.set_index(["label", "method"])["value"]
        cells = [number(values[label, method], digits(label))
                 for label in labels for method in METHODS]  # fmt: skip
        rows.append([re.sub(r"[<>]|-?[\d.]+", r"$\g<0>$", text), part["n_spectra"].max(), *cells])
    return rows


def class_rows(table):
    """Rows of the paper's table of the simple cut: method, precision, recall, F1."""
    return [
        [method, *(span(*line, ".2f") for line in part[["value", "low", "high"]].to_numpy())]
        for method, part in table.groupby("method", sort=False)
    ]


def hidden_rows(hidden):
    """Rows of the table of hidden features; of the controls, the least and the most costly.

    Parameters
    ----------
    hidden : pandas.DataFrame
        From `cemp.evaluate.hiding.hide_and_score`.

    Returns
    -------
    list of list of str
        Feature, pixels, shift, RMSE when hidden, increase with interval.
    """
    control = hidden["region"].str.startswith("control")
    rows = [
        [line["region"].replace("C2", "C$_2$"), line["pixels"], number(line["shift"], ".3f"),
         number(line["rmse_hidden"], ".3f"),
         span(line["increase"], line["low"], line["high"], ".3f")]
        for line in hidden[~control].to_dict("records")
    ]  # fmt: skip
    windows = hidden[control]
    for text, place in (("least", "idxmin"), ("most", "idxmax")):
        line = windows.loc[getattr(windows["increase"], place)()]
        rows.append([f"control windows, {text}", line["pixels"], number(line["shift"], ".3f"),
                     number(line["rmse_hidden"], ".3f"),
                     span(line["increase"], line["low"], line["high"], ".3f")])  # fmt: skip
    return rows
