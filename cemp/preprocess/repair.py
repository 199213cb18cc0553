"""Repair cosmic rays and bad pixels with a running median."""

import numpy as np
from scipy.ndimage import median_filter

#: Line cores, rest-frame vacuum centre and half width [Angstrom], where a narrow peak may be the
#: star itself (chromospheric emission in Ca II H, K, the triplet and the Balmer lines).
PROTECTED = (
    (3934.8, 15), (3969.6, 15), (4862.7, 12), (6564.6, 12), (8500.4, 12), (8544.4, 12),
    (8664.5, 12),
)  # fmt: skip
#: Standard deviation over median absolute deviation of a Gaussian.
MAD_TO_SIGMA = 1.4826


def repair(wave, flux, ivar, good, width=11, n_sigma=7.0, structure=0.02, longest=5):
    """Replace narrow positive spikes and bad pixels by their neighbours' flux.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Rest-frame vacuum wavelength [Angstrom].
    flux, ivar : ndarray, shape (n,)
        Flux and its inverse variance.
    good : ndarray of bool, shape (n,)
        True where usable.
    width : int
        Length of the running median [pixel]; a LAMOST line has some 3 to 5.
    n_sigma : float
        A pixel this far above the median is a spike.
    structure : float
        Fraction of the flux by which true lines may lift a pixel over the running median.
    longest : int
        A longer run of such pixels [pixel] is resolved, hence real or sky, and stays.

    Returns
    -------
    flux : ndarray, shape (n,)
        Spikes and bad pixels interpolated linearly.
    good : ndarray of bool, shape (n,)
        False at the spikes too: an interpolated pixel is no measurement.
    n_repaired : int
        Pixels taken for spikes (pixels that were bad before are not counted).

    Notes
    -----
    The noise of a pixel is the largest of what ivar says, `structure` times the flux, and the
    robust scatter of the surrounding 100 pixels, so that neither an optimistic ivar nor a
    crowded blue spectrum yields false spikes.
    """
    if good.sum() < width:
        return flux.copy(), good.copy(), 0
    filled = _interpolate(wave, flux, good)
    median = median_filter(filled, width, mode="nearest")
    excess = filled - median
    noise = np.sqrt(1 / np.where(good, ivar, np.inf) + (structure * median) ** 2)
    noise = np.maximum(noise, MAD_TO_SIGMA * _block_median(np.abs(excess)))
    spikes = _narrow(good & (excess > n_sigma * noise) & ~in_protected(wave), longest)
    shoulders = np.zeros_like(spikes)
    shoulders[1:] |= spikes[:-1]
    shoulders[:-1] |= spikes[1:]
    spikes |= shoulders & good & (excess > 3 * noise) & ~in_protected(wave)
    good = good & ~spikes
    return _interpolate(wave, flux, good), good, int(spikes.sum())


def in_protected(wave):
    """Tell which pixels lie in a protected line core.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Rest-frame vacuum wavelength [Angstrom].

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    inside = np.zeros(wave.shape, dtype=bool)
    for centre, half in PROTECTED:
        inside |= np.abs(wave - centre) < half
    return inside


def _interpolate(wave, flux, good):
    """Fill pixels that are not good from the nearest good ones."""
    filled = flux.copy()
    if not good.all():
        filled[~good] = np.interp(wave[~good], wave[good], flux[good])
    return filled


def _block_median(values, length=100):
    """Median of blocks of pixels, interpolated back to every pixel."""
    n_block = max(values.size // length, 1)
    blocks = np.median(values[: n_block * length].reshape(n_block, -1), axis=1)
    centres = (np.arange(n_block) + 0.5) * length
    return np.interp(np.arange(values.size), centres, blocks)


def _narrow(flags, longest):
    """Keep only runs of at most `longest` flagged pixels."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.view(np.int8), [0]])))
    kept = np.zeros_like(flags)
    for start, stop in edges.reshape(-1, 2):
        kept[start:stop] = stop - start <= longest
    return kept
