"""Predicted against literature labels of real stars.

The literature errs too. MILES' labels are compiled from many sources (Cenarro et al. 2007, MNRAS
374, 664): their own scatter, `LITERATURE_ERROR`, is part of every scatter measured here, and
stars of a cluster share one [Fe/H]. No label of these stars was used in training.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.constants import LABELS, SEED, SOLAR_A, rng
from cemp.errors import BadInputError
from cemp.preprocess.pipeline import preprocess
from cemp.transfer.miles import normalise_name

#: Errors of one literature entry: Teff [K], log g and [Fe/H] [dex] of Cenarro et al. (2007) are of
#: this order; A(C) repeats to 0.21 dex between 842 pairs of entries in JINAbase.
LITERATURE_ERROR = {"teff": 80.0, "logg": 0.20, "fe_h": 0.10, "c_h": 0.21}
#: Samples by name: what the table of literature labels must fulfil. All are within 4000-7000 K,
#: where the synthetic grid has neighbours on both sides.
SAMPLES = {
    "4000-7000 K": "teff >= 4000 and teff <= 7000",
    "[Fe/H] >= -1": "teff >= 4000 and teff <= 7000 and fe_h >= -1",
    "[Fe/H] < -1": "teff >= 4000 and teff <= 7000 and fe_h < -1",
    "[Fe/H] < -2": "teff >= 4000 and teff <= 7000 and fe_h < -2",
    "giants": "teff >= 4000 and teff <= 7000 and logg < 3.5",
    "dwarfs": "teff >= 4000 and teff <= 7000 and logg >= 3.5",
    "4000-4750 K": "teff >= 4000 and teff < 4750",
    "4750-5500 K": "teff >= 4750 and teff < 5500",
    "5500-6250 K": "teff >= 5500 and teff < 6250",
    "6250-7000 K": "teff >= 6250 and teff <= 7000",
}
#: Standard deviation over median absolute deviation of a Gaussian.
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class ComparisonSettings:
    """How a comparison is made.

    Parameters
    ----------
    n_boot : int
        Resamplings of the stars.
    level : float
        Content of the percentile intervals.
    min_stars : int
        Samples of fewer stars get no interval: one from so few misleads.
    max_teff_gap : float
        A literature carbon entry made with a Teff further [K] from MILES' than this is not used:
        carbon moves by 0.2 dex in 100 K, and names can be wrong.
    seed : int
    """

    n_boot: int = 2000
    level: float = 0.95
    min_stars: int = 8
    max_teff_gap: float = 500.0
    seed: int = SEED


def vectors(spectra):
    """Preprocess spectra, each star by itself.

    Parameters
    ----------
    spectra : list of cemp.spectrum.Spectrum, length n

    Returns
    -------
    flux, ivar : ndarray of float32, shape (m, n_pix)
    good : ndarray of bool, shape (m, n_pix)
    rows : ndarray of int, shape (m,)
        Which of the spectra these are.
    reasons : dict of int to str
        Why the others cannot be used.
    """
    made, reasons = {}, {}
    for row, spectrum in enumerate(spectra):
        try:
            made[row] = preprocess(spectrum)
        except BadInputError as error:
            reasons[row] = str(error)
    if not made:
        raise BadInputError("no spectrum can be preprocessed: " + "; ".join(set(reasons.values())))
    flux, ivar, good = (np.array([getattr(v, name) for v in made.values()])
                        for name in ("flux", "ivar", "good"))
    return flux, ivar, good, np.array(list(made), dtype=int), reasons


def robust(residual):
    """Bias and scatter of residuals.

    Parameters
    ----------
    residual : ndarray, shape (..., n)
        Finite.

    Returns
    -------
    bias, scatter : ndarray, shape (...)
        Median, and 1.4826 times the median absolute deviation from it.
    """
    bias = np.median(residual, axis=-1)
    return bias, MAD_TO_SIGMA * np.median(np.abs(residual - bias[..., None]), axis=-1)


def compare(predicted, reference, settings=ComparisonSettings()):  # noqa: B008  (frozen)
    """Compare labels of one kind for one sample.

    Parameters
    ----------
    predicted, reference : array_like, shape (n,)
        Pairs with a value missing (NaN) are left out.
    settings : ComparisonSettings

    Returns
    -------
    dict
        ``n``, ``bias``, ``scatter``, and ``bias_low``, ``bias_high``, ``scatter_low``,
        ``scatter_high``: percentile intervals over stars, NaN for fewer than ``min_stars``.
    """
    residual = np.asarray(predicted, dtype=float) - np.asarray(reference, dtype=float)
    residual = residual[np.isfinite(residual)]
    n = residual.size
    out = {"n": n, **dict.fromkeys(("bias", "scatter", "bias_low", "bias_high", "scatter_low",
                                    "scatter_high"), np.nan)}
    if n:
        out["bias"], out["scatter"] = (float(v) for v in robust(residual))
    if n >= settings.min_stars:
        drawn = rng("real stars", settings.seed).integers(n, size=(settings.n_boot, n))
        tail = 50 * (1 - settings.level)
        for name, draws in zip(("bias", "scatter"), robust(residual[drawn]), strict=True):
            low, high = np.percentile(draws, [tail, 100 - tail])
            out |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return out


def comparison_table(predicted, labels, settings=ComparisonSettings(), samples=None):  # noqa: B008
    """Compare predicted with literature labels for all samples.

    Parameters
    ----------
    predicted : pandas.DataFrame, n rows
        Columns among `cemp.constants.LABELS`.
    labels : pandas.DataFrame, n rows
        Literature values: teff, logg, fe_h, and c_h where known; rows as in `predicted`. Samples
        are cut by these, never by predicted labels.
    settings : ComparisonSettings
    samples : dict of str to str, optional
        As `SAMPLES`.

    Returns
    -------
    pandas.DataFrame
        Rows (sample, label); columns of `compare`.
    """
    labels = labels.reset_index(drop=True)
    predicted = predicted.reset_index(drop=True)
    rows = {}
    for sample, rule in (samples or SAMPLES).items():
        here = labels.query(rule).index
        for label in LABELS:
            if label in predicted and label in labels and labels.loc[here, label].notna().any():
                rows[sample, label] = compare(predicted.loc[here, label], labels.loc[here, label],
                                              settings)
    return pd.DataFrame(rows).T.rename_axis(["sample", "label"])


def z_scores(predicted, errors, labels):
    """Residuals in units of their expected size.

    Parameters
    ----------
    predicted, errors, labels : pandas.DataFrame, n rows
        Predicted labels, their standard errors, and literature labels.

    Returns
    -------
    z : pandas.DataFrame
        (predicted - literature) / sqrt(error^2 + `LITERATURE_ERROR`^2).
    summary : pandas.DataFrame
        By label: ``n``, ``median`` (0 if unbiased), ``scatter`` (1 if the errors are right),
        ``within_1`` and ``within_2`` (0.68 and 0.95).
    """
    z, summary = {}, {}
    for label in (name for name in LABELS if name in predicted and name in labels):
        expected = np.hypot(errors[label].to_numpy(float), LITERATURE_ERROR[label])
        z[label] = (predicted[label].to_numpy(float) - labels[label].to_numpy(float)) / expected
        known = z[label][np.isfinite(z[label])]
        if known.size:
            median, scatter = robust(known)
            summary[label] = {"n": known.size, "median": median, "scatter": scatter,
                              "within_1": np.mean(np.abs(known) < 1),
                              "within_2": np.mean(np.abs(known) < 2)}
    return pd.DataFrame(z), pd.DataFrame(summary).T


def literature_carbon(path, labels, settings=ComparisonSettings()):  # noqa: B008  (frozen)
    """Look up the carbon abundance of stars in JINAbase.

    Parameters
    ----------
    path : str or pathlib.Path
        JINAbase (Abohalima & Frebel 2018, ApJS 238, 36) as csv.
    labels : pandas.DataFrame
        Columns star (normalised name) and teff.
    settings : ComparisonSettings

    Returns
    -------
    pandas.DataFrame
        By star: c_h = A(C) - 8.43 from CH, the median of all detections whose Teff is near MILES'
        (limits are no detections), n_entries, span (largest minus smallest). Matched by name, both
        the paper's and SIMBAD's: MILES' table has no positions.

    Raises
    ------
    BadInputError
        If the file is missing or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=str, usecols=["Name", "Simbad_Identifier", "C-H", "Teff"])
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: cannot read JINAbase ({error}); check real_dir") from error
    for column in ("C-H", "Teff"):
        table[column] = pd.to_numeric(table[column], errors="coerce")  # "<6.1" becomes NaN
    table = table.dropna(subset=["C-H", "Teff"])
    names = table[["Name", "Simbad_Identifier"]].fillna("").map(normalise_name)
    rows = {}
    for star, teff in zip(labels["star"], labels["teff"], strict=True):
        near = (table["Teff"] - teff).abs() < settings.max_teff_gap
        found = table.loc[(names == star).any(axis=1) & near, "C-H"]
        if len(found):
            rows[star] = {"c_h": found.median() - SOLAR_A["C"], "n_entries": len(found),
                          "span": found.max() - found.min()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["c_h", "n_entries", "span"])


def with_carbon(labels, carbon):
    """Add literature [C/H] to a table of labels, NaN where unknown.

    Parameters
    ----------
    labels : pandas.DataFrame
        With a column star.
    carbon : pandas.DataFrame
        As of `literature_carbon`.

    Returns
    -------
    pandas.DataFrame
    """
    return labels.assign(c_h=labels["star"].map(carbon["c_h"]).astype(float))
