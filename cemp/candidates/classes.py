"""Classes of metal-poor stars: the paper's Table 1 as it stands, and the usual ones beside it.

Table 1 is kept with its exact inequalities. Its classes overlap (a star can be CEMP and EMP) and
leave a gap, so they are flags and not a partition; the gap has a name of its own.
"""

import numpy as np
import pandas as pd

#: Limits of Table 1 [dex]: CEMP, EMP, and the two ends of VMP.
CEMP_FE_H = -2.0
CEMP_C_FE = 0.7
EMP_FE_H = -3.0
VMP_FE_H = (-2.5, -1.5)

#: Upper limits in [Fe/H] [dex] of Beers & Christlieb (2005, ARA&A 43, 531), Table 1.
BC05_FE_H = {"bc05_mp": -1.0, "bc05_vmp": -2.0, "bc05_emp": -3.0, "bc05_ump": -4.0}
#: Their carbon enhancement [dex].
BC05_C_FE = 1.0

#: Effective temperature [K] and log g [cgs] of the Sun (IAU 2015 nominal values).
SUN_TEFF = 5772.0
SUN_LOGG = 4.438

FLAGS = ("cemp", "emp", "vmp", "unclassified_mp", *BC05_FE_H, "bc05_cemp", "aoki07_cemp", "missing")


def table1(fe_h, c_fe):
    """Flag the classes of Table 1, with its exact inequalities.

    Parameters
    ----------
    fe_h, c_fe : array_like, shape (n,)
        [Fe/H] and [C/Fe] [dex]; NaN where missing.

    Returns
    -------
    dict of str to ndarray of bool, shape (n,)
        ``cemp`` [Fe/H] < -2.0 and [C/Fe] > 0.7; ``emp`` [Fe/H] < -3; ``vmp``
        -2.5 <= [Fe/H] < -1.5; ``unclassified_mp`` -3 <= [Fe/H] < -2.5 with [C/Fe] <= 0.7,
        which Table 1 leaves in no class. A class that needs a missing label is False.

    Examples
    --------
    >>> flags = table1([-3.2], [1.5])
    >>> [name for name, flag in flags.items() if flag[0]]
    ['cemp', 'emp']
    """
    fe_h, c_fe = np.asarray(fe_h, dtype=float), np.asarray(c_fe, dtype=float)
    return {
        "cemp": (fe_h < CEMP_FE_H) & (c_fe > CEMP_C_FE),
        "emp": fe_h < EMP_FE_H,
        "vmp": (fe_h >= VMP_FE_H[0]) & (fe_h < VMP_FE_H[1]),
        "unclassified_mp": (fe_h >= EMP_FE_H) & (fe_h < VMP_FE_H[0]) & (c_fe <= CEMP_C_FE),
    }


def beers_christlieb(fe_h, c_fe):
    """Flag the usual nested classes of Beers & Christlieb (2005, ARA&A 43, 531).

    Parameters
    ----------
    fe_h, c_fe : array_like, shape (n,)
        [Fe/H] and [C/Fe] [dex]; NaN where missing.

    Returns
    -------
    dict of str to ndarray of bool, shape (n,)
        ``bc05_mp`` [Fe/H] < -1, ``bc05_vmp`` < -2, ``bc05_emp`` < -3, ``bc05_ump`` < -4 and
        ``bc05_cemp``: metal-poor with [C/Fe] > +1.0.
    """
    fe_h, c_fe = np.asarray(fe_h, dtype=float), np.asarray(c_fe, dtype=float)
    flags = {name: fe_h < limit for name, limit in BC05_FE_H.items()}
    flags["bc05_cemp"] = flags["bc05_mp"] & (c_fe > BC05_C_FE)
    return flags


def log_luminosity(teff, logg, mass=0.8):
    """Estimate the luminosity of an old star from its spectrum alone.

    Parameters
    ----------
    teff, logg : array_like
        Effective temperature [K] and surface gravity [dex, cgs].
    mass : float
        Mass [solar masses]; 0.8 is that of a metal-poor star at the turn-off or beyond.

    Returns
    -------
    ndarray
        log10(L / Lsun) = log M + 4 log(Teff / Teff_sun) - (log g - log g_sun), as Aoki et al.
        (2007, ApJ 655, 492) do. An error in log g goes straight into it.
    """
    teff, logg = np.asarray(teff, dtype=float), np.asarray(logg, dtype=float)
    return np.log10(mass) + 4 * np.log10(teff / SUN_TEFF) - (logg - SUN_LOGG)


def aoki_cemp(fe_h, c_fe, log_l):
    """Flag CEMP stars as Aoki et al. (2007, ApJ 655, 492) do, who allow for mixing in giants.

    Parameters
    ----------
    fe_h, c_fe : array_like, shape (n,)
        [Fe/H] and [C/Fe] [dex].
    log_l : array_like, shape (n,)
        log10(L / Lsun); NaN where not available, and the flag is then False.

    Returns
    -------
    ndarray of bool, shape (n,)
        [C/Fe] >= 0.7 where log L <= 2.3, else [C/Fe] >= 3.0 - log L; for [Fe/H] < -2, to which
        we restrict it so that it is comparable with Table 1.
    """
    fe_h, c_fe, log_l = (np.asarray(x, dtype=float) for x in (fe_h, c_fe, log_l))
    limit = np.where(log_l <= 2.3, CEMP_C_FE, 3.0 - log_l)
    return (fe_h < CEMP_FE_H) & (c_fe >= limit)


def classify(fe_h, c_fe, log_l=None):
    """Give every flag for every star.

    Parameters
    ----------
    fe_h, c_fe : array_like, shape (n,)
        [Fe/H] and [C/Fe] [dex]; NaN where missing.
    log_l : array_like, shape (n,), optional
        log10(L / Lsun); without it ``aoki07_cemp`` is False everywhere.

    Returns
    -------
    pandas.DataFrame
        Boolean columns `FLAGS`; ``missing`` where [Fe/H] or [C/Fe] is not known.
    """
    fe_h, c_fe = np.asarray(fe_h, dtype=float), np.asarray(c_fe, dtype=float)
    log_l = np.full(fe_h.shape, np.nan) if log_l is None else log_l
    flags = table1(fe_h, c_fe) | beers_christlieb(fe_h, c_fe)
    flags["aoki07_cemp"] = aoki_cemp(fe_h, c_fe, log_l)
    flags["missing"] = ~(np.isfinite(fe_h) & np.isfinite(c_fe))
    return pd.DataFrame({name: flags[name] for name in FLAGS})
