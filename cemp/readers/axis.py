"""Wavelengths as they come, to rising vacuum Angstrom; what cannot be told is refused."""

from functools import lru_cache

import astropy.units as u
import numpy as np

from cemp.constants import WAVE, air_to_vacuum
from cemp.errors import BadInputError

#: Spellings that astropy.units does not know, or knows as something else (A is ampere).
ALIASES = {"a": "Angstrom", "å": "Angstrom", "aa": "Angstrom", "ang": "Angstrom",
           "angstroms": "Angstrom", "angstrom": "Angstrom", "nanometers": "nm",
           "nanometer": "nm", "microns": "um", "micrometer": "um", "micrometers": "um"}  # fmt: skip
#: Name of log10 of the wavelength in Angstrom, as SDSS calls it.
LOGLAM = "loglam"
#: Fewer pixels than this on the network's grid are no spectrum: the continuum needs 50 an arm.
MIN_PIXELS = 100


@lru_cache  # astropy takes 50 ms to parse a name
def parse_unit(text):
    """Understand the unit of a wavelength.

    Parameters
    ----------
    text : str or astropy.units.Unit
        As astropy.units spells it, or one of the usual abbreviations, or ``"loglam"``.

    Returns
    -------
    astropy.units.Unit or str
        The string is `LOGLAM`.

    Raises
    ------
    BadInputError
        If it is no unit of a wavelength, frequency, wavenumber or energy.

    Examples
    --------
    >>> parse_unit("A"), parse_unit("nm"), parse_unit("microns")
    (Unit("Angstrom"), Unit("nm"), Unit("um"))
    """
    if str(text).strip().lower() == LOGLAM:
        return LOGLAM
    try:
        unit = u.Unit(ALIASES.get(str(text).strip().lower(), text))
        (1 * unit).to(u.AA, u.spectral())
    except (ValueError, TypeError, u.UnitConversionError) as error:
        raise BadInputError(
            f"{text!r} is no unit of a wavelength; say unit='Angstrom', 'nm', 'um' or 'loglam'"
        ) from error
    return unit


def is_length(unit):
    """Tell a wavelength's unit from that of a frequency, wavenumber or energy.

    Parameters
    ----------
    unit : str, astropy.units.Unit or None
        Angstrom if None.

    Returns
    -------
    bool
        True for `LOGLAM`, too.
    """
    unit = parse_unit(unit or "Angstrom")
    return unit == LOGLAM or unit.physical_type == "length"


def angstrom(values, unit=None):
    """Convert wavelengths to Angstrom.

    Parameters
    ----------
    values : ndarray, shape (n,)
    unit : str or astropy.units.Unit, optional
        Angstrom by default; `vacuum` refuses values that cannot be.

    Returns
    -------
    ndarray, shape (n,)
    """
    unit = parse_unit(unit or "Angstrom")
    if isinstance(unit, str):
        with np.errstate(all="ignore"):
            return 10.0**values
    if unit.physical_type == "length":
        return values * unit.to(u.AA)
    with np.errstate(all="ignore"):
        return (values * unit).to_value(u.AA, u.spectral())


def vacuum(values, unit, medium, flux, source):
    """Bring a wavelength axis to vacuum Angstrom and check it.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Wavelength as it came.
    unit : str, astropy.units.Unit or None
        Its unit; Angstrom if None, unless the values say that it is not.
    medium : {"air", "vacuum"}
    flux : ndarray, shape (n,)
        Only to tell swapped columns by.
    source : str
        What to call the spectrum in an error.

    Returns
    -------
    wave : ndarray, shape (n,)
        Vacuum Angstrom, strictly rising.
    falling : bool
        True if the order was turned round; every other array must be, too.

    Raises
    ------
    BadInputError
        Not finite, neither rising nor falling, swapped with the flux, or off the grid.
    """
    if medium not in ("air", "vacuum"):
        raise BadInputError(f"{source}: medium {medium!r}; say medium='air' or 'vacuum'")
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise BadInputError(f"{source}: {bad} wavelengths are no numbers; leave these pixels out")
    sign = _order(values)
    if sign == 0:
        what = "not in order (pixels repeated, or orders overlapping: merge them first)"
        if _order(flux) != 0:
            what = "not in order but the flux is: are the two columns swapped?"
        raise BadInputError(f"{source}: the wavelengths are {what}")
    try:
        wave = angstrom(values, unit)
    except BadInputError as error:
        raise BadInputError(f"{source}: {error}") from error
    _check_coverage(wave, values, unit, source)
    if medium == "air":
        if not is_length(unit):
            raise BadInputError(f"{source}: {unit} is the same in air; say medium='vacuum'")
        wave = air_to_vacuum(wave)
    falling = wave[0] > wave[-1]
    return (wave[::-1] if falling else wave), bool(falling)


def _order(values):
    """Return 1 if strictly rising, -1 if strictly falling, else 0."""
    with np.errstate(invalid="ignore"):
        steps = np.diff(values)
        return int(np.all(steps > 0)) - int(np.all(steps < 0)) if steps.size else 0


def _check_coverage(wave, values, unit, source):
    """Refuse a spectrum with next to no pixel on the grid; suggest the unit it may be in."""
    inside = int(((wave >= WAVE[0]) & (wave <= WAVE[-1])).sum())
    if inside >= MIN_PIXELS and wave.min() > 0:
        return
    middle = float(np.median(values))
    for name, factor in (("Angstrom", 1.0), ("nm", 10.0), ("um", 1e4)):
        if 3000 < middle * factor < 11000 and parse_unit(unit or "Angstrom") != u.Unit(name):
            raise BadInputError(
                f"{source}: {values.min():g} to {values.max():g} {unit or 'Angstrom'} misses the "
                f"optical; it looks like {name}: say unit='{name}'"
            )
    if 3.47 < middle < 4.05 and unit != LOGLAM:
        raise BadInputError(
            f"{source}: wavelengths of {values.min():g} to {values.max():g} look like log10 of "
            "Angstrom: say unit='loglam'"
        )
    raise BadInputError(
        f"{source}: {wave.min():.0f} to {wave.max():.0f} Angstrom has {inside} pixels in "
        f"{WAVE[0]:.0f}-{WAVE[-1]:.0f}; at least {MIN_PIXELS} are needed"
    )
