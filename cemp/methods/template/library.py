"""The library of templates: the emulator of the grid's library half, and a coarse set from it."""

from dataclasses import dataclass

import numpy as np

from cemp.constants import C_KMS
from cemp.errors import BadInputError
from cemp.methods.template.native import RANGE, kernels
from cemp.preprocess.continuum import continuum
from cemp.synthesis import design
from cemp.synthesis.emulator import Emulator, sound
from cemp.synthesis.grid import load_grid

#: Pixels on which spectra are compared coarsely: LAMOST's own, log10(vacuum Angstrom).
LOG_START, LOG_STEP, N_LATTICE = 3.5682, 1e-4, 3909
LATTICE = 10 ** (LOG_START + LOG_STEP * np.arange(N_LATTICE))
#: Velocity of one such pixel [km/s].
PIXEL_KMS = C_KMS * np.log(10) * LOG_STEP
#: Shifts of the coarse templates within a pixel: a spectrum is at most 17 km/s from one of two.
N_PHASE = 2
#: Ranges of the labels: those of the paper's library, and all that the grid covers.
PAPER = {"teff": (4000, 6500), "logg": (1.0, 4.5), "fe_h": (-4.0, 0.0), "c_fe": (0.0, 3.0)}
GRID = {"teff": (3900, 7100), "logg": (0.2, 5.0), "fe_h": (-4.0, 0.5), "c_fe": (-0.8, 3.5)}
LIMITS = {"paper": PAPER, "grid": GRID}
#: [N/Fe] where it is not fitted: unmixed and mixed giants lie on either side.
NITROGEN = 0.2


def complete_labels(labels, alpha=0.0, nitrogen=NITROGEN):
    """Add [alpha/Fe], relative to the Galactic trend, and [N/Fe] to four labels.

    Parameters
    ----------
    labels : array_like, shape (n, 4)
        Teff [K], log g, [Fe/H], [C/Fe].
    alpha, nitrogen : float or ndarray, shape (n,)
        Offset from `cemp.synthesis.design.ALPHA_TREND`, and [N/Fe].

    Returns
    -------
    ndarray, shape (n, 6)
        As emulators want them.
    """
    labels = np.atleast_2d(np.asarray(labels, dtype=float))
    out = np.empty((len(labels), 6))
    out[:, :4] = labels
    out[:, 4] = np.clip(np.interp(labels[:, 2], *design.ALPHA_TREND) + alpha, -0.2, 0.6)
    out[:, 5] = nitrogen
    return out


