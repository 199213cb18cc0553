"""Gaps made visible, and spectra sharper than LAMOST's smoothed to its resolution."""

import numpy as np
from scipy.ndimage import median_filter

from cemp.errors import BadInputError

#: LAMOST's resolving power, and the log10 of wavelength of its pixels: start and step.
R_LRS, START, STEP = 1800.0, 3.5682, 1e-4
#: R above which a spectrum is smoothed: the network has been trained up to some 2,400.
R_SHARP = 2500.0
#: Median pixel [dex] below which the steps of the preprocessing, which think in LAMOST's pixels,
#: no longer fit (0.4 Angstrom at 5000).
FINE = 0.35e-4
#: A step this many times the usual one is a gap: nobody has observed there.
GAP = 2.5
#: Range [Angstrom] worth keeping when pixels are made anew: the grid with room for velocities.
KEEP = (3600.0, 9100.0)


def open_gaps(wave, flux, ivar, good):
    """Put pixels that are not good into gaps of the wavelengths.

    Linear interpolation would bridge a missing arm from its last pixel to the next arm's first,
    and call that observed.

    Parameters
    ----------
    wave, flux, ivar : ndarray, shape (n,)
    good : ndarray of bool, shape (n,)

    Returns
    -------
    wave, flux, ivar, good : ndarray, shape (n + 2 n_gaps,)
        Each gap has a first and a last pixel of its own: flux interpolated, ivar 0, not good.
    """
    step = np.diff(wave)
    usual = median_filter(step, min(51, step.size), mode="nearest")
    gaps = np.flatnonzero(step > GAP * usual)
    if not gaps.size:
        return wave, flux, ivar, good
    # the smaller of the usual steps on either side: between two arms the pixels differ in width
    near = np.minimum(usual[np.maximum(gaps - 30, 0)], usual[np.minimum(gaps + 30, step.size - 1)])
    near = np.minimum(near, step[gaps] / 3)
    extra = np.column_stack([wave[gaps] + near, wave[gaps + 1] - near]).ravel()
    at = np.repeat(gaps + 1, 2)
    filled = np.interp(extra, wave[good], flux[good]) if good.any() else np.zeros(extra.size)
    return (np.insert(wave, at, extra), np.insert(flux, at, filled),
            np.insert(ivar, at, 0.0), np.insert(good, at, False))  # fmt: skip


def to_lrs(wave, flux, ivar, good, resolution, source):
    """Bring a spectrum that is sharper or finer than LAMOST's to its resolution and pixels.

    Parameters
    ----------
    wave, flux, ivar : ndarray, shape (n,)
        Vacuum Angstrom, rising.
    good : ndarray of bool, shape (n,)
    resolution : float or None
        R = lambda / FWHM; None: unknown, and taken to be like LAMOST's if the pixels are.
    source : str
        What to call the spectrum in an error.

    Returns
    -------
    wave, flux, ivar, good : ndarray, shape (m,)
        As they came if they are like LAMOST's; else on pixels of 1e-4 dex.

    Raises
    ------
    BadInputError
        If the pixels are much finer than LAMOST's and no resolution is given.

    Notes
    -----
    A Gaussian of FWHM sqrt(1/1800^2 - 1/R^2) in ln(lambda), at least as wide as a pixel; good
    pixels only, each by its width, and a new pixel is good if they hold 70% of the kernel.
    Variances add with the squared weights; neighbours share noise, as they do after resampling.
    """
    fine = np.median(np.diff(np.log10(wave))) < FINE
    if resolution is None and fine:
        raise BadInputError(
            f"{source}: pixels of {np.median(np.diff(wave)):.3g} Angstrom are much finer than "
            "LAMOST's; say resolution=R (lambda / FWHM) to have it smoothed to 1800"
        )
    if resolution is None or (resolution < R_SHARP and not fine):
        return wave, flux, ivar, good
    width2 = max(R_LRS**-2 - resolution**-2, 0.0) / (8 * np.log(2))
    sigma = np.sqrt(max(width2, (STEP * np.log(10)) ** 2 / 12))
    return _smooth(wave, flux, ivar, good, sigma)


def _smooth(wave, flux, ivar, good, sigma):
    """Kernel means on LAMOST's pixels; `sigma` in ln(lambda)."""
    first, last = np.log10(np.clip([wave[0], wave[-1]], *KEEP))
    index = np.arange(np.ceil((first - START) / STEP), np.floor((last - START) / STEP) + 1)
    centres = (START + STEP * index) * np.log(10)
    x = np.log(wave)
    width = np.gradient(x)
    variance = np.where(good, 1 / np.where(good, ivar, 1.0), 0.0)
    edges = np.searchsorted(x, [centres - 4.5 * sigma, centres + 4.5 * sigma])
    out = np.zeros((3, centres.size))
    for i, (low, high) in enumerate(edges.T):
        part = slice(low, high)
        kernel = np.exp(-0.5 * ((x[part] - centres[i]) / sigma) ** 2) * width[part] * good[part]
        total = kernel.sum()
        out[0, i] = total / (sigma * np.sqrt(2 * np.pi))
        if total > 0:
            out[1, i] = kernel @ flux[part] / total
            out[2, i] = kernel**2 @ variance[part] / total**2
    kept = (out[0] > 0.7) & (out[2] > 0)
    return (np.exp(centres), out[1], np.where(kept, 1 / np.where(kept, out[2], 1), 0.0), kept)
