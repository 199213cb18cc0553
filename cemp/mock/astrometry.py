"""Positions of the mock: where a catalogue of some epoch says a star is."""

import numpy as np

#: Epoch of the mock's true positions and of Gaia (E)DR3 [year].
GAIA_EPOCH = 2016.0
#: Epoch of the input catalogues of LAMOST and of 2MASS, whose positions APOGEE keeps [year].
SURVEY_EPOCH = 2000.0


def offset(ra, dec, east_arcsec, north_arcsec):
    """Shift positions by small angles.

    Parameters
    ----------
    ra, dec : array_like
        Positions [degree], away from the poles.
    east_arcsec, north_arcsec : array_like
        Shifts on the sky [arcsec].

    Returns
    -------
    ra, dec : ndarray
    """
    dec = np.asarray(dec, dtype=float)
    east = np.asarray(east_arcsec) / np.cos(np.radians(dec))
    return (np.asarray(ra) + east / 3600.0) % 360.0, dec + np.asarray(north_arcsec) / 3600.0


def at_epoch(stars, epoch):
    """Carry positions from the Gaia epoch to another one.

    Parameters
    ----------
    stars : pandas.DataFrame
        ra, dec [degree] at 2016.0; pmra (with cos dec), pmdec [mas/yr].
    epoch : float or ndarray
        Year.

    Returns
    -------
    ra, dec : ndarray
    """
    years = np.asarray(epoch) - GAIA_EPOCH
    east, north = (stars[k].to_numpy() * years / 1000.0 for k in ("pmra", "pmdec"))
    return offset(stars["ra"].to_numpy(), stars["dec"].to_numpy(), east, north)


def scatter(ra, dec, sigma_arcsec, generator):
    """Add measuring errors to positions.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
    sigma_arcsec : float or ndarray
        Error of one coordinate.
    generator : numpy.random.Generator

    Returns
    -------
    ra, dec : ndarray, shape (n,)
    """
    east, north = generator.normal(0.0, 1.0, (2, len(ra))) * sigma_arcsec
    return offset(ra, dec, east, north)


def neighbour(ra, dec, generator, least=0.9, most=2.8):
    """Place chance neighbours near stars.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
    generator : numpy.random.Generator
    least, most : float
        Range of separations [arcsec]: inside the usual 3 arcsec of a cross-match.

    Returns
    -------
    ra, dec : ndarray, shape (n,)
    """
    radius = np.sqrt(generator.uniform(least**2, most**2, len(ra)))
    angle = generator.uniform(0, 2 * np.pi, len(ra))
    return offset(ra, dec, radius * np.cos(angle), radius * np.sin(angle))


def sexagesimal(ra, dec, prefix="", digits=2):
    """Build a designation from a position: ``J091219.42+275336.4``.

    Parameters
    ----------
    ra, dec : float
        Position [degree].
    prefix : str
        Put before the ``J``.
    digits : int
        Decimals of the seconds of time; those of arc have one less.

    Returns
    -------
    str
        Truncated, not rounded, as designations are.

    Examples
    --------
    >>> sexagesimal(138.080956, 27.893459, "LAMOST ")
    'LAMOST J091219.42+275336.4'
    """
    unit, arc_unit = 10**digits, 10 ** (digits - 1)
    time = int(ra / 15 * 3600 * unit + 1e-6)
    arc = int(abs(dec) * 3600 * arc_unit + 1e-6)
    h, m, s = time // (3600 * unit), time // (60 * unit) % 60, time % (60 * unit) / unit
    d, n, a = arc // (3600 * arc_unit), arc // (60 * arc_unit) % 60, arc % (60 * arc_unit)
    sign = "-" if dec < 0 else "+"
    arc_width = 2 if digits == 1 else 2 + digits
    return (f"{prefix}J{h:02d}{m:02d}{s:0{3 + digits}.{digits}f}"
            f"{sign}{d:02d}{n:02d}{a / arc_unit:0{arc_width}.{digits - 1}f}")  # fmt: skip
