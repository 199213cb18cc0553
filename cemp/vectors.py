"""Store of normalised spectra: parts of some hundred on disk, found by identifier.

A part is one ``.npy`` file of records (flux, ivar), memory-mapped on reading, beside a small one
of identifiers and a CSV report of every spectrum that was asked for. The mask is not stored:
ivar is positive exactly where a pixel is good. A part's records are its last file, so that a part
that is there is whole.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.constants import N_PIX
from cemp.errors import BadInputError

#: One spectrum on disk: 40 kB.
RECORD = np.dtype([("flux", "<f4", N_PIX), ("ivar", "<f4", N_PIX)])


@dataclass(frozen=True)
class Vectors:
    """Normalised spectra in the order they were asked for.

    Parameters
    ----------
    obsid : ndarray of int64, shape (n,)
        Identifiers.
    flux, ivar : ndarray of float32, shape (n, n_pix)
        Flux over continuum at rest, and its inverse variance.
    good : ndarray of bool, shape (n, n_pix)
        True where measured.
    """

    obsid: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    good: np.ndarray

    def __len__(self):
        return len(self.obsid)


def write_part(folder, name, obsid, flux, ivar):
    """Write one part; it appears whole or not at all.

    Parameters
    ----------
    folder : pathlib.Path
        The store.
    name : str
        File stem, ``part-...``.
    obsid : array_like of int, shape (n,)
    flux, ivar : array_like, shape (n, n_pix)
        ivar is 0 where a pixel is not good.
    """
    records = np.zeros(len(obsid), RECORD)
    if len(obsid):
        records["flux"], records["ivar"] = flux, ivar
    with atomic_path(Path(folder) / f"{name}.obsid.npy") as path, open(path, "wb") as file:
        np.save(file, np.asarray(obsid, dtype=np.int64))
    with atomic_path(Path(folder) / f"{name}.npy") as path, open(path, "wb") as file:
        np.save(file, records)


def part_names(folder):
    """List the finished parts of a store.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    list of str
        File stems, sorted.
    """
    names = (path.name.removesuffix(".npy") for path in Path(folder).glob("part-*.npy"))
    return sorted(name for name in names if not name.endswith(".obsid"))


def open_vectors(folder):
    """Open a store of vectors.

    Parameters
    ----------
    folder : str or pathlib.Path
        Folder of the parts, ``build/<profile>/02/vectors``.

    Returns
    -------
    VectorStore

    Raises
    ------
    BadInputError
        If there is nothing in it.
    """
    names = part_names(folder)
    if not names:
        raise BadInputError(f"{folder}: no vectors; run notebooks/02_preprocessing first")
    return VectorStore(Path(folder), names)


class VectorStore:
    """Vectors on disk, read by identifier.

    Parameters
    ----------
    folder : pathlib.Path
    names : list of str
        Its parts.

    Attributes
    ----------
    obsid : ndarray of int64, shape (n,)
        All identifiers, in the order of the parts.
    """

    def __init__(self, folder, names):
        self.folder, self.names = folder, names
        ids = [np.load(folder / f"{name}.obsid.npy") for name in names]
        self.obsid = np.concatenate(ids)
        self._first = np.cumsum([0, *map(len, ids)])
        self._order = np.argsort(self.obsid, kind="stable")
        self._sorted = self.obsid[self._order]
        if np.any(self._sorted[1:] == self._sorted[:-1]):
            raise BadInputError(f"{folder}: an obsid is in it twice; delete the folder, run 02")

    def __len__(self):
        return len(self.obsid)

    def __contains__(self, obsid):
        return bool(self.has([obsid])[0])

    def has(self, obsids):
        """Tell which identifiers are in the store.

        Parameters
        ----------
        obsids : array_like of int, shape (m,)

        Returns
        -------
        ndarray of bool, shape (m,)
        """
        obsids = np.asarray(obsids, dtype=np.int64)
        if not len(self):
            return np.zeros(obsids.shape, dtype=bool)
        at = np.minimum(np.searchsorted(self._sorted, obsids), len(self) - 1)
        return self._sorted[at] == obsids

    def read(self, obsids):
        """Read spectra in the order asked for; an identifier may come twice.

        Parameters
        ----------
        obsids : array_like of int, shape (m,)

        Returns
        -------
        Vectors

        Raises
        ------
        BadInputError
            If any identifier is not in the store; the message names them.
        """
        obsids = np.asarray(obsids, dtype=np.int64)
        known = self.has(obsids)
        if not known.all():
            raise BadInputError(
                f"{self.folder}: no vector for obsid {obsids[~known][:5].tolist()} "
                f"({(~known).sum()} missing); see skipped.csv beside it for the reasons"
            )
        rows = self._order[np.searchsorted(self._sorted, obsids)]
        records = np.empty(len(rows), RECORD)
        parts = np.searchsorted(self._first, rows, side="right") - 1
        for part in np.unique(parts):
            here = parts == part
            on_disk = np.load(self.folder / f"{self.names[part]}.npy", mmap_mode="r")
            records[here] = on_disk[rows[here] - self._first[part]]
        return Vectors(obsids, records["flux"], records["ivar"], records["ivar"] > 0)

    def batches(self, size=4096):
        """Go through the whole store without holding it in memory.

        Parameters
        ----------
        size : int
            Spectra at a time.

        Yields
        ------
        Vectors
        """
        for start in range(0, len(self), size):
            yield self.read(self.obsid[start : start + size])
