"""What inspectors decided about candidates: a small CSV file.

``notebooks/decisions/<profile>.csv``, one row a decision::

    obsid,designation,decision,note,inspector,date

Why so:

- **One file a profile**, named like the profile's parameters. Identifiers of a mock survey look
  like real ones: a decision about a mock star can never meet a star of another survey.
- **One row a spectrum and inspector.** Who changes their mind replaces their own row; git keeps
  the old one. Two inspectors of one star stay two rows, and may disagree.
- **Sorted** by obsid and inspector, so that a new decision is a new line between others and not a
  change at the file's end, where all branches would meet. Where two branches still touch the same
  place, ``notebooks/.gitattributes`` has git keep the lines of both (``merge=union``): order does
  not matter to the reader, and a row that is there twice with different content is an error that
  names both lines.
- **The designation** is kept beside the obsid: if a later catalogue gives the obsid to another
  position (a mock made anew), the decision is about another star and is not applied.
- **The date** is UTC to the second: it tells where an inspector stopped.
"""

import csv
import os
import re
import unicodedata
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from cemp.atomic import atomic_path
from cemp.errors import BadInputError

#: Columns of the file.
FIELDS = ("obsid", "designation", "decision", "note", "inspector", "date")
CHOICES = ("accept", "reject", "unsure")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


def decisions_path(paths):
    """Name the file of decisions of a profile.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    pathlib.Path
        It need not exist: then nothing is decided.
    """
    return paths.root / "notebooks" / "decisions" / f"{paths.profile}.csv"


def plain(text):
    r"""Bring a note to one line of printable text.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        In any script, without control characters or doubled blanks.

    Examples
    --------
    >>> plain("  blend?\tsee\nH&K ")
    'blend? see H&K'
    """
    kept = (" " if unicodedata.category(c)[0] in "CZ" else c for c in str(text))
    return " ".join("".join(kept).split())


def _problem(row):
    """Say what is wrong with a row, or nothing."""
    if row[0].startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
        return "a mark of an unfinished merge: keep the rows of both sides, delete the mark"
    if len(row) != len(FIELDS):
        return f"{len(row)} fields instead of {len(FIELDS)}: put a note with a comma in quotes"
    values = dict(zip(FIELDS, row, strict=True))
    if not re.fullmatch(r"[1-9]\d{0,17}", values["obsid"]):
        return f"obsid '{values['obsid']}' is not a whole number"
    if values["decision"] not in CHOICES:
        return f"decision '{values['decision']}' is not one of {', '.join(CHOICES)}"
    for name in ("designation", "inspector"):
        if not values[name].strip():
            return f"{name} is empty: write it in"
    date = pd.to_datetime(values["date"], format="%Y-%m-%dT%H:%M:%SZ", errors="coerce")
    if not DATE.fullmatch(values["date"]) or pd.isna(date):
        return f"date '{values['date']}' is not like 2026-01-31T18:05:00Z (UTC)"
    return ""


def _rows(path):
    """Yield (line number, fields) of a file, its header checked."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            if tuple(header) != FIELDS:
                raise BadInputError(f"{path}, line 1: the header must be {','.join(FIELDS)} "
                                    "(commas, not semicolons)")
            for row in reader:
                if row:
                    yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text: save it as such") from error
    except csv.Error as error:
        raise BadInputError(f"{path}, line {reader.line_num}: {error}; correct the "
                            "quotes") from error


def read_decisions(path):
    """Read and check a file of decisions.

    Parameters
    ----------
    path : str or pathlib.Path
        A file that is not there holds no decision.

    Returns
    -------
    pandas.DataFrame
        Columns `FIELDS` (obsid int64, the others str), sorted by obsid and inspector.

    Raises
    ------
    BadInputError
        If a row is not a decision, or an inspector has two different ones about a spectrum;
        the message names file and line.
    """
    path, seen = Path(path), {}
    for line, row in _rows(path) if path.is_file() else ():
        problem = _problem(row)
        if problem:
            raise BadInputError(f"{path}, line {line}: {problem}")
        key = (int(row[0]), row[4])
        if key in seen and seen[key][1] != row:
            raise BadInputError(f"{path}, lines {seen[key][0]} and {line}: {row[4]} decided twice "
                                f"about obsid {row[0]}; delete one of the two lines")
        seen.setdefault(key, (line, row))
    table = pd.DataFrame([seen[key][1] for key in sorted(seen)], columns=FIELDS, dtype=str)
    return table.astype({"obsid": "int64"})


def write_decisions(path, table):
    """Write decisions, sorted; the file is replaced whole.

    Parameters
    ----------
    path : str or pathlib.Path
    table : pandas.DataFrame
        Columns `FIELDS`.
    """
    ordered = table.sort_values(["obsid", "inspector"])[list(FIELDS)]
    with atomic_path(path) as temporary:
        ordered.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


@contextmanager
def _alone(folder):
    """Keep other processes from writing meanwhile: the folder is locked for milliseconds."""
    try:
        import fcntl  # not on every system; there one inspector at a time
    except ImportError:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def record(path, obsid, inspector, row):
    """Write one decision, or take one back.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; it is read anew, so that what others wrote meanwhile stays.
    obsid : int
    inspector : str
    row : dict of str to str or None
        designation, decision, note, date; None removes the inspector's decision.

    Returns
    -------
    pandas.DataFrame
        All decisions now in the file.

    Raises
    ------
    BadInputError
        If the file cannot be read or written, or the row could not be read back.
    """
    path = Path(path)
    if row is not None:
        row = {"obsid": int(obsid), "inspector": inspector} | row
        problem = _problem([str(row[name]) for name in FIELDS])
        if problem:
            raise BadInputError(f"{path}: {problem}")
    with _alone(path.parent):
        table = read_decisions(path)
        table = table[(table["obsid"] != obsid) | (table["inspector"] != inspector)]
        if row is not None:
            table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
        write_decisions(path, table)
        return read_decisions(path)
