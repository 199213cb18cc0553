"""The synthetic grid that mock, methods and real stars share.

``cemp/data/grid/`` holds LTE spectra (SMElib, C3K/ATLAS12 atmospheres, linemake lines; see
``cemp/data/README.md``) in a compact form, a file for each 256 points of the Sobol design, so
that the grid can grow without rewriting what is there. The full spectra are rounded to steps of
5e-4 in normalised flux (largest loss 2.5e-4, rms 1.2e-4, below the 1e-3 of the synthesis itself);
labels, wavelengths and continua lose nothing but the 8th digit. Differences between neighbouring
pixels are stored as two planes of bytes, which deflate to 9 kB a spectrum.

Which half a spectrum belongs to is a fixed random draw over its design index. The parity of the
index will not do: the design is a Sobol sequence, and its even points are the giants and its odd
points the dwarfs, so either half would lack part of the sky.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.constants import SEED
from cemp.errors import BadInputError

#: The compact grid inside the package: ``block-00000.npz``, ``block-00256.npz`` ...
GRID_FOLDER = Path(__file__).resolve().parent.parent / "data" / "grid"
#: Points of the design that a file holds.
BLOCK = 256
#: Rounding step of the normalised flux.
STEP = 5e-4
#: Resolving power (FWHM) of the stored spectra.
GRID_R = 5000.0
#: Length of the Sobol design that the indices count in.
DESIGN_SIZE = 4096
#: Names of the two halves: what the mock is made of, and what methods may use.
HALVES = ("mock", "library")
#: Labels of a grid spectrum, in the order of the columns of ``Grid.labels``.
GRID_LABELS = ("teff", "logg", "fe_h", "c_fe", "alpha_fe", "n_fe")


@dataclass(frozen=True)
class Grid:
    """Synthetic spectra with their labels.

    Attributes
    ----------
    index : ndarray of int, shape (n,)
        Position in the Sobol design; the identity of a spectrum.
    labels : ndarray, shape (n, 6)
        Teff [K], log g [dex, cgs], [Fe/H], [C/Fe], [alpha/Fe], [N/Fe] [dex].
    wave : ndarray, shape (n_wave,)
        Vacuum wavelength [Angstrom], equal steps of 1e-4 in ln(wave).
    norm : ndarray of float32, shape (n, n_wave)
        Flux over continuum at R = 5000.
    cont_wave : ndarray, shape (n_cont,)
        Vacuum wavelength [Angstrom] of the continuum nodes.
    cont : ndarray, shape (n, n_cont)
        Continuum at the stellar surface [erg/s/cm2/Angstrom].
    """

    index: np.ndarray
    labels: np.ndarray
    wave: np.ndarray
    norm: np.ndarray
    cont_wave: np.ndarray
    cont: np.ndarray

    def select(self, rows):
        """Take some of the spectra (boolean mask or row numbers)."""
        return Grid(self.index[rows], self.labels[rows], self.wave, self.norm[rows],
                    self.cont_wave, self.cont[rows])


def draw_halves(index, seed=SEED):
    """Tell which spectra make the mock: a random half of the design indices.

    Parameters
    ----------
    index : array_like of int, shape (n,)
        Design indices below `DESIGN_SIZE`.
    seed : int
        Seed of the draw; the paper uses the default.

    Returns
    -------
    ndarray of bool, shape (n,)
        True for the mock's half, False for the library's.
    """
    order = np.random.default_rng(seed).permutation(DESIGN_SIZE)
    return order[np.asarray(index)] < DESIGN_SIZE // 2


def pack(norm):
    """Round spectra to `STEP` and split their pixel-to-pixel differences into bytes.

    Parameters
    ----------
    norm : array_like, shape (n, n_wave)
        Normalised flux, finite.

    Returns
    -------
    ndarray of uint8, shape (2, n, n_wave)
        Low and high bytes.
    """
    steps = np.round(np.asarray(norm, dtype=float) / STEP).astype("<i2")
    change = np.diff(steps, axis=1, prepend=np.zeros((len(steps), 1), "<i2"))
    planes = change.view(np.uint8).reshape(*change.shape, 2)
    return np.ascontiguousarray(np.moveaxis(planes, 2, 0))


def unpack(planes):
    """Undo `pack`: spectra as float32, shape (n, n_wave), within `STEP` / 2 of the original.

    Examples
    --------
    >>> unpack(pack([[1.0, 0.5001, 0.0]])).round(4).tolist()
    [[1.0, 0.5, 0.0]]
    """
    change = np.ascontiguousarray(np.moveaxis(planes, 0, 2)).view("<i2")[..., 0]
    return (np.cumsum(change, axis=1, dtype=np.int32) * STEP).astype(np.float32)


def block_file(index, folder=GRID_FOLDER):
    """File that holds a design index."""
    return Path(folder) / f"block-{int(index) // BLOCK * BLOCK:05d}.npz"


def write_blocks(grid, folder=GRID_FOLDER):
    """Write a grid in its compact form, a file for each `BLOCK` of design indices.

    Parameters
    ----------
    grid : Grid
    folder : str or pathlib.Path
        Files of blocks that `grid` has no spectrum of are left alone.

    Returns
    -------
    list of pathlib.Path
        What was written; a file that would not change is not.
    """
    written = []
    order = np.argsort(grid.index)
    for start in np.unique(grid.index // BLOCK) * BLOCK:
        rows = order[grid.index[order] // BLOCK * BLOCK == start]
        path, part = block_file(start, folder), grid.select(rows)
        arrays = _block_arrays(part)
        if path.is_file() and _same(path, arrays):
            continue
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **arrays)
        written.append(path)
    return written


def _block_arrays(part):
    """Arrays of one file."""
    ln_wave = np.log(part.wave)
    return {
        "index": part.index.astype(np.int32),
        "labels": part.labels,
        # Two numbers carry the wavelengths: ln(first) and the step.
        "ln_wave": np.array([ln_wave[0], np.diff(ln_wave).mean()]),
        "norm": pack(part.norm),
        "cont_wave": part.cont_wave,
        "cont": part.cont.astype(np.float32),
    }


def _same(path, arrays):
    """Tell whether a file holds these arrays already."""
    with np.load(path) as stored:
        return set(stored.files) == set(arrays) and all(
            np.array_equal(stored[name], value) for name, value in arrays.items()
            if name != "ln_wave") and np.allclose(stored["ln_wave"], arrays["ln_wave"], rtol=1e-12)


def grid_hash(folder=GRID_FOLDER):
    """Fingerprint (SHA-256, hex) of the grid's files, for caches that depend on them."""
    digest = hashlib.sha256()
    for path in _blocks(folder):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _blocks(folder):
    """Files of the grid in the order of the design."""
    files = sorted(Path(folder).glob("block-*.npz"))
    if not files:
        raise BadInputError(f"no grid in {folder}: check it out again, it is part of the package")
    return files


