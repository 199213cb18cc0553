"""Simulated vectors against files that went through the whole chain."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest, ks_2samp, norm, wilcoxon

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.selection.rates import rate
from cemp.selection.recipe import select
from cemp.selection.simulate import realise
from cemp.synthesis.grid import GRID_LABELS


def pairs(bench, store, stars, truth, random):
    """Simulate observed stars once more: same labels, same S/N, errors and mask.

    Parameters
    ----------
    bench : cemp.selection.bench.Bench
    store : cemp.vectors.VectorStore
        Vectors that came from files.
    stars : pandas.DataFrame
        obsid, snrg; spectra of the bench's nights.
    truth : pandas.DataFrame
        The grid's labels by obsid.
    random : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        One row a spectrum: true labels (true_...), file_ and sim_ labels, file_p, sim_p and the
        columns that the recipe needs, with the same prefixes.

    Raises
    ------
    BadInputError
        If a spectrum is not among the nights.
    """
    place = pd.Series(np.arange(len(bench.nights.obsid)), bench.nights.obsid)
    unknown = ~stars["obsid"].isin(place.index)
    if unknown.any():
        raise BadInputError(f"{unknown.sum()} spectra are not of the search sample: leave them out")
    rows, labels = place[stars["obsid"]].to_numpy(), truth.loc[stars["obsid"]]
    native = bench.maker.stars(labels[list(GRID_LABELS)], random)
    sim = bench.judge(*realise(native, bench.nights, rows, random), stars["snrg"].to_numpy())
    v = store.read(stars["obsid"])
    file = bench.judge(v.flux, v.ivar, v.good, stars["snrg"].to_numpy())
    true = labels[list(LABELS)].add_prefix("true_").reset_index(drop=True)
    return pd.concat([true, file.add_prefix("file_"), sim.add_prefix("sim_")], axis=1)


def compare_labels(table):
    """Compare errors of labels of files and of simulated vectors.

    Parameters
    ----------
    table : pandas.DataFrame
        From `pairs`.

    Returns
    -------
    pandas.DataFrame
        One row a label: bias (median) and robust scatter of both; ``shift``, the median of a
        star's difference (simulated less file); and p-values: of the two-sample
        Kolmogorov-Smirnov test, which takes the samples for independent and is lenient, as they
        are the same stars, and of Wilcoxon's signed-rank test of the shift, which is paired.
    """
    rows = {}
    for name in LABELS:
        error = [table[f"{s}_{name}"] - table[f"true_{name}"] for s in ("file", "sim")]
        shift = (error[1] - error[0]).dropna()
        error = [e.dropna() for e in error]
        middle = [e.median() for e in error]
        wide = [1.4826 * (e - m).abs().median() for e, m in zip(error, middle, strict=True)]
        rows[name] = {"bias, files": middle[0], "bias, simulated": middle[1],
                      "scatter, files": wide[0], "scatter, simulated": wide[1],
                      "shift": shift.median(), "KS p": ks_2samp(*error).pvalue,
                      "paired p": wilcoxon(shift).pvalue if shift.any() else 1.0}  # fmt: skip
    return pd.DataFrame(rows).T


def compare_selection(table, recipe, groups):
    """Compare what a recipe selects among files and among their simulated twins.

    Parameters
    ----------
    table : pandas.DataFrame
        From `pairs`.
    recipe : cemp.selection.recipe.Recipe
    groups : dict of str to array_like of bool, shape (n,)

    Returns
    -------
    pandas.DataFrame
        One row a group: spectra, selected among files and among simulated, those selected in one
        only, and the p-value that the two are equally likely (McNemar's exact test).
    """
    chosen = {}
    for source in ("file", "sim"):
        part = table.filter(regex=f"^{source}_").rename(columns=lambda c: c.split("_", 1)[1])
        part["outside_reconstruction"] = ~(part["outside_score"] <= 1.0)
        chosen[source] = select(part, recipe)["selected"].to_numpy()
    rows = {}
    for name, inside in groups.items():
        a, b = (chosen[s][np.asarray(inside, dtype=bool)] for s in ("file", "sim"))
        first, second = int((a & ~b).sum()), int((b & ~a).sum())
        p = binomtest(first, first + second).pvalue if first + second else 1.0
        rows[name] = {"spectra": a.size, "files": int(a.sum()), "simulated": int(b.sum()),
                      "files only": first, "simulated only": second, "p": p}  # fmt: skip
    counts = ["spectra", "files", "simulated", "files only", "simulated only"]
    return pd.DataFrame(rows).T.astype(dict.fromkeys(counts, int))


def compare_rates(shipped, again, groups):
    """Compare rates of the committed simulation with those of a fresh, smaller one.

    Parameters
    ----------
    shipped, again : pandas.DataFrame
        set, star, selected, weight.
    groups : sequence of str
        Sets to compare.

    Returns
    -------
    pandas.DataFrame
        One row a set: both rates with their numbers of spectra, their difference in its standard
        errors (from the 68% intervals) and the two-sided p-value of it.
    """
    rows = {}
    for name in groups:
        a, b = (rate(table[table["set"] == name]) for table in (shipped, again))
        error = np.hypot(*(max(r["high"] - r["low"], 1e-9) / 2 for r in (a, b)))
        pull = (b["value"] - a["value"]) / error
        rows[name] = {"committed": a["value"], "again": b["value"], "spectra": a["spectra"],
                      "spectra again": b["spectra"], "sigmas": pull,
                      "p": 2 * norm.sf(abs(pull))}  # fmt: skip
    return pd.DataFrame(rows).T.astype({"spectra": int, "spectra again": int})
