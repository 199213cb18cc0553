"""The resolving power of a spectrum of a known kind of star, by fitting a synthetic one to it."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from cemp.constants import WAVE
from cemp.mock.instrument import COEFF0, COEFF1, MAX_PIXELS
from cemp.mock.twins import vectors
from cemp.spectrum import Spectrum
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import GRID_LABELS
from cemp.synthesis.resolution import FWHM_TO_SIGMA, broaden, sample

#: Windows [Angstrom] rich in lines and free of Balmer lines, and the resolving powers tried.
SHARP_WINDOWS = ((4130, 4290), (4400, 4800), (4900, 5150), (5180, 5450), (6000, 6260),
                 (6340, 6520), (8470, 8700))  # fmt: skip
SHARPEST, POWERS = 3400.0, np.arange(1100.0, 3301.0, 50.0)


def templates(table, cache=None):
    """Make sharp synthetic spectra with given labels.

    Parameters
    ----------
    table : pandas.DataFrame, n rows
        With the grid's labels.
    cache : str or pathlib.Path, optional
        Of the emulator.

    Returns
    -------
    ndarray, shape (n, n_pix)
        Preprocessed like an observed spectrum, R = `SHARPEST`.
    """
    emulator = load_emulator("library", cache=cache)
    out = 10 ** (COEFF0 + COEFF1 * np.arange(MAX_PIXELS))
    step = np.log(emulator.wave[-1] / emulator.wave[0]) / (emulator.wave.size - 1)
    norm, cont = emulator.emulate(table[list(GRID_LABELS)].to_numpy())
    whole = np.ones(out.size)
    flux = [sample(emulator.wave, broaden(f, step, SHARPEST), out, 0.0) for f in norm * cont]
    return vectors([Spectrum(None, out, f, whole, whole > 0, 0.0) for f in flux])[0]


def fit_power(flux, ivar, good, template):
    """Fit the resolving power in each of the `SHARP_WINDOWS`.

    Parameters
    ----------
    flux, ivar, good, template : ndarray, shape (n_pix,)

    Returns
    -------
    ndarray, shape (n_window,)
        NaN where a window lacks pixels or the best value is the first or last tried. The depth of
        all lines together and a straight line are fitted along, so that a wrong metallicity or
        continuum is no wrong resolution; what single lines lack still biases the value, for a
        mock spectrum and a real one alike.
    """
    out = np.full(len(SHARP_WINDOWS), np.nan)
    for k, (low, high) in enumerate(SHARP_WINDOWS):
        near = slice(*np.searchsorted(WAVE, [low - 40, high + 40]))
        use = (WAVE[near] > low) & (WAVE[near] < high) & good[near]
        if use.sum() < 100:
            continue
        weight = np.sqrt(ivar[near][use])
        chi2 = [_misfit(flux[near], template[near], use, weight, 0.5 * (low + high), power)
                for power in POWERS]  # fmt: skip
        best = int(np.argmin(chi2))
        if 0 < best < POWERS.size - 1:
            bend = chi2[best - 1] - 2 * chi2[best] + chi2[best + 1]
            out[k] = POWERS[best] + 25.0 * (chi2[best - 1] - chi2[best + 1]) / bend
    return out


def _misfit(flux, template, use, weight, centre, power):
    """Chi-square of a template brought to a resolving power, its depth and a line fitted."""
    width = centre * FWHM_TO_SIGMA * np.sqrt(1 / power**2 - 1 / SHARPEST**2)
    x = np.linspace(-1, 1, flux.size)
    design = np.stack([gaussian_filter1d(template, width) - 1, np.ones_like(x), x], axis=1)
    weighted, target = design[use] * weight[:, None], (flux[use] - 1) * weight
    best, *_ = np.linalg.lstsq(weighted, target, rcond=None)
    return float(((target - weighted @ best) ** 2).sum())
