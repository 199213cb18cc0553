"""Columns of text: csv, ecsv, tab or blanks; with names or without."""

import io
import re
import warnings

import numpy as np
import pandas as pd

from cemp.errors import BadInputError
from cemp.fitsfile import AGAIN
from cemp.readers.columns import ROLES, Raw, to_raw

#: A declaration in a comment line: ``# medium = air``.
DECLARATION = re.compile(r"^\s*([A-Za-z_]\w*)\s*[=:]\s*(.+?)\s*$")


def read_text(data, source, columns=None):
    """Read a spectrum from the text of a table.

    Parameters
    ----------
    data : bytes
    source : str
        The file, for errors.
    columns : tuple of str, optional
        What the columns hold: `cemp.readers.columns.ROLES` for a table without names, the names of
        wavelength, flux and error for others.

    Returns
    -------
    cemp.readers.columns.Raw
        Lines ``# KEY = value`` become the header: ``# medium = air``, ``# unit = nm``.

    Raises
    ------
    BadInputError
        If it is a web page, no text, empty, or no table of numbers.

    Notes
    -----
    Without names, the first column is the wavelength and the second the flux; a third must be
    named by the caller, since files with errors and files with ivar look the same.
    """
    text = _decode(data, source)
    if text.lstrip().startswith("# %ECSV"):
        return _ecsv(text, source, columns)
    lines = text.splitlines()
    comments = [line.lstrip()[1:] for line in lines if line.lstrip().startswith(("#", "%"))]
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith(("#", "%"))]
    if not lines:
        raise BadInputError(f"{source}: no table in it; {AGAIN}")
    header = {m[1].upper(): m[2].strip("'\"") for m in map(DECLARATION.match, comments) if m}
    split = _separator(lines[0])
    names = None if _numbers(lines[0], split) else _split(lines.pop(0), split)
    if names is None and comments and len(_split(comments[-1], split)) == len(
        _split(lines[0], split)
    ) and not DECLARATION.match(comments[-1]):  # fmt: skip
        names = _split(comments[-1], split)
    return _named(_frame(lines, split, source), names, header, source, columns)


def _decode(data, source):
    """Return the text of a file that is text."""
    start = data[:2000].lower()
    if b"<html" in start or b"<!doctype" in start:
        raise BadInputError(
            f"{source}: the content is a web page (is the token valid?); {AGAIN}"
        )  # fmt: skip
    if b"\x00" in data[:10000]:
        raise BadInputError(f"{source}: neither FITS nor text; give a FITS, csv or ecsv file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _separator(line):
    """Tell what separates the fields of a line."""
    return next((mark for mark in (",", ";", "|", "\t") if mark in line), None)


def _split(line, mark):
    """Split a line into fields; blanks separate if nothing else does."""
    return [field.strip().strip("\"'") for field in line.strip().strip("|").split(mark)]


def _numbers(line, mark):
    """Tell whether all fields of a line are numbers (or nan, or empty)."""
    for field in _split(line, mark):
        try:
            float(field or "nan")
        except ValueError:
            return False
    return True


def _frame(lines, mark, source):
    """Read lines of numbers; what is none becomes NaN."""
    body = "\n".join(line.strip().strip("|") for line in lines)
    try:
        table = pd.read_csv(io.StringIO(body), sep=mark or r"\s+", header=None, dtype=str,
                            skipinitialspace=True)  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise BadInputError(f"{source}: no table of columns ({reason}); {AGAIN}") from error
    table = table.apply(pd.to_numeric, errors="coerce")
    if table.shape[1] < 2 or not np.isfinite(table.to_numpy()).any():
        raise BadInputError(f"{source}: no table of at least two columns of numbers; give a FITS, "
                            "csv or ecsv file")  # fmt: skip
    return table


def _named(table, names, header, source, columns):
    """Name the columns, by the file, the caller, or the order, and pick what is needed."""
    if names is None or (columns and set(columns) <= set(ROLES) and "wave" in columns):
        names = columns or ("wave", "flux")
        if len(names) != table.shape[1] or not set(names) <= set(ROLES):
            raise BadInputError(
                f"{source}: {table.shape[1]} columns without names; say what they hold, for one "
                "columns=('wave', 'flux', 'error') or 'ivar', 'mask', 'skip'"
            )
        columns = None
    if len(names) != table.shape[1]:
        raise BadInputError(f"{source}: {len(names)} names but {table.shape[1]} columns; {AGAIN}")
    table = {n: table[i].to_numpy() for i, n in enumerate(names) if n != "skip"}
    unit = header.get("UNIT") or header.get("WAVE_UNIT") or header.get("CUNIT1")
    units = {} if unit is None else dict.fromkeys(table, unit)
    return to_raw(table, units, header, "text", source, columns)


def _ecsv(text, source, columns) -> Raw:
    """Read astropy's own text format, with units and metadata."""
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(text, format="ascii.ecsv")
    except Exception as error:  # astropy and yaml raise errors of many kinds
        reason = " ".join(str(error).split())[:200]
        raise BadInputError(f"{source}: a damaged ecsv file ({reason}); {AGAIN}") from error
    units = {name: str(table[name].unit) for name in table.colnames if table[name].unit}
    header = {str(key).upper(): value for key, value in table.meta.items()}
    arrays = {name: np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan)
              for name in table.colnames if table[name].dtype.kind in "fiub"}  # fmt: skip
    return to_raw(arrays, units, header, "ecsv", source, columns)
