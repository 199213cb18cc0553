"""Differences between variants, sure beyond the luck of seeds and of stars."""

import numpy as np
import pandas as pd

from cemp.constants import SEED, rng
from cemp.evaluate.bootstrap import BootstrapSettings, interval, star_weights
from cemp.experiments.ablation import VARIANTS, scores


def seed_weights(n_seed, n_boot, seed=SEED):
    """Draw seeds with replacement.

    Parameters
    ----------
    n_seed, n_boot, seed : int

    Returns
    -------
    ndarray (n_boot, n_seed)
        Shares of the seeds in each draw; every row adds up to 1.
    """
    drawn = rng("ablation seeds", seed).integers(n_seed, size=(n_boot, n_seed))
    counts = (drawn[:, :, None] == np.arange(n_seed)).sum(axis=1)
    return counts / n_seed


def differences(base, variant, truth, about, settings=None):
    """Compare two variants seed by seed and star by star.

    Parameters
    ----------
    base, variant : ndarray (n_seed, n, 4)
        Predictions of the same seeds, in the same order.
    truth : ndarray (n, 4)
    about : pandas.DataFrame
        star_id and snrg of the spectra.
    settings : cemp.evaluate.bootstrap.BootstrapSettings, optional

    Returns
    -------
    pandas.DataFrame
        One row a score: base, value (means over seeds), difference (variant less base), low,
        high, verdict: ``"worse"`` or ``"better"`` where the interval excludes zero, else
        ``"neither"``.

    Notes
    -----
    A draw takes stars and seeds with replacement, the same for both variants. Deviations from
    the mean over seeds are widened by the root of n / (n - 1), as few seeds understate theirs.
    """
    settings = settings or BootstrapSettings()
    snrg, n_seed = about["snrg"].to_numpy(), len(base)
    weights = star_weights(about["star_id"], settings)
    once = np.ones((1, len(truth)))
    shares = seed_weights(n_seed, settings.n_boot, settings.seed)
    widen = np.sqrt(n_seed / max(n_seed - 1, 1))
    shares = 1 / n_seed + widen * (shares - 1 / n_seed)
    pairs = list(zip(base, variant, strict=True))
    draws = [[scores(p, truth, snrg, weights) for p in pair] for pair in pairs]
    exact = [[scores(p, truth, snrg, once) for p in pair] for pair in pairs]
    rows = []
    for name in exact[0][0]:
        first, second = (np.mean([made[i][name][0] for made in exact]) for i in (0, 1))
        by_seed = np.stack([two[name] - one[name] for one, two in draws], axis=1)
        low, high = interval((by_seed * shares).sum(axis=1), settings)
        rows.append({"score": name, "base": first, "value": second,
                     "difference": second - first, "low": low, "high": high,
                     "verdict": verdict(low, high, more_is_better=name == "f1")})  # fmt: skip
    return pd.DataFrame(rows)


def verdict(low, high, more_is_better):
    """Say whether an interval of differences means better, worse or neither.

    >>> verdict(-0.3, -0.1, more_is_better=True), verdict(-0.1, 0.1, more_is_better=False)
    ('worse', 'neither')
    """
    if not np.isfinite(low) or low <= 0 <= high:
        return "neither"
    return "better" if (low > 0) == more_is_better else "worse"


def ablation_table(predictions, truth, about, settings=None):
    """Compare every variant with the base.

    Parameters
    ----------
    predictions : dict of str to dict of int to ndarray (n, 4)
        By variant and seed.
    truth, about, settings
        As for `differences`.

    Returns
    -------
    pandas.DataFrame
        variant, what, n_seed and the columns of `differences`; variants that share fewer than
        two seeds with the base are left out.
    """
    parts = []
    for name, about_variant in VARIANTS.items():
        seeds = sorted(set(predictions.get("base", {})) & set(predictions.get(name, {})))
        if name == "base" or len(seeds) < 2:
            continue
        base, variant = (np.stack([predictions[n][s] for s in seeds]) for n in ("base", name))
        table = differences(base, variant, truth, about, settings)
        table.insert(0, "n_seed", len(seeds))
        table.insert(0, "what", about_variant.what)
        table.insert(0, "variant", name)
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
