"""What the jobs of a comparison leave on disk: predictions, tables, records, fitted methods."""

import json
import pickle

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path
from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.methods import registry
from cemp.methods.base import Prediction

#: Columns of the covariance: its upper triangle, row by row.
_UPPER = np.triu_indices(len(LABELS))
COVARIANCE = tuple(f"cov_{LABELS[i]}_{LABELS[j]}" for i, j in zip(*_UPPER, strict=True))


def to_table(obsids, prediction):
    """Put predictions into columns: obsid, labels and, if given, the covariance's triangle.

    Parameters
    ----------
    obsids : ndarray (m,)
    prediction : cemp.methods.base.Prediction

    Returns
    -------
    pandas.DataFrame
    """
    table = pd.DataFrame(np.asarray(prediction.labels, float), columns=list(LABELS))
    table.insert(0, "obsid", obsids)
    if prediction.covariance is not None:
        table[list(COVARIANCE)] = prediction.covariance[:, _UPPER[0], _UPPER[1]]
    return table


def from_table(table):
    """Take predictions out of the columns that `to_table` made.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    cemp.methods.base.Prediction
    """
    covariance = None
    if set(COVARIANCE) <= set(table):
        covariance = np.empty((len(table), len(LABELS), len(LABELS)))
        values = table[list(COVARIANCE)].to_numpy(float)
        covariance[:, _UPPER[0], _UPPER[1]] = covariance[:, _UPPER[1], _UPPER[0]] = values
    return Prediction(table[list(LABELS)].to_numpy(float), covariance)


def keep(job, tables, record, method=None):
    """Write the tables, then the record: a folder with a record is whole."""
    (job.folder / "record.json").unlink(missing_ok=True)
    if registry.entry(job.key).keep:
        with atomic_path(job.folder / "method.pickle") as path:
            path.write_bytes(pickle.dumps(method))
    for name, table in tables.items():
        if table is not None:
            with atomic_path(job.folder / f"{name}.parquet") as path:
                table.to_parquet(path, index=False)
    with atomic_path(job.folder / "record.json") as path:
        path.write_text(json.dumps(record, indent=1, default=str) + "\n")


def read_record(job):
    """Read what a job left; empty if it has not ended."""
    path = job.folder / "record.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def read_predictions(job):
    """Read what a job predicted.

    Parameters
    ----------
    job : Job

    Returns
    -------
    obsid : ndarray (m,)
    prediction : cemp.methods.base.Prediction

    Raises
    ------
    BadInputError
        If it has not been run.
    """
    path = job.folder / "predictions.parquet"
    if not path.is_file():
        raise BadInputError(f"no predictions in {job.folder}: run the method first (08_methods)")
    table = pd.read_parquet(path)
    return table["obsid"].to_numpy(), from_table(table)


def read_table(job, name):
    """Read a table that a task or a method left beside its record."""
    return pd.read_parquet(job.folder / f"{name}.parquet")


def read_method(job):
    """Read a fitted method that was kept (`cemp.methods.registry.Entry.keep`); our own file."""
    return pickle.loads((job.folder / "method.pickle").read_bytes())
