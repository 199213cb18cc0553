"""What all catalogue readers share: columns, missing values, limits, coordinates, counts."""

import re

import numpy as np
import pandas as pd

from cemp.constants import SENTINELS
from cemp.errors import BadInputError

#: Columns that every reader of labels returns, in this order.
LABEL_TABLE = (
    "star", "ra", "dec", "epoch", "pmra", "pmdec", "coord_arcsec", "gaia_source_id",
    "teff", "logg", "fe_h", "c_h", "e_teff", "e_logg", "e_fe_h", "e_c_h",
    "c_h_limit", "source", "reference",
)  # fmt: skip

#: Further marks of a missing value, seen in APOGEE's errors.
_MISSING = (*SENTINELS, -999.99, -9999.9)

#: Texts that stand for "no value" in literature tables.
_BLANK = {"", "-", "--", "---", "...", "nan", "none", "null", "n/a", "~"}

_UPPER = re.compile(r"^(?:\{?<\}?=?\}?|\{<=\}|\\leq?|≤|&lt;)\s*")
_LOWER = re.compile(r"^(?:\{?>\}?=?\}?|\{>=\}|\\geq?|≥|&gt;)\s*")


def blank_missing(values):
    """Turn the surveys' marks of a missing value into NaN.

    Parameters
    ----------
    values : array_like of float, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> blank_missing([-9999.0, -9999.99, -2.5]).tolist()
    [nan, nan, -2.5]
    """
    values = np.array(values, dtype=np.float64)
    # float32 columns hold -9999.99 as -9999.990234375
    for mark in _MISSING:
        values[np.abs(values - mark) < 2e-3] = np.nan
    values[np.isinf(values)] = np.nan
    return values


def gaia_ids(values):
    """Read Gaia source identifiers; anything that is not a positive integer is missing.

    Parameters
    ----------
    values : array_like of int or str, shape (n,)
        Identifiers; floats are refused because they cannot hold 19 digits.

    Returns
    -------
    pandas.Series of Int64, shape (n,)
        Missing where there is none.
    """
    series = pd.Series(np.asarray(values))
    if pd.api.types.is_float_dtype(series.dtype):
        if series.notna().any() and (series > 2**53).any():
            raise BadInputError(
                "Gaia identifiers were stored as floating point and lost their last digits: "
                "export them again as integers or text"
            )
        series = series.fillna(0).astype(np.int64)
    if not pd.api.types.is_integer_dtype(series.dtype):
        digits = series.astype(str).str.extract(r"(^\s*\d+|\d{9,})\s*$", expand=False)
        series = pd.Series([int(d) if isinstance(d, str) else 0 for d in digits], dtype=np.int64)
    ids = series.astype("Int64")
    return ids.mask(ids <= 0).reset_index(drop=True)


def parse_numbers(texts):
    """Read a literature column in which limits stand beside values.

    Parameters
    ----------
    texts : iterable of str, shape (n,)
        ``"6.56"``, ``"<6.56"``, ``"{<=}0.3"``, ``"--"``, ``"1.2:"``.

    Returns
    -------
    value : ndarray of float64, shape (n,)
    upper : ndarray of bool, shape (n,)
        True where the value is an upper limit.
    lower : ndarray of bool, shape (n,)
        True where it is a lower limit.

    Examples
    --------
    >>> value, upper, lower = parse_numbers(["6.5", "<6.56", "{<=}0.3", ">=1", "--"])
    >>> value.tolist(), upper.tolist(), lower.tolist()[3]
    ([6.5, 6.56, 0.3, 1.0, nan], [False, True, True, False, False], True)
    """
    texts = pd.Series(list(texts), dtype="object").fillna("").astype(str).str.strip()
    upper = texts.str.match(_UPPER).to_numpy(bool)
    lower = texts.str.match(_LOWER).to_numpy(bool)
    bare = texts.str.replace(_UPPER, "", regex=True).str.replace(_LOWER, "", regex=True)
    bare = bare.str.replace("−", "-").str.rstrip(":?* ")
    bare = bare.where(~bare.str.lower().isin(_BLANK))
    value = blank_missing(pd.to_numeric(bare, errors="coerce"))
    known = np.isfinite(value)
    return value, upper & known, lower & known


def _sexagesimal(text):
    parts = [float(p) for p in re.split(r"[:\shdms'\"]+", text.strip()) if p not in ("", "+", "-")]
    size = sum(abs(p) / 60**i for i, p in enumerate(parts[:3]))
    return -size if text.strip().startswith("-") else size


