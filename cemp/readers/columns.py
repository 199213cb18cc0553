"""Which column of a table is which, by the names in use; and what a header declares."""

import re
from dataclasses import dataclass, field

import numpy as np

from cemp.constants import C_KMS
from cemp.errors import BadInputError
from cemp.readers.axis import LOGLAM

#: Names in use, lower case, letters and digits only; the first that a table has is taken.
NAMES = {
    "wave": ("wavelength", "wave", "lambda", "lam", "wl", "wavelengths", "spectralaxis", "lambd",
             "waveobs", "obswave", "dispersion"),
    LOGLAM: ("loglam", "loglambda", "logwave", "logwavelength", "log10wave"),
    "flux": ("flux", "fluxes", "flam", "flambda", "fluxdensity", "fluxcalibrated", "spec",
             "spectrum", "normflux", "fluxnorm", "normalizedflux", "intensity", "counts"),
    "ivar": ("ivar", "invvar", "inversevariance", "fluxivar", "ivarflux"),
    "variance": ("variance", "var", "fluxvar", "fluxvariance"),
    "error": ("error", "err", "errors", "errs", "sigma", "fluxerr", "fluxerror", "errflux",
              "errorflux", "eflux", "std", "stddev", "uncertainty", "unc", "noise", "fluxsigma",
              "sigmaflux", "fluxstd", "fluxunc", "fluxuncertainty"),
    "mask": ("mask", "andmask", "dq", "qual", "quality", "badpix", "badpixel", "flag", "flags"),
    "good": ("good",),
}  # fmt: skip
#: What a caller may name the columns of a table without names.
ROLES = ("wave", "flux", "error", "ivar", "mask", "skip")
#: Words in a wavelength's name that tell its medium.
MEDIA = {"air": "air", "vac": "vacuum", "vacuum": "vacuum"}


@dataclass(frozen=True)
class Raw:
    """What a plain file holds, before anything is made of it.

    Parameters
    ----------
    wave, flux : ndarray, shape (n,)
        As stored.
    ivar, error : ndarray, shape (n,), or None
    good : ndarray of bool, shape (n,), or None
    unit : str or None
        Of the wavelength, by the file's own account.
    medium : {"air", "vacuum"} or None
        By the name of the column.
    header : mapping
        Keywords of the file.
    layout : str
        What kind of file it was.
    unused : tuple of str
        Where no column of errors was found: further columns, one of which may be it.
    """

    wave: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray | None = None
    error: np.ndarray | None = None
    good: np.ndarray | None = None
    unit: str | None = None
    medium: str | None = None
    header: dict = field(default_factory=dict)
    layout: str = ""
    unused: tuple = ()


def split_name(name):
    """Take a column's name apart.

    Parameters
    ----------
    name : str
        ``"Wavelength_air [nm]"``.

    Returns
    -------
    key : str
        Letters and digits, lower case, without unit and medium: ``"wavelength"``.
    unit : str or None
        What stands in brackets: ``"nm"``.
    medium : {"air", "vacuum"} or None

    Examples
    --------
    >>> split_name("Wavelength_air [nm]"), split_name("lambda(A)"), split_name("FLUX")
    (('wavelength', 'nm', 'air'), ('lambda', 'A', None), ('flux', None, None))
    """
    bracket = re.search(r"[\[(]\s*([^\])]*?)\s*[\])]", str(name))
    words = re.findall(r"[a-z0-9]+", re.sub(r"[\[(].*", "", str(name)).lower())
    medium = next((MEDIA[word] for word in words if word in MEDIA), None)
    key = "".join(word for word in words if word not in MEDIA)
    return key, (bracket[1] or None) if bracket else None, medium


