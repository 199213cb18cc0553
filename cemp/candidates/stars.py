"""From predicted labels to a table of stars: errors, classes, and repeats combined."""

import numpy as np
import pandas as pd

from cemp.candidates.classes import classify, log_luminosity, table1
from cemp.candidates.errors import CovarianceSettings, ResidualCovariance
from cemp.candidates.probability import probabilities
from cemp.constants import LABELS, SOLAR_A
from cemp.identity import rows_by_star
from cemp.rows import row_slices

#: Rows at a time: the integrals behind a probability take some kB a row.
PART = 50_000


def covariance_of(table):
    """Read the covariance of ([Fe/H], [C/H]) from a table's columns.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns e_fe_h, e_c_h, cov_fe_h_c_h.

    Returns
    -------
    ndarray, shape (n, 2, 2)
        [dex^2].
    """
    iron, carbon = table["e_fe_h"].to_numpy() ** 2, table["e_c_h"].to_numpy() ** 2
    both = table["cov_fe_h_c_h"].to_numpy()
    return np.stack([np.stack([iron, both], -1), np.stack([both, carbon], -1)], -2)


def add_errors(table, model):
    """Add the errors of the labels, from the residual covariance.

    Parameters
    ----------
    table : pandas.DataFrame
        Predicted labels teff, logg, fe_h, c_h and snrg.
    model : cemp.candidates.errors.ResidualCovariance
        Fitted.

    Returns
    -------
    pandas.DataFrame
        A copy with e_teff, e_logg, e_fe_h, e_c_h, cov_fe_h_c_h.
    """
    return _with_columns(table, lambda rows: _errors(rows, model))


def _errors(rows, model):
    """Columns of `add_errors` for some rows."""
    labels, snr = rows[list(LABELS)].to_numpy(dtype=float), rows["snrg"].to_numpy(dtype=float)
    columns = zip(LABELS, model.errors(labels, snr).T, strict=True)
    return {f"e_{name}": error for name, error in columns} | {
        "cov_fe_h_c_h": model.predict(labels, snr)[:, 0, 1]}


def _with_columns(table, make, size=PART):
    """Add columns that are made from some rows at a time (``make(rows)`` gives arrays)."""
    columns = {}
    for rows in row_slices(len(table), size):
        for name, values in make(table.iloc[rows]).items():
            values = np.asarray(values)
            columns.setdefault(name, np.empty(len(table), values.dtype))[rows] = values
    return table.assign(**columns)


def add_classes(table):
    """Add [C/Fe] with its error, A(C), class probabilities and flags.

    Parameters
    ----------
    table : pandas.DataFrame
        Labels with errors (`add_errors`).

    Returns
    -------
    pandas.DataFrame
        A copy with c_fe, e_c_fe, a_c, p_cemp, p_emp, p_vmp and the flags of
        `cemp.candidates.classes.classify`.
    """
    return _with_columns(table, _classes)


def _classes(table):
    """Columns of `add_classes` for some rows."""
    fe_h, c_fe = table["fe_h"].to_numpy(), (table["c_h"] - table["fe_h"]).to_numpy()
    variance = table["e_fe_h"] ** 2 + table["e_c_h"] ** 2 - 2 * table["cov_fe_h_c_h"]
    chances = probabilities(fe_h, c_fe, covariance_of(table))
    flags = classify(fe_h, c_fe, log_luminosity(table["teff"], table["logg"]))
    return {"c_fe": c_fe, "e_c_fe": np.sqrt(variance), "a_c": table["c_h"] + SOLAR_A["C"],
            **chances, **{name: flags[name] for name in flags}}


