"""When a candidate can be observed from a site: plain spherical astronomy, no network."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from astropy.time import Time

from cemp.catalogue_out.build import sexagesimal
from cemp.errors import BadInputError

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Site:
    """An observatory.

    Parameters
    ----------
    name : str
    latitude, longitude : float
        Degrees, north and east positive.
    """

    name: str
    latitude: float
    longitude: float


#: Sites by the word that a parameter holds; positions to a minute of arc, which is ample.
SITES = {
    "maunakea": Site("Maunakea", 19.826, -155.475),
    "xinglong": Site("Xinglong", 40.396, 117.577),
    "lijiang": Site("Lijiang", 26.695, 100.030),
    "paranal": Site("Paranal", -24.627, -70.404),
}


@dataclass(frozen=True)
class NightSettings:
    """What counts as observable.

    Parameters
    ----------
    airmass : float
        Largest airmass, as the secant of the zenith distance.
    sun_altitude : float
        Highest Sun [deg].
    step_minutes : float
        Step in time.
    least_hours : float
        Hours a night that make a month one to observe in.
    year : int
        Nights of the 15th of each month of this year; another year shifts nothing that matters.
    """

    airmass: float = 1.5
    sun_altitude: float = -18.0  # end of astronomical twilight
    step_minutes: float = 10.0
    least_hours: float = 2.0  # about what an hour on the star with its overheads leaves room for
    year: int = 2027


def site(word):
    """Find a site.

    Parameters
    ----------
    word : str
        Key of `SITES`, in any case.

    Returns
    -------
    Site

    Raises
    ------
    BadInputError
        If the site is not known.
    """
    if word.lower() not in SITES:
        raise BadInputError(f"site '{word}' is not known: use one of {', '.join(SITES)}, or add it "
                            "to cemp/catalogue_out/finder.py")
    return SITES[word.lower()]


def sun_position(jd):
    """Give the Sun's place on the sky.

    Parameters
    ----------
    jd : array_like
        Julian date (UT; the minute to dynamical time moves the Sun by 0.001 deg).

    Returns
    -------
    ra, dec : ndarray
        Degrees, good to 0.01 deg from 1950 to 2050.

    Notes
    -----
    Low-precision formulae of the Astronomical Almanac, section C.
    """
    n = np.asarray(jd, float) - 2451545.0
    mean, anomaly = 280.460 + 0.9856474 * n, np.radians(357.528 + 0.9856003 * n)
    longitude = np.radians(mean + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.radians(23.439 - 4e-7 * n)
    ra = np.degrees(np.arctan2(np.cos(tilt) * np.sin(longitude), np.cos(longitude))) % 360
    return ra, np.degrees(np.arcsin(np.sin(tilt) * np.sin(longitude)))


def sidereal_time(jd, longitude):
    """Give the local mean sidereal time.

    Parameters
    ----------
    jd : array_like
        Julian date (UT1).
    longitude : float
        East [deg].

    Returns
    -------
    ndarray
        Degrees. Meeus (1998, Astronomical Algorithms), eq. 12.4 without its terms in T^2 and T^3.
    """
    days = np.asarray(jd, float) - 2451545.0
    return (280.46061837 + 360.98564736629 * days + longitude) % 360


def altitude(ra, dec, jd, where):
    """Give the altitude of places on the sky.

    Parameters
    ----------
    ra, dec : array_like
        Degrees; positions of J2000 are used as they are, which by 2027 is at most 0.4 deg off.
    jd : array_like
        Julian date; broadcast against `ra`.
    where : Site

    Returns
    -------
    ndarray
        Degrees, without refraction.
    """
    hour = np.radians(sidereal_time(jd, where.longitude) - np.asarray(ra))
    dec, phi = np.radians(dec), np.radians(where.latitude)
    sine = np.sin(dec) * np.sin(phi) + np.cos(dec) * np.cos(phi) * np.cos(hour)
    return np.degrees(np.arcsin(np.clip(sine, -1, 1)))


def dark_hours(ra, dec, where, settings=NightSettings()):  # noqa: B008  (frozen)
    """Count the dark hours of each month's night in which stars stand high enough.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        ICRS [deg].
    where : Site
    settings : NightSettings

    Returns
    -------
    ndarray, shape (n, 12)
        Hours of the night that begins on the 15th of each month.
    """
    ra, dec = np.asarray(ra, float)[:, None], np.asarray(dec, float)[:, None]
    lowest = np.degrees(np.arcsin(1 / settings.airmass))
    step = settings.step_minutes / 1440
    hours = np.empty((len(ra), 12))
    for month in range(12):
        # from mean noon of the site, a day long, in the middle of each step
        start = Time(f"{settings.year}-{month + 1:02d}-15T12:00:00").jd - where.longitude / 360
        jd = start + step * (np.arange(round(1 / step)) + 0.5)
        dark = altitude(*sun_position(jd), jd, where) < settings.sun_altitude
        high = altitude(ra, dec, jd[dark], where) > lowest
        hours[:, month] = high.sum(axis=1) * settings.step_minutes / 60
    return hours


def season(good):
    """Name the months in which a star can be observed.

    Parameters
    ----------
    good : array_like of bool, shape (12,)

    Returns
    -------
    str
        The months in order, a run over the turn of the year in one piece; ``""`` if there is none.

    Examples
    --------
    >>> season([m in (0, 1, 10, 11) for m in range(12)]), season([True] * 12)
    ('Nov-Feb', 'all year')
    """
    good = np.asarray(good, bool)
    if good.all() or not good.any():
        return "all year" if good.all() else ""
    starts = [m for m in range(12) if good[m] and not good[m - 1]]
    runs = []
    for first in starts:
        length = next(k for k in range(1, 12) if not good[(first + k) % 12])
        last = (first + length - 1) % 12
        runs.append(MONTHS[first] if length == 1 else f"{MONTHS[first]}-{MONTHS[last]}")
    return ", ".join(runs)


def finding_table(catalogue, where, settings=NightSettings()):  # noqa: B008  (frozen)
    """Make the table that an observer takes to the telescope.

    Parameters
    ----------
    catalogue : pandas.DataFrame
        The final catalogue; stars rejected by eye are left out.
    where : Site
    settings : NightSettings

    Returns
    -------
    pandas.DataFrame
        In order of rank: rank, designation, gaia_source_id, ra, dec, ra_hms, dec_dms, gmag, teff,
        fe_h, c_fe, a_c, p_cemp, gband_grade, inspection, best_month, hours_best, n_months, season,
        least_airmass (at culmination; NaN for a star that does not rise).
    """
    kept = catalogue[catalogue["inspection"] != "reject"].sort_values("rank", ignore_index=True)
    hours = dark_hours(kept["ra"], kept["dec"], where, settings)
    good = hours >= settings.least_hours
    top = np.radians(90 - np.abs(where.latitude - kept["dec"].to_numpy()))
    about = pd.DataFrame({
        "best_month": [MONTHS[m] if h.max() > 0 else "" for m, h in
                       zip(hours.argmax(axis=1), hours, strict=True)],
        "hours_best": hours.max(axis=1, initial=0).round(1), "n_months": good.sum(axis=1),
        "season": [season(row) for row in good],
        "least_airmass": np.where(top > 0, 1 / np.sin(np.maximum(top, 1e-3)), np.nan).round(2),
    })
    names = ["rank", "designation", "gaia_source_id", "ra", "dec", "ra_hms", "dec_dms", "gmag",
             "teff", "fe_h", "c_fe", "a_c", "p_cemp", "gband_grade", "inspection"]
    return pd.concat([kept[names], about], axis=1)


def finding_rows(table, exact=None):
    """Turn the finding table into rows of a TeX table.

    Parameters
    ----------
    table : pandas.DataFrame
        From `finding_table`.
    exact : pandas.DataFrame, optional
        The candidates before the catalogue rounded them: what is rounded twice may come out one
        digit off what another table prints of the same star. By default `table` itself.

    Returns
    -------
    list of tuple of str
        Rank, right ascension, declination, g, Teff, [Fe/H], [C/Fe], P(CEMP), G band, season,
        hours in the best month.
    """
    grades = {"confirmed": "yes", "not confirmed": "no", "untested": r"\nodata"}
    exact = (table if exact is None else exact).set_index("designation")
    exact = exact[["ra", "dec", "gmag", "teff", "fe_h", "c_fe", "p_cemp"]].loc[table["designation"]]
    places = zip(*sexagesimal(exact["ra"], exact["dec"], (2, 0)), strict=True)
    return [
        (f"{s['rank']:d}", ra.replace(":", "~"), dec.replace(":", "~").replace("-", "$-$"),
         f"{e['gmag']:.2f}", f"{e['teff']:.0f}", f"${e['fe_h']:.2f}$", f"{e['c_fe']:.2f}",
         f"{e['p_cemp']:.3f}", grades[s["gband_grade"]],
         s["season"].replace("-", "--") or r"\nodata", f"{s['hours_best']:.1f}")
        for (_, s), (_, e), (ra, dec) in zip(
            table.iterrows(), exact.iterrows(), places, strict=True)
    ]  # fmt: skip
