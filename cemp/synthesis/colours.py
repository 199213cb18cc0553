"""Absolute flux and colours of synthetic spectra, to hold the continua against measurements."""

import numpy as np

from cemp.constants import air_to_vacuum
from cemp.errors import BadInputError

#: (AU / solar radius)^2: surface flux over irradiance at 1 AU (IAU 2015 nominal solar radius).
DILUTION = (1.495978707e8 / 6.957e5) ** 2
#: Constants 2 h c^2 [erg cm2/s] and h c / k [cm K] of Planck's law (CODATA 2018).
PLANCK = {"2hc2": 2 * 6.62607015e-27 * 2.99792458e10**2, "hc_k": 1.438776877}

#: Extraterrestrial solar spectral irradiance, means over 100 Angstrom [W/m2/nm] by central
#: wavelength [Angstrom]: trapezoids through the 1-nm values of ASTM G173-03, which are those of
#: Gueymard (2004, Solar Energy 76, 423) and good to some 2%.
SOLAR_IRRADIANCE = {
    4050: 1.7201, 4500: 1.9906, 5000: 1.9191, 5500: 1.8668, 6000: 1.7668, 6700: 1.5315,
    7500: 1.2779, 7990: 1.1378,
}  # fmt: skip

#: Passbands of Bessell (1990, PASP 102, 1181), response to energy: wavelength of the first value
#: [Angstrom], values every 100 Angstrom; mean flux that makes magnitude zero [erg/s/cm2/Angstrom]
#: (Bessell, Castelli & Plez 1998, A&A 333, 231, Table A2).
BESSELL = {
    "B": (3600, (0, 0.030, 0.134, 0.567, 0.920, 0.978, 1.000, 0.978, 0.935, 0.853, 0.740, 0.640,
                 0.536, 0.424, 0.325, 0.235, 0.150, 0.095, 0.043, 0.009, 0), 632.0e-11),
    "V": (4700, (0, 0.030, 0.163, 0.458, 0.780, 0.967, 1.000, 0.973, 0.898, 0.792, 0.684, 0.574,
                 0.461, 0.359, 0.270, 0.197, 0.135, 0.081, 0.045, 0.025, 0.017, 0.013, 0.009, 0),
          363.1e-11),
}  # fmt: skip

#: Observed B - V [mag]: the Sun from solar twins (Ramirez et al. 2012, ApJ 752, 5); HD 122563 and
#: HD 140283 from SIMBAD; tau Ceti and Arcturus from the Hipparcos catalogue (ESA 1997), quoted
#: from memory. All are too near to be reddened by more than 0.01.
OBSERVED_B_V = {"sun": 0.653, "HD140283": 0.50, "HD10700": 0.73, "HD122563": 0.91,
                "HD124897": 1.24}  # fmt: skip


def planck_flux(wave, teff):
    """Flux of a black body, pi times Planck's function.

    Parameters
    ----------
    wave : array_like
        [Angstrom].
    teff : float
        [K].

    Returns
    -------
    ndarray
        [erg/s/cm2/Angstrom].
    """
    cm = np.asarray(wave, dtype=float) * 1e-8
    return np.pi * 1e-8 * PLANCK["2hc2"] / cm**5 / np.expm1(PLANCK["hc_k"] / (cm * teff))


def irradiance(wave, flux, centre, width=100.0):
    """Mean spectral irradiance of the Sun at 1 AU.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        [Angstrom].
    flux : ndarray, shape (n,)
        At the solar surface [erg/s/cm2/Angstrom].
    centre, width : float
        Of the band [Angstrom].

    Returns
    -------
    float
        [W/m2/nm].
    """
    inside = np.abs(wave - centre) <= width / 2
    mean = np.trapezoid(flux[inside], wave[inside]) / np.ptp(wave[inside])
    return float(mean / DILUTION * 1e-2)  # 1 erg/s/cm2/A = 1e-3 W/m2/A = 1e-2 W/m2/nm


def mean_flux(wave, flux, band):
    """Mean flux in a passband.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Vacuum [Angstrom].
    flux : ndarray, shape (n,)
    band : {"B", "V"}

    Returns
    -------
    float
        In the unit of `flux`.

    Raises
    ------
    BadInputError
        If the passband is unknown or more than 1% of its response lies outside the spectrum.
    """
    if band not in BESSELL:
        raise BadInputError(f"no passband '{band}': there are {', '.join(BESSELL)}")
    first, response, _ = BESSELL[band]
    grid = air_to_vacuum(first + 100.0 * np.arange(len(response)))
    outside = (grid < wave[0]) | (grid > wave[-1])
    if np.sum(np.array(response)[outside]) > 0.01 * np.sum(response):
        raise BadInputError(f"the spectrum does not cover passband {band}: {grid[0]:.0f}-"
                            f"{grid[-1]:.0f} Angstrom")
    weight = np.interp(wave, grid, response, left=0, right=0)
    return float(np.trapezoid(weight * flux, wave) / np.trapezoid(weight, wave))


def b_minus_v(wave, flux):
    """Colour B - V.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Vacuum [Angstrom].
    flux : ndarray, shape (n,)
        A wavelength unit, any scale.

    Returns
    -------
    float
        [mag].
    """
    ratio = mean_flux(wave, flux, "B") / mean_flux(wave, flux, "V")
    return float(-2.5 * np.log10(ratio * BESSELL["V"][2] / BESSELL["B"][2]))