def combine_repeats(table):
    """Combine the spectra of a star into one row.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a spectrum, with errors (`add_errors`).

    Returns
    -------
    pandas.DataFrame
        One row a star, in order of star_id, with n_obs. Labels are means over its spectra
        weighted by inverse variance. Errors and all else are those of the spectrum of highest
        S/N (lowest obsid on a tie): the spectra of one star share what the network gets wrong
        about that star, so their errors are not independent and must not shrink as 1/sqrt(n).
    """
    star, order, start = _in_order(table)
    best = table.iloc[order[start]].reset_index(drop=True)
    best = best[["star_id", *(name for name in best if name != "star_id")]]
    best["n_obs"] = np.diff(start, append=len(order))
    for name in LABELS:
        values, errors = (table[column].take(order) for column in (name, f"e_{name}"))
        weight = (1 / errors**2).where(values.notna(), 0.0).fillna(0.0)
        sums = pd.DataFrame({"w": weight, "wx": weight * values.fillna(0.0)}).groupby(star).sum()
        best[name] = (sums["wx"] / sums["w"].where(sums["w"] > 0)).to_numpy()
    return best


def _in_order(table):
    """Give the star of each place, the rows by star, brightest first, and where stars begin."""
    row, start = rows_by_star(table["star_id"])
    star = np.repeat(np.arange(len(start)), np.diff(start, append=len(row)))
    snr, obsid = (table[name].to_numpy()[row] for name in ("snrg", "obsid"))
    return star, row[np.lexsort((obsid, -snr, star))], start


def held_out(predictions, labels):
    """Join predictions of the validation and test folds to the adopted labels of their stars.

    Parameters
    ----------
    predictions : pandas.DataFrame
        One row a spectrum: obsid, star_id, fold, snrg, teff, logg, fe_h, c_h.
    labels : pandas.DataFrame
        One row a labelled star: star_id, the labels, their errors e_..., c_h_limit.

    Returns
    -------
    pandas.DataFrame
        One row a held-out spectrum; adopted labels and their errors are called label_teff, ...,
        label_e_c_h. A carbon limit is no label: label_c_h is NaN there. label_c_fe and
        label_cemp (Table 1; False where carbon is unknown) are added.
    """
    adopted = labels.copy()
    adopted["c_h"] = adopted["c_h"].mask(adopted["c_h_limit"].astype(bool))
    names = [*LABELS, *(f"e_{name}" for name in LABELS)]
    adopted = adopted.set_index("star_id")[names].add_prefix("label_")
    rows = predictions[predictions["fold"].isin(["validation", "test"])]
    rows = rows.join(adopted, on="star_id", how="inner").reset_index(drop=True)
    rows["label_c_fe"] = rows["label_c_h"] - rows["label_fe_h"]
    rows["label_cemp"] = table1(rows["label_fe_h"], rows["label_c_fe"])["cemp"]
    return rows


def fit_errors(held, settings=CovarianceSettings()):  # noqa: B008  (frozen)
    """Fit the residual covariance to held-out spectra.

    Parameters
    ----------
    held : pandas.DataFrame
        From `held_out`.
    settings : cemp.candidates.errors.CovarianceSettings

    Returns
    -------
    cemp.candidates.errors.ResidualCovariance
        Fitted to adopted minus predicted labels, the labels' own errors taken out.
    """
    predicted = held[list(LABELS)].to_numpy(dtype=float)
    adopted = held[[f"label_{name}" for name in LABELS]].to_numpy(dtype=float)
    errors = held[[f"label_e_{name}" for name in LABELS]].to_numpy(dtype=float)
    model = ResidualCovariance(settings)
    return model.fit(adopted - predicted, predicted, held["snrg"].to_numpy(dtype=float), errors)


def attach_truth(stars, truth_stars, truth_observations):
    """Join what the mock made to what was found, by spectrum.

    Parameters
    ----------
    stars : pandas.DataFrame
        Any table with obsid.
    truth_stars, truth_observations : pandas.DataFrame
        star_key, teff, fe_h, c_fe; and obsid, star_key.

    Returns
    -------
    pandas.DataFrame
        A copy with true_teff, true_fe_h, true_c_fe and true_cemp: Table 1 applied to the truth,
        so False for a contaminant that has no labels.
    """
    columns = ["teff", "fe_h", "c_fe"]
    truth = truth_observations[["obsid", "star_key"]].merge(
        truth_stars[["star_key", *columns]], on="star_key", validate="many_to_one"
    ).set_index("obsid")[columns].add_prefix("true_")
    joined = stars.join(truth, on="obsid")
    joined["true_cemp"] = table1(joined["true_fe_h"], joined["true_c_fe"])["cemp"]
    return joined
