"""One observed spectrum, the same whatever release it came from."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Spectrum:
    """A LAMOST low-resolution spectrum as observed: heliocentric, vacuum, not at rest.

    Parameters
    ----------
    obsid : int or None
        Identifier of the spectrum; None in releases that carry none (DR1, DR2).
    wave : ndarray, shape (n,)
        Vacuum wavelength [Angstrom], rising.
    flux : ndarray, shape (n,)
        Flux density, relative units.
    ivar : ndarray, shape (n,)
        Inverse variance of the flux; 0 where nothing is known.
    good : ndarray of bool, shape (n,)
        True where flux and ivar can be used.
    z : float
        Redshift (v / c for a star); NaN if the pipeline gave none.
    ra, dec : float
        Position of the input catalogue, ICRS [degree].
    cls, subclass : str
        Class of the 1D pipeline (``"STAR"``, ``"GALAXY"``, ``"QSO"``, ...).
    snr : dict of str to float
        Signal-to-noise ratio a pixel in the bands u, g, r, i, z; NaN if missing.
    release : str
        Data release by the file's own account.
    path : str
        File it was read from.
    meta : dict
        Other header values: lmjd, planid, spid, fiberid, layout, verspipe, n_masked.
    """

    obsid: int | None
    wave: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    good: np.ndarray
    z: float
    ra: float = np.nan
    dec: float = np.nan
    cls: str = "STAR"
    subclass: str = ""
    snr: dict = field(default_factory=dict)
    release: str = ""
    path: str = ""
    meta: dict = field(default_factory=dict)
