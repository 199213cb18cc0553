"""Carbon that a giant has lost since its birth: for interpretation, never for labels or selection.

On the upper giant branch CN processing lowers the surface carbon. Placco et al. (2014, ApJ 797, 21)
publish what is to be added to [C/Fe] for 616 literature stars, from models with [N/Fe] = 0; their
full grid is a web service. Here a smooth function of log g, [Fe/H] and the observed [C/Fe] is
fitted to those 616 corrections. Its coefficients and its scatter about them are committed; the
table is not.
"""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

#: Coefficients, scatter and range, with their provenance.
FILE = Path(__file__).parents[1] / "data" / "lines" / "depletion.json"
#: Start of the fit: amplitude and its slopes, log g of half the effect and its slopes, width.
START = (0.7, 0.0, -0.2, 0.0, 0.0, 1.7, 0.0, -0.2, 0.0, 0.25)


def model(coefficients, logg, fe_h, c_fe):
    """Evaluate the function.

    Parameters
    ----------
    coefficients : array_like, shape (10,)
    logg, fe_h, c_fe : array_like, shape (n,)
        Surface gravity [dex, cgs], [Fe/H], observed [C/Fe] [dex].

    Returns
    -------
    ndarray, shape (n,)
        Amplitude (quadratic in [C/Fe], with [Fe/H]) times a logistic function of log g whose place
        moves with [Fe/H] and [C/Fe]; never below 0.
    """
    a, x, c = np.asarray(coefficients), np.asarray(fe_h) + 3.0, np.asarray(c_fe)
    amplitude = a[0] + a[1] * x + a[2] * c + a[3] * c**2 + a[4] * x * c
    with np.errstate(invalid="ignore"):  # stars without a label
        amplitude = np.logaddexp(0, 10 * amplitude) / 10
    middle = a[5] + a[6] * x + a[7] * c + a[8] * x * c
    return amplitude / (1 + np.exp(np.clip((np.asarray(logg) - middle) / a[9], -50, 50)))


def fit(logg, fe_h, c_fe, correction):
    """Fit the function to published corrections.

    Parameters
    ----------
    logg, fe_h, c_fe, correction : array_like, shape (n,)
        NaN rows are left out.

    Returns
    -------
    dict
        ``coefficients``, ``rms`` and ``worst`` residual [dex], ``rms_giants`` (log g < 2), ``n``,
        and ``range`` of each variable.
    """
    columns = np.array([logg, fe_h, c_fe, correction], dtype=float)
    columns = columns[:, np.isfinite(columns).all(axis=0)]
    *place, known = columns
    found = least_squares(lambda a: model(a, *place) - known, START, loss="soft_l1", f_scale=0.05)
    residual = model(found.x, *place) - known
    rms = [float(np.sqrt(np.mean(r**2))) for r in (residual, residual[place[0] < 2])]
    span = {name: [float(x.min()), float(x.max())]
            for name, x in zip(("logg", "fe_h", "c_fe"), place, strict=True)}
    return {"coefficients": found.x.round(5).tolist(), "rms": rms[0], "rms_giants": rms[1],
            "worst": float(np.abs(residual).max()), "n": int(known.size), "range": span}


@lru_cache(maxsize=1)
def committed():
    """Read what was fitted to the 616 stars: `fit`'s dict with ``source``."""
    return json.loads(FILE.read_text())


def correction(logg, fe_h, c_fe):
    """Carbon to be added back.

    Parameters
    ----------
    logg, fe_h, c_fe : array_like, shape (n,)
        Surface gravity, [Fe/H], observed [C/Fe].

    Returns
    -------
    ndarray, shape (n,)
        [dex], 0 or more; NaN above [Fe/H] = -1.5 (half a dex beyond the fitted stars), and
        where a label is missing. log g and [C/Fe] are held inside the fitted range, and [Fe/H] at
        its lowest.
    """
    span = committed()["range"]
    logg, fe_h, c_fe = (np.asarray(x, dtype=float) for x in (logg, fe_h, c_fe))
    inside = [np.clip(x, *span[name]) for name, x in
              (("logg", logg), ("fe_h", fe_h), ("c_fe", c_fe))]
    value = model(committed()["coefficients"], *inside)
    return np.where(fe_h <= span["fe_h"][1] + 0.5, value, np.nan)
