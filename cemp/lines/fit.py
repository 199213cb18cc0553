"""All bands of carbon together: one [C/Fe] and one verdict a star, without the network's carbon."""

import numpy as np
import pandas as pd

from cemp.lines.carbon import ALL, JOINT, NOTHING, highest
from cemp.rows import row_slices

#: Stars fitted at a time.
PART = 20_000

#: Columns of the joint verdict.
COLUMNS = ("lines_n", "lines_c_fe", "lines_c_fe_low", "lines_c_fe_high", "lines_chi2",
           "lines_sigma", "lines_power")
VERDICTS = ("enhanced", "normal", "untested")
WHERE = [list(ALL).index(name) for name in JOINT]


def deviance(measured, errors, table, zero, labels, label_errors, c_fe):
    """Give -2 ln L of the joint bands at a [C/Fe].

    Parameters
    ----------
    measured, errors : ndarray, shape (n, n_band)
        All bands; those of `JOINT` are used, where measured.
    table : cemp.lines.carbon.BandTable
    zero : cemp.lines.carbon.Zero
    labels, label_errors : ndarray, shape (n, 3 or more)
        Teff, log g, [Fe/H] and their errors, taken as independent of one another.
    c_fe : ndarray, shape (n,)

    Returns
    -------
    deviance, chi2 : ndarray, shape (n,)
        With and without the logarithm of the determinant; NaN outside the table.
    """
    model = (table.predict(labels, c_fe) + zero.offset)[:, WHERE]
    covariance = _covariance(errors, table, zero, labels, label_errors, c_fe)
    covariance += _of_strength(table, labels, c_fe)
    residual = np.where(np.isfinite(measured[:, WHERE]), measured[:, WHERE] - model, 0.0)
    with np.errstate(invalid="ignore"):  # labels outside the table are NaN, and stay it
        chi2 = np.einsum("ni,ni->n", residual, _solve(covariance, residual))
        return chi2 + np.linalg.slogdet(covariance)[1], chi2


def _covariance(errors, table, zero, labels, label_errors, c_fe):
    """Covariance of the joint bands: noise, model, labels (n, n_joint, n_joint)."""
    slopes = table.slopes(labels, c_fe)[:, :, WHERE] * np.asarray(label_errors)[:, :3, None]
    own = np.where(np.isfinite(errors[:, WHERE]), errors[:, WHERE] ** 2 + zero.floor[WHERE] ** 2,
                   NOTHING)
    return np.einsum("nli,nlj->nij", slopes, slopes) + own[:, :, None] * np.eye(len(WHERE))


def _of_strength(table, labels, c_fe):
    """Model error that grows with what carbon adds to the bands, a diagonal matrix each."""
    added = (table.predict(labels, c_fe) - table.predict(labels, 0.0))[:, WHERE]
    return (table.settings.share * added[:, :, None]) ** 2 * np.eye(len(WHERE))


def _solve(covariance, residual):
    """Solve for each star; NaN rows stay NaN."""
    return np.linalg.solve(covariance, residual[:, :, None])[:, :, 0]


def fit(measured, errors, table, zero, labels, label_errors):
    """Fit [C/Fe] to the bands of each star.

    Parameters
    ----------
    measured, errors, table, zero, labels, label_errors
        As for `deviance`.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`, n rows: number of bands; best [C/Fe] and where -2 ln L has risen by 1 (68%);
        chi-square at the best; significance of carbon beyond [C/Fe] = 0, negative where the best
        is below; and the one that [C/Fe] = `CarbonSettings.c_fe_strong` would have. NaN without
        bands or for labels outside the table.
    """
    parts = [[values[rows] for values in (measured, errors, labels, label_errors)]
             for rows in row_slices(len(measured), PART)]
    return pd.concat([_fit(part[0], part[1], table, zero, *part[2:]) for part in parts],
                     ignore_index=True)


