"""Read any spectrum: what a file is, is told by its content, never by its name."""

from dataclasses import replace
from pathlib import Path

from cemp.constants import C_KMS
from cemp.lamost import read_spectrum
from cemp.readers.options import ReadOptions


def read_any(path, options=None):
    """Read one spectrum of LAMOST LRS.

    Parameters
    ----------
    path : str or pathlib.Path
    options : ReadOptions, optional

    Returns
    -------
    cemp.spectrum.Spectrum

    Raises
    ------
    NotLowResolutionError
        If it is a LAMOST medium-resolution product.
    BadInputError
        If it cannot be read; the message says what to do.
    """
    return declared(read_spectrum(path), options or ReadOptions())


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
        LAMOST's obsid, SDSS's plate-mjd-fiber, else the file's or the object's name.
    """
    if spectrum.obsid is not None:
        return str(spectrum.obsid)
    return str(spectrum.meta.get("identifier") or Path(spectrum.path).name.split(".fits")[0])
