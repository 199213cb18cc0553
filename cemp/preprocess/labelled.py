"""The labelled sample as one CSV file: identifier, labels and flux, a spectrum a line."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from cemp.atomic import atomic_path
from cemp.constants import LABELS, WAVE


def write_labelled(table, store, path, size=500):
    """Write labels and normalised flux of the labelled spectra.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``obsid``, ``star_id`` and `LABELS`; one row a spectrum, all in the store.
    store : cemp.vectors.VectorStore
    path : str or pathlib.Path
        CSV file; flux columns are named by wavelength, flux is rounded to 4 decimals, a missing
        label is an empty field. Pixels that are not good are empty too.
    size : int
        Spectra in memory at a time.

    Returns
    -------
    int
        Spectra written.
    """
    with atomic_path(Path(path)) as temporary:
        writer = None
        for start in range(0, len(table), size):
            batch = _batch(table.iloc[start : start + size], store)
            writer = writer or csv.CSVWriter(temporary, batch.schema)
            writer.write(batch)
        if writer is not None:
            writer.close()
        else:
            names = ["obsid", "star_id", *LABELS, *(f"{wave:.0f}" for wave in WAVE)]
            temporary.write_text(",".join(names) + "\n")
    return len(table)


def _batch(rows, store):
    """Make an Arrow table of some rows."""
    vectors = store.read(rows["obsid"].to_numpy())
    flux = np.round(vectors.flux, 4).astype(np.float32)
    columns = {"obsid": pa.array(vectors.obsid), "star_id": pa.array(rows["star_id"].astype(str))}
    for label in LABELS:
        values = rows[label].to_numpy(dtype=float)
        columns[label] = pa.array(np.round(values, 4), mask=~np.isfinite(values))
    for pixel, wave in enumerate(WAVE):
        column = np.ascontiguousarray(flux[:, pixel])
        columns[f"{wave:.0f}"] = pa.array(column, mask=~vectors.good[:, pixel])
    return pa.table(columns)
