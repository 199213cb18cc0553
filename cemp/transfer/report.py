"""Tables and numbers of the real stars, for readers and for the paper."""

import numpy as np
import pandas as pd

from cemp.results import Value

#: Decimals of each label.
DECIMALS = {"teff": 0, "logg": 2, "fe_h": 2, "c_h": 2}
#: Names of labels and samples in TeX macros (letters only).
MACRO = {"teff": "Teff", "logg": "Logg", "fe_h": "Feh", "c_h": "Ch"}
SAMPLE_MACRO = {"4000-7000 K": "All", "[Fe/H] < -1": "Poor", "[Fe/H] < -2": "VeryPoor"}
#: What the labels are to reach between 4000 and 7000 K: robust scatter; a third of it for biases.
GOALS = {"teff": 120.0, "logg": 0.35, "fe_h": 0.20}


def text_table(table):
    """Write a comparison with its intervals as text.

    Parameters
    ----------
    table : pandas.DataFrame
        As of `cemp.transfer.stars.comparison_table`.

    Returns
    -------
    pandas.DataFrame
        Same rows; columns stars, bias, scatter as ``"+12 [+3, +20]"``.
    """
    rows = {}
    for key, row in table.iterrows():
        d = DECIMALS[key[1]]
        low_high = "" if np.isnan(row["bias_low"]) else (
            f" [{row['bias_low']:+.{d}f}, {row['bias_high']:+.{d}f}]")
        around = "" if np.isnan(row["scatter_low"]) else (
            f" [{row['scatter_low']:.{d}f}, {row['scatter_high']:.{d}f}]")
        rows[key] = {"stars": int(row["n"]), "bias": f"{row['bias']:+.{d}f}{low_high}",
                     "scatter": f"{row['scatter']:.{d}f}{around}"}
    return pd.DataFrame(rows).T.rename_axis(["sample", "label"])


def goals(table, sample="4000-7000 K"):
    """Hold a comparison against the goals.

    Parameters
    ----------
    table : pandas.DataFrame
        As of `cemp.transfer.stars.comparison_table`.
    sample : str

    Returns
    -------
    pandas.DataFrame
        By label: scatter and its goal, |bias| and its goal, and whether each is met.
    """
    rows = {}
    for label, goal in GOALS.items():
        row = table.loc[sample, label]
        rows[label] = {"scatter": row["scatter"], "goal": goal, "met": row["scatter"] < goal,
                       "|bias|": abs(row["bias"]), "bias goal": goal / 3,
                       "bias met": abs(row["bias"]) < goal / 3}
    return pd.DataFrame(rows).T


def values(table, half):
    """Turn a comparison into the paper's macros.

    Parameters
    ----------
    table : pandas.DataFrame
        As of `cemp.transfer.stars.comparison_table`.
    half : {"Dev", "Test"}

    Returns
    -------
    dict of str to cemp.results.Value
        ``Real<half><sample><label>Bias`` and ``...Scatter``; ``Real<half><sample>N``, the stars.
    """
    out = {}
    for sample, short in SAMPLE_MACRO.items():
        if sample not in table.index.get_level_values("sample"):
            continue
        part = table.loc[sample]
        where = f"MILES {half.lower()} half, {sample}"
        out[f"Real{half}{short}N"] = Value(int(part["n"].max()), "d", f"stars: {where}")
        for label, row in part.iterrows():
            name, form = f"Real{half}{short}{MACRO[label]}", f".{DECIMALS[label]}f"
            out[f"{name}Bias"] = Value(float(row["bias"]), form, f"median {label} error: {where}")
            out[f"{name}Scatter"] = Value(float(row["scatter"]), form,
                                          f"robust scatter of {label}: {where}")
    return out


def tex_rows(tables):
    """Write comparisons as rows of a table of the paper.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        Name of the method or half to its `cemp.transfer.stars.comparison_table`.

    Returns
    -------
    list of list of str
        Name, sample, stars, then median and robust scatter of each label of `GOALS`.
    """
    rows = []
    for name, table in tables.items():
        for sample in SAMPLE_MACRO:
            if sample not in table.index.get_level_values("sample"):
                continue
            part = table.loc[sample]
            cells = [name, "$" + sample + "$" if "<" in sample else sample.replace("-", "--"),
                     str(int(part["n"].max()))]
            for label in GOALS:
                d = DECIMALS[label]
                cells += [f"${part.loc[label, 'bias']:+.{d}f}$",
                          f"{part.loc[label, 'scatter']:.{d}f}"]
            rows.append([cell.replace("[Fe/H]", r"\feh") for cell in cells])
    return rows
