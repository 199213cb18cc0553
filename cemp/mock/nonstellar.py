"""Spectra of what is not a FGK star: enough to be refused for the right reason, no more."""

import numpy as np

from cemp.constants import C_KMS
from cemp.mock.physics import BALMER
from cemp.synthesis.resolution import broaden

#: Labels that the emulator may be asked for: the design's range and a margin.
GRID_LIMITS = {"teff": (3850, 7150), "logg": (0.1, 5.1), "fe_h": (-4.1, 0.6), "c_fe": (-0.9, 3.6),
               "alpha_fe": (-0.3, 0.7), "n_fe": (-0.4, 1.3)}
#: Emission lines of galaxies: vacuum wavelength [Angstrom] and relative strength.
GALAXY_LINES = ((3728.5, 1.0), (4862.7, 0.5), (4960.3, 0.3), (5008.2, 0.9), (6549.9, 0.3),
                (6564.6, 1.5), (6585.3, 0.9), (6718.3, 0.4), (6732.7, 0.3))
#: Broad lines of quasars: vacuum wavelength [Angstrom] and equivalent width [Angstrom].
QSO_LINES = ((1215.7, 90), (1549.1, 40), (1908.7, 25), (2798.8, 35), (4341.7, 15), (4862.7, 45),
             (6564.6, 190))


def kind_of(cls, subclass, teff):
    """Name the recipe: "galaxy", "qso", "hot" or "star" (one that the grid covers).

    Parameters
    ----------
    cls, subclass : str
        LAMOST's classes; a subclass O, B or A makes a hot star.
    teff : float
        [K]; NaN, or hotter than the grid, makes a hot star too.
    """
    if str(cls).upper() in ("GALAXY", "QSO"):
        return str(cls).lower()
    return "star" if teff <= GRID_LIMITS["teff"][1] and str(subclass)[:1] not in "OBA" else "hot"


def redshift(kind, rv, random):
    """Draw the redshift of an object: galaxies 0.02-0.25, quasars 0.3-2.5, stars rv/c.

    A finite `rv` above 3,000 km/s is taken as given.
    """
    if kind in ("galaxy", "qso") and not rv > 3000:
        return random.uniform(0.02, 0.25) if kind == "galaxy" else random.uniform(0.3, 2.5)
    return (rv if np.isfinite(rv) else 0.0) / C_KMS


def hot_star(wave, teff, random):
    """Make a black body with Stark-broadened Balmer lines; shape of `wave`."""
    teff = teff if np.isfinite(teff) and teff > 7100 else random.uniform(7800, 14000)
    x = 1.43878e8 / (wave * teff)
    depth = 0.65 * random.uniform(0.8, 1.1)
    lines = sum(1 / (1 + (np.abs(wave - w) / random.uniform(7, 12)) ** 2.5) for w in BALMER)
    return wave**-5.0 / np.expm1(x) * np.exp(-depth * lines)


def galaxy(wave, ln_step, stars, random):
    """Make old stars (200 km/s dispersion) with narrow emission lines; shape of `wave`, rest."""
    flux = broaden(stars, ln_step, C_KMS / (200 * 2.3548))
    power = random.exponential(0.7) * np.median(flux)
    for centre, strength in GALAXY_LINES:
        flux = flux + power * strength * np.exp(-0.5 * ((wave / centre - 1) * C_KMS / 120) ** 2)
    return flux


def quasar(wave, z, random):
    """Make a power law with broad lines, at observed wavelengths `wave`; same shape."""
    rest = wave / (1 + z)
    lines = np.zeros_like(rest)
    width = random.uniform(1500, 3000) / C_KMS
    for centre, equivalent in QSO_LINES:
        area = centre * width * np.sqrt(2 * np.pi)
        lines += equivalent / area * np.exp(-0.5 * ((rest / centre - 1) / width) ** 2)
    return rest ** random.uniform(-2.0, -1.2) * (1 + lines)
