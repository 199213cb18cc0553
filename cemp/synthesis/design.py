"""The design of the grid: which star a design index stands for.

Stars are points of a scrambled Sobol sequence, mapped to the part of label space where stars are: a
strip in log g about the giant branch and the main sequence, [alpha/Fe] about the Galactic trend,
and [C/Fe] up to the strongest enhancement seen, 40% of the points carbon enhanced. Any first part
of a Sobol sequence covers the space evenly, so the grid can grow: index i is the same star for
ever.
"""

from functools import lru_cache

import numpy as np

from cemp.constants import SEED
from cemp.synthesis.grid import DESIGN_SIZE, GRID_LABELS

#: Effective temperatures [K].
TEFF_RANGE = (3900.0, 7100.0)
#: Lowest and highest log g at these temperatures: tip of the giant branch, main sequence.
LOGG_LOW = ([3900, 4500, 5000, 5500, 6000, 6500, 7100], [0.2, 0.6, 1.2, 1.8, 2.4, 3.0, 3.4])
LOGG_HIGH = ([3900, 5000, 6000, 7100], [5.0, 4.9, 4.75, 4.6])
#: [Fe/H]; the atmospheres begin at -4.
FE_H_RANGE = (-4.0, 0.5)
#: [C/Fe]: lowest, highest anywhere, and the highest [C/H] (beyond it the atmospheres, which are
#: not computed with their carbon, mean little).
C_FE_LOW, C_FE_HIGH, C_H_HIGH = -0.8, 3.5, 0.3
#: Share of the points at ordinary carbon.
ORDINARY = 0.6
#: [alpha/Fe] of the Galaxy at these [Fe/H]; stars lie within 0.2 of it, and -0.2 to 0.6.
ALPHA_TREND = ([-4, -1.0, 0.0, 0.5], [0.4, 0.4, 0.05, 0.0])
#: [N/Fe].
N_FE_RANGE = (-0.3, 1.2)


@lru_cache(maxsize=2)
def _points(n):
    from scipy.stats import qmc  # a second to import, and the processes of a run need it not

    return qmc.Sobol(len(GRID_LABELS), seed=SEED).random(n)


def draw(n=DESIGN_SIZE):
    """Labels of the first points of the design.

    Parameters
    ----------
    n : int
        Number of points; a power of two, at most `DESIGN_SIZE`.

    Returns
    -------
    ndarray, shape (n, 6)
        Labels in the order of `cemp.synthesis.grid.GRID_LABELS`: Teff [K], log g [dex, cgs],
        [Fe/H], [C/Fe], [alpha/Fe], [N/Fe] [dex].
    """
    u = _points(n).T
    teff = TEFF_RANGE[0] + np.ptp(TEFF_RANGE) * u[0]
    low, high = np.interp(teff, *LOGG_LOW), np.interp(teff, *LOGG_HIGH)
    fe_h = FE_H_RANGE[0] + np.ptp(FE_H_RANGE) * u[2]
    alpha = np.clip(np.interp(fe_h, *ALPHA_TREND) - 0.2 + 0.4 * u[4], -0.2, 0.6)
    n_fe = N_FE_RANGE[0] + np.ptp(N_FE_RANGE) * u[5]
    return np.c_[teff, low + (high - low) * u[1], fe_h, _carbon(fe_h, u[3]), alpha, n_fe]


def _carbon(fe_h, u):
    """[C/Fe]: `ORDINARY` of the points below a mid value (at most 1.0), the rest above."""
    highest = np.minimum(C_FE_HIGH, C_H_HIGH - fe_h)
    middle = np.minimum(1.0, 0.5 * (highest + C_FE_LOW))
    ordinary = C_FE_LOW + (middle - C_FE_LOW) * (u / ORDINARY)
    enhanced = middle + (highest - middle) * ((u - ORDINARY) / (1 - ORDINARY))
    return np.where(u < ORDINARY, ordinary, enhanced)
