"""Linear resampling to the model grid, with the mask carried along."""

import numpy as np

from cemp.constants import WAVE


def resample(wave, flux, ivar, good, grid=WAVE):
    """Interpolate a spectrum linearly to another wavelength grid.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Rising wavelength [Angstrom].
    flux, ivar : ndarray, shape (n,)
        Flux and its inverse variance.
    good : ndarray of bool, shape (n,)
        True where usable.
    grid : ndarray, shape (n_pix,)
        Rising wavelength to interpolate to [Angstrom].

    Returns
    -------
    flux : ndarray, shape (n_pix,)
        NaN outside `wave`.
    ivar : ndarray, shape (n_pix,)
        From the variances of the two pixels used; 0 where not good. Neighbouring grid pixels
        share native pixels (2 A wide at 8800 A), so their errors are correlated.
    good : ndarray of bool, shape (n_pix,)
        True only if every native pixel that contributes is good.
    """
    left = np.clip(np.searchsorted(wave, grid, side="right") - 1, 0, wave.size - 2)
    share = (grid - wave[left]) / (wave[left + 1] - wave[left])
    inside = (share >= 0) & (share <= 1)
    share = np.clip(share, 0, 1)
    usable = inside & (good[left] | (share == 1)) & (good[left + 1] | (share == 0))
    variance = 1 / np.where(good & (ivar > 0), ivar, np.inf)
    variance = (1 - share) ** 2 * variance[left] + share**2 * variance[left + 1]
    usable &= variance > 0
    value = (1 - share) * flux[left] + share * flux[left + 1]
    return (
        np.where(inside, value, np.nan),
        np.where(usable, 1 / np.where(usable, variance, 1), 0.0),
        usable,
    )
