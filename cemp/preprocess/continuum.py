"""Continuum that is linear in the flux, so that it does not depend on the noise.

A quantile or a clipped upper envelope moves up with the noise and makes the normalised flux a
function of S/N. Here the pixels that count are fixed beforehand, in wavelength: windows without
strong lines of H, Ca, Mg and Na, without the bands of CH, CN and C2, and without sky and telluric
features. A least-squares fit to them, then a broad kernel over what the fit has left, are both
linear in the flux: their mean is the same at every S/N. It is a pseudo-continuum all the same:
cool metal-rich stars have no true continuum below 4500 A, and none is invented for them.
"""

import numpy as np
from numpy.polynomial.chebyshev import chebvander

#: Rest-frame vacuum windows [Angstrom] and their weights. Chosen on synthetic spectra at R = 1800:
#: the pixels that change least with carbon ([C/Fe] up to +3) and with metallicity. Below 4000 A
#: nothing is free of lines: two windows of low weight hold the polynomial there. 5900-6195 A has
#: C2 bands in cool carbon-rich giants.
WINDOWS = (
    (3905, 3925, 0.3), (3945, 3960, 0.3), (4000, 4085, 1), (4125, 4160, 1), (4480, 4625, 1),
    (4750, 4840, 1), (5220, 5350, 1), (5645, 5700, 1),
    (5900, 6195, 0.1), (6200, 6265, 1), (6320, 6352, 1), (6378, 6480, 1), (6600, 6850, 1),
    (6970, 7150, 1), (7350, 7570, 1), (7730, 8100, 1), (8360, 8485, 1), (8570, 8590, 1),
    (8615, 8645, 1), (8690, 8740, 1), (8770, 8910, 1),
)  # fmt: skip
#: Bands of CN, CH and C2 with Mg b [Angstrom] that no fit may use, not even at low weight.
CARBON_BANDS = ((3850, 3890), (4190, 4425), (4620, 4745), (5000, 5190), (5540, 5640))
#: Lines, rest-frame vacuum centre and half width [Angstrom], that no fit may use.
STRONG_LINES = (
    (3934.8, 12), (3969.6, 12), (4102.9, 12), (4862.7, 15),
    (5891.6, 6), (5897.6, 6), (6564.6, 20), (8500.4, 8), (8544.4, 12), (8664.5, 12),
)  # fmt: skip
#: The arms overlap here [Angstrom]. Their fluxes are calibrated apart and need not agree, and
#: nobody knows how they were joined: no pixel between counts for either arm.
JOIN = (5700.0, 5900.0)
#: Share of a window's pixels that must be good for it to hold the continuum.
LEAST_WINDOW = 0.25
#: Span of each arm's polynomial [Angstrom].
BLUE, RED = (3700.0, JOIN[1]), (JOIN[0], 9100.0)


def window_weight(wave):
    """Weight of each pixel in the continuum fit: a function of wavelength only.

    Parameters
    ----------
    wave : array_like, shape (n,)
        Rest-frame vacuum wavelength [Angstrom].

    Returns
    -------
    ndarray, shape (n,)
        0 outside `WINDOWS`.
    """
    edges = np.array([(low, high) for low, high, _ in WINDOWS], dtype=float).ravel()
    weights = np.zeros(edges.size + 1)
    weights[1::2] = [weight for *_, weight in WINDOWS]
    return weights[np.searchsorted(edges, wave, side="right")]


def continuum(wave, flux, good, order=4, width=110e-4, background=0.03):
    """Fit the continuum of a rest-frame spectrum, both arms joined.

    Parameters
    ----------
    wave, flux, good, order, width, background
        As for `fit_arms`.

    Returns
    -------
    ndarray, shape (n,)
        Continuum in units of `flux`; NaN where too few good pixels are near to tell.
    """
    return blend(wave, *fit_arms(wave, flux, good, order, width, background))


def fit_arms(wave, flux, good, order=4, width=110e-4, background=0.03):
    """Fit the continuum of each arm.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Rest-frame vacuum wavelength [Angstrom].
    flux : ndarray, shape (n,)
        Flux; single pixels need not be positive.
    good : ndarray of bool, shape (n,)
        Pixels that may be used.
    order : int
        Degree of each arm's polynomial.
    width : float
        Standard deviation of the kernel [dex in wavelength]: 110e-4 is 101 A at 4000 A.
    background : float
        Weight of pixels outside the windows (but in no strong line or band): bridges gaps.

    Returns
    -------
    blue, red : ndarray, shape (n,)
        Continua in units of `flux`, meant for their own arm and the overlap; NaN where too few
        good pixels are near to tell.

    Notes
    -----
    1. Two linear least-squares fits of a polynomial: the first gives the spectrum's shape, the
       second weighs by its inverse square, so that faint parts count as much as bright ones.
    2. A Gaussian-weighted mean of flux / fit, which takes up what a polynomial cannot follow.

    Fixed continuum pixels follow Ness et al. (2015, ApJ 808, 16), the kernel follows Ho et al.
    (2017, ApJ 836, 5), whose 50 A over all pixels would eat most of a strong G band. The
    weights do not contain ivar, which differs between observations of one star.
    """
    possible = fit_weight(wave, background)
    arms = ((wave <= JOIN[0], BLUE), (wave >= JOIN[1], RED))
    return tuple(
        _fit_arm(wave, flux, possible * in_arm, good, span, order, width) for in_arm, span in arms
    )


