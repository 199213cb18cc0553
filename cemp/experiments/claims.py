"""What the experiments say about the draft's three claims, in numbers with intervals."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS
from cemp.evaluate.bootstrap import BootstrapSettings, interval, star_weights
from cemp.evaluate.metrics import bias, scatter
from cemp.experiments.ablation import cemp_rows
from cemp.experiments.cost import exponent
from cemp.experiments.faint import with_c_fe
from cemp.methods import registry

#: Below this S/N the draft says that template matching fails on carbon.
FAINT = 15.0


def read_methods(paths, obsid):
    """Read what the methods of the comparison predicted.

    Parameters
    ----------
    paths : cemp.paths.Paths
    obsid : ndarray (n,)
        Spectra, in the order wanted.

    Returns
    -------
    dict of str to ndarray (n, 4)
        By key of `cemp.methods.registry.METHODS`; methods that were not run are left out.
    """
    found = {}
    for key in registry.METHODS:
        path = paths.build / "08" / key / "predictions.parquet"
        if path.is_file():
            table = pd.read_parquet(path).drop_duplicates("obsid").set_index("obsid")
            found[key] = table.reindex(obsid)[list(LABELS)].to_numpy(float)
    return found


def faint_differences(predictions, truth, about, first="template", settings=None):
    """Compare methods with template matching on the same faint spectra.

    Parameters
    ----------
    predictions : dict of str to ndarray (n, 4)
    truth : ndarray (n, 4)
    about : pandas.DataFrame
        star_id and snrg.
    first : str
        Key that the others are compared with.
    settings : cemp.evaluate.bootstrap.BootstrapSettings, optional

    Returns
    -------
    pandas.DataFrame
        method, group, statistic (of [C/Fe]), first, value, difference (value less first; of the
        sizes, for the bias), low, high, n_stars; no rows without the first method.
    """
    settings, rows = settings or BootstrapSettings(), []
    if first not in predictions:
        return pd.DataFrame(columns=["method", "group", "statistic", "difference"])
    faint = about["snrg"].to_numpy() < FAINT
    for group, inside in (("all", faint), ("CEMP", faint & cemp_rows(truth))):
        for method in (key for key in predictions if key != first):
            both = [predictions[first], predictions[method]]
            use = inside & np.isfinite(both).all(axis=(0, 2))
            rows += [{"method": method, "group": group} | row
                     for row in _differences(both, truth, about["star_id"], use, settings)]
    return pd.DataFrame(rows)


def _differences(both, truth, star_id, use, settings):
    """Bias and scatter of [C/Fe], second less first, on some rows."""
    true = with_c_fe(truth[use])["c_fe"]
    made = [with_c_fe(labels[use])["c_fe"] for labels in both]
    weights, once = star_weights(star_id[use], settings), np.ones((1, use.sum()))
    rows = []
    for name, statistic in (("bias", lambda *given: np.abs(bias(*given))), ("scatter", scatter)):
        first, value = (statistic(labels, true, once)[0] for labels in made)
        draws = statistic(made[1], true, weights) - statistic(made[0], true, weights)
        low, high = interval(draws, settings)
        rows.append({"statistic": name, "first": first, "value": value,
                     "difference": value - first, "low": low, "high": high,
                     "n_stars": star_id[use].nunique()})  # fmt: skip
    return rows


def verdict(low, high, claimed="less"):
    """Say whether an interval of differences supports that the second is less than the first.

    >>> verdict(-0.2, -0.1), verdict(-0.1, 0.1), verdict(0.1, 0.2), verdict(np.nan, np.nan)
    ('holds', 'not shown', 'the opposite holds', 'not tested')
    """
    if not np.isfinite(low + high):
        return "not tested"
    below, above = ("holds", "the opposite holds")[:: 1 if claimed == "less" else -1]
    return below if high < 0 else above if low > 0 else "not shown"


def growth(table):
    """Factor by which each time grows with a label dimension.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.experiments.cost.cost_table`.

    Returns
    -------
    dict of str to float
        search, refine, tuned, paper: 1 is no growth.
    """
    names = ("search", "refine", "tuned", "paper")
    return {name: exponent(table["n_labels"], table[f"{name}_s"]) for name in names}


def beyond_pairs(table, first="Template matching", second="MACRN, tuned"):
    """Set the biases of two methods beyond the cut side by side.

    Parameters
    ----------
    table : pandas.DataFrame
        ``beyond.csv``.
    first, second : str
        Names of methods.

    Returns
    -------
    pandas.DataFrame
        group, label, cut, and for both methods bias (with interval), rmse; the label is the one
        that lies beyond.
    """
    pairs = (("fe_h", "fe_h"), ("c_fe", "c_fe"))
    rows = []
    for group, label in pairs:
        part = table[(table["group"] == group) & (table["label"] == label)]
        for cut in (True, False):
            row = {"group": group, "cut": cut}
            for place, name in (("first", first), ("second", second)):
                one = part[(part["method"] == name) & (part["cut"] == cut)]
                for column in ("bias", "bias_low", "bias_high", "rmse", "n_stars"):
                    row[f"{place}_{column}"] = one[column].iloc[0] if len(one) else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def noise_row(ablation):
    """Say whether the network needs noise in training to hold at low S/N.

    Parameters
    ----------
    ablation : pandas.DataFrame
        ``ablation.csv``.

    Returns
    -------
    list of tuple
        One row of `claim_rows`; none if that variant was not run.
    """
    row = ablation[(ablation["variant"] == "no_noise") & (ablation["score"] == "rmse_c_h_faint")]
    if row.empty:
        return []
    row = row.iloc[0]
    found = f"{row['base']:.2f} with, {row['value']:.2f} dex without"
    return [("b: RMSE of [C/H] at S/N < 20 is smaller with noise in training",
             -row["difference"], found, verdict(-row["high"], -row["low"]))]  # fmt: skip


def claim_rows(cost, differences, pairs, ablation, network="tuned"):
    """Write one line a claim: what was claimed, what was found, whether it holds.

    Parameters
    ----------
    cost : dict of str to float
        From `growth`.
    differences : pandas.DataFrame
        From `faint_differences`.
    pairs : pandas.DataFrame
        From `beyond_pairs`.
    ablation : pandas.DataFrame
        ``ablation.csv``.
    network : str
        Key of the network that stands for learning.

    Returns
    -------
    pandas.DataFrame
        claim, found, verdict.
    """
    rows = [
        ("a: searching a library costs more with each label", cost["search"] - 1,
         f"times {cost['search']:.1f} a label", "holds" if cost["search"] > 1.5 else "fails"),
        ("a: so does fitting with an emulator", cost["refine"] - 1,
         f"times {cost['refine']:.2f} a label", "holds" if cost["refine"] > 1.5 else "hardly"),
        ("a: the network's cost does not grow", cost["tuned"] - 1,
         f"times {cost['tuned']:.2f} a label", "holds" if cost["tuned"] < 1.1 else "fails"),
    ]  # fmt: skip
    part = differences[differences["method"] == network]
    for _, row in part.iterrows():
        rows.append((
            f"b: {row['statistic']} of [C/Fe] at S/N < {FAINT:.0f} is smaller ({row['group']})",
            row["difference"], f"{row['value']:.2f} against {row['first']:.2f} dex",
            verdict(row["low"], row["high"]),
        ))  # fmt: skip
    rows += noise_row(ablation)
    for _, row in pairs[pairs["cut"]].iterrows():
        label = {"fe_h": "[Fe/H] < -3.5", "c_fe": "[C/Fe] > 2"}[row["group"]]
        rows.append((
            f"c: bias at {label}, not in training, is smaller",
            abs(row["second_bias"]) - abs(row["first_bias"]),
            f"{row['second_bias']:+.2f} against {row['first_bias']:+.2f} dex",
            smaller_bias(row),
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=["claim", "difference", "found", "verdict"])


def smaller_bias(row):
    """Say whether the second bias is smaller in size, by intervals that do not overlap."""
    values = [row[f"{place}_{name}"] for place in ("first", "second")
              for name in ("bias", "bias_low", "bias_high")]  # fmt: skip
    if not np.isfinite(values).all():
        return "not tested"
    first, second = (sizes(*values[i : i + 3]) for i in (0, 3))
    if second[1] < first[0]:
        return "holds"
    return "the opposite holds" if first[1] < second[0] else "not shown"


def sizes(value, low, high):
    """Range of the size of a number that lies between two ends.

    >>> sizes(0.1, -0.1, 0.3), sizes(-0.3, -0.4, -0.2)
    ((0.0, 0.3), (0.2, 0.4))
    """
    ends = (abs(low), abs(high))
    return (0.0 if low <= 0 <= high else min(ends)), max(ends)
