"""Abundances of a star in the form that equation of state and opacities want."""

import numpy as np

#: Solar A(X) = log10(n_X / n_H) + 12 by atomic number: Asplund et al. (2009, ARA&A 47, 481),
#: photosphere, or meteorites where the photosphere has none.
SOLAR = {
    1: 12.0, 2: 10.93, 3: 1.05, 4: 1.38, 5: 2.70, 6: 8.43, 7: 7.83, 8: 8.69, 9: 4.56, 10: 7.93,
    11: 6.24, 12: 7.60, 13: 6.45, 14: 7.51, 15: 5.41, 16: 7.12, 17: 5.50, 18: 6.40, 19: 5.03,
    20: 6.34, 21: 3.15, 22: 4.95, 23: 3.93, 24: 5.64, 25: 5.43, 26: 7.50, 27: 4.99, 28: 6.22,
    29: 4.19, 30: 4.56, 31: 3.04, 32: 3.65, 33: 2.30, 34: 3.34, 35: 2.54, 36: 3.25, 37: 2.52,
    38: 2.87, 39: 2.21, 40: 2.58, 41: 1.46, 42: 1.88, 44: 1.75, 45: 0.91, 46: 1.57, 47: 0.94,
    48: 1.71, 49: 0.80, 50: 2.04, 51: 1.01, 52: 2.18, 53: 1.55, 54: 2.24, 55: 1.08, 56: 2.18,
    57: 1.10, 58: 1.58, 59: 0.72, 60: 1.42, 62: 0.96, 63: 0.52, 64: 1.07, 65: 0.30, 66: 1.10,
    67: 0.48, 68: 0.92, 69: 0.10, 70: 0.84, 71: 0.10, 72: 0.85, 73: -0.12, 74: 0.85, 75: 0.26,
    76: 1.40, 77: 1.38, 78: 1.62, 79: 0.92, 80: 1.17, 81: 0.90, 82: 1.75, 83: 0.65, 90: 0.02,
    92: -0.54,
}
#: Atomic numbers of the alpha elements: O, Ne, Mg, Si, S, Ar, Ca, Ti.
ALPHA = (8, 10, 12, 14, 16, 18, 20, 22)
#: Elements that SMElib has room for.
N_ELEMENT = 99
#: A(X) of an element that is not there.
ABSENT = -20.0
#: Atomic masses [u] of the elements that carry the mass; `mean_mass` tells of the others.
MASS = {1: 1.008, 2: 4.0026, 6: 12.011, 7: 14.007, 8: 15.999, 10: 20.18, 12: 24.305, 14: 28.085,
        16: 32.06, 26: 55.845}


def abundances(fe_h, alpha_fe=0.0, c_fe=0.0, n_fe=0.0):
    """Abundances A(X) of a star.

    Parameters
    ----------
    fe_h : float
        [Fe/H]; moves everything but hydrogen and helium.
    alpha_fe, c_fe, n_fe : float
        [X/Fe] of the elements of `ALPHA`, of carbon and of nitrogen [dex].

    Returns
    -------
    ndarray, shape (99,)
        A(X) for atomic numbers 1 to 99.

    Examples
    --------
    >>> a = abundances(-2.5, alpha_fe=0.4, c_fe=1.5)
    >>> [round(float(a[z - 1]), 2) for z in (1, 2, 6, 12, 26)]
    [12.0, 10.93, 7.43, 5.5, 5.0]
    """
    a = np.full(N_ELEMENT, ABSENT)
    for z, solar in SOLAR.items():
        a[z - 1] = solar + (fe_h if z > 2 else 0.0)
    a[np.array(ALPHA) - 1] += alpha_fe
    a[6 - 1] += c_fe
    a[7 - 1] += n_fe
    return a


def fractions(a):
    """Shares of all nuclei, from A(X): shape as given, sum 1."""
    n = 10.0 ** (np.asarray(a) - 12)
    return n / n.sum()


def sme_abundances(a):
    """Abundances as SMElib's ``InputAbund`` wants them.

    Parameters
    ----------
    a : array_like, shape (99,)
        A(X).

    Returns
    -------
    ndarray, shape (99,)
        N(X)/N(all nuclei): for hydrogen the number itself, for all others its log10.
    """
    share = fractions(a)
    out = np.log10(np.maximum(share, 1e-40))
    out[0] = share[0]
    return out


def mean_mass(a):
    """Mean mass of a nucleus [u].

    Elements outside `MASS` (together 0.1% of the Sun's mass) count with twice their atomic number
    up to oxygen and 2.2 times beyond; it matters to the density alone, by less than 1e-5.
    """
    z = np.arange(1, N_ELEMENT + 1)
    mass = np.where(z > 8, 2.2 * z, 2.0 * z)
    for k, value in MASS.items():
        mass[k - 1] = value
    return float(fractions(a)[:92] @ mass[:92])
