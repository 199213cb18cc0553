"""Is this file what it should be? Checks that every reader makes before it believes a number."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.errors import BadInputError

#: Share of rows with an impossible declination from which the columns must be taken for swapped.
SWAPPED_SHARE = 0.02
#: Fewest rows that can show that right ascensions are hours: fewer may lie there by chance.
HOURS_ROWS = 30


def check_file(path, parameter):
    """Refuse what cannot be a table: nothing, a folder, an empty file, a web page.

    Parameters
    ----------
    path : path_like
    parameter : str
        Parameter of the profile that names the file, for the message.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    BadInputError
        One line that names the file and says what to do.
    """
    path = Path(path)
    if path.is_dir():
        raise BadInputError(f"{path} is a folder: name the table itself ({parameter})")
    if not path.is_file() or path.stat().st_size == 0:
        raise BadInputError(f"{path} is missing or empty: set {parameter} in the profile")
    try:
        with open(path, "rb") as stream:
            start = stream.read(2000)
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}; correct the permissions") from error
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html")):
        raise BadInputError(
            f"{path} is a web page, not a table (a login page, if the archive wants a token): "
            "fetch the file again"
        )
    return path


def is_gzip(path):
    """Tell by its first bytes whether a file is compressed by gzip: names lie.

    Parameters
    ----------
    path : path_like

    Returns
    -------
    bool
    """
    with open(path, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def is_fits(path):
    """Tell by its first bytes whether a file is FITS, compressed or not.

    Parameters
    ----------
    path : path_like

    Returns
    -------
    bool
    """
    with gzip.open(path) if is_gzip(path) else open(path, "rb") as stream:
        return stream.read(9) == b"SIMPLE  ="


def open_text(path):
    """Open a text table as bytes, compressed by gzip or not."""
    return gzip.open(path) if is_gzip(path) else open(path, "rb")


def comment_lines(path):
    """Count the lines before a table's head: those that begin with #, and empty ones.

    Parameters
    ----------
    path : path_like
        Compressed by gzip or not.

    Returns
    -------
    int
    """
    count = 0
    with open_text(path) as stream:
        for line in stream:
            if not _is_comment(line):
                break
            count += 1
    return count


def _is_comment(line):
    """Tell whether a line before the head says nothing of the table's columns."""
    return line.removeprefix(b"\xef\xbb\xbf").startswith(b"#") or not line.strip()


def text_head(path):
    """Read the names of a text table: tabs separate them if there are any, else bars or commas.

    Parameters
    ----------
    path : path_like
        Compressed by gzip or not; lines before it that begin with # are left out.

    Returns
    -------
    names : list of str
    separator : str

    Raises
    ------
    BadInputError
        If the file ends in the middle of a row: its last line is short and not ended.
    """
    with open_text(path) as stream:
        head = next((line for line in stream if not _is_comment(line)), b"")
    head = head.decode("utf-8-sig", "replace")
    separator = max("\t|,", key=head.count)
    _check_end(path, separator, head.count(separator))
    return [name.strip().strip('"') for name in head.split(separator)], separator


def _check_end(path, separator, least):
    """Refuse a text that was cut; gzip tells of a cut itself."""
    if is_gzip(path):
        return
    with open(path, "rb") as stream:
        stream.seek(max(0, Path(path).stat().st_size - 65_536))
        before, _, last = stream.read().rpartition(b"\n")
    if before and last.strip() and last.count(separator.encode()) < least:
        raise BadInputError(f"{path} ends in the middle of a row: fetch the file again")


def read_cells(path, parameter, comment=None):
    """Read a text table, every cell as text.

    Parameters
    ----------
    path : path_like
        As for `text_head`.
    parameter : str
        As for `check_file`.
    comment : str, optional
        Begins comments within tables that tabs separate; elsewhere it is part of a cell.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    BadInputError
        If it is no table or a damaged one.
    """
    path = check_file(path, parameter)
    try:
        _, separator = text_head(path)
        return pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig",
            encoding_errors="replace", comment=comment if separator == "\t" else None,
            skiprows=comment_lines(path),
            compression="gzip" if is_gzip(path) else None,
        )  # fmt: skip
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise BadInputError(f"{path} cannot be read ({error}): fetch the file again") from error


def check_positions(ra, dec, path):
    """Refuse right ascensions in hours, and right ascension and declination swapped.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        As read [deg]; NaN where missing.
    path : path_like
        File named in messages.

    Raises
    ------
    BadInputError
        If more than `SWAPPED_SHARE` of the declinations lie beyond a pole, or if `HOURS_ROWS`
        right ascensions or more run from about 0 to 24 and no farther.

    Notes
    -----
    A single impossible value is a fault of its row, and the row is dropped; a whole column of
    them is a fault of the table. A field that truly spans 0 to 24 degrees to within 2 degrees at
    both ends would be refused as well: select its rows by name.
    """
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    known = np.isfinite(ra) & np.isfinite(dec)
    ra, dec = ra[known], dec[known]
    beyond = float(np.mean(np.abs(dec) > 90)) if dec.size else 0.0
    if beyond > SWAPPED_SHARE:
        raise BadInputError(
            f"{path}: {100 * beyond:.0f}% of the declinations lie beyond a pole; right ascension "
            "and declination look swapped: correct the columns' names"
        )
    if ra.size >= HOURS_ROWS and 22 < ra.max() <= 24 and 0 <= ra.min() < 2:
        raise BadInputError(
            f"{path}: all right ascensions lie between 0 and 24: they look like hours; "
            "multiply them by 15 to have degrees, or write them as hh:mm:ss"
        )


def check_labels(columns, path):
    """Refuse labels that stand in each other's columns or on another scale.

    Parameters
    ----------
    columns : pandas.DataFrame
        Columns teff [K], logg, fe_h, c_h [dex], those that there are.
    path : path_like

    Raises
    ------
    BadInputError
        If the middle value of a label is none that a star can have.

    Examples
    --------
    >>> import pandas as pd
    >>> check_labels(pd.DataFrame({"teff": [2.1], "logg": [4800.0]}), "t.csv")
    Traceback (most recent call last):
    ...
    cemp.errors.BadInputError: t.csv: the median teff is 2.1; it should be an effective \
temperature in kelvin: are columns swapped, or on another scale?
    """
    ranges = {
        "teff": (2000, 60000, "an effective temperature in kelvin"),
        "logg": (-1.5, 9, "log g in cgs"),
        "fe_h": (-9, 2, "[Fe/H]: log eps(Fe) minus 7.50"),
        "c_h": (-9, 3, "[C/H]: log eps(C) minus 8.43"),
    }
    for name, (low, high, what) in ranges.items():
        values = np.asarray(columns[name], float) if name in columns else np.zeros(0)
        values = values[np.isfinite(values)]
        middle = float(np.median(values)) if values.size else low
        if not low <= middle <= high:
            raise BadInputError(
                f"{path}: the median {name} is {middle:.4g}; it should be {what}: are columns "
                "swapped, or on another scale?"
            )