@lru_cache(maxsize=1)
def _read(folder):
    parts = []
    for path in _blocks(folder):
        with np.load(path) as stored:
            parts.append({name: stored[name] for name in stored.files})
    norm = np.concatenate([unpack(p["norm"]) for p in parts])
    first, step = parts[0]["ln_wave"]
    index, labels, cont = (np.concatenate([p[name] for p in parts])
                           for name in ("index", "labels", "cont"))
    return Grid(index.astype(int), labels, np.exp(first + step * np.arange(norm.shape[1])), norm,
                parts[0]["cont_wave"], cont.astype(float))


def load_grid(half=None, folder=GRID_FOLDER):
    """Read the synthetic grid, or one of its two disjoint halves.

    Parameters
    ----------
    half : {None, "mock", "library"}
        ``"mock"``: the spectra that the mock survey is made of; ``"library"``: those that any
        method, template or augmentation may use; None: all.
    folder : str or pathlib.Path
        Holds the compact grid.

    Returns
    -------
    Grid

    Raises
    ------
    BadInputError
        If `half` is unknown or the files are missing.
    """
    if half is not None and half not in HALVES:
        raise BadInputError(f"no half '{half}' of the grid: use 'mock', 'library' or None")
    grid = _read(str(folder))
    if half is None:
        return grid
    in_mock = draw_halves(grid.index)
    return grid.select(in_mock if half == "mock" else ~in_mock)
