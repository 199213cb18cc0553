"""Read any spectrum: what a file is, is told by its content, never by its name."""

import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from cemp.constants import C_KMS
from cemp.errors import BadInputError
from cemp.fitsfile import AGAIN, open_fits, read_bytes
from cemp.lamost import read_spectrum
from cemp.readers.options import ReadOptions
from cemp.readers.plain import finish, fits_raw
from cemp.readers.sdss import is_sdss, read_sdss
from cemp.readers.text import read_text

#: Keywords that only LAMOST writes into the primary header.
LAMOST_KEYS = (b"PLANID  =", b"LMJD    =")
#: First bytes of files that are neither FITS nor text, and what they are.
FOREIGN = {b"PK\x03\x04": "a zip archive: unpack it", b"BZh": "bzip2: unpack it",
           b"\xfd7zXZ": "xz: unpack it", b"\x89HDF": "HDF5: export the spectrum as csv",
           b"PAR1": "Parquet: export the spectrum as csv", b"%PDF": "a PDF"}  # fmt: skip


def read_any(path, options=None):
    """Read one spectrum: LAMOST LRS, SDSS, or any plain one-dimensional spectrum.

    Parameters
    ----------
    path : str or pathlib.Path
        FITS, csv, ecsv or other text, gzip-compressed or not.
    options : ReadOptions, optional
        What the file may not say. A plain spectrum needs medium and velocity from one of the two.

    Returns
    -------
    cemp.spectrum.Spectrum
        Vacuum Angstrom, rising, not at rest; ``meta["layout"]`` tells what the file was.

    Raises
    ------
    NotLowResolutionError
        If it is a LAMOST medium-resolution product.
    BadInputError
        If it cannot be read or does not say enough; the message names the file and the remedy.

    Notes
    -----
    In order: SDSS by the columns flux, loglam, ivar; LAMOST by its keywords; else a FITS table
    with columns of the usual names, a FITS image of one row, or text. What the preprocessing does
    with a spectrum that does not cover its whole grid is told in `cemp.readers`.
    """
    options = options or ReadOptions()
    try:
        spectrum = _read(path, options)
    except (BadInputError, MemoryError):
        raise
    except Exception as error:  # a few damaged bytes make astropy and pandas raise anything
        reason = " ".join(repr(error).split())[:200]
        raise BadInputError(
            f"{path}: not the layout of a spectrum ({reason}); fetch the file again, or use "
            "from_arrays"
        ) from error
    if not (np.isfinite(spectrum.wave).all() and np.all(np.diff(spectrum.wave) > 0)):
        raise BadInputError(f"{path}: the wavelengths do not rise; {AGAIN}")
    return declared(spectrum, options)


def _read(path, options):
    """Tell what the file is and hand it to its reader."""
    head = first_bytes(path)
    if head[:9] == b"SIMPLE  =":
        if any(key in head for key in LAMOST_KEYS):
            return read_spectrum(path)
        hdus = open_fits(path)
        if is_sdss(hdus):
            return read_sdss(hdus, path)
        if any(hdu.name.startswith("COADD") for hdu in hdus):  # LAMOST without its keywords, MRS
            return read_spectrum(path)
        return finish(fits_raw(hdus, path, options.columns), options, str(path))
    data = read_bytes(path)
    for mark, what in FOREIGN.items():
        if data.startswith(mark):
            raise BadInputError(f"{path}: {what}; FITS, csv and ecsv are read")
    return finish(read_text(data, path, options.columns), options, str(path))


def first_bytes(path, size=60_000):
    """Return the first bytes of a file's content, unpacked if it is gzip.

    Parameters
    ----------
    path : str or pathlib.Path
    size : int
        Bytes to read from the file; a header of LAMOST has some 12,000.

    Returns
    -------
    bytes
        Empty if the file cannot be opened or unpacked: the reader proper says why.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(size)
        return zlib.decompressobj(31).decompress(data, size) if data[:2] == b"\x1f\x8b" else data
    except (OSError, zlib.error):
        return b""


def declared(spectrum, options):
    """Apply the caller's velocity and class to a spectrum.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
    options : ReadOptions

    Returns
    -------
    cemp.spectrum.Spectrum
    """
    changes = {}
    if options.velocity_kms is not None:
        changes["z"] = options.velocity_kms / C_KMS
    if options.star:
        changes["cls"] = "STAR"
    return replace(spectrum, **changes) if changes else spectrum


def identifier(spectrum):
    """Name a spectrum, whatever survey it is of.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum

    Returns
    -------
    str
        LAMOST's obsid, SDSS's plate-mjd-fiber, the name of the object, or the file's.
    """
    if spectrum.obsid is not None:
        return str(spectrum.obsid)
    file = re.sub(r"\.(fits?|e?csv|txt|dat|tsv|asc)?(\.gz)?$", "", Path(spectrum.path).name)
    return str(spectrum.meta.get("identifier") or file)