def _fit(measured, errors, table, zero, labels, label_errors):
    """Fit some stars; all curves of a star at once take some kB."""
    s = table.settings
    grid = np.minimum(np.arange(s.c_fe[0], s.c_fe[1] + s.step / 2, s.step), s.c_fe[1])
    arguments = (measured, errors, table, zero, labels, label_errors)
    curves = np.array([deviance(*arguments, np.full(len(measured), c)) for c in grid])
    total, chi2 = curves[:, 0].T, curves[:, 1].T
    number = np.isfinite(measured[:, WHERE]).sum(axis=1)
    rows = [_row(grid, *both) if n else [np.nan] * 4
            for n, both in zip(number, zip(total, chi2, strict=True), strict=True)]
    best, low, high, chi2 = np.array(rows, dtype=float).reshape(-1, 4).T
    none = deviance(*arguments, np.zeros(len(measured)))[0]
    fall = none - np.nanmin(np.where(np.isfinite(total), total, np.inf), axis=1)
    sigma = np.sign(best) * np.sqrt(np.maximum(fall, 0))
    columns = (number, best, low, high, chi2, sigma, _power(*arguments))
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _row(grid, total, chi2):
    """Best value by a parabola through the three lowest points, interval, chi-square."""
    if not np.isfinite(total).any():
        return [np.nan] * 4
    k = int(np.nanargmin(total))
    best = grid[k]
    if 0 < k < len(grid) - 1 and np.isfinite(total[[k - 1, k + 1]]).all():
        left, middle, right = total[k - 1 : k + 2]
        bend = left - 2 * middle + right
        best += 0.5 * (left - right) / bend * (grid[1] - grid[0]) if bend > 0 else 0.0
    inside = np.flatnonzero(np.isfinite(total) & (total - total[k] <= 1))
    edges = [_crossing(grid, total, inside[0], -1), _crossing(grid, total, inside[-1], 1)]
    return [best, min(edges[0], best), max(edges[1], best), chi2[k]]


def _crossing(grid, total, k, step):
    """Where the curve rises by 1 above its lowest between k and its neighbour, or the end."""
    j = k + step
    if not 0 <= j < len(grid) or not np.isfinite(total[j]):
        return grid[k]
    level = np.nanmin(total) + 1
    return grid[k] + (grid[j] - grid[k]) * (level - total[k]) / (total[j] - total[k])


def _power(measured, errors, table, zero, labels, label_errors):
    """Significance that strong carbon would have, in the covariance of [C/Fe] = 0."""
    s = table.settings
    strong = np.minimum(s.c_fe_strong, highest(np.asarray(labels)[:, 2], s))
    change = (table.predict(labels, strong) - table.predict(labels, 0.0))[:, WHERE]
    covariance = _covariance(errors, table, zero, labels, label_errors, np.zeros(len(measured)))
    power = np.sqrt(np.einsum("ni,ni->n", change, _solve(covariance, change)))
    return np.where(np.isfinite(measured[:, WHERE]).any(axis=1), power, np.nan)


def verdict(fitted, snr, threshold, settings):
    """Say what the bands say.

    Parameters
    ----------
    fitted : pandas.DataFrame
        From `fit`.
    snr : array_like, shape (n,)
        S/N in g.
    threshold : float
        S/N below which nothing is said.
    settings : cemp.lines.carbon.CarbonSettings

    Returns
    -------
    ndarray of str, shape (n,)
        ``enhanced``: carbon beyond [C/Fe] = 0 and, at the best fit, beyond what is normal;
        ``normal``: not so, although [C/Fe] = 1 would show; ``untested``: all else.
    """
    snr, power = np.asarray(snr, dtype=float), fitted["lines_power"].to_numpy()
    with np.errstate(invalid="ignore"):
        able = (snr >= threshold) & fitted["lines_sigma"].notna().to_numpy()
        found = able & is_enhanced(fitted, settings)
        absent = able & ~found & (power >= settings.n_sigma)
    return np.select([found, absent], VERDICTS[:2], VERDICTS[2])


def is_enhanced(fitted, settings):
    """Tell where the bands show more than normal carbon, shape (n,), at whatever S/N."""
    return ((fitted["lines_sigma"] >= settings.n_sigma)
            & (fitted["lines_c_fe"] > settings.c_fe_normal)).to_numpy()