def assign(names, columns=None):
    """Tell which columns hold what.

    Parameters
    ----------
    names : sequence of str
        The table's columns.
    columns : tuple of str, optional
        The caller's names of wavelength, flux and, third, error, where the usual do not serve.

    Returns
    -------
    dict of str to str
        Role (a key of `NAMES`) to column; without ``"wave"`` or ``"flux"`` if not found.

    Examples
    --------
    >>> assign(["FLUX", "Wave (nm)", "flux_err"])
    {'wave': 'Wave (nm)', 'flux': 'FLUX', 'error': 'flux_err'}
    """
    found = {}
    keys = {split_name(name)[0]: name for name in reversed(list(names))}
    for role, usual in NAMES.items():
        match = next((keys[key] for key in usual if key in keys), None)
        if match is not None:
            found[role] = match
    if columns and set(columns) <= set(names):
        for role in ("ivar", "variance", "error"):
            found.pop(role, None)
        given = dict(zip(("wave", "flux", "error"), columns, strict=False))
        if split_name(columns[-1])[0] in NAMES["ivar"] and len(columns) == 3:
            given["ivar"] = given.pop("error")
        found.pop(LOGLAM, None)
        found |= given
    return found


def to_raw(table, units, header, layout, source, columns=None):
    """Pick wavelength, flux and errors from a table.

    Parameters
    ----------
    table : mapping of str to ndarray
        Columns of shape (n,).
    units : mapping of str to str
        Units of those columns that have one.
    header : mapping
    layout, source : str
    columns : tuple of str, optional
        As for `assign`.

    Returns
    -------
    Raw

    Raises
    ------
    BadInputError
        If there is no wavelength or flux among them, or no row.
    """
    roles = assign(list(table), columns)
    wave = roles.get("wave") or roles.get(LOGLAM)
    if wave is None or "flux" not in roles:
        raise BadInputError(
            f"{source}: no column of {'flux' if wave else 'wavelength'} among "
            f"{', '.join(map(str, list(table)[:12])) or 'none'}; name them: columns=(wave, flux, "
            "error)"
        )
    if len(table[wave]) == 0:
        raise BadInputError(f"{source}: the table is empty; fetch the file again")
    get = {role: np.asarray(table[name]) for role, name in roles.items()}
    _, unit, medium = split_name(wave)
    error = get.get("error")
    if "variance" in get and error is None:
        variance = get["variance"].astype(float)
        error = np.sqrt(np.where(variance > 0, variance, 0))
    good = get["good"].astype(bool) if "good" in get else None
    if "mask" in get:
        good = (get["mask"] == 0) if good is None else good & (get["mask"] == 0)
    return Raw(
        get.get("wave", get.get(LOGLAM)), get["flux"], get.get("ivar"),
        None if "ivar" in get else error, good,
        LOGLAM if "wave" not in roles else units.get(wave) or unit, medium, header, layout,
        () if {"ivar", "variance", "error"} & set(roles) else
        tuple(str(name) for name in table if name not in roles.values()),
    )  # fmt: skip


def header_medium(header):
    """Read from a header whether its wavelengths are air or vacuum.

    Parameters
    ----------
    header : mapping
        Keywords in capitals.

    Returns
    -------
    {"air", "vacuum"} or None
        None if it does not say. CTYPE1 = AWAV is air; WAVE should be vacuum by the FITS standard,
        but pipelines write it for air, too, so that it says nothing. Of the UCDs of the Virtual
        Observatory em.wl;obs.atmos is air, em.wl alone vacuum.
    """
    for key in ("AIRORVAC", "MEDIUM", "WAVEMED", "REFMED"):
        word = str(header.get(key, "")).strip().lower()
        if word.startswith(("air", "vac")):
            return "air" if word.startswith("air") else "vacuum"
    flag = str(header.get("VACUUM", "")).strip().lower()
    if flag in ("t", "true", "1", "f", "false", "0"):
        return "vacuum" if flag in ("t", "true", "1") else "air"
    if str(header.get("CTYPE1", "")).upper().startswith("AWAV"):
        return "air"
    ucds = [str(header[key]).replace(" ", "") for key in header if str(key).startswith("TUCD")]
    return "air" if "em.wl;obs.atmos" in ucds else "vacuum" if "em.wl" in ucds else None


def header_velocity(header):
    """Read a radial velocity from a header.

    Parameters
    ----------
    header : mapping

    Returns
    -------
    float or None
        Of VRAD, RADVEL, VELOCITY [km/s], REDSHIFT or Z; None if none is there and finite.
    """
    for key in ("VRAD", "RADVEL", "VELOCITY", "REDSHIFT", "Z"):
        try:
            value = float(header[key])
        except (KeyError, TypeError, ValueError):
            continue
        if np.isfinite(value) and value > -9000:
            return value * C_KMS if key in ("REDSHIFT", "Z") else value
    return None
