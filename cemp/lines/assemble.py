"""From stars and their spectra to the table of lines that notebook 11 writes."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS
from cemp.lines import depletion, groups
from cemp.lines.carbon import ALL, BANDS, NEUTRON, excess, measure_stored
from cemp.lines.fit import COLUMNS
from cemp.lines.neutron import WHERE, significance
from cemp.rows import row_slices


def observe(store, stars):
    """Measure all bands of stars, with what the comparison needs.

    Parameters
    ----------
    store : cemp.vectors.VectorStore
    stars : pandas.DataFrame
        obsid, labels and their errors.

    Returns
    -------
    measured, errors : ndarray, shape (n, n_band)
    labels, label_errors : ndarray, shape (n, 4)
    """
    bands = measure_stored(store, stars["obsid"])
    return (bands[list(ALL)].to_numpy(), bands[[f"e_{name}" for name in ALL]].to_numpy(),
            stars[list(LABELS)].to_numpy(dtype=float),
            stars[[f"e_{name}" for name in LABELS]].to_numpy(dtype=float))


def band_columns(measured, errors, table, zero, labels, label_errors):
    """Give the columns of single bands: index, error, expectation at [C/Fe] = 0, excess.

    Parameters
    ----------
    measured, errors, table, zero, labels, label_errors
        As for `cemp.lines.carbon.excess`.

    Returns
    -------
    pandas.DataFrame, shape (n, ...)
    """
    expected, sigmas = excess(measured, errors, table, zero, labels, label_errors)
    columns = {}
    for k, name in enumerate(ALL):
        columns |= {name: measured[:, k], f"e_{name}": errors[:, k]}
        if name in BANDS:
            columns |= {f"{name}_normal": expected[:, k], f"{name}_excess": sigmas[:, k]}
    return pd.DataFrame(columns)


def line_parts(stars, seen, table, zero, found, classes):
    """Go through the table of lines, some stars at a time.

    Parameters
    ----------
    stars : pandas.DataFrame
        star_id, obsid, c_fe.
    seen : tuple of ndarray
        From `observe`.
    table : cemp.lines.carbon.BandTable
    zero : cemp.lines.carbon.Zero
    found : pandas.DataFrame
        From `cemp.lines.fit.fit`, with lines_verdict and lines_kind.
    classes : pandas.DataFrame
        From `class_columns`.

    Yields
    ------
    pandas.DataFrame
        star_id, obsid and the columns of `ORDER`.
    """
    for rows in row_slices(len(stars)):
        part, about = [values[rows] for values in seen], stars.iloc[rows]
        c_fe = np.clip(about["c_fe"].to_numpy(), table.settings.c_fe[0], None)
        made = pd.concat([
            band_columns(part[0], part[1], table, zero, *part[2:]),
            neutron_columns(part[0], part[1], table, zero, part[2], c_fe),
            *(known.iloc[rows].reset_index(drop=True) for known in (found, classes)),
        ], axis=1)[list(ORDER)]  # fmt: skip
        for place, name in enumerate(("star_id", "obsid")):
            made.insert(place, name, about[name].to_numpy())
        yield made


def neutron_columns(measured, errors, table, zero, labels, c_fe):
    """Give the excess of Ba II and Sr II over [X/Fe] = 0 at the star's [C/Fe], (n, 4)."""
    found = significance(measured[:, WHERE] - zero.offset[WHERE], errors[:, WHERE], table, labels,
                         c_fe, zero.floor[WHERE])
    return pd.DataFrame(found, columns=[f"{name}_excess" for name in NEUTRON])


def class_columns(stars):
    """Give carbon at birth and the groups.

    Parameters
    ----------
    stars : pandas.DataFrame
        logg, fe_h, c_fe, a_c, e_fe_h, e_c_h, cov_fe_h_c_h.

    Returns
    -------
    pandas.DataFrame
        c_fe_correction, a_c_natal, p_group1 to p_group3, p_cemp_no; NaN above [Fe/H] = -1.5,
        where neither the corrections nor the groups are defined.
    """
    correction = depletion.correction(stars["logg"], stars["fe_h"], stars["c_fe"])
    natal = stars["a_c"].to_numpy() + correction
    both = stars["cov_fe_h_c_h"].to_numpy()
    covariance = np.moveaxis(np.array([[stars["e_fe_h"].to_numpy() ** 2, both],
                                       [both, stars["e_c_h"].to_numpy() ** 2]]), -1, 0)
    chance = groups.probabilities(stars["fe_h"], natal, covariance)
    return pd.DataFrame({"c_fe_correction": correction, "a_c_natal": natal}).join(chance)


def summary(zero, table_excess):
    """Say how well each band does on held-out normal stars.

    Parameters
    ----------
    zero : cemp.lines.carbon.Zero
    table_excess : ndarray, shape (n, n_band)
        Excess of these stars.

    Returns
    -------
    pandas.DataFrame
        By carbon band: unit, zero point, model error, stars, robust scatter of the excess and
        share beyond 3.
    """
    rows = {}
    for k, name in enumerate(ALL):
        if name in BANDS:
            pull = table_excess[:, k][np.isfinite(table_excess[:, k])]
            spread = 1.4826 * np.median(np.abs(pull - np.median(pull))) if pull.size else np.nan
            rows[name] = {"unit": "mag" if BANDS[name].magnitude else "A",
                          "zero point": zero.offset[k], "model error": zero.floor[k],
                          "stars": pull.size, "scatter": spread,
                          "beyond 3": np.mean(np.abs(pull) > 3) if pull.size else np.nan}
    return pd.DataFrame(rows).T


#: Columns of the table of lines after star_id and obsid, in order.
ORDER = (
    *(f"{name}{end}" if end != "e_" else f"e_{name}" for name in BANDS
      for end in ("", "e_", "_normal", "_excess")),
    *COLUMNS, "lines_verdict", "p_group1", "p_group2", "p_group3", "p_cemp_no", "c_fe_correction",
    "a_c_natal",
    *(f"{name}{end}" if end != "e_" else f"e_{name}" for name in NEUTRON
      for end in ("", "e_", "_excess")),
    *(f"{end}{name}" for name in ("ca_k", "hdelta", "hbeta", "halpha", "tio5")
      for end in ("", "e_")),
    "lines_kind",
)