def nodes(limits, counts=(7, 6, 8, 6)):
    """Place the coarse templates: an even grid, less what no star is.

    Parameters
    ----------
    limits : dict of str to (float, float)
        `PAPER` or `GRID`.
    counts : tuple of int
        Values of each label.

    Returns
    -------
    ndarray, shape (n, 4)
        Teff [K], log g, [Fe/H], [C/Fe], within the strip of log g and below the [C/H] of the grid.
    """
    axes = [np.linspace(*limits[name], n) for name, n in zip(limits, counts, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 4)
    return points[outside(points) < 0.3]


def outside(labels):
    """Tell how far labels lie outside the stars of the grid [dex]; shape (n,), 0 inside."""
    teff, logg, fe_h, c_fe = np.asarray(labels, dtype=float)[:, :4].T
    low, high = (np.interp(teff, *edge) for edge in (design.LOGG_LOW, design.LOGG_HIGH))
    rich = fe_h + c_fe - design.C_H_HIGH
    return np.maximum.reduce([low - logg, logg - high, rich, np.zeros_like(teff)])


@dataclass(frozen=True)
class Coarse:
    """Templates for the coarse search.

    Parameters
    ----------
    labels : ndarray, shape (t, 4)
        Teff [K], log g, [Fe/H], [C/Fe]; NaN where unknown.
    norm : ndarray of float32, shape (phase, t, n_lattice)
        Continuum-normalised; phase k is shifted by k / n_phase pixels to the red.
    covered : ndarray of float32, shape (n_lattice,)
        1 where the templates have flux, else 0.
    """

    labels: np.ndarray
    norm: np.ndarray
    covered: np.ndarray

    @property
    def n_phase(self):
        """Shifts a pixel."""
        return len(self.norm)

    def some(self, n=24):
        """Take some templates that mix all labels, enough for a velocity: (n, n_lattice)."""
        return self.norm[0, np.random.default_rng(0).permutation(len(self.labels))[:n]]


def make_coarse(labels, wave, flux, operators):
    """Bring templates to the lattice and divide them by their continuum.

    Parameters
    ----------
    labels : ndarray, shape (t, 4)
    wave : ndarray, shape (n_fine,)
        Rest wavelengths of the templates [Angstrom].
    flux : callable
        Row numbers to fluxes (n, n_fine).
    operators : callable
        Observed wavelengths and a velocity [km/s] to the operator (m, n_fine) that broadens a
        template and reads it there.

    Returns
    -------
    Coarse
    """
    inside = (LATTICE > wave[0] + 10) & (LATTICE < wave[-1] - 10)
    good = np.ones(inside.sum(), dtype=bool)
    norm = np.ones((N_PHASE, len(labels), N_LATTICE), dtype=np.float32)
    made = [operators(LATTICE[inside], k / N_PHASE * PIXEL_KMS) for k in range(N_PHASE)]
    for start in range(0, len(labels), 64):
        rows = np.arange(start, min(start + 64, len(labels)))
        fine = flux(rows).T
        # one continuum for all phases: half a pixel does not change it
        cont = np.array([continuum(LATTICE[inside], seen, good)
                         for seen in (made[0] @ fine).T.astype(float)])
        for phase, operator in enumerate(made):
            norm[phase, start:start + len(rows), inside] = (operator @ fine) / cont.T
    return Coarse(labels, norm, inside.astype(np.float32))


def from_grid(limits="grid", half="library"):
    """Coarse templates that are the grid's own spectra: no emulator between them and the star.

    Parameters
    ----------
    limits : {"grid", "paper"}
    half : str
        As of `cemp.synthesis.grid.load_grid`.

    Returns
    -------
    Coarse
    """
    grid = load_grid(half)
    edges = np.array([look_up(limits)[name] for name in ("teff", "logg", "fe_h", "c_fe")])
    inside = ((grid.labels[:, :4] >= edges[:, 0]) & (grid.labels[:, :4] <= edges[:, 1])).all(axis=1)
    grid = grid.select(inside & sound(grid))

    def flux(rows):
        cont = [np.interp(grid.wave, grid.cont_wave, np.log(grid.cont[row])) for row in rows]
        return grid.norm[rows] * np.exp(cont - np.mean(cont)).astype(np.float32)

    return make_coarse(grid.labels[:, :4], grid.wave, flux, _operator(grid.wave))


def _operator(wave):
    """Operators for templates of the grid's resolution."""
    return lambda pixels, velocity: kernels(pixels, velocity, wave)[0]


def look_up(limits):
    """Give ranges of labels by name.

    Raises
    ------
    BadInputError
        If there are no such limits.
    """
    if limits not in LIMITS:
        raise BadInputError(f"no limits '{limits}': use 'paper' or 'grid'")
    return LIMITS[limits]


class Library:
    """Templates for any labels.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
        Of the library half.

    Attributes
    ----------
    wave : ndarray, shape (n_fine,)
        Rest wavelengths of the templates, R = 5000 [Angstrom].
    """

    def __init__(self, emulator):
        near = (emulator.wave > RANGE[0] - 40) & (emulator.wave < RANGE[1] + 60)
        cut = ("wave", "mean", "rows", "cont_mean", "cont_rows")
        self._emulator = Emulator(emulator.settings)
        self._emulator.arrays_ = {
            name: np.ascontiguousarray(array[..., near]) if name in cut else array
            for name, array in emulator.arrays_.items()}
        self.wave = self._emulator.wave

    def flux(self, labels):
        """Compute templates.

        Parameters
        ----------
        labels : array_like, shape (n, 6)
            As of `complete_labels`.

        Returns
        -------
        ndarray of float32, shape (n, n_fine)
            Flux, the first template's continuum being 1 on average.
        """
        norm, cont = self._emulator.emulate(labels)
        norm *= cont
        norm /= cont[0].mean()
        return norm

    def coarse(self, limits="grid"):
        """Compute coarse templates on a grid of `nodes`.

        Parameters
        ----------
        limits : {"paper", "grid"}

        Returns
        -------
        Coarse
        """
        labels = nodes(look_up(limits))
        return make_coarse(labels, self.wave, lambda rows: self.flux(complete_labels(labels[rows])),
                           _operator(self.wave))
