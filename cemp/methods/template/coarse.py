"""Where the fit starts: velocity by cross-correlation, labels from a coarse library."""

import numpy as np
from scipy import fft

from cemp.constants import C_KMS
from cemp.methods.template.library import LOG_STEP, N_LATTICE


def pixels_to_kms(pixels):
    """Velocity [km/s] of a shift by so many pixels of 1e-4 dex, positive to the red."""
    return C_KMS * np.expm1(np.log(10) * LOG_STEP * pixels)


def kms_to_pixels(velocity):
    """Undo `pixels_to_kms`."""
    return np.log1p(velocity / C_KMS) / (np.log(10) * LOG_STEP)


def correlate(flux, weight, templates, reach):
    """Chi-square gained over a flat spectrum, by template and shift, with the best scale at each.

    Parameters
    ----------
    flux, weight : ndarray, shape (n_lattice,)
        Normalised flux and its inverse variance.
    templates : ndarray, shape (t, n_lattice)
        Normalised.
    reach : int
        Largest shift [pixel].

    Returns
    -------
    ndarray, shape (t, 2 reach + 1)
        Larger is better; shifts from -reach to reach, positive to the red.

    Notes
    -----
    Depth d = 1 - flux is correlated with the template's: (sum w d T)^2 / sum w T^2, both sums over
    pixels for all shifts at once by fast Fourier transforms (Tonry & Davis 1979, AJ 84, 1511, with
    the errors of the pixels as weights).
    """
    size = fft.next_fast_len(N_LATTICE + reach, real=True)
    depth = 1 - templates
    image = fft.rfft(np.stack([weight * (1 - flux), weight]), size)
    first = fft.irfft(image[0] * np.conj(fft.rfft(depth, size)), size)
    second = fft.irfft(image[1] * np.conj(fft.rfft(depth**2, size)), size)
    gain = np.sign(first) * first**2 / np.maximum(second, 1e-3 * np.abs(second).max())
    return np.roll(gain, reach, axis=1)[:, :2 * reach + 1]


def find_velocity(flux, weight, templates, reach=15):
    """Find a spectrum's velocity.

    Parameters
    ----------
    flux, weight, templates
        As of `correlate`.
    reach : int
        Largest shift [pixel]: 15 are 1,036 km/s.

    Returns
    -------
    float
        Shift [pixel], between pixels by a parabola through the peak.
    """
    gain = correlate(flux, weight, templates, reach).max(axis=0)
    peak = int(np.clip(np.argmax(gain), 1, gain.size - 2))
    left, middle, right = gain[peak - 1:peak + 2]
    curve = left - 2 * middle + right
    part = 0.5 * (left - right) / curve if curve < 0 else 0.0
    return peak - reach + float(np.clip(part, -1, 1))


def chi_square(flux, weight, templates):
    """Chi-square of many spectra against many templates, each pair at its best scale.

    Parameters
    ----------
    flux, weight : ndarray, shape (n, n_lattice)
    templates : ndarray, shape (t, n_lattice)

    Returns
    -------
    ndarray, shape (n, t)

    Notes
    -----
    sum w y^2 - (sum w y T)^2 / sum w T^2: two matrix products.
    """
    cross = (weight * flux) @ templates.T
    power = weight @ (templates**2).T
    constant = np.sum(weight * flux**2, axis=1, dtype=float)
    return constant[:, None] - cross.astype(float) ** 2 / np.maximum(power, 1e-12)


def search(flux, weight, shifts, coarse, n_best=1):
    """Find the best coarse templates of spectra whose velocities are known.

    Parameters
    ----------
    flux, weight : ndarray, shape (n, n_lattice)
        Normalised, in the observer's frame.
    shifts : ndarray, shape (n,)
        [pixel].
    coarse : cemp.methods.template.library.Coarse
    n_best : int

    Returns
    -------
    ndarray of int, shape (n, n_best)
        Rows of ``coarse.labels``, best first.
    """
    n_phase, out = len(coarse.norm), np.zeros((len(flux), n_best), dtype=int)
    parts = np.round(np.asarray(shifts) * n_phase).astype(int)
    for phase in range(n_phase):
        rows = np.flatnonzero(parts % n_phase == phase)
        if rows.size:
            rolled = [np.array([np.roll(array[row], -(parts[row] // n_phase)) for row in rows])
                      for array in (flux, weight)]
            chi2 = chi_square(*rolled, coarse.norm[phase])
            out[rows] = np.argsort(chi2, axis=1, kind="stable")[:, :n_best]
    return out
