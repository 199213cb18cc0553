"""Rates of a selection on simulated spectra: what it finds, what it lets in, how pure it is."""

import numpy as np
import pandas as pd

from cemp.candidates.assess import binomial_interval, purity_at
from cemp.errors import BadInputError
from cemp.selection.recipe import select


def choose(table, recipe, p_floor=0.2):
    """Apply a recipe to simulated spectra.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.selection.product.read_product`.
    recipe : cemp.selection.recipe.Recipe
    p_floor : float
        P(CEMP) below which the simulation looked for no flags.

    Returns
    -------
    pandas.DataFrame
        A copy with ``selected`` and the reasons of refusal.

    Raises
    ------
    BadInputError
        If the recipe's threshold is below the floor.
    """
    if recipe.p_threshold < p_floor:
        raise BadInputError(
            f"threshold {recipe.p_threshold} of P(CEMP): simulated spectra are known above "
            f"{p_floor} only; raise it, or lower P_FLOOR in cemp.selection.bench and simulate"
        )
    return table.join(select(table, recipe))


def rate(table, level=0.68):
    """Give the rate of selected spectra with intervals that know of repeated stars.

    Parameters
    ----------
    table : pandas.DataFrame
        star, selected and optionally weight (NaN counts as 1).
    level : float
        Coverage of the interval.

    Returns
    -------
    dict
        spectra, stars, hits (selected spectra), value (weighted), low, high, and upper: the
        one-sided 95% limit. All NaN or 0 without rows.

    Notes
    -----
    Spectra of one star share what the network gets wrong about it. The variance is therefore that
    of a ratio of sums over stars, var = sum_k w_k^2 (s_k - r n_k)^2 / (sum_k w_k n_k)^2 (Cochran
    1977, Sampling Techniques, eq. 2.39 without the finite-population factor), and the interval is
    Clopper & Pearson's for the number of trials that has this variance, r (1 - r) / var. Without
    a hit the number of STARS counts, not that of spectra, and of weighted stars the effective one
    (Kish 1965, Survey Sampling): the safe side. No upper limit is below that of no hit: a few hits
    tell no variance between stars, and would seem to know more than none.
    """
    if not len(table):
        return {"spectra": 0, "stars": 0, "hits": 0, "value": np.nan, "low": 0.0, "high": 1.0,
                "upper": 1.0}  # fmt: skip
    selected = table["selected"].to_numpy(dtype=float)
    weight = np.ones(len(table))
    if "weight" in table:
        weight = table["weight"].fillna(1.0).to_numpy(dtype=float)
    sums = pd.DataFrame({"w": weight, "s": weight * selected}).groupby(table["star"].to_numpy())
    sums = sums.sum()
    value, n_star = sums["s"].sum() / sums["w"].sum(), len(sums)
    trials = effective = sums["w"].sum() ** 2 / (sums["w"] ** 2).sum()
    if 0 < value < 1:
        variance = ((sums["s"] - value * sums["w"]) ** 2).sum() / sums["w"].sum() ** 2
        trials = min(value * (1 - value) / variance, len(table)) if variance > 0 else trials
    low, high = binomial_interval(value * trials, trials, level)
    upper = max(binomial_interval(value * trials, trials, 0.90)[1],
                binomial_interval(0.0, effective, 0.90)[1])  # fmt: skip
    return {"spectra": len(table), "stars": n_star, "hits": int(selected.sum()), "value": value,
            "low": float(low), "high": float(high), "upper": float(upper)}  # fmt: skip


def rate_by(table, column, edges):
    """Give the rate in bins.

    Parameters
    ----------
    table : pandas.DataFrame
        As for `rate`.
    column : str
    edges : sequence of float
        Bins; the last one is closed.

    Returns
    -------
    pandas.DataFrame
        One row a bin: low_edge, high_edge and the entries of `rate`.
    """
    values, rows = table[column].to_numpy(dtype=float), []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (values >= low) & ((values < high) | ((high == edges[-1]) & (values == high)))
        rows.append({"low_edge": low, "high_edge": high} | rate(table[inside]))
    return pd.DataFrame(rows)


def rate_table(groups):
    """Stack rates of named groups.

    Parameters
    ----------
    groups : dict of str to pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        One row a group; columns of `rate`.
    """
    return pd.DataFrame({name: rate(rows) for name, rows in groups.items()}).T.astype(
        {"spectra": int, "stars": int, "hits": int}
    )


def purity_curve(prevalence, completeness, false_alarm):
    """Scale purity to populations with other shares of CEMP stars.

    Parameters
    ----------
    prevalence : array_like, shape (n,)
        Share of CEMP stars among the stars searched.
    completeness, false_alarm : dict
        From `rate`: of simulated CEMP stars, and of the natural stars that are none.

    Returns
    -------
    pandas.DataFrame
        prevalence, purity, and lower: with the 95% upper limit of the false-positive rate.
    """
    complete = completeness["value"]
    return pd.DataFrame({
        "prevalence": np.asarray(prevalence, dtype=float),
        "purity": purity_at(prevalence, complete, false_alarm["value"]),
        "lower": purity_at(prevalence, complete, false_alarm["upper"]),
    })  # fmt: skip


def threshold_curve(table, recipe, thresholds, prevalence):
    """Follow completeness, false positives and purity with the threshold of P(CEMP).

    Parameters
    ----------
    table : pandas.DataFrame
        Simulated spectra, sets ``natural`` and ``cemp``.
    recipe : cemp.selection.recipe.Recipe
        All but its threshold is kept.
    thresholds : sequence of float
    prevalence : float

    Returns
    -------
    pandas.DataFrame
        threshold, completeness, false_alarm, upper, purity, lower.
    """
    # Refusals for other reasons than P(CEMP) do not depend on the threshold.
    chosen = select(table, recipe)
    fine = ~chosen.drop(columns=["selected", "refused_probability"]).any(axis=1)
    parts = {name: table[table["set"] == name] for name in ("cemp", "natural")}
    rows = []
    for threshold in thresholds:
        above = fine & (table["p_cemp"] > threshold)
        found, alarm = (rate(rows_.assign(selected=above)) for rows_ in parts.values())
        pure = purity_curve([prevalence], found, alarm).iloc[0]
        rows.append((threshold, found["value"], alarm["value"], alarm["upper"], pure["purity"],
                     pure["lower"]))  # fmt: skip
    return pd.DataFrame(rows, columns=["threshold", "completeness", "false_alarm", "upper",
                                       "purity", "lower"])  # fmt: skip


def distance_outside(fe_h, c_fe):
    """Tell how far stars lie outside the CEMP corner of Table 1.

    Parameters
    ----------
    fe_h, c_fe : array_like
        [dex].

    Returns
    -------
    ndarray
        The larger of [Fe/H] + 2.0 and 0.7 - [C/Fe] [dex]; below 0 inside.
    """
    return np.maximum(np.asarray(fe_h) + 2.0, 0.7 - np.asarray(c_fe))
