"""Tables of a whole survey a part at a time: read by fold, joined by identifier, written in parts.

A survey has twelve million spectra. A table of them with all its columns, and a copy or two of it,
is more than a computer has; so stages read the columns and rows that they use, and write row
groups.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cemp.atomic import atomic_path

#: Rows at a time.
PART = 200_000


def row_slices(n, size=PART):
    """Cut a number of rows into parts; a table without rows is one part.

    Parameters
    ----------
    n : int
    size : int

    Returns
    -------
    list of slice

    Examples
    --------
    >>> row_slices(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + size, n)) for start in range(0, max(n, 1), size)]


def parts_of(table, columns=None, size=PART):
    """Go through a table in parts of some rows.

    Parameters
    ----------
    table : pandas.DataFrame
    columns : list of str, optional
        Those wanted; all if left out.
    size : int

    Yields
    ------
    pandas.DataFrame
    """
    table = table if columns is None else table[columns]
    for rows in row_slices(len(table), size):
        yield table.iloc[rows]


def write_parts(path, parts):
    """Write a table that comes in parts as one Parquet file, which appears whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
    parts : iterable of pandas.DataFrame
        Of equal columns and types, at least one; a row group each. Their index is not kept.

    Returns
    -------
    int
        Rows written.
    """
    writer, n = None, 0
    with atomic_path(path) as temporary:
        for part in parts:
            part = part.copy(deep=False)
            part.attrs = {}  # notes of the readers, which no file needs
            table = pa.Table.from_pandas(part, preserve_index=False)
            writer = writer or pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table.cast(writer.schema), row_group_size=max(len(table), 1))
            n += len(table)
        writer.close()
    return n


def read_rows(path, columns, folds=None, keep=None):
    """Read some columns of some rows of a table of spectra.

    Parameters
    ----------
    path : pathlib.Path
        Parquet, with a column ``fold`` if `folds` are given.
    columns : list of str
    folds : sequence of str, optional
        Rows of these folds; all if left out.
    keep : callable, optional
        ``keep(obsid)`` tells which rows to keep besides, such as `cemp.vectors.VectorStore.has`;
        `columns` then hold ``obsid``.

    Returns
    -------
    pandas.DataFrame
        In the order of the file.
    """
    needed = [*columns, *(["fold"] if folds is not None and "fold" not in columns else [])]
    wanted = None if folds is None else pa.array(folds, pa.large_string())
    with pq.ParquetFile(path) as file:
        parts = [file.schema_arrow.empty_table().select(columns)]
        for batch in file.iter_batches(PART, columns=needed):
            if wanted is not None:
                fold = pc.cast(batch["fold"], pa.large_string())
                batch = batch.filter(pc.is_in(fold, value_set=wanted))
            if keep is not None:
                batch = batch.filter(pa.array(keep(batch["obsid"].to_numpy())))
            parts.append(pa.Table.from_batches([batch]).select(columns))
    return pa.concat_tables(parts).to_pandas(split_blocks=True, self_destruct=True)


def join_rows(table, other, names):
    """Take columns of another table by identifier; rows that it has not are left out.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``obsid``.
    other : pandas.DataFrame
        With ``obsid``, each once, in any order, and `names`.
    names : list of str

    Returns
    -------
    pandas.DataFrame
        Rows of `table` in its order, numbered anew.
    """
    order = np.argsort(other["obsid"].to_numpy(), kind="stable")
    known, wanted = other["obsid"].to_numpy()[order], table["obsid"].to_numpy()
    at = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
    found = known[at] == wanted if len(known) else np.zeros(len(wanted), dtype=bool)
    table = (table if found.all() else table[found]).reset_index(drop=True)
    rows = order[at[found]]
    return table.assign(**{name: other[name].take(rows).array for name in names})
