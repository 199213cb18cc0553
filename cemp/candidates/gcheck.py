"""The G-band check applied: measured bands, their excess, and what it says about candidates."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS, WAVE
from cemp.indices import pseudo_equivalent_width
from cemp.rows import row_slices

#: Columns of `add_excess`.
EXCESS = ("gband_normal", "gband_sigma", "gband_excess", "gband_power")
GRADES = ("confirmed", "not confirmed", "untested")


def template_measure(band):
    """Make the function that measures a band in noiseless spectra, for `ExpectedBand`.

    Parameters
    ----------
    band : cemp.indices.Band

    Returns
    -------
    callable
        flux (n, n_pix) -> indices (n,).
    """

    def measure(flux):
        everywhere = np.ones(flux.shape)
        return pseudo_equivalent_width(WAVE, flux, everywhere, everywhere > 0, band)[0]

    return measure


def measure_band(store, obsids, band, size=500):
    """Measure a band in stored spectra.

    Parameters
    ----------
    store : cemp.vectors.VectorStore
    obsids : array_like of int, shape (n,)
    band : cemp.indices.Band
    size : int
        Spectra in memory at a time.

    Returns
    -------
    pandas.DataFrame
        gband and e_gband [Angstrom] by obsid; NaN where too few pixels are good.
    """
    obsids = np.asarray(obsids)
    width, error = np.empty(len(obsids)), np.empty(len(obsids))
    for rows in row_slices(len(obsids), size) if len(obsids) else ():
        vectors = store.read(obsids[rows])
        width[rows], error[rows] = pseudo_equivalent_width(
            WAVE, vectors.flux, vectors.ivar, vectors.good, band
        )
    return pd.DataFrame({"gband": width, "e_gband": error}, pd.Index(obsids, name="obsid"))


def add_band(table, store, band):
    """Add the measured band to a table of spectra.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``obsid``.
    store, band
        As for `measure_band`.

    Returns
    -------
    pandas.DataFrame
        A copy with gband and e_gband.
    """
    measured = measure_band(store, table["obsid"], band)
    return table.assign(**{name: measured[name].to_numpy() for name in measured})


def add_excess(table, expected, offset=0.0, floor=0.0):
    """Compare measured bands with those of normal carbon.

    Parameters
    ----------
    table : pandas.DataFrame
        Labels with errors, gband and e_gband.
    expected : cemp.candidates.gband.ExpectedBand
        Fitted.
    offset, floor : float
        Zero point and model error [Angstrom], from `zero_point`.

    Returns
    -------
    pandas.DataFrame
        A copy with gband_normal (expected at [C/Fe] = 0), gband_sigma (noise, label and model
        error in quadrature), gband_excess and gband_power (both in units of gband_sigma).
    """
    columns = {name: np.empty(len(table)) for name in EXCESS}
    for rows in row_slices(len(table)):
        found = _excess(table.iloc[rows], expected, offset, floor)
        for name, values in zip(EXCESS, found, strict=True):
            columns[name][rows] = values
    return table.assign(**columns)


def _excess(table, expected, offset, floor):
    """Columns of `add_excess` for some rows."""
    labels = table[list(LABELS)].to_numpy(dtype=float)
    errors = table[[f"e_{name}" for name in LABELS]].to_numpy(dtype=float)
    normal, strong = expected.predict(labels) + offset, expected.predict(labels, "strong") + offset
    sigma = np.hypot(np.hypot(table["e_gband"], expected.label_error(labels, errors)), floor)
    return normal, sigma, (table["gband"] - normal) / sigma, (strong - normal) / sigma


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
        ``confirmed``: at or above the S/N threshold, with an excess; ``not confirmed``: there,
        without one, although an enhanced star would show it; ``untested``: everything else
        (low S/N, no index, or too hot for CH).
    """
    excess, power, snr = (np.asarray(x, dtype=float) for x in (excess, power, snr))
    with np.errstate(invalid="ignore"):
        able = (snr >= threshold) & np.isfinite(excess)
        found = able & (excess >= n_sigma)
        absent = able & (excess < n_sigma) & (power >= n_sigma)
    return np.select([found, absent], GRADES[:2], GRADES[2])


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
