"""Many methods on the same spectra: scores, classes, and who is ahead of whom.

The frame has one row a spectrum: star_id, snrg, the reference under a prefix (``"true_"``,
``"ref_"``), and for every method its labels under ``<key>_``. Intervals are bootstrap percentiles
over stars; all methods share the resamplings, so differences are paired star by star.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.candidates.classes import table1
from cemp.candidates.probability import p_cemp
from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.evaluate.bootstrap import interval, star_weights
from cemp.evaluate.classify import rates
from cemp.evaluate.detection import average_precision, corner_distance
from cemp.evaluate.metrics import STATISTICS
from cemp.evaluate.samples import evaluation_frame
from cemp.evaluate.scores import DEFAULT

#: Statistics of the CEMP class; of these more is better, of those of labels less.
CLASS_STATISTICS = ("precision", "recall", "f1", "area", "area_p")
_IRON_CARBON = [LABELS.index("fe_h"), LABELS.index("c_h")]


def method_columns(key, obsid, prediction):
    """Turn a method's predictions into columns of the frame.

    Parameters
    ----------
    key : str
        Prefix of the columns, without its underscore.
    obsid : ndarray, shape (n,)
    prediction : cemp.methods.base.Prediction

    Returns
    -------
    pandas.DataFrame
        obsid, ``<key>_teff`` ... ``<key>_c_h``, ``<key>_c_fe``, and ``<key>_p_cemp`` if the
        method gives a covariance.
    """
    table = pd.DataFrame(prediction.labels, columns=[f"{key}_{name}" for name in LABELS])
    table[f"{key}_c_fe"] = table[f"{key}_c_h"] - table[f"{key}_fe_h"]
    if prediction.covariance is not None:
        pair = prediction.covariance[:, _IRON_CARBON][:, :, _IRON_CARBON]
        table[f"{key}_p_cemp"] = p_cemp(table[f"{key}_fe_h"], table[f"{key}_c_fe"], pair)
    table.insert(0, "obsid", np.asarray(obsid))
    return table


def comparison_frame(observations, labels, truth, predictions):
    """Join the predictions of all methods to catalogue labels and truth.

    Parameters
    ----------
    observations, labels, truth : pandas.DataFrame
        As for `cemp.evaluate.samples.evaluation_frame`.
    predictions : dict of str to (ndarray, cemp.methods.base.Prediction)
        obsid and prediction by key of the method.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    BadInputError
        If the methods were not asked about the same spectra.
    """
    tables = [method_columns(key, *made) for key, made in predictions.items()]
    first = set(tables[0]["obsid"])
    for key, table in zip(predictions, tables, strict=True):
        if set(table["obsid"]) != first:
            raise BadInputError(f"'{key}' predicted other spectra than the first method: run both "
                                "with the same data")  # fmt: skip
    return evaluation_frame(observations, labels, truth, tables)


@dataclass(frozen=True)
class Measure:
    """One number by which methods are compared.

    Parameters
    ----------
    statistic : str
        Of `cemp.evaluate.metrics.STATISTICS` (less is better) or of `CLASS_STATISTICS` (more is
        better; ``area`` ranks spectra by `corner_distance`, ``area_p`` by P(CEMP)).
    label : str
        For the former: ``"teff"`` ... ``"c_fe"``.
    reference : str
        Prefix of the reference.
    """

    statistic: str
    label: str = ""
    reference: str = "true_"

    @property
    def sign(self):
        """1 where more is better, -1 where less is."""
        return 1 if self.statistic in CLASS_STATISTICS else -1

    def usable(self, frame, key):
        """Rows that count: for labels those with an answer, for classes all with a reference."""
        names = [f"{self.reference}fe_h", f"{self.reference}c_fe"]
        if self.sign < 0:
            names = [f"{self.reference}{self.label}", f"{key}_{self.label}"]
        return np.isfinite(frame[names].to_numpy(float)).all(axis=1)

    def evaluate(self, rows, key, weights):
        """Evaluate on rows of a frame for all resamplings; shape (n_boot,)."""
        if self.sign < 0:
            predicted, reference = (rows[f"{prefix}{self.label}"].to_numpy(float)
                                    for prefix in (f"{key}_", self.reference))
            return STATISTICS[self.statistic](predicted, reference, weights)
        fe_h, c_fe = rows[f"{key}_fe_h"].to_numpy(), rows[f"{key}_c_fe"].to_numpy()
        true = table1(*(rows[f"{self.reference}{name}"] for name in ("fe_h", "c_fe")))["cemp"]
        if self.statistic == "area":
            return average_precision(corner_distance(fe_h, c_fe), true, weights)
        if self.statistic == "area_p":
            score = rows[f"{key}_p_cemp"].fillna(-1.0).to_numpy(float)
            return average_precision(score, true, weights)
        return rates(table1(fe_h, c_fe)["cemp"], true, weights)[self.statistic]


def score_methods(frame, keys, measures, settings=DEFAULT):
    """Score every method by every measure.

    Parameters
    ----------
    frame : pandas.DataFrame
    keys : sequence of str
        Methods.
    measures : sequence of Measure
    settings : cemp.evaluate.bootstrap.BootstrapSettings

    Returns
    -------
    pandas.DataFrame
        Columns method, label, statistic, value, low, high, n_spectra, n_stars, n_missing (spectra
        with a reference but without an answer); NaN below `settings.min_stars` stars.
    """
    weights, table = star_weights(frame["star_id"], settings), []
    for measure in measures:
        known = np.isfinite(frame[f"{measure.reference}{measure.label or 'c_fe'}"].to_numpy(float))
        for key in keys:
            if measure.statistic == "area_p" and f"{key}_p_cemp" not in frame:
                continue
            use = measure.usable(frame, key)
            rows, value, ends = frame[use], np.nan, (np.nan, np.nan)
            if rows["star_id"].nunique() >= settings.min_stars:
                value = measure.evaluate(rows, key, np.ones((1, len(rows))))[0]
                ends = interval(measure.evaluate(rows, key, weights[:, use]), settings)
            missing = int((known & ~np.isfinite(frame[f"{key}_{measure.label or 'c_fe'}"])).sum())
            table.append((key, measure.label, measure.statistic, value, *ends, len(rows),
                          rows["star_id"].nunique(), missing))  # fmt: skip
    names = ["method", "label", "statistic", "value", "low", "high", "n_spectra", "n_stars",
             "n_missing"]  # fmt: skip
    return pd.DataFrame(table, columns=names)


def score_groups(frame, keys, measures, groups, settings=DEFAULT):
    """Score within groups of spectra.

    Parameters
    ----------
    frame, keys, measures, settings
        As for `score_methods`.
    groups : dict of str to ndarray of bool
        Rows of each group, by its name.

    Returns
    -------
    pandas.DataFrame
        As `score_methods`, with a column `group`.
    """
    parts = [score_methods(frame[rows], keys, measures, settings).assign(group=name)
             for name, rows in groups.items()]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def rank_pairs(frame, keys, measure, settings=DEFAULT):
    """Compare every pair of methods on the spectra that both answer.

    Parameters
    ----------
    frame : pandas.DataFrame
    keys : sequence of str
    measure : Measure
    settings : cemp.evaluate.bootstrap.BootstrapSettings

    Returns
    -------
    pandas.DataFrame
        Columns first, second, gain (positive where the first is better), low, high, n_spectra,
        ahead: 1 if the interval of the gain lies above zero, -1 below, 0 if it holds zero; NaN
        with too few stars.
    """
    weights, kept, table = star_weights(frame["star_id"], settings), {}, []
    usable = {key: measure.usable(frame, key) for key in keys}

    def draws(key, use):
        where = key, use.tobytes()
        if where not in kept:
            both = np.vstack([np.ones(use.sum()), weights[:, use]])
            kept[where] = measure.evaluate(frame[use], key, both)
        return kept[where]

    for place, first in enumerate(keys):
        for second in keys[place + 1:]:
            use = usable[first] & usable[second]
            gain = np.full(2, np.nan)
            if frame.loc[use, "star_id"].nunique() >= settings.min_stars:
                gain = measure.sign * (draws(first, use) - draws(second, use))
            low, high = interval(gain[1:], settings)
            ahead = float(low > 0) - float(high < 0) if np.isfinite(low) else np.nan
            table.append((first, second, gain[0], low, high, int(use.sum()), ahead))
    names = ["first", "second", "gain", "low", "high", "n_spectra", "ahead"]
    return pd.DataFrame(table, columns=names)


def gains_of(pairs, first, second):
    """Tell by how much one method is ahead of another, whatever their order in the table.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From `rank_pairs`, with a column measure.
    first, second : str

    Returns
    -------
    pandas.DataFrame
        By measure: gain (positive where `first` is better), low, high, ahead.

    Examples
    --------
    >>> row = ("a", "b", "area", 0.2, 0.1, 0.4, 1.0)
    >>> pairs = pd.DataFrame([row], columns=["first", "second", "measure", "gain", "low", "high",
    ...                                      "ahead"])
    >>> gains_of(pairs, "b", "a").loc["area"].tolist()
    [-0.2, -0.4, -0.1, -1.0]
    """
    columns = ["gain", "low", "high", "ahead"]
    table = pairs.set_index("measure")
    as_asked = table[(table["first"] == first) & (table["second"] == second)][columns]
    turned = -table[(table["first"] == second) & (table["second"] == first)][columns]
    return pd.concat([as_asked, turned.rename(columns={"low": "high", "high": "low"})[columns]])


def rank_matrix(pairs, keys):
    """Arrange pairs as a matrix: 1 where the row's method is ahead, -1 behind, 0 neither.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From `rank_pairs`.
    keys : sequence of str

    Returns
    -------
    pandas.DataFrame
        NaN on the diagonal.
    """
    matrix = pd.DataFrame(np.nan, index=list(keys), columns=list(keys))
    for first, second, ahead in pairs[["first", "second", "ahead"]].itertuples(index=False):
        matrix.loc[first, second], matrix.loc[second, first] = ahead, -ahead
    return matrix
