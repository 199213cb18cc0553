"""The table of observations that notebook 01 wrote: which spectra a profile wants."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cemp.errors import BadInputError

#: Folds of notebook 01 that a choice of spectra means; the labelled ones come first.
FOLDS = {"none": (), "labelled": ("train", "validation", "test"),
         "all": ("train", "validation", "test", "search")}
_ROWS = 200_000


def _is_text(kind):
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


#: What a column holds: how to tell, and how to say it.
_TYPES = {"obsid": (pa.types.is_integer, "whole numbers"),
          "snrg": (pa.types.is_floating, "numbers"),
          "path": (_is_text, "text"), "fold": (_is_text, "text")}  # fmt: skip


def open_observations(path, columns):
    """Open the table and see that it has what is needed.

    Parameters
    ----------
    path : pathlib.Path
        ``01/observations.parquet``.
    columns : list of str
        Columns that will be read.

    Returns
    -------
    pyarrow.parquet.ParquetFile

    Raises
    ------
    BadInputError
        If it is damaged, without rows, lacks a column, or one holds something else.
    """
    remedy = "remove it and run notebook 01 again"
    try:
        table = pq.ParquetFile(path)
    except PermissionError:
        raise BadInputError(f"{path} cannot be read: correct the permissions") from None
    except (OSError, pa.ArrowException):
        raise BadInputError(f"{path} is damaged, or no Parquet table: {remedy}") from None
    kinds = dict(zip(table.schema_arrow.names, table.schema_arrow.types, strict=True))
    for name in columns:
        holds, what = _TYPES[name]
        if name not in kinds:
            raise BadInputError(f"{path} has no column {name}: {remedy}")
        if table.metadata.num_rows and not holds(kinds[name]):
            raise BadInputError(f"{path}: column {name} does not hold {what}: {remedy}")
    if not table.metadata.num_rows:
        raise BadInputError(f"{path} holds no observation: see notebook 01, then {remedy}")
    return table


def _parts(observations, folds):
    """Rows of some folds as data frames, a part of the table at a time."""
    columns = ["obsid", "path", "fold"]
    for part in open_observations(observations, columns).iter_batches(_ROWS, columns=columns):
        frame = part.to_pandas()
        frame = frame[frame["fold"].isin(folds)]
        if frame[["obsid", "path"]].isna().any(axis=None):
            raise BadInputError(f"{observations}: a row has no obsid or no path: remove the table "
                                "and run notebook 01 again")
        yield frame.astype({"obsid": np.int64})


def wanted_spectra(observations, which):
    """List the spectra of a choice, a part of the table at a time.

    Parameters
    ----------
    observations : pathlib.Path
        ``01/observations.parquet``.
    which : str
        Key of `FOLDS`.

    Yields
    ------
    obsid : int
    path : str
        Below the folder of spectra; the labelled ones first.
    """
    labelled = FOLDS["labelled"]
    for folds in (labelled, tuple(f for f in FOLDS[which] if f not in labelled)):
        if set(folds) & set(FOLDS[which]):
            for frame in _parts(observations, folds):
                yield from zip(frame["obsid"].tolist(), frame["path"].tolist(), strict=True)


def count_spectra(observations, which):
    """Count the spectra of a choice.

    Parameters
    ----------
    observations : pathlib.Path
    which : str

    Returns
    -------
    int

    Raises
    ------
    BadInputError
        If an obsid comes twice, or two of them share a file: a star would get another's spectrum.
    """
    obsid, path = [], []
    for frame in _parts(observations, FOLDS[which]):
        obsid.append(frame["obsid"].to_numpy())
        path.append(pd.util.hash_array(frame["path"].to_numpy(object), categorize=False))
    obsid, path = np.concatenate(obsid), np.concatenate(path)
    _refuse_repeated(obsid, obsid, f"{observations} names obsid {{}} more than once: remove it and "
                     "run notebook 01 again")
    _refuse_repeated(path, obsid, f"{observations}: obsid {{}} shares its file with another one: "
                     "correct spectrum_pattern in the profile and run notebook 01 again")
    return obsid.size


def _refuse_repeated(values, obsid, message):
    """Raise if a value comes twice, with the obsid of the second one."""
    order = np.argsort(values, kind="stable")
    again = np.flatnonzero(np.diff(values[order].astype(np.uint64)) == 0)
    if again.size:
        raise BadInputError(message.format(obsid[order[again[0] + 1]]))
