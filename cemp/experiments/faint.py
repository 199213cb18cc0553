"""Second claim for networks: at S/N < 15 template matching fails on carbon, a network holds."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS
from cemp.evaluate.bootstrap import BootstrapSettings, interval, star_weights
from cemp.evaluate.metrics import bias, scatter
from cemp.experiments.ablation import cemp_rows

#: Bins of S/N in g.
EDGES = (5.0, 10.0, 15.0, 20.0, 30.0, 50.0, np.inf)
#: What is scored: [C/Fe] is a difference of labels.
NAMES = ("fe_h", "c_h", "c_fe")


def with_c_fe(labels):
    """Take [Fe/H], [C/H] and [C/Fe] out of labels (..., 4)."""
    fe_h, c_h = labels[..., LABELS.index("fe_h")], labels[..., LABELS.index("c_h")]
    return {"fe_h": fe_h, "c_h": c_h, "c_fe": c_h - fe_h}


def faint_table(predictions, truth, about, edges=EDGES, settings=None):
    """Score methods by S/N: bias and robust scatter of iron and carbon.

    Parameters
    ----------
    predictions : dict of str to (ndarray (n, 4) or dict of int to ndarray (n, 4))
        By method; with several seeds, their statistics are averaged, never their labels.
    truth : ndarray (n, 4)
    about : pandas.DataFrame
        star_id and snrg of the spectra.
    edges : sequence of float
        A bin holds its lower edge.
    settings : cemp.evaluate.bootstrap.BootstrapSettings, optional

    Returns
    -------
    pandas.DataFrame
        method, group (``"all"``, ``"CEMP"``), low_snr, high_snr, label, statistic, value, low,
        high, n_stars, failed (share of spectra without an answer, which are left out of the rest).
    """
    settings, rows = settings or BootstrapSettings(n_boot=500), []
    snrg, star_id = about["snrg"].to_numpy(), about["star_id"].to_numpy()
    groups = {"all": np.ones(len(truth), bool), "CEMP": cemp_rows(truth)}
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        for group, inside in groups.items():
            use = np.flatnonzero(inside & (snrg >= low) & (snrg < high))
            for method, made in predictions.items():
                seeds = list(made.values()) if isinstance(made, dict) else [made]
                scored = _score([p[use] for p in seeds], truth[use], star_id[use], settings)
                keys = {"method": method, "group": group, "low_snr": low, "high_snr": high}
                rows += [keys | row for row in scored]
    return pd.DataFrame(rows)


def _score(seeds, truth, star_id, settings):
    """Bias and scatter of some rows, averaged over seeds, with bootstrap intervals."""
    known = np.all([np.isfinite(p).all(axis=1) for p in seeds], axis=0)
    star_id, true = star_id[known], with_c_fe(truth[known])
    n_stars = np.unique(star_id).size
    failed = float(1 - known.mean()) if known.size else np.nan
    enough = n_stars >= settings.min_stars
    weights = star_weights(star_id, settings) if enough else None
    rows = []
    for label in NAMES:
        made = [with_c_fe(p[known])[label] for p in seeds]
        for name, statistic in (("bias", bias), ("scatter", scatter)):
            value = low = high = np.nan
            if enough:
                once = np.ones((1, len(star_id)))
                value = np.mean([statistic(p, true[label], once)[0] for p in made])
                draws = np.mean([statistic(p, true[label], weights) for p in made], axis=0)
                low, high = interval(draws, settings)
            rows.append({"label": label, "statistic": name, "value": value, "low": low,
                         "high": high, "n_stars": n_stars, "failed": failed})  # fmt: skip
    return rows
