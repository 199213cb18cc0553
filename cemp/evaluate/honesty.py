"""The errors of every method beside each other: as claimed, and recalibrated on validation."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.evaluate import calibration
from cemp.evaluate.recalibration import ScaleErrors, natural_weights
from cemp.evaluate.scores import DEFAULT
from cemp.evaluate.tex import number
from cemp.methods.base import Prediction
from cemp.models.data import label_array


@dataclass(frozen=True)
class Rows:
    """Spectra on which errors are judged or recalibrated.

    Parameters
    ----------
    obsid, star_id : ndarray (n,)
    labels : ndarray (n, 4)
        The reference.
    errors : ndarray (n, 4)
        Its errors: 0 for a truth.
    weights : ndarray (n,)
        Of a natural mix of stars; 1 where there is no mock.
    """

    obsid: np.ndarray
    star_id: np.ndarray
    labels: np.ndarray
    errors: np.ndarray
    weights: np.ndarray


def rows_of(frame, labels, truth_folder, reference):
    """Collect validation and judged rows.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `cemp.evaluate.compare.comparison_frame`.
    labels : pandas.DataFrame
        One row a labelled star, with errors ``e_<label>``.
    truth_folder : pathlib.Path
        Of the mock; weights are 1 if it holds no stars.
    reference : str
        Prefix of what the judged rows are held against: ``"true_"`` or ``"ref_"``.

    Returns
    -------
    validation, judged : Rows
        Validation has the catalogues' labels and errors, as it would for real stars; judged are
        test and, with a truth, search spectra.
    """
    known = frame[frame["fold"].isin(["test", "search"]) & frame[f"{reference}fe_h"].notna()]
    validation = frame.loc[frame["fold"] == "validation", ["obsid", "star_id"]]
    validation = validation.merge(labels, on="star_id")
    values = known[[f"{reference}{name}" for name in LABELS]].to_numpy(float)
    errors = validation[[f"e_{name}" for name in LABELS]].to_numpy(float)
    given = (("obsid", "star_id"), (validation, label_array(validation), np.nan_to_num(errors)),
             (known, values, np.zeros_like(values)))  # fmt: skip
    weights = _weights(truth_folder)
    return tuple(
        Rows(*(table[name].to_numpy() for name in given[0]), values, errors,
             weights(table["obsid"].to_numpy()))
        for table, values, errors in given[1:]
    )  # fmt: skip


def _weights(folder):
    """Give the function from obsid to natural weights; ones without a mock."""
    if not (folder / "stars.parquet").is_file():
        return lambda obsid: np.ones(len(obsid))
    truth = [pd.read_parquet(folder / f"{name}.parquet") for name in ("stars", "observations")]
    return lambda obsid: natural_weights(obsid, *truth)


def of_rows(made, obsid):
    """Take the predictions of some spectra out of (obsid, Prediction), in their order."""
    known, prediction = made
    place = pd.Series(np.arange(len(known)), index=known)[obsid].to_numpy()
    return Prediction(prediction.labels[place], prediction.covariance[place])


def calibrate(made, validation, judged, settings=DEFAULT):
    """Judge one method's errors, as claimed and after recalibration.

    Parameters
    ----------
    made : (ndarray, cemp.methods.base.Prediction)
        obsid and prediction, with a covariance.
    validation, judged : Rows
    settings : cemp.evaluate.bootstrap.BootstrapSettings

    Returns
    -------
    table : pandas.DataFrame
        `cemp.evaluate.calibration.table` of both, with columns errors (``"as claimed"``,
        ``"recalibrated"``) and label; only the former where validation is too small.
    curves : dict of str to dict
        `cemp.evaluate.calibration.reliability` of both.
    """
    claimed = {"as claimed": (of_rows(made, judged.obsid),) * 2}
    try:
        scale = ScaleErrors().fit(of_rows(made, validation.obsid), validation.labels,
                                  validation.weights, validation.errors)  # fmt: skip
        claimed["recalibrated"] = tuple(
            scale.apply(claimed["as claimed"][0], joint) for joint in (False, True))
    except BadInputError as error:
        print(f"not recalibrated: {error}")
    tables, curves = [], {}
    for name, (single, joint) in claimed.items():
        rows, curve = (function(single, judged.labels, *more) for function, more in (
            (calibration.table, (judged.star_id, judged.weights, settings)),
            (calibration.reliability, (judged.weights,))))  # fmt: skip
        both = calibration.table(joint, judged.labels, judged.star_id, judged.weights, settings)
        rows.loc[calibration.JOINT] = both.loc[calibration.JOINT]
        curve[calibration.JOINT] = calibration.reliability(
            joint, judged.labels, judged.weights)[calibration.JOINT]  # fmt: skip
        tables.append(rows.rename_axis("label").reset_index().assign(errors=name))
        curves[name] = curve
    return pd.concat(tables, ignore_index=True), curves


def calibrate_all(predictions, validation, judged, settings=DEFAULT):
    """Judge the errors of every method that gives them.

    Parameters
    ----------
    predictions : dict of str to (ndarray, cemp.methods.base.Prediction)
        By key of the method.
    validation, judged, settings
        As for `calibrate`.

    Returns
    -------
    table : pandas.DataFrame
        With a column method.
    curves : dict of str to dict
        By method.
    """
    tables, curves = [], {}
    for key, made in predictions.items():
        if made[1].covariance is not None:
            table, curves[key] = calibrate(made, validation, judged, settings)
            tables.append(table.assign(method=key))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), curves


def coverage_table(table, names):
    """Show coverage as claimed and recalibrated: one line a method and label.

    Parameters
    ----------
    table : pandas.DataFrame
        From `calibrate_all`.
    names : dict of str to str

    Returns
    -------
    pandas.DataFrame
        68% and 95% coverage, median error and largest distance of PIT from uniform.
    """
    shown = table[table["label"].isin(["fe_h", "c_h", calibration.JOINT])]
    wide = shown.pivot(index=["method", "label"], columns="errors",
                       values=["68%", "95%", "sharpness", "pit"])  # fmt: skip
    order = [key for key in names if key in set(shown["method"])]
    return wide.reindex(order, level="method").rename(index=names, level="method")


def reliability_arrays(curves, names):
    """Arrays of the figure; see `cemp.plots.methods.draw_reliability`."""
    keys = [key for key in names if key in curves]
    nominal = curves[keys[0]]["as claimed"]["nominal"]
    arrays = {"names": [names[key] for key in keys], "nominal": nominal,
              "places": [list(names).index(key) for key in keys]}  # fmt: skip
    for text, label in (("fe_h", "fe_h"), ("c_h", "c_h"), ("joint", calibration.JOINT)):
        for i, errors in enumerate(("as claimed", "recalibrated")):
            arrays[f"{text}_{i}"] = [
                curves[key].get(errors, {}).get(label, np.full(nominal.size, np.nan))
                for key in keys]  # fmt: skip
    return arrays


def coverage_rows(table, names):
    """Rows of the paper's table: method, then 68% coverage of [Fe/H], [C/H] and both, twice."""
    rows = []
    for key in (key for key in names if key in set(table["method"])):
        part = table[table["method"] == key].set_index(["errors", "label"])["68%"]
        rows.append([names[key], *(
            number(part.get((errors, label), np.nan), ".2f")
            for errors in ("as claimed", "recalibrated")
            for label in ("fe_h", "c_h", calibration.JOINT))])  # fmt: skip
    return rows
