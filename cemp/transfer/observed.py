"""Label real spectra with the sky model, and what LAMOST's own spectra can say about the labels.

The real LAMOST spectra have no reference labels here. What can be checked: spectral types of the
survey's pipeline against Teff, one spectrum stored in two layouts, and whether the stars lie where
stars can lie in the Kiel diagram.
"""

import re

import numpy as np
import pandas as pd

from cemp.catalogues.lamost import read_lamost as read_catalogue
from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.lamost import find_spectra, read_spectrum
from cemp.transfer.model import c_fe_error

#: Teff [K] of main-sequence types, from Pecaut & Mamajek (2013, ApJS 208, 9), table 5. Giants of
#: the same type are cooler, by some 300 K at K0.
TYPE_TEFF = {"A0": 9700, "A5": 8080, "F0": 7220, "F5": 6550, "G0": 5930, "G5": 5660, "K0": 5270,
             "K5": 4440, "M0": 3850}  # fmt: skip


def label_spectra(model, flux, good):
    """Predict labels and errors as a table.

    Parameters
    ----------
    model : cemp.transfer.model.SkyModel
        Anything with its ``predict`` and ``zero_point``.
    flux : ndarray, shape (n, n_pix)
    good : ndarray of bool, shape (n, n_pix)
        Preprocessed spectra.

    Returns
    -------
    table : pandas.DataFrame
        teff, logg, fe_h, c_h, c_fe; errors e_teff ... e_c_fe; spread_teff ... (between members).
    raw : tuple of ndarray
        What `Domain.flags` judges: labels before the zero points, covariance and spread.
    """
    raw = model.predict(flux, good, raw=True)
    labels, covariance, spread = raw
    if model.zero_point is not None:
        labels = model.zero_point.apply(labels, covariance)
    errors = np.sqrt(np.einsum("nii->ni", covariance))
    table = pd.DataFrame(labels, columns=list(LABELS))
    table["c_fe"] = table["c_h"] - table["fe_h"]
    for k, name in enumerate(LABELS):
        table[f"e_{name}"] = errors[:, k]
    table["e_c_fe"] = c_fe_error(covariance)
    for k, name in enumerate(LABELS):
        table[f"spread_{name}"] = spread[:, k]
    return table, raw


def type_teff(subclass):
    """Tell the Teff of a spectral type.

    Parameters
    ----------
    subclass : str
        As LAMOST's 1D pipeline gives it: ``"G3"``, ``"F0"``, ``"A7V"``; types of M stars
        (``"dM2"``, ``"gM1"``) and others are not on the scale.

    Returns
    -------
    float
        [K], interpolated in `TYPE_TEFF`; NaN if the type is not there.

    Examples
    --------
    >>> type_teff("G0"), type_teff("K7") < type_teff("K5"), type_teff("dM2")
    (5930.0, True, nan)
    """
    found = re.match(r"([AFGKM])(\d)", str(subclass).strip())
    if not found:
        return np.nan
    number = [10 * "AFGKM".index(name[0]) + int(name[1]) for name in TYPE_TEFF]
    at = 10 * "AFGKM".index(found[1]) + int(found[2])
    return float(np.interp(at, number, list(TYPE_TEFF.values()), right=np.nan))


def type_medians(path, least=20):
    """Typical labels of each spectral type, by the survey's own pipeline.

    Parameters
    ----------
    path : str or pathlib.Path
        The LAMOST stellar catalogue, as for `cemp.catalogues.lamost.read_lamost`.
    least : int
        Types with fewer rows of known Teff are left out.

    Returns
    -------
    pandas.DataFrame
        By subclass: medians ``lasp_teff`` [K], ``lasp_logg``, ``lasp_feh`` and ``n``, the rows.

    Raises
    ------
    BadInputError
        If there is no such file or it is no such catalogue.
    """
    rows = read_catalogue(path)
    groups = rows[rows["lasp_teff"].notna()].groupby("subclass")
    out = groups[["lasp_teff", "lasp_logg", "lasp_feh"]].median()
    return out.assign(n=groups.size())[groups.size() >= least]


def read_lamost(folder):
    """Read all LAMOST low-resolution spectra under a folder.

    Parameters
    ----------
    folder : str or pathlib.Path
        Searched with its subfolders; medium-resolution and damaged files are left out.

    Returns
    -------
    spectra : list of cemp.spectrum.Spectrum
    table : pandas.DataFrame
        One row a spectrum: file, obsid, cls, subclass, snrg, z, type_teff [K].

    Raises
    ------
    BadInputError
        If there is no such folder, or nothing readable in it.
    """
    spectra, rows = [], []
    for path in find_spectra(folder):
        try:
            spectrum = read_spectrum(path)
        except BadInputError:
            continue
        spectra.append(spectrum)
        rows.append({"file": path.name, "obsid": spectrum.obsid, "cls": spectrum.cls,
                     "subclass": spectrum.subclass, "snrg": spectrum.snr.get("g", np.nan),
                     "z": spectrum.z, "type_teff": type_teff(spectrum.subclass)})
    if not spectra:
        raise BadInputError(f"{folder}: no LAMOST spectrum in it; check real_dir")
    return spectra, pd.DataFrame(rows)


def same_exposure(table):
    """Compare labels of one exposure that is stored more than once.

    Parameters
    ----------
    table : pandas.DataFrame
        obsid and the labels.

    Returns
    -------
    pandas.DataFrame
        By obsid: number of files, and the largest difference of each label: 0 if the reader
        treats the layouts alike.
    """
    again = table[table["obsid"].notna() & table.duplicated("obsid", keep=False)]
    groups = again.groupby("obsid")[list(LABELS)]
    return (groups.max() - groups.min()).assign(files=groups.size())


def implausible(table):
    """Tell which stars lie where no star of the Galaxy's populations does.

    Parameters
    ----------
    table : pandas.DataFrame
        teff [K], logg.

    Returns
    -------
    pandas.Series of bool
        Cool stars (Teff < 4900 K) between the main sequence and the giants (3.7 < log g < 4.2 is
        empty there, as stars of such mass have not left the main sequence in the age of the
        Universe), and warm ones (Teff > 5800 K) with log g < 2.5, except the rare stars of the
        horizontal branch.
    """
    gap = (table["teff"] < 4900) & table["logg"].between(3.7, 4.2)
    warm = (table["teff"] > 5800) & (table["logg"] < 2.5)
    return gap | warm
