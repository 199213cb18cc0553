"""The synthetic grid that the mock and the spectral library share, half each.

``cemp/data/grid.npz`` holds 688 LTE spectra (SMElib, C3K/ATLAS12 atmospheres, linemake lines;
see ``cemp/data/README.md``) in a compact form. The full spectra are rounded to steps of 5e-4 in
normalised flux (largest loss 2.5e-4, rms 1.2e-4, below the 1e-3 of the synthesis itself); labels,
wavelengths and continua lose nothing but the 8th digit. Differences between neighbouring pixels
are stored as two planes of bytes, which deflate to 6 MB.

Which half a spectrum belongs to is a fixed random draw over its design index, stored with the
spectra. The parity of the index will not do: the design is a Sobol sequence, and its even points
are the giants and its odd points the dwarfs, so either half would lack part of the sky.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.constants import SEED, air_to_vacuum
from cemp.errors import BadInputError

#: The compact grid inside the package.
GRID_FILE = Path(__file__).resolve().parent.parent / "data" / "grid.npz"
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
        Seed of the draw; the committed file was made with the default.

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


def compact_grid(source, target=GRID_FILE):
    """Write the compact form of a grid computed by the synthesis scripts.

    Parameters
    ----------
    source : str or pathlib.Path
        ``grid.npz`` as the synthesis leaves it: float16 spectra, continuum nodes in air.
    target : str or pathlib.Path
        File to write.
    """
    with np.load(source) as full, atomic_path(target) as temporary:
        np.savez_compressed(
            temporary,
            index=full["index"].astype(np.int32),
            in_mock=draw_halves(full["index"]),
            labels=full["labels"],
            # Two numbers carry the wavelengths: ln(first) and the step.
            ln_wave=np.array([np.log(full["wave"][0]), np.diff(np.log(full["wave"])).mean()]),
            norm=pack(full["norm"]),
            cont_wave=air_to_vacuum(full["cont_wave"]),
            cont=full["cont"].astype(np.float32),
        )


@lru_cache(maxsize=1)
def _read(path):
    if not Path(path).is_file():
        raise BadInputError(f"{path} is missing: check it out again, it is part of the package")
    with np.load(path) as stored:
        norm = unpack(stored["norm"])
        wave = np.exp(stored["ln_wave"][0] + stored["ln_wave"][1] * np.arange(norm.shape[1]))
        grid = Grid(stored["index"].astype(int), stored["labels"], wave, norm,
                    stored["cont_wave"], stored["cont"].astype(float))
        return grid, stored["in_mock"]


def load_grid(half=None, path=GRID_FILE):
    """Read the synthetic grid, or one of its two disjoint halves.

    Parameters
    ----------
    half : {None, "mock", "library"}
        ``"mock"``: the spectra that the mock survey is made of; ``"library"``: those that any
        method, template or augmentation may use; None: all.
    path : str or pathlib.Path
        Compact grid.

    Returns
    -------
    Grid

    Raises
    ------
    BadInputError
        If `half` is unknown or the file is missing.
    """
    if half is not None and half not in HALVES:
        raise BadInputError(f"no half '{half}' of the grid: use 'mock', 'library' or None")
    grid, in_mock = _read(str(path))
    if half is None:
        return grid
    return grid.select(in_mock if half == "mock" else ~in_mock)
