"""Is a spectrum at rest? Its lines against those of the training's mean spectra.

A velocity that is wrong by 300 km/s moves [Fe/H] by half a dex, and nothing else would tell.
"""

from functools import lru_cache

import numpy as np

from cemp.constants import C_KMS, WAVE
from cemp.transfer.reconstruct import TELLURIC_PIXELS

#: Pixels in ln(wavelength): 30 km/s, about half a pixel of LAMOST.
STEP = 1e-4
#: Largest shift looked for [km/s]: stars of the Galaxy with a velocity forgotten.
REACH = 900.0
#: Wavelengths in equal steps of ln(wavelength), inside the grid by the largest shift.
LOG_WAVE = np.exp(np.arange(np.log(WAVE[0] * (1 + REACH / C_KMS) + 2),
                            np.log(WAVE[-1] * (1 - REACH / C_KMS) - 2), STEP))  # fmt: skip
LAGS = np.arange(-round(REACH / C_KMS / STEP), round(REACH / C_KMS / STEP) + 1)
#: Share of the spectrum's variance that a template explains, below which nothing is said.
LEAST_MATCH = 0.2
#: A shift must explain this much more than none, in squared standard deviations of the noise ...
LEAST_GAIN = 50.0
#: ... and, where the noise is small, as a share of what it leaves unexplained.
LEAST_SHARE = 0.05
#: Shifts up to this are not flagged [km/s]: templates are not the star, and labels hold.
TOLERANCE = 75.0


@lru_cache(maxsize=4)
def _template(mean):
    """Mean lines (bytes of float64) at every shift: (n_lag, n_wave); once, as parts are many."""
    lines = np.frombuffer(mean) - 1
    return np.stack([np.interp(LOG_WAVE * np.exp(-lag * STEP), WAVE, lines) for lag in LAGS])


def shift_of(flux, ivar, good, means, floor=0.02):
    """Measure how far spectra that should be at rest are shifted.

    Parameters
    ----------
    flux, ivar : ndarray, shape (n, n_pix)
        Normalised flux on `cemp.constants.WAVE` and its inverse variance.
    good : ndarray of bool, shape (n, n_pix)
    means : sequence of ndarray, shape (n_pix,)
        Normalised mean spectra at rest, one a kind of stars.
    floor : float
        Error of a template beside the noise [normalised flux].

    Returns
    -------
    velocity : ndarray, shape (n,)
        Velocity left in the spectrum [km/s], positive if it is still red-shifted; NaN where no
        template is like it. Its error is some 10 to 20 km/s.
    sure : ndarray of bool, shape (n,)
        Whether the spectrum is significantly better explained at that velocity than at rest.

    Notes
    -----
    Weighted cross-correlation (Tonry & Davis 1979, AJ 84, 1511) in ln(wavelength), each pixel by
    1 / (noise^2 + floor^2): the share of the weighted sum of squares that the best multiple of a
    template explains, at the best of all shifts and templates, refined by a parabola.
    """
    good = good & ~TELLURIC_PIXELS
    weight = np.where(good, 1 / (floor**2 + 1 / np.where(good, ivar, 1.0)), 0.0)
    lines = np.stack([np.interp(LOG_WAVE, WAVE, row) for row in np.where(good, flux - 1, 0.0)])
    weight = np.stack([np.interp(LOG_WAVE, WAVE, row) for row in weight])
    total = (weight * lines**2).sum(axis=1)
    explained = []
    for kind in (_template(np.asarray(mean, dtype=float).tobytes()) for mean in means):
        cross = np.maximum((weight * lines) @ kind.T, 0.0)  # emission is no shifted absorption
        explained.append(cross**2 / np.maximum(weight @ (kind**2).T, 1e-12))
    explained = np.stack(explained, axis=1)  # (n, n_kind, n_lag)
    here = explained[..., LAGS == 0].max(axis=(1, 2))
    kind, lag = np.unravel_index(explained.reshape(len(flux), -1).argmax(axis=1),
                                 explained.shape[1:])  # fmt: skip
    row = np.arange(len(flux))
    best = explained[row, kind, lag]
    inner = np.clip(lag, 1, LAGS.size - 2)
    left, middle, right = (explained[row, kind, inner + k] for k in (-1, 0, 1))
    bend = left - 2 * middle + right
    part = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, 1.0), 0.0)
    velocity = (LAGS[inner] + np.clip(part, -1, 1)) * STEP * C_KMS
    known = best > LEAST_MATCH * np.maximum(total, 1e-12)
    gain = best - here
    sure = known & (gain > LEAST_GAIN) & (gain > LEAST_SHARE * (total - best))
    return np.where(known, velocity, np.nan), sure & (np.abs(velocity) > TOLERANCE)
