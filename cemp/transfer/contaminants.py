"""What is no F, G or K star among real spectra, and what the flags make of it."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.transfer.coverage import feature_pixels

#: Signs of `cemp.transfer.outside.Domain.flags`, and whether any of them is raised.
SIGNS = ("labels", "reconstruction", "error", "outside")
#: |z| above which a redshift cannot be a star's velocity (3,000 km/s).
STELLAR_Z = 0.01


def kind_of(cls, subclass):
    """Name the kind of object by the survey pipeline's class.

    Parameters
    ----------
    cls, subclass : str
        As in LAMOST's headers.

    Returns
    -------
    str
        ``"FGK"``, ``"A"``, ``"M"``, ``"galaxy"`` (quasars too) or ``"unknown"``.

    Examples
    --------
    >>> kind_of("STAR", "G3"), kind_of("STAR", "dM2"), kind_of("GALAXY", "Non"), kind_of("STAR", "")
    ('FGK', 'M', 'galaxy', 'unknown')
    """
    if cls in ("GALAXY", "QSO"):
        return "galaxy"
    letter = re.match(r"[dg]?([OBAFGKM])\d", str(subclass).strip())
    if cls != "STAR" or not letter:
        return "unknown"
    return {"F": "FGK", "G": "FGK", "K": "FGK", "M": "M"}.get(letter[1], "A")


def as_star(spectrum):
    """Take an object for a star, as a survey does whose classification failed.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum

    Returns
    -------
    cemp.spectrum.Spectrum
        Class STAR; a redshift that no star has, or none, becomes 0.
    """
    stellar = np.isfinite(spectrum.z) and abs(spectrum.z) <= STELLAR_Z
    return replace(spectrum, cls="STAR", z=spectrum.z if stellar else 0.0)


def count(kinds, flags):
    """Count what is flagged, kind by kind.

    Parameters
    ----------
    kinds : array_like of str, shape (n,)
        Groups, in any order.
    flags : pandas.DataFrame, n rows
        Has the columns `SIGNS`.

    Returns
    -------
    pandas.DataFrame
        One row a kind: spectra, and how many of them raise each sign.

    Raises
    ------
    BadInputError
        If the lengths differ.
    """
    kinds = np.asarray(kinds)
    if len(kinds) != len(flags):
        raise BadInputError(f"{len(kinds)} kinds for {len(flags)} rows of flags")
    groups = flags[list(SIGNS)].astype(int).groupby(kinds)
    return groups.sum().assign(spectra=groups.size())[["spectra", *SIGNS]].rename_axis("kind")


def widening(model, flux, good, lost):
    """Tell how much the errors grow when features are hidden.

    Parameters
    ----------
    model : cemp.transfer.model.SkyModel
    flux : ndarray, shape (n, n_pix)
    good : ndarray of bool, shape (n, n_pix)
        Preprocessed spectra that have these features.
    lost : dict of str to sequence of str
        Name of the case to the features (`cemp.transfer.coverage.FEATURES`) it hides.

    Returns
    -------
    pandas.DataFrame
        One row a case: median over the spectra of error without over error with, by label.
    """
    base = _errors(model, flux, good)
    rows = {}
    for case, names in lost.items():
        hidden = np.any([feature_pixels(name) for name in names], axis=0)
        ratio = _errors(model, flux, np.asarray(good, bool) & ~hidden) / base
        rows[case] = dict(zip(LABELS, np.median(ratio, axis=0), strict=True))
    return pd.DataFrame(rows).T.rename_axis("hidden")


def _errors(model, flux, good):
    """Errors of the labels (n, 4)."""
    _, covariance, _ = model.predict(flux, good)
    return np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
