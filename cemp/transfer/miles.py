"""Read MILES stars, and draw once and for all which of them may guide choices.

MILES (Sanchez-Blazquez et al. 2006, MNRAS 371, 703; Falcon-Barroso et al. 2011, A&A 532, A95) has
spectra of real stars at rest, 3540.5-7409.6 A in air, 0.9 A a pixel, a constant FWHM of 2.5 A, flux
calibrated, without errors. The labels come with it; most are those of Cenarro et al. (2007, MNRAS
374, 664): literature values brought to one scale.
"""

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.constants import air_to_vacuum
from cemp.errors import BadInputError
from cemp.fitsfile import open_fits
from cemp.spectrum import Spectrum

#: Resolution [Angstrom FWHM], the same at every wavelength (Falcon-Barroso et al. 2011).
MILES_FWHM = 2.5
#: Signal-to-noise ratio taken for granted where the flux is at its median: the files hold no
#: errors; the library's own are above 100 an Angstrom for field stars, some 50 in clusters.
NOMINAL_SNR = 100.0
#: First word of the text that is hashed: another use of the same names draws another half.
SALT = "cemp MILES halves"
#: Columns of ``labels.csv``.
COLUMNS = ("name", "miles_id", "file", "teff", "logg", "feh", "refs")


def normalise_name(name):
    """Bring a star's name to one form.

    Parameters
    ----------
    name : str
        As in ``labels.csv``: ``"HD001326B"``, ``"HD 025825         Cl"``.

    Returns
    -------
    str
        Letters, digits and signs only, upper case, without the mark of cluster stars, without
        leading zeros and without the component letter of a binary: two spectra of one star, or of
        one system, fall on one side of `split`.

    Examples
    --------
    >>> normalise_name("HD 025825         Cl"), normalise_name("HD001326B")
    ('HD25825', 'HD1326')
    """
    text = re.sub(r"\s+CL$", "", str(name).strip().upper())
    text = re.sub(r"[^A-Z0-9+-]", "", text)
    catalogue = re.fullmatch(r"(HD|BD[+-]|CD[+-])0*(\d+)[A-C]?", text)
    return catalogue[1] + catalogue[2] if catalogue else text


def split(names):
    """Tell which stars are of the development half; the others are the test half.

    Parameters
    ----------
    names : sequence of str, length n
        Names as in ``labels.csv``.

    Returns
    -------
    ndarray of bool, shape (n,)
        True: development (choices may be made on it). False: test, to be opened once, after the
        weights are frozen. No star of either half trains anything.

    Notes
    -----
    The last bit of SHA-256 of `SALT` and the normalised name: fixed for ever, whatever the order
    or number of the stars.
    """
    keys = [f"{SALT} {normalise_name(name)}".encode() for name in names]
    return np.array([hashlib.sha256(key).digest()[-1] % 2 == 0 for key in keys], dtype=bool)


def read_labels(folder):
    """Read the table of literature labels.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``labels.csv``.

    Returns
    -------
    pandas.DataFrame
        name, miles_id, file, teff [K], logg [dex, cgs], fe_h [dex], refs (codes of the sources of
        the three labels), star (normalised name), dev (bool: development half).

    Raises
    ------
    BadInputError
        If folder or table are missing, or the table lacks a column.
    """
    path = Path(folder) / "labels.csv"
    if not path.is_file():
        raise BadInputError(f"{path}: no such file; set real_dir to the folder that holds miles/")
    table = pd.read_csv(path, dtype={"name": str, "refs": str})
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise BadInputError(f"{path}: no column {', '.join(missing)}; fetch the table again")
    table = table[list(COLUMNS)].rename(columns={"feh": "fe_h"})
    table["star"] = [normalise_name(name) for name in table["name"]]
    return table.assign(dev=split(table["name"]))


def read_miles(folder, rows=None):
    """Read MILES spectra and their literature labels.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``labels.csv`` and the FITS files that it names.
    rows : array_like of bool, shape (n_table,), optional
        Stars to read; all by default. Pass ``read_labels(folder)["dev"]`` to leave the test half
        closed.

    Returns
    -------
    spectra : list of cemp.spectrum.Spectrum
        Vacuum wavelength, at rest (z = 0), class STAR. ``obsid`` is the MILES number.
    labels : pandas.DataFrame
        As of `read_labels`, one row a spectrum, in the same order, numbered from 0.

    Raises
    ------
    BadInputError
        If a file is missing or is no MILES spectrum.
    """
    labels = read_labels(folder)
    if rows is not None:
        labels = labels[np.asarray(rows, dtype=bool)].reset_index(drop=True)
    spectra = [read_star(Path(folder) / row.file, row.miles_id) for row in labels.itertuples()]
    return spectra, labels


def read_star(path, miles_id=None):
    """Read one MILES spectrum.

    Parameters
    ----------
    path : str or pathlib.Path
    miles_id : int, optional
        Kept as ``obsid``.

    Returns
    -------
    cemp.spectrum.Spectrum
        `NOMINAL_SNR` where the flux is at its median and photon noise elsewhere, for want of
        errors; good where the flux is finite and positive.

    Raises
    ------
    BadInputError
        If the file is missing or holds no spectrum with a linear wavelength scale.
    """
    hdu = open_fits(path)[0]
    scale = [hdu.header.get(key) for key in ("CRVAL1", "CDELT1", "CRPIX1")]
    if hdu.data is None or hdu.data.ndim != 1 or None in scale:
        raise BadInputError(f"{path}: no MILES spectrum (one row with CRVAL1, CDELT1 and CRPIX1)")
    flux = np.asarray(hdu.data, dtype=float)
    first, step, pixel = scale
    wave = air_to_vacuum(first + step * (np.arange(flux.size) + 1 - pixel))
    good = np.isfinite(flux) & (flux > 0)
    median = np.median(flux[good]) if good.any() else 1.0
    variance = np.clip(flux, 0.01 * median, None) * median / NOMINAL_SNR**2
    return Spectrum(
        obsid=None if miles_id is None else int(miles_id),
        wave=wave,
        flux=np.where(good, flux, 0.0),
        ivar=np.where(good, 1 / variance, 0.0),
        good=good,
        z=0.0,
        release="MILES 9.1",
        path=str(path),
        meta={"fwhm": float(hdu.header.get("FWHM", MILES_FWHM))},
    )  # fmt: skip
