"""The G-band check applied: measured bands, their excess, and what it says about candidates."""

import numpy as np


GRADES = ("confirmed", "not confirmed", "untested")


def zero_point(residual, sigma):
    """Measure the offset and extra scatter of stars whose carbon is known to be normal.

    Parameters
    ----------
    residual : array_like, shape (n,)
        Observed minus expected index; NaN rows are left out.
    sigma : array_like, shape (n,)
        Errors known so far (noise and labels).

    Returns
    -------
    offset, floor : float
        Median residual, and the model error that, added in quadrature, makes the robust scatter
        (1.4826 times the median absolute deviation) of residual / sigma unity; 0 if it is
        below unity without. (0, 0) with fewer than ten stars.
    """
    residual, sigma = np.asarray(residual, dtype=float), np.asarray(sigma, dtype=float)
    known = np.isfinite(residual) & np.isfinite(sigma)
    if known.sum() < 10:
        return 0.0, 0.0
    residual, sigma = residual[known], sigma[known]
    offset = float(np.median(residual))
    low, high = 0.0, float(np.abs(residual - offset).max()) + 1e-6
    for _ in range(40):
        floor = 0.5 * (low + high)
        spread = 1.4826 * np.median(np.abs(residual - offset) / np.hypot(sigma, floor))
        low, high = (floor, high) if spread > 1 else (low, floor)
    return offset, low


def grade(excess, power, snr, threshold, n_sigma):
    """Say what the G band says about a candidate.

    Parameters
    ----------
    excess, power : array_like, shape (n,)
        Measured excess, and the one expected at `GBandSettings.c_fe_strong`, in sigma.
    snr : array_like, shape (n,)
        Signal-to-noise ratio in g.
    threshold : float
        S/N below which the band is not tested.
    n_sigma : float
        Excess that confirms.

    Returns
    -------
    ndarray of str, shape (n,)
        ``untested`` below the S/N threshold, without an index, or where even an enhanced star
        would not reach `n_sigma` (hot stars); else ``confirmed`` or ``not confirmed``.
    """
    excess, power, snr = (np.asarray(x, dtype=float) for x in (excess, power, snr))
    with np.errstate(invalid="ignore"):
        able = (snr >= threshold) & (power >= n_sigma) & np.isfinite(excess)
        found = able & (excess >= n_sigma)
    return np.select([found, able], GRADES[:2], GRADES[2])


def snr_threshold(snr, power, n_sigma, edges):
    """Find the S/N from which on most spectra could show an enhancement.

    Parameters
    ----------
    snr, power : array_like, shape (n,)
        S/N in g, and the excess [sigma] expected of an enhanced star with those labels.
    n_sigma : float
        Excess asked for.
    edges : sequence of float
        Bins of S/N.

    Returns
    -------
    float
        Lower edge of the first bin from which on the median `power` of every bin that holds
        five spectra or more reaches `n_sigma`; infinite if none does.
    """
    snr, power = np.asarray(snr, dtype=float), np.asarray(power, dtype=float)
    threshold = np.inf
    for low, high in list(zip(edges[:-1], edges[1:], strict=True))[::-1]:
        inside = (snr >= low) & (snr < high) & np.isfinite(power)
        if inside.sum() < 5:
            continue
        if np.median(power[inside]) < n_sigma:
            break
        threshold = float(low)
    return threshold
