"""Observed against synthetic spectra at given labels: no label is fitted, only the continuum."""

import numpy as np
import pandas as pd

from cemp.synthesis.grid import GRID_R
from cemp.synthesis.resolution import broaden

#: Windows in which the ratio is judged [Angstrom, vacuum].
WINDOWS = ((3900, 4200), (4200, 4400), (4400, 4800), (4800, 5300), (5300, 6000), (6000, 7150))
#: Cores that one-dimensional LTE without a chromosphere cannot match: Ca II K and H, Balmer lines
#: [Angstrom, vacuum], and half the width left out.
CORES = (3934.78, 3969.59, 4102.89, 4341.68, 4862.68, 6564.61)
CORE_HALF = 6.0
#: Interstellar or telluric, no matter of the star: Na D and the B band. The water bands beyond
#: 7160 Angstrom lie outside the range compared.
NOT_STELLAR = ((5887, 5900), (6860, 6960))
#: Degree of the Chebyshev polynomial that stands for extinction and flux calibration.
DEGREE = 12


def at_constant_fwhm(wave, norm, wave_out, fwhm):
    """Bring a grid spectrum to a constant width of the line spread function.

    Parameters
    ----------
    wave : ndarray, shape (n_wave,)
        Vacuum [Angstrom], equal steps in ln(wave).
    norm : ndarray, shape (n_wave,)
        At R = `GRID_R`.
    wave_out : ndarray, shape (n,)
        Vacuum [Angstrom].
    fwhm : float
        [Angstrom].

    Returns
    -------
    ndarray, shape (n,)
    """
    step = np.log(wave[-1] / wave[0]) / (wave.size - 1)
    return np.interp(wave_out, wave, broaden(norm, step, wave / fwhm, GRID_R, n_nodes=12))


def judged(wave, good):
    """Tell which pixels count: good ones, outside `CORES` and `NOT_STELLAR`."""
    use = np.array(good, dtype=bool)
    for core in CORES:
        use &= np.abs(wave - core) > CORE_HALF
    for low, high in NOT_STELLAR:
        use &= (wave < low) | (wave > high)
    return use


def ratio_to_model(wave, flux, good, model, low=3850.0, high=7160.0):
    """Divide an observed spectrum by a model and by the best polynomial between the two.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Vacuum, at rest [Angstrom].
    flux, model : ndarray, shape (n,)
        Any scale.
    good : ndarray of bool, shape (n,)
        True where measured.
    low, high : float
        Range of the polynomial [Angstrom].

    Returns
    -------
    ndarray, shape (n,)
        flux / (model x Chebyshev polynomial of `DEGREE`); NaN outside the range. The polynomial
        is fitted to the ratio at the pixels of `judged`, twice, the second time without those
        beyond 4 robust standard deviations.
    """
    x = 2 * (wave - low) / (high - low) - 1
    ratio = flux / np.clip(model, 1e-6, None)
    use = judged(wave, good) & (np.abs(x) <= 1)
    for _ in range(2):
        weight = model[use]  # a pixel counts by its flux: deep lines must not bend the continuum
        curve = np.polynomial.Chebyshev.fit(x[use], ratio[use], DEGREE, w=weight, domain=[-1, 1])
        rest = ratio / curve(x) - 1
        spread = 1.4826 * np.median(np.abs(rest[use] - np.median(rest[use])))
        use &= np.abs(rest) < 4 * spread
    return np.where(np.abs(x) <= 1, 1 + rest, np.nan)


def window_rms(wave, ratio, good):
    """Rms deviation of a ratio from 1 in each of `WINDOWS`, over the pixels of `judged`.

    Parameters
    ----------
    wave, ratio : ndarray, shape (n,)
    good : ndarray of bool, shape (n,)

    Returns
    -------
    pandas.Series
        By window, as ``"3900-4200"``; and ``"H alpha core"``: ratio at the centre of the line.
    """
    use = judged(wave, good) & np.isfinite(ratio)
    rms = {}
    for low, high in WINDOWS:
        here = use & (wave >= low) & (wave < high)
        rms[f"{low}-{high}"] = np.sqrt(np.mean((ratio[here] - 1) ** 2))
    rms["H alpha core"] = np.interp(CORES[-1], wave, ratio)
    return pd.Series(rms)
