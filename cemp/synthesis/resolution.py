"""Spectra at another resolving power, velocity or set of pixels."""

import numpy as np
from scipy import fft
from scipy.ndimage import map_coordinates

from cemp.constants import C_KMS
from cemp.synthesis.grid import GRID_R

#: Standard deviations per unit of FWHM of a Gaussian.
FWHM_TO_SIGMA = 1 / 2.354820045


def broaden(flux, ln_step, r_target, r_now=GRID_R, n_nodes=7):
    """Lower the resolving power of a spectrum on an even ln(wavelength) grid.

    Parameters
    ----------
    flux : ndarray, shape (n,)
    ln_step : float
        Step in ln(wavelength).
    r_target : ndarray, shape (n,), or float
        Resolving power (FWHM) wanted at each pixel.
    r_now : float
        Resolving power of `flux`.
    n_nodes : int
        Constant widths computed; between them the result is linear in the variance, which for
        seven nodes over a factor two in R errs by less than 0.3% of a line's depth.

    Returns
    -------
    ndarray, shape (n,)
    """
    n = flux.size
    variance = FWHM_TO_SIGMA**2 * (1 / np.asarray(r_target, dtype=float) ** 2 - 1 / r_now**2)
    variance = np.broadcast_to(np.clip(variance, 0, None) / ln_step**2, n)
    low, high = variance.min(), variance.max()
    if high - low < 1e-9:
        n_nodes = 1
    nodes = np.geomspace(max(low, 1e-6), max(high, 1e-6), n_nodes)
    # Edge values are repeated beyond the ends, so that the circular convolution does not wrap.
    pad = 200
    size = fft.next_fast_len(n + 2 * pad, real=True)
    padded = np.pad(flux, (pad, size - n - pad), mode="edge")
    k = 2 * np.pi * fft.rfftfreq(size)
    smooth = fft.irfft(fft.rfft(padded) * np.exp(-0.5 * np.outer(nodes, k**2)), size)
    smooth = smooth[:, pad:pad + n]
    if n_nodes == 1:
        return smooth[0]
    at = np.clip(np.searchsorted(nodes, variance) - 1, 0, n_nodes - 2)
    part = (variance - nodes[at]) / (nodes[at + 1] - nodes[at])
    column = np.arange(n)
    return (1 - part) * smooth[at, column] + part * smooth[at + 1, column]


def sample(wave, flux, wave_out, rv):
    """Read a rest-frame spectrum at observed wavelengths, by a cubic spline.

    Parameters
    ----------
    wave, flux : ndarray, shape (n,)
        Rest wavelengths, even in ln, and flux.
    wave_out : ndarray, shape (m,)
        Observed wavelengths [Angstrom].
    rv : float
        Radial velocity [km/s], positive if receding: light emitted at w arrives at
        w (1 + rv/c).

    Returns
    -------
    ndarray, shape (m,)
    """
    rest = np.log(wave_out / (1 + rv / C_KMS))
    step = np.log(wave[-1] / wave[0]) / (wave.size - 1)
    return map_coordinates(flux, [(rest - np.log(wave[0])) / step], order=3, mode="nearest")
