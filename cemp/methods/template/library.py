"""The library of templates: the emulator of the grid's library half, and a coarse set from it."""

from dataclasses import dataclass

import numpy as np

from cemp.constants import C_KMS
from cemp.errors import BadInputError
from cemp.methods.template.native import CORES, RANGE, allowed, kernels
from cemp.preprocess.continuum import continuum
from cemp.synthesis import design
from cemp.synthesis.emulator import Emulator

#: Pixels on which spectra are compared coarsely: LAMOST's own, log10(vacuum Angstrom).
LOG_START, LOG_STEP, N_LATTICE = 3.5682, 1e-4, 3909
LATTICE = 10 ** (LOG_START + LOG_STEP * np.arange(N_LATTICE))
#: Velocity of one such pixel [km/s].
PIXEL_KMS = C_KMS * np.log(10) * LOG_STEP
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
    norm : ndarray of float32, shape (phase, t, n_lattice)
        Continuum-normalised; phase k is shifted by k / n_phase pixels to the red.
    """

    labels: np.ndarray
    norm: np.ndarray


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

    def coarse(self, limits="grid", n_phase=2):
        """Compute the coarse templates.

        Parameters
        ----------
        limits : {"paper", "grid"}
        n_phase : int
            Shifts a pixel.

        Returns
        -------
        Coarse

        Raises
        ------
        BadInputError
            If there are no such limits.
        """
        if limits not in LIMITS:
            raise BadInputError(f"no limits '{limits}': use 'paper' or 'grid'")
        labels = nodes(LIMITS[limits])
        inside = (LATTICE > self.wave[0]) & (LATTICE < self.wave[-1])
        good = np.ones(inside.sum(), dtype=bool)
        norm = np.ones((n_phase, len(labels), N_LATTICE), dtype=np.float32)
        for phase in range(n_phase):
            read, *_ = kernels(LATTICE[inside], phase / n_phase * PIXEL_KMS, self.wave)
            for start in range(0, len(labels), 64):
                rows = np.arange(start, min(start + 64, len(labels)))
                seen = (read @ self.flux(complete_labels(labels[rows])).T).T
                for row, flux in zip(rows, seen, strict=True):
                    cont = continuum(LATTICE[inside], flux.astype(float), good)
                    norm[phase, row, inside] = flux / cont
        return Coarse(labels, norm)


def normalise(spectrum, velocity, model_error=0.02):
    """Put a normalised spectrum on the lattice.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
        On LAMOST's pixels.
    velocity : float
        Guess [km/s], for the continuum's windows.
    model_error : float
        Error of a template in units of the continuum.

    Returns
    -------
    flux, weight : ndarray of float32, shape (n_lattice,)
        Normalised flux, and the inverse variance of its difference from a template; 0 where
        nothing can be said.
    fraction : float
        By which fraction of a pixel the spectrum's pixels are redder than the lattice's.

    Raises
    ------
    BadInputError
        If pixels are not 1e-4 dex wide.
    """
    log_wave = np.log10(spectrum.wave)
    if abs((log_wave[-1] - log_wave[0]) / (log_wave.size - 1) / LOG_STEP - 1) > 1e-3:
        raise BadInputError(f"{spectrum.path}: pixels are not 1e-4 dex wide; use LAMOST LRS files")
    offset = (log_wave[0] - LOG_START) / LOG_STEP
    first = round(offset)
    cont = continuum(spectrum.wave / (1 + velocity / C_KMS), spectrum.flux, spectrum.good)
    use = spectrum.good & np.isfinite(cont) & allowed(spectrum.wave, velocity, CORES)
    use &= np.where(np.isfinite(cont), cont, 0) > 0
    ratio = np.where(use, spectrum.flux / np.where(use, cont, 1), 1)
    # a spike of ten times the continuum would rule the whole comparison
    use &= np.abs(ratio - 0.5) < 1.5
    variance = 1 / np.where(use, spectrum.ivar * cont**2, 1) + model_error**2
    flux, weight = np.ones(N_LATTICE, np.float32), np.zeros(N_LATTICE, np.float32)
    at = first + np.arange(ratio.size)
    keep = (at >= 0) & (at < N_LATTICE)
    flux[at[keep]] = ratio[keep]
    weight[at[keep]] = np.where(use, 1 / variance, 0)[keep]
    return flux, weight, offset - first
