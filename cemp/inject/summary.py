"""What injected spectra say together: bias, scatter, gain, completeness, why stars were missed."""

import numpy as np
import pandas as pd

from cemp.candidates.assess import binomial_interval

#: Table 1 of the paper: a star is CEMP below this [Fe/H] and above this [C/Fe].
FE_H, C_FE = -2.0, 0.7
#: Bins of a report: S/N(g) as observed, and Teff [K], with their names.
SNR = ((-1, 5, 10, 20, 50, 1000), ("below 5", "5-10", "10-20", "20-50", "above 50"))
TEFF = ((0, 4500, 5000, 5500, 6000, 9000),
        ("below 4500", "4500-5000", "5000-5500", "5500-6000", "above 6000"))  # fmt: skip


def add_response(table, also=()):
    """Add what the network found of what was injected.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `cemp.inject.recover.INJECTED`.
    also : sequence of str
        Columns that, beside identifier and file, tell which untouched spectrum belongs to which
        injected one.

    Returns
    -------
    pandas.DataFrame
        A copy with is_cemp (by the star's own [Fe/H] and the injected carbon), d_c_fe and d_fe_h
        (recovered minus injected, and minus the star's own [Fe/H]) [dex], and
        ``gain``: rise of the network's [C/Fe] against the untouched spectrum over the
        rise that was injected; NaN for untouched ones, and where that is below 0.1 dex.
    """
    key = ["identifier", "file", *also]
    first = table[~table["injected"]].drop_duplicates(key).set_index(key)["c_fe"].rename("first")
    rise = table["c_fe"] - table.join(first, on=key)["first"]
    able = table["injected"] & (table["raised"] >= 0.1)
    cemp = (table["star_fe_h"] < FE_H) & (table["c_fe_injected"] > C_FE)
    return table.assign(is_cemp=cemp, d_c_fe=table["c_fe"] - table["c_fe_injected"],
                        d_fe_h=table["fe_h"] - table["star_fe_h"],
                        gain=(rise / table["raised"]).where(able))  # fmt: skip


def summarise(table, by):
    """Summarise recovery by group.

    Parameters
    ----------
    table : pandas.DataFrame
        From `add_response`.
    by : str, pandas.Series or list of them
        Groups, as of `pandas.DataFrame.groupby`.

    Returns
    -------
    pandas.DataFrame
        One row a group: spectra; bias (median) and scatter (1.4826 median absolute deviation) of
        [C/Fe] and of [Fe/H] [dex]; median gain; share of candidates with its `share_interval`.
    """
    rows = {}
    for key, group in table.groupby(by, observed=True):
        found = int(group["candidate"].sum())
        low, high = share_interval(found, len(group))
        rows[key] = {"spectra": len(group), "bias": group["d_c_fe"].median(),
                     "scatter": _spread(group["d_c_fe"]), "fe_bias": group["d_fe_h"].median(),
                     "fe_scatter": _spread(group["d_fe_h"]), "gain": group["gain"].median(),
                     "p_cemp": group["p_cemp"].median(), "candidates": found,
                     "share": found / len(group), "low": low, "high": high}  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def _spread(values):
    """Robust standard deviation."""
    return 1.4826 * float((values - values.median()).abs().median())


def report(table):
    """Summarise injected spectra by [C/Fe], S/N and Teff.

    Parameters
    ----------
    table : pandas.DataFrame
        From `add_response`.

    Returns
    -------
    pandas.DataFrame
        As of `summarise`; the index holds the quantity and the group.
    """
    added = table[table["injected"]]
    groups = {"[C/Fe]": added["c_fe_injected"].round(2),
              "S/N(g)": pd.cut(added["star_snrg"], SNR[0], labels=SNR[1]),
              "Teff [K]": pd.cut(added["star_teff"], TEFF[0], labels=TEFF[1])}  # fmt: skip
    parts = {"all": summarise(added, np.full(len(added), "all"))}
    parts |= {name: summarise(added, by) for name, by in groups.items()}
    # a part without a row has no columns, and would make numbers of the others' counts
    parts = {name: part for name, part in parts.items() if len(part)} or parts
    return pd.concat(parts, names=["quantity", "group"])


def share_interval(found, trials):
    """Give the 95% interval of a share; where nothing was found, up to the one-sided limit.

    Parameters
    ----------
    found, trials : int

    Returns
    -------
    low, high : float
        Clopper & Pearson (1934, Biometrika 26, 404).

    Examples
    --------
    >>> low, high = share_interval(0, 59)
    >>> float(low), round(float(high), 3)
    (0.0, 0.05)
    """
    low, high = binomial_interval(found, trials, 0.95 if found else 0.90)
    return float(low), float(high)


def why_missed(table):
    """Tell why stars made CEMP are no candidates.

    Parameters
    ----------
    table : pandas.DataFrame
        From `add_response`.

    Returns
    -------
    pandas.Series of int
        Number of spectra by reason, the first that holds: no light in the blue, spectrum unlike
        the training's, [Fe/H] found too high, [C/Fe] found too low, error too large.
    """
    missed = table[table["is_cemp"] & ~table["candidate"]]
    cases = {
        "no light in the blue": missed["flag_carbon"],
        "spectrum unlike the training's": missed["reason"].str.contains("spectrum unlike training"),
        "[Fe/H] found above -2": missed["fe_h"] >= FE_H,
        "[C/Fe] found below 0.7": missed["c_fe"] <= C_FE,
    }
    first = np.select([case.to_numpy(dtype=bool) for case in cases.values()], list(cases),
                      "P(CEMP) below 1/2 within the errors")  # fmt: skip
    return pd.Series(first, dtype=str).value_counts().rename("spectra")


def tex_rows(summaries):
    """Write summaries as rows of a paper table.

    Parameters
    ----------
    summaries : dict of str to pandas.DataFrame
        Sample -> from `summarise`.

    Returns
    -------
    list of list of str
        Sample, group, spectra; bias and scatter of [C/Fe], gain, bias and scatter of [Fe/H];
        candidates and the 95% interval of their share [%].
    """
    rows = []
    for sample, summary in summaries.items():
        for group, row in summary.iterrows():
            signed = [f"${row[k]:+.2f}$" for k in ("bias", "fe_bias")]
            gain = f"{row['gain']:.2f}" if np.isfinite(row["gain"]) else r"\nodata"
            rows.append([sample, str(group), f"{row['spectra']:.0f}", signed[0],
                         f"{row['scatter']:.2f}", gain, signed[1], f"{row['fe_scatter']:.2f}",
                         f"{row['candidates']:.0f}",
                         f"{100 * row['low']:.0f}--{100 * row['high']:.0f}"])  # fmt: skip
    return rows
