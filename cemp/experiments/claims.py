"""What the experiments say about three claims for networks, in numbers with intervals.

A verdict follows from a 95% interval and from nothing else: ``holds`` and ``does not hold`` where
all of it lies on one side of the border, ``not decided`` where the border lies inside.
"""

import numpy as np
import pandas as pd
from scipy.stats import linregress, t

from cemp.constants import LABELS
from cemp.evaluate.bootstrap import BootstrapSettings, interval, star_weights
from cemp.evaluate.metrics import bias, rmse, scatter
from cemp.experiments.ablation import cemp_rows
from cemp.experiments.beyond import beyond
from cemp.experiments.faint import with_c_fe
from cemp.methods import registry

#: Below this S/N template matching is said to fail on carbon.
FAINT = 15.0
#: A time that grows by less than this factor a label does not grow: 20% from two labels to six.
NO_GROWTH = 1.05
#: A bias that moves by less than this does not move [dex]: half of what two literature entries
#: of one star differ by in carbon, and as much as they differ by in iron.
NO_LOSS = 0.10


def _size(*given):
    """Size of the bias."""
    return np.abs(bias(*given))


STATISTICS = {"bias": _size, "shift": bias, "scatter": scatter, "rmse": rmse}
_COLUMNS = ("statistic", "first", "value", "difference", "low", "high", "n_stars")


def verdict(low, high, border=0.0):
    """Say whether an interval lies below a border, which is what each claim is put as.

    >>> verdict(-0.2, -0.1), verdict(-0.1, 0.1), verdict(0.1, 0.2), verdict(np.nan, np.nan)
    ('holds', 'not decided', 'does not hold', 'not tested')
    """
    if not np.isfinite(low + high):
        return "not tested"
    return "holds" if high < border else "does not hold" if low > border else "not decided"


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


