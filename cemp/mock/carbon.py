"""Carbon of the mock's stars, and who could measure it."""

import numpy as np

from cemp.constants import SOLAR_A

#: Peaks of A(C) of CEMP Group I and of Groups II and III (Yoon et al. 2016, ApJ 833, 20) ...
PEAKS = (7.96, 6.28)
#: ... and the widths taken here [dex]: the published histograms overlap near A(C) = 7.1.
WIDTHS = (0.32, 0.45)

#: Share of Group I among CEMP stars, against [Fe/H]: as in the A(C)-[Fe/H] plane of Yoon et al.
#: (2016); in their compilation 96% lie above A(C) = 7.1 for -2.5 < [Fe/H] < -2, 67% for -3 to
#: -2.5, 22% for -3.5 to -3 and 11% below.
GROUP_ONE = ([-4.0, -3.3, -2.6, -2.0], [0.1, 0.35, 0.75, 0.9])

#: Fraction of carbon-enhanced stars ([C/Fe] > 0.7) among all stars of one metallicity, rising
#: as in Lee et al. (2013, AJ 146, 132) and Placco et al. (2014, ApJ 797, 21); differential,
#: so that the cumulative fraction below -2 is near the 20% and below -3 near the 40% found.
FRACTION = ([-4.0, -3.5, -3.0, -2.5, -2.0, -1.5], [0.75, 0.52, 0.33, 0.20, 0.12, 0.03])

#: G-band depth of the synthetic grid (mean of 1 - flux over 4291-4317 A, vacuum, R = 5000;
#: 252 spectra with [Fe/H] < -1.8): depth = 0.75 (1 - exp(-10^y)),
#: y = Y0 + Y_AC (A(C) - 6.5) + Y_THETA (5040/Teff - 0.95); scatter 0.22 dex in y.
Y0, Y_AC, Y_THETA, SATURATED = -0.629, 0.339, 3.435, 0.75


def natural_fraction(fe_h):
    """Give the fraction of CEMP stars that an unselected sample has.

    Parameters
    ----------
    fe_h : array_like
        [Fe/H] [dex].

    Returns
    -------
    ndarray
        Fraction between 0 and 1.
    """
    return np.interp(fe_h, *FRACTION)


def cumulative_fraction(limit, slope=1.0):
    """Give the CEMP fraction of all halo stars below one metallicity.

    Parameters
    ----------
    limit : float
        [Fe/H] [dex], above -4.
    slope : float
        Fall of the halo's metallicity distribution: dex in number per dex in [Fe/H].

    Returns
    -------
    float
        `natural_fraction` averaged over -4 < [Fe/H] < `limit`.
    """
    fe_h = np.linspace(-4.0, limit, 2001)
    return float(np.average(natural_fraction(fe_h), weights=10.0 ** (slope * fe_h)))


def carbon_ceiling(fe_h):
    """Give the highest [C/Fe] of the synthetic grid: 3.5, or [C/H] = +0.3.

    Parameters
    ----------
    fe_h : array_like

    Returns
    -------
    ndarray
    """
    return np.minimum(3.5, 0.3 - np.asarray(fe_h))


def draw_enhanced(fe_h, generator, floor=0.5):
    """Draw [C/Fe] of carbon-enhanced metal-poor stars from the two peaks in A(C).

    Parameters
    ----------
    fe_h : ndarray, shape (n,)
        [Fe/H] [dex].
    generator : numpy.random.Generator
    floor : float
        Lowest [C/Fe] kept: below the definition's 0.7, so that no gap marks the border.

    Returns
    -------
    ndarray, shape (n,)
        [C/Fe] [dex]. Group I rules above [Fe/H] = -3, Groups II and III below -3.3.
    """
    c_fe, todo = np.zeros(len(fe_h)), np.arange(len(fe_h))
    group_one = np.interp(fe_h, *GROUP_ONE)
    while todo.size:
        second = (generator.random(todo.size) > group_one[todo]).astype(int)
        a_c = generator.normal(np.take(PEAKS, second), np.take(WIDTHS, second))
        c_fe[todo] = a_c - SOLAR_A["C"] - fe_h[todo]
        ceiling = carbon_ceiling(fe_h[todo]) - 0.01
        todo = todo[(c_fe[todo] < floor) | (c_fe[todo] > ceiling)]
    return c_fe


def draw_normal(fe_h, logg, generator):
    """Draw [C/Fe] of stars that no companion and no special cloud enriched.

    Parameters
    ----------
    fe_h, logg : ndarray, shape (n,)
    generator : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
        [C/Fe] [dex], inside the grid. Giants have lost carbon: 0.12 dex at the first
        dredge-up and, in metal-poor stars above the bump (log g < 2), up to some 0.7 dex more
        towards the tip (Gratton et al. 2000; Placco et al. 2014).
    """
    trend = np.interp(fe_h, [-4.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5],
                      [0.35, 0.25, 0.15, 0.05, 0.10, 0.0, -0.05])  # fmt: skip
    scatter = np.interp(fe_h, [-3.0, -1.0, 0.0], [0.25, 0.12, 0.06])
    depleted = 0.12 * np.interp(logg, [3.2, 3.5], [1.0, 0.0])
    bright = np.interp(logg, [0.5, 2.0], [1.0, 0.0]) * np.interp(fe_h, [-2.0, -0.5], [0.6, 0.1])
    c_fe = trend - depleted - bright + generator.normal(0.0, scatter)
    margin = generator.uniform(0.0, 0.1, fe_h.size)
    return np.clip(c_fe, -0.8 + margin, carbon_ceiling(fe_h) - margin)


def gband_depth(teff, a_c):
    """Give the depth of the CH G band of a metal-poor star.

    Parameters
    ----------
    teff : array_like
        Effective temperature [K].
    a_c : array_like
        Carbon abundance A(C).

    Returns
    -------
    ndarray
        Mean of 1 - flux over the band, from the regression at the head of this module.
    """
    y = Y0 + Y_AC * (np.asarray(a_c) - 6.5) + Y_THETA * (5040.0 / np.asarray(teff) - 0.95)
    return SATURATED * (1 - np.exp(-(10.0**y)))


def least_depth(snr):
    """Give the shallowest G band that counts as a detection.

    Parameters
    ----------
    snr : array_like
        Signal-to-noise ratio of the spectrum that the label comes from.

    Returns
    -------
    ndarray
        Three times the error of the depth: 0.012 from the continuum, 0.5/snr from noise.
    """
    return 3 * np.hypot(0.012, 0.5 / np.asarray(snr, dtype=float))


def carbon_limit(teff, snr):
    """Give the abundance at which the G band would just be seen: `gband_depth` inverted.

    Parameters
    ----------
    teff, snr : array_like

    Returns
    -------
    ndarray
        A(C); a star with less carbon has only this upper limit.
    """
    y = np.log10(-np.log(1 - np.minimum(least_depth(snr), 0.7) / SATURATED))
    return 6.5 + (y - Y0 - Y_THETA * (5040.0 / np.asarray(teff) - 0.95)) / Y_AC


def carbon_detected(teff, a_c, snr):
    """Tell whether carbon is measured, or only limited from above.

    Parameters
    ----------
    teff, a_c, snr : array_like

    Returns
    -------
    ndarray of bool
    """
    return gband_depth(teff, a_c) > least_depth(snr)