def _fit_arm(wave, flux, possible, good, span, order, width):
    """Fit one arm: polynomial, then kernel."""
    weight = possible * good
    used = weight > 0
    typical = np.median(np.abs(flux[used])) if used.sum() > 50 else 0.0
    if not typical > 0:
        return np.full(wave.shape, np.nan)
    # Beyond the span the ends are held, as polynomials run away there.
    scaled = np.clip(2 * (wave - span[0]) / (span[1] - span[0]) - 1, -1, 1)
    shape = typical * _polynomial(chebvander(scaled, order), flux / typical, weight)
    return shape * _kernel_mean(np.log10(wave), flux / shape, weight, possible, width)


def blend(wave, blue, red):
    """Cross-fade the arms' continua linearly over their overlap.

    Parameters
    ----------
    wave, blue, red : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    share = np.clip((wave - JOIN[0]) / (JOIN[1] - JOIN[0]), 0, 1)
    both = (1 - share) * blue + share * red
    return np.where(share == 0, blue, np.where(share == 1, red, both))


def trusted_from(wave, good, margin=50.0):
    """Tell where the continuum of a spectrum begins to hold that lacks blue windows.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Rest-frame vacuum wavelength [Angstrom], ascending.
    good : ndarray of bool, shape (n,)
    margin : float
        Beyond the first pixel of a window that is left [Angstrom].

    Returns
    -------
    float
        [Angstrom]; minus infinity for a spectrum that has the first window, or begins in the red
        arm.

    Notes
    -----
    Before its first window a polynomial is extrapolated. Of 43 LAMOST spectra cut at 4100 A it
    is wrong by 7% there (median) and by 2.5% where this margin ends; cut at 4200 A, inside the CH
    bands, by 60% and 1%. Red ends (7000, 7410, 8000 A) are off by 0.7% at most and stay.
    A window of which less than `LEAST_WINDOW` is good is no window: single pixels hold nothing.
    """
    seen = wave[good]
    if not seen.size or seen.min() >= JOIN[0]:
        return -np.inf
    step = np.median(np.diff(wave))
    for low, high, _ in WINDOWS:
        inside = seen[(low <= seen) & (seen < high)]
        if inside.size and inside.size * step >= LEAST_WINDOW * (high - low):
            return -np.inf if low == WINDOWS[0][0] else inside.min() + margin
    return np.inf


def join_step(wave, blue, red):
    """Measure by how much the arms disagree where they join.

    Parameters
    ----------
    wave, blue, red : ndarray, shape (n,)

    Returns
    -------
    float
        Red over blue continuum in the middle of the overlap, minus 1; NaN if an arm is missing.
    """
    middle = np.argmin(np.abs(wave - np.mean(JOIN)))
    return red[middle] / blue[middle] - 1


def fit_weight(wave, background):
    """Weight of each pixel: `window_weight`, or `background` outside windows, lines and bands.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Rest-frame vacuum wavelength [Angstrom].
    background : float

    Returns
    -------
    ndarray, shape (n,)
    """
    barred = np.zeros(wave.shape, dtype=bool)
    for centre, half in STRONG_LINES:
        barred |= np.abs(wave - centre) < half
    for low, high in CARBON_BANDS:
        barred |= (wave > low) & (wave < high)
    return np.maximum(window_weight(wave), np.where(barred, 0, background))


def _polynomial(design, flux, weight, floor=0.02):
    """Fit a polynomial twice, the second time to equal relative weight; never near zero."""
    shape = np.maximum(design @ _solve(design, flux, weight), floor)
    return np.maximum(design @ _solve(design, flux, weight / shape**2), floor)


def _solve(design, flux, weight):
    """Solve weighted normal equations; a tiny ridge helps where windows are lost."""
    weighted = design * (weight / weight.mean())[:, None]
    normal = weighted.T @ design
    ridge = 1e-8 * np.trace(normal) / len(normal)
    return np.linalg.solve(normal + ridge * np.eye(len(normal)), weighted.T @ flux)


def _kernel_mean(log_wave, ratio, weight, possible, width):
    """Gaussian-weighted mean of `ratio`, computed on bins much narrower than the kernel.

    NaN where good pixels hold less than a tenth of the weight that is possible there.
    """
    step = width / 6
    bins = ((log_wave - log_wave[0]) / step).astype(int)
    offsets = np.arange(bins[-1] + 1) - np.arange(bins[-1] + 1)[:, None]
    kernel = np.exp(-0.5 * (offsets * step / width) ** 2)
    near = kernel @ np.bincount(bins, weight)
    near[near <= 0.1 * (kernel @ np.bincount(bins, possible))] = np.nan
    mean = (kernel @ np.bincount(bins, weight * ratio)) / near
    return np.interp(log_wave, log_wave[0] + step * (np.arange(mean.size) + 0.5), mean)
