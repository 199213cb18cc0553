"""Third claim for networks: outside its coverage template matching fails, learning generalises.

Every method is fitted twice, to all training spectra and to those within [Fe/H] > -3.5 and
[C/Fe] < 2 (template matching: with a library cut there), and asked about true stars beyond.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from cemp.constants import LABELS, rng
from cemp.evaluate.bootstrap import BootstrapSettings, interval, star_weights
from cemp.evaluate.metrics import bias, rmse
from cemp.experiments.faint import with_c_fe
from cemp.methods import registry
from cemp.methods.leave_out import trained_here

_FE_H, _C_H = LABELS.index("fe_h"), LABELS.index("c_h")
#: Borders of the coverage [dex].
FE_H_CUT, C_FE_CUT = -3.5, 2.0
#: Stars inside the cut that are judged beside, to see what the cut costs there.
N_INSIDE = 400
#: Methods that know the synthetic library: it is cut as the training sample is.
LIBRARY = ("template", "informed")


def beyond(labels):
    """Tell which labels (n, 4) lie beyond the cut, and in which way.

    Parameters
    ----------
    labels : ndarray (n, 4)
        A missing carbon is not beyond.

    Returns
    -------
    dict of str to ndarray (n,) of bool
        ``"fe_h"``, ``"c_fe"`` and ``"inside"`` (neither).

    Examples
    --------
    >>> made = beyond(np.array([[5000, 2, -4, -3.5], [5000, 2, -2.5, 0.0], [5000, 2, 0, 0]]))
    >>> [name for name in made for row in made[name] if row]
    ['fe_h', 'c_fe', 'inside']
    """
    poor = labels[:, _FE_H] <= FE_H_CUT
    rich = labels[:, _C_H] - labels[:, _FE_H] >= C_FE_CUT
    return {"fe_h": poor, "c_fe": rich, "inside": ~(poor | rich)}


def cut_training(sample):
    """Leave out the training spectra whose labels lie beyond the cut.

    Parameters
    ----------
    sample : cemp.models.data.Sample

    Returns
    -------
    cemp.models.data.Sample
    """
    return rows_of(sample, beyond(sample.labels)["inside"])


def rows_of(sample, rows):
    """Take some rows of a sample."""
    names = ("obsid", "flux", "ivar", "good", "labels")
    return replace(sample, **{name: getattr(sample, name)[rows] for name in names})


def judged_rows(labels, seed):
    """Choose the judged spectra: all beyond the cut, `N_INSIDE` within, in order.

    Parameters
    ----------
    labels : ndarray (n, 4)
        The truth.
    seed : int

    Returns
    -------
    ndarray of int
    """
    inside = np.flatnonzero(beyond(labels)["inside"])
    some = rng("beyond inside", seed).choice(inside, min(N_INSIDE, inside.size), replace=False)
    return np.sort(np.concatenate([np.flatnonzero(~beyond(labels)["inside"]), some]))


def settings_of(key, cut, place=None):
    """Choose the settings of a method: a library is cut where a training sample is.

    Parameters
    ----------
    key : str
        Of `cemp.methods.registry.METHODS`.
    cut : bool
    place : cemp.methods.registry.Place, optional
        For methods that read the network of 03_training: its settings are taken.

    Returns
    -------
    dict
        Constructor arguments.
    """
    if cut and "folder" in registry.entry(key).needs:  # 03's network has seen all stars
        return trained_here(key, place)
    if key not in LIBRARY or not cut:
        return {}
    from cemp.methods.template import library

    library.LIMITS["cut"] = library.GRID | {"fe_h": (FE_H_CUT, 0.5), "c_fe": (-0.8, C_FE_CUT)}
    return {"limits": "cut"}


def fit_and_predict(key, cut, bench, rows, place, settings=None):
    """Fit a method to all or to the cut training spectra and predict the judged ones.

    Parameters
    ----------
    key : str
    cut : bool
    bench : cemp.experiments.bench.Bench
    rows : ndarray of int
        Of the judged spectra.
    place : cemp.methods.registry.Place
    settings : dict, optional
        Constructor arguments, such as tuning chose.

    Returns
    -------
    ndarray (len(rows), 4)
    """
    choose = cut_training if cut else (lambda sample: sample)
    train, validation = choose(bench.train), choose(bench.validation)
    method = registry.make(key, place, **{**(settings or {}), **settings_of(key, cut, place)})
    method.fit(train, train.labels, (validation, validation.labels))
    return method.predict(rows_of(bench.judged, rows)).labels


def share(flags):
    """Share of flags that are True; NaN of none."""
    return float(flags.mean()) if flags.size else np.nan


def beyond_table(predictions, truth, star_id, settings=None):
    """Score methods beyond the cut and within.

    Parameters
    ----------
    predictions : dict of (str, bool) to ndarray (n, 4)
        By method and whether the training was cut.
    truth : ndarray (n, 4)
    star_id : array_like (n,)
    settings : cemp.evaluate.bootstrap.BootstrapSettings, optional

    Returns
    -------
    pandas.DataFrame
        method, cut, group (``"fe_h"``, ``"c_fe"``, ``"inside"``), label, bias, bias_low,
        bias_high, rmse, past (share of predictions that are themselves beyond the cut), failed,
        n_stars, n_spectra.
    """
    settings, rows, star_id = settings or BootstrapSettings(), [], np.asarray(star_id)
    for group, inside in beyond(truth).items():
        for (method, cut), labels in predictions.items():
            known = inside & np.isfinite(labels).all(axis=1)
            made, true = with_c_fe(labels[known]), with_c_fe(truth[known])
            weights = star_weights(star_id[known], settings)
            once = np.ones((1, known.sum()))
            about = {"method": method, "cut": cut, "group": group,
                     "past": share(~beyond(labels[known])["inside"]),
                     "failed": share(~known[inside]),
                     "n_stars": np.unique(star_id[known]).size,
                     "n_spectra": int(known.sum())}  # fmt: skip
            for label in made:
                draws = bias(made[label], true[label], weights)
                low, high = interval(draws, settings)
                rows.append(about | {
                    "label": label, "bias": bias(made[label], true[label], once)[0],
                    "bias_low": low, "bias_high": high,
                    "rmse": rmse(made[label], true[label], once)[0],
                })  # fmt: skip
    return pd.DataFrame(rows)