def parse_angles(texts, hours):
    """Read right ascensions or declinations, decimal and sexagesimal mixed, and their precision.

    Parameters
    ----------
    texts : iterable of str, shape (n,)
        Decimal degrees, or sexagesimal with colons, blanks or unit letters.
    hours : bool
        Whether sexagesimal values are in hours (right ascension).

    Returns
    -------
    degrees : ndarray of float64, shape (n,)
        NaN where a text is no angle.
    step_arcsec : ndarray of float64, shape (n,)
        Size of one unit in the last digit given [arcsec].

    Examples
    --------
    >>> degrees, step = parse_angles(["150.25", "10:01:00.0"], hours=True)
    >>> degrees.round(4).tolist(), step.tolist()
    ([150.25, 150.25], [36.0, 1.5])
    """
    degrees, step = [], []
    for text in map(str, texts):
        text = text.strip()
        digits = len(text.split(".")[1].rstrip(" s\"'")) if "." in text else 0
        try:
            if re.search(r"\d[:\shdm]+\d", text):
                degrees.append(_sexagesimal(text) * (15.0 if hours else 1.0))
                step.append(10.0**-digits * (15.0 if hours else 1.0))
            else:
                degrees.append(float(text))
                step.append(10.0**-digits * 3600.0)
        except ValueError:
            degrees.append(np.nan)
            step.append(np.nan)
    return blank_missing(degrees), np.array(step)


def drop_rows(frame, bad, reason, counts):
    """Drop rows and count them under a reason.

    Parameters
    ----------
    frame : pandas.DataFrame, n rows
    bad : array_like of bool, shape (n,)
    reason : str
    counts : dict of str to int
        The count is added here, zeros included, so that a table of reasons is complete.

    Returns
    -------
    pandas.DataFrame
        The rows that stay, index reset.
    """
    bad = np.asarray(bad, dtype=bool)
    counts[reason] = counts.get(reason, 0) + int(bad.sum())
    return frame[~bad].reset_index(drop=True)


def bad_position(ra, dec):
    """Tell which rows have no usable position.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        ICRS [deg].

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    return ~((ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90))


def need_columns(have, need, path, what):
    """Refuse a table without the columns that make it what it should be.

    Parameters
    ----------
    have, need : iterable of str
    path : path_like
        File named in the message.
    what : str
        What the file should have been.

    Raises
    ------
    BadInputError
        If a column is missing.
    """
    missing = [name for name in need if name not in set(have)]
    if missing:
        raise BadInputError(
            f"{path} is not {what}: it lacks the columns {', '.join(missing)}; "
            "check the path in the profile, or fetch the file again"
        )


def label_table(columns, path, n_read, dropped, noted):
    """Finish a label table: common columns, masked carbon, counts; never an empty one.

    Parameters
    ----------
    columns : pandas.DataFrame
        Some or all of `LABEL_TABLE`.
    path : path_like
        File named in messages.
    n_read : int
        Rows in the file.
    dropped, noted : dict of str to int
        Rows dropped, and rows kept with a remark, by reason.

    Returns
    -------
    pandas.DataFrame
        Columns `LABEL_TABLE`; ``attrs`` holds ``n_read``, ``dropped`` and ``noted``.

    Raises
    ------
    BadInputError
        If no row is left.
    """
    table = columns.reindex(columns=list(LABEL_TABLE))
    if table.empty:
        raise BadInputError(
            f"{path} has no usable row ({n_read} read; dropped: {dropped}); "
            "check that it is the right file"
        )
    table["c_h_limit"] = table["c_h_limit"].fillna(False).astype(bool)
    table["gaia_source_id"] = gaia_ids(table["gaia_source_id"].fillna(0).astype("int64"))
    numbers = [c for c in LABEL_TABLE[1:16] if c != "gaia_source_id"]
    table[numbers] = table[numbers].astype(np.float64)
    errors = [c for c in numbers if c.startswith("e_")]
    table[errors] = table[errors].where(table[errors] > 0)
    noted["carbon upper limit"] = int(table["c_h_limit"].sum())
    noted["carbon missing"] = int(table["c_h"].isna().sum())
    table.attrs = {"n_read": int(n_read), "dropped": dict(dropped), "noted": dict(noted)}
    return table