def differences(both, truth, star_id, label, statistics, settings):
    """Compare two sets of predictions on the spectra that both answer.

    Parameters
    ----------
    both : sequence of ndarray (n, 4)
        First and second.
    truth : ndarray (n, 4)
    star_id : ndarray (n,)
        Stars are drawn, the same for both.
    label : str
        ``"fe_h"``, ``"c_h"`` or ``"c_fe"``.
    statistics : sequence of str
        Of `STATISTICS`; bias by its size, shift is the bias with its sign.
    settings : cemp.evaluate.bootstrap.BootstrapSettings

    Returns
    -------
    list of dict
        statistic, first, value, difference (value less first), low, high, n_stars; NaN for
        fewer stars than `settings` asks for.
    """
    use = np.isfinite(both).all(axis=(0, 2))
    n_stars, rows = np.unique(star_id[use]).size, []
    true = with_c_fe(truth[use])[label]
    made = [with_c_fe(labels[use])[label] for labels in both]
    weights, once = star_weights(star_id[use], settings), np.ones((1, use.sum()))
    for name in statistics:
        statistic, row = STATISTICS[name], {"statistic": name, "n_stars": n_stars}
        first = value = low = high = np.nan
        if n_stars >= settings.min_stars:
            first, value = (statistic(labels, true, once)[0] for labels in made)
            low, high = interval(statistic(made[1], true, weights)
                                 - statistic(made[0], true, weights), settings)  # fmt: skip
        rows.append(row | {"first": first, "value": value, "difference": value - first,
                           "low": low, "high": high})  # fmt: skip
    return rows


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
        method, group and the columns of `differences`, of [C/Fe]; no rows without the first
        method.
    """
    settings, rows = settings or BootstrapSettings(), []
    faint, star_id = about["snrg"].to_numpy() < FAINT, about["star_id"].to_numpy()
    for group, use in (("all", faint), ("CEMP", faint & cemp_rows(truth))):
        for method in (key for key in predictions if key != first and first in predictions):
            both = [predictions[first][use], predictions[method][use]]
            rows += [{"method": method, "group": group} | row for row in differences(
                both, truth[use], star_id[use], "c_fe", ("bias", "scatter"), settings)]
    return pd.DataFrame(rows, columns=["method", "group", *_COLUMNS])


def beyond_pairs(predictions, truth, star_id, first="Template matching", settings=None):
    """Compare methods beyond the cut: with template matching, and with themselves uncut.

    Parameters
    ----------
    predictions : dict of (str, bool) to ndarray (n, 4)
        By method and whether the training was cut.
    truth : ndarray (n, 4)
    star_id : array_like (n,)
    first : str
        Method that the others are compared with, both cut.
    settings : cemp.evaluate.bootstrap.BootstrapSettings, optional

    Returns
    -------
    pandas.DataFrame
        method, against (``"first"``, ``"uncut"``), group (``"fe_h"``, ``"c_fe"``: the label that
        lies beyond) and the columns of `differences`, of that label. Against itself uncut a
        method is asked how far its bias moves (``"shift"``): the size of a bias near zero grows
        under resampling, and a difference of sizes would come out too small.
    """
    settings, rows, star_id = settings or BootstrapSettings(), [], np.asarray(star_id)
    out = beyond(truth)
    for method in (method for method, cut in predictions if cut):
        for against, other, which in (("first", (first, True), "bias"),
                                      ("uncut", (method, False), "shift")):
            if other not in predictions or other == (method, True):
                continue
            for group in ("fe_h", "c_fe"):
                use = out[group]
                both = [predictions[other][use], predictions[method, True][use]]
                rows += [{"method": method, "against": against, "group": group} | row
                         for row in differences(both, truth[use], star_id[use], group,
                                                (which, "rmse"), settings)]  # fmt: skip
    return pd.DataFrame(rows, columns=["method", "against", "group", *_COLUMNS])


def growth(table, level=0.95):
    """Factors by which times grow with a label dimension.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.experiments.cost.cost_table`.
    level : float
        Of the interval.

    Returns
    -------
    pandas.DataFrame
        By search, refine, tuned, paper: value, low, high; 1 is no growth. The logarithm of the
        time is taken to be linear in the number of labels, and the interval is Student's of the
        slope.
    """
    made = {}
    for name in ("search", "refine", "tuned", "paper"):
        line = linregress(table["n_labels"], np.log(table[f"{name}_s"]))
        half = line.stderr * t.ppf((1 + level) / 2, len(table) - 2)
        made[name] = np.exp([line.slope, line.slope - half, line.slope + half])
    return pd.DataFrame.from_dict(made, orient="index", columns=["value", "low", "high"])


def _cost_claims(grown):
    """Claim (a): costs, as (key, claim, found, verdict)."""
    rows = []
    for key, name, claim in (("Search", "search", "a search of a library costs more"),
                             ("Refine", "refine", "a fit with an emulator costs more"),
                             ("Network", "tuned", "the network's cost does not grow")):
        value, low, high = grown.loc[name, ["value", "low", "high"]]
        found = f"times {value:.2f} a label ({low:.2f} to {high:.2f})"
        ends = (low, high, NO_GROWTH) if key == "Network" else (-high, -low, -NO_GROWTH)
        rows.append((key, f"a: with each label {claim}", found, verdict(*ends)))
    return rows


def _found(row):
    """Say what two values are, and their difference with its interval."""
    low, high = row["low"], row["high"]
    return (f"{row['value']:.2f} against {row['first']:.2f} dex "
            f"({row['difference']:+.2f}, {low:+.2f} to {high:+.2f})"
            if np.isfinite(low + high) else "too few stars")  # fmt: skip


def _pair_claim(key, claim, row):
    """One claim that a value is smaller than another."""
    return key, claim, _found(row), verdict(row["low"], row["high"])


def _sizes(row):
    """Least and largest size of a difference inside its interval."""
    ends = np.abs([row["low"], row["high"]])
    return 0.0 if row["low"] <= 0 <= row["high"] else ends.min(), ends.max()


def _noise_claim(ablation):
    """Claim (b): noise in training; none if that variant was not run."""
    rows = ablation[(ablation["variant"] == "no_noise") & (ablation["score"] == "rmse_c_h_faint")]
    return [_pair_claim(
        "Noise", "b: noise in training makes the RMSE of [C/H] at S/N < 20 smaller",
        {"value": row["base"], "first": row["value"], "difference": -row["difference"],
         "low": -row["high"], "high": -row["low"]}) for _, row in rows.iterrows()]  # fmt: skip


def _beyond_claims(pairs, network):
    """Claim (c): smaller errors than template matching's, and as small as with such stars."""
    rows, texts = [], {"fe_h": ("Iron", "[Fe/H] < -3.5"), "c_fe": ("Carbon", "[C/Fe] > 2")}
    for _, row in pairs[pairs["method"] == network].iterrows():
        name, where = texts[row["group"]]
        what = {"bias": "bias", "shift": "bias", "rmse": "RMSE"}[row["statistic"]]
        key = f"{name}{what.capitalize()}"
        if row["against"] == "first":
            claim = f"c: at {where}, not trained on, the network's {what} is smaller"
            rows.append(_pair_claim(f"Beyond{key}", claim, row))
        elif row["statistic"] == "shift":
            claim = (f"c: at {where} the network's bias moves by less than {NO_LOSS:.1f} dex "
                     "without such stars in training")  # fmt: skip
            rows.append((f"Unseen{key}", claim, _found(row), verdict(*_sizes(row), NO_LOSS)))
    return rows


def claim_rows(grown, faint, pairs, ablation, network=("tuned", "MACRN, tuned")):
    """Write one line a claim: what was claimed, what was found, whether it holds.

    Parameters
    ----------
    grown : pandas.DataFrame
        From `growth`.
    faint : pandas.DataFrame
        From `faint_differences`.
    pairs : pandas.DataFrame
        From `beyond_pairs`.
    ablation : pandas.DataFrame
        ``ablation.csv``.
    network : tuple of str
        Key and name of the network that stands for learning.

    Returns
    -------
    pandas.DataFrame
        key, claim, found (with the interval), verdict.
    """
    rows = _cost_claims(grown)
    for _, row in faint[faint["method"] == network[0]].iterrows():
        stars = {"all": "all stars", "CEMP": "CEMP stars"}[row["group"]]
        claim = (f"b: the network's {row['statistic']} of [C/Fe] at S/N < {FAINT:.0f} "
                 f"is smaller ({stars})")  # fmt: skip
        key = f"Faint{row['statistic'].capitalize()}{row['group'].capitalize()}"
        rows.append(_pair_claim(key, claim, row))
    rows += _noise_claim(ablation) + _beyond_claims(pairs, network[1])
    return pd.DataFrame(rows, columns=["key", "claim", "found", "verdict"])
