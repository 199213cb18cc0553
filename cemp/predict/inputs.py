"""Find the spectra that a command line names: folders, patterns, lists, millions of files.

The names go to a file, not into memory, and every part of the run knows its stretch of it.
"""

import glob
import hashlib
import os
import sys
from array import array
from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.errors import BadInputError

#: What a folder is searched for. Tables and texts there may be anything: name them by a pattern.
SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz")


def find_inputs(paths, leave_out=()):
    """Go through all spectra that are named, in a fixed order.

    Parameters
    ----------
    paths : iterable of str or pathlib.Path, or one of them
        Files; folders, searched with all subfolders for FITS files; patterns (``*``, ``?``,
        ``[...]``, ``**``); ``@FILE``, a text of one such entry a line (``#`` begins a comment);
        ``-`` for the same on standard input.
    leave_out : iterable of str or pathlib.Path
        Files that are no input, as the table that is to be written.

    Yields
    ------
    str
        Files. One that is named and does not exist is given too: it is reported with the others.

    Raises
    ------
    BadInputError
        If a list cannot be read, a pattern fits nothing, or a folder holds no FITS file.
    """
    barred = {os.path.abspath(path) for path in leave_out}
    for entry in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        entry = os.fspath(entry)
        expanded = _list(entry) if entry == "-" or entry.startswith("@") else [entry]
        for name in expanded:
            for path in _expand(name):
                if os.path.abspath(path) not in barred:
                    yield path


def _list(entry):
    """Entries of a list, one a line."""
    try:
        text = sys.stdin.read() if entry == "-" else Path(entry[1:]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"{entry[1:] or 'standard input'}: cannot read this list of files ({error}); give a "
            "text with one file a line"
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _expand(name):
    """Files behind one entry."""
    if os.path.isdir(name):
        yield from _folder(name)
    elif os.path.lexists(name) or not glob.has_magic(name):
        yield name
    else:
        found = sorted(glob.glob(name, recursive=True))
        if not found:
            raise BadInputError(f"{name}: no file fits this pattern; check the folder's name")
        for path in found:
            if not os.path.isdir(path):
                yield path
            elif "**" not in name:
                yield from _folder(path)


def _folder(folder):
    """FITS files under a folder; hidden ones are left out."""
    count = 0
    for where, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                count += 1
                yield os.path.join(where, name)
    if not count:
        raise BadInputError(
            f"{folder}: no FITS file in it or below; name other files by a pattern, as "
            f"'{folder}/*.csv'"
        )


def _refuse(error):
    raise BadInputError(f"{error.filename}: cannot list this folder ({error.strerror})") from error


def write_list(paths, path, part_size):
    """Write names to a file, each once, and tell where every part of them lies.

    Parameters
    ----------
    paths : iterable of str
    path : pathlib.Path
        File to write: names separated by zero bytes, which no name can hold.
    part_size : int
        Names a part.

    Returns
    -------
    edges : list of int
        Byte positions, one more than there are parts.
    count, repeated : int
        Names in the file, and names left out as they had come before.

    Notes
    -----
    Of each name a hash of eight bytes is kept in memory to find repeats, and nothing else.
    """
    with atomic_path(path) as temporary:
        marks = array("Q")
        with open(temporary, "wb") as file:
            for name in paths:
                marks.append(_mark(name))
                file.write(os.fsencode(name) + b"\0")
        first = _first(np.frombuffer(marks, np.uint64)) if marks else np.zeros(0, bool)
        if not first.all():
            _keep(temporary, first)
        edges = _edges(temporary, part_size)
    return edges, int(first.sum()), int((~first).sum())


def _mark(name):
    """Eight bytes that tell a file; two spellings of one path agree."""
    digest = hashlib.blake2b(os.fsencode(os.path.abspath(name)), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _first(marks):
    """Flag the first of equal marks."""
    first = np.zeros(marks.size, dtype=bool)
    first[np.unique(marks, return_index=True)[1]] = True
    return first


def names(file):
    """Go through the names in an open list, without their zero bytes."""
    rest = b""
    while block := file.read(1 << 16):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole


def _keep(path, first):
    """Write a list again with the flagged names only."""
    again = path.with_name(path.name + ".again")
    with open(path, "rb") as old, open(again, "wb") as new:
        for name, kept in zip(names(old), first, strict=True):
            if kept:
                new.write(name + b"\0")
    os.replace(again, path)


def _edges(path, part_size):
    """Byte positions where parts begin, and the end of the list."""
    edges, at = [0], 0
    with open(path, "rb") as file:
        for number, name in enumerate(names(file), start=1):
            at += len(name) + 1
            if number % part_size == 0:
                edges.append(at)
    return edges if edges[-1] == at else [*edges, at]


def read_stretch(path, begin, end):
    """Read the names of one part.

    Parameters
    ----------
    path : str or pathlib.Path
        From `write_list`.
    begin, end : int
        Two neighbouring edges.

    Returns
    -------
    list of str
    """
    with open(path, "rb") as file:
        file.seek(begin)
        return [os.fsdecode(name) for name in file.read(end - begin).split(b"\0")[:-1]]
