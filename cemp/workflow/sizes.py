"""How many spectra a profile has, as well as is known before it has run."""

import gzip
import os
import zlib
from dataclasses import dataclass

import pyarrow.compute as pc

from cemp.errors import BadInputError
from cemp.workflow.observed import open_observations

#: Until the crossmatch has counted them: shares of the spectra that are of labelled stars, of
#: those that are bright enough to train on. Assumed, not measured; the plan says so.
LABELLED_SHARE, BRIGHT_SHARE = 0.03, 0.3
#: Shares of labelled stars by fold (`cemp.sample.SHARES`).
TRAIN, VALIDATION, TEST = 0.60, 0.15, 0.25


@dataclass(frozen=True)
class Sizes:
    """How many spectra each step has.

    Attributes
    ----------
    spectra, labelled, bright, validation, search, test : int
        In the catalogue; of labelled stars; of the training fold above the S/N limit; of the other
        folds.
    basis : str
        Where the numbers come from.
    """

    spectra: int
    labelled: int
    bright: int
    validation: int
    test: int
    search: int
    basis: str


def fits_rows(path):
    """Count the rows of the first table of a FITS file from its headers alone.

    Parameters
    ----------
    path : pathlib.Path
        Plain or gzip-compressed; only its beginning is read.

    Returns
    -------
    int or None
        None if it is no FITS table.
    """
    try:
        with open(path, "rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as stream:
            start = stream.read(2880 * 200)
    except (OSError, EOFError, zlib.error):
        return None
    where = start.find(b"XTENSION= 'BINTABLE'")
    cards = [start[i : i + 80] for i in range(where, len(start), 80)] if where >= 0 else []
    rows = [card[10:30] for card in cards if card.startswith(b"NAXIS2  =")]
    return int(rows[0]) if start.startswith(b"SIMPLE  =") and rows else None


def sizes(paths, snrg_min, catalogue, expected):
    """Find out how many spectra there are, as well as is known now.

    Parameters
    ----------
    paths : cemp.paths.Paths
    snrg_min : float
        S/N limit of training spectra.
    catalogue : pathlib.Path or None
        The LAMOST catalogue.
    expected : int
        Rows it should have.

    Returns
    -------
    Sizes
    """
    table = paths.build / "01" / "observations.parquet"
    if table.exists():
        return _counted(table, snrg_min)
    rows = fits_rows(catalogue) if catalogue is not None and catalogue.is_file() else None
    n, basis = (rows, "rows of the catalogue there") if rows else (expected, "expected rows")
    labelled = round(LABELLED_SHARE * n)
    return Sizes(
        n, labelled, round(BRIGHT_SHARE * TRAIN * labelled), round(VALIDATION * labelled),
        round(TEST * labelled), n - labelled,
        f"{basis}; {LABELLED_SHARE:.0%} of them taken to be of labelled stars and "
        f"{BRIGHT_SHARE:.0%} of those bright, which is a guess: known after notebook 01",
    )  # fmt: skip


def _counted(table, snrg_min):
    """Count the folds of the crossmatch."""
    columns = ["fold", "snrg"]
    data = open_observations(table, columns).read(columns)
    n = {entry["values"]: entry["counts"] for entry in data["fold"].value_counts().to_pylist()}
    train = data.filter(pc.equal(data["fold"], "train"))["snrg"]
    bright = pc.sum(pc.greater_equal(train, snrg_min)).as_py() or 0
    labelled = sum(n.get(fold, 0) for fold in ("train", "validation", "test"))
    return Sizes(len(data), labelled, bright, n.get("validation", 0), n.get("test", 0),
                 n.get("search", 0), f"counted in {table}")


def spectra_there(folder):
    """Count the spectra on disk.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    n : int
    size : int
        [bytes]
    """
    n = size = 0
    waiting = [str(folder)] if folder.is_dir() else []
    while waiting:
        with _listed(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.name.endswith((".fits", ".fits.gz")) and entry.name[0] != ".":
                    n, size = n + 1, size + entry.stat().st_size
    return n, size


def _listed(folder):
    """List a folder, or say that it cannot be read."""
    try:
        return os.scandir(folder)
    except OSError as error:
        raise BadInputError(f"{folder}: {error.strerror}; correct the permissions") from None
