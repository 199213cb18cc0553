"""What the mock's stars have and the spectral library lacks.

A method that is trained or fitted with the same spectra that made the test is flattered. Every
function here changes a normalised spectrum (R = 5000, rest frame, vacuum) in a way that real
stars differ from LTE spectra, by an amount seen in real stars or its order of magnitude.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from cemp.constants import C_KMS, SEED, air_to_vacuum, rng

#: Balmer lines H-alpha to H-epsilon, vacuum [Angstrom].
BALMER = air_to_vacuum(np.array([6562.80, 4861.33, 4340.47, 4101.74, 3970.07]))
#: Deepening of each core relative to H-alpha's: the cores of the higher lines form deeper.
BALMER_SHARE = np.array([1.0, 0.6, 0.45, 0.35, 0.25])
#: Ca II K and H, Na I D2 and D1, vacuum [Angstrom].
CA_HK = air_to_vacuum(np.array([3933.66, 3968.47]))
NA_D = air_to_vacuum(np.array([5889.95, 5895.92]))


@dataclass(frozen=True)
class PhysicsSettings:
    """Sizes of the deviations from the library.

    Attributes
    ----------
    balmer_core : float
        Share of the flux missing in the H-alpha core of a cool giant at R = 5000: gives 0.6
        instead of 0.8 at R = 1900, as observed in HD 122563.
    balmer_scatter : float
        Star-to-star scatter of that share, as a fraction.
    line_list_rms, star_rms : float
        Errors of ln(optical depth): common to all stars (gf values, missing lines), and of one
        star (abundance pattern). 0.12 leaves 1-2% of the flux in the blue, as LTE spectra do
        against MILES stars.
    vmic_mean, vmic_rms : float
        Fractional strengthening of saturated lines: about 0.2 km/s of micro-turbulence.
    ca_filling : float
        Mean filling of the Ca II H, K cores of a cool dwarf, in continuum units: chromospheres,
        and cores that LTE makes too deep. DR7 and DR10 dwarfs ask for twice the 0.08 first taken.
    ca_quiet : float
        Filling of other stars relative to that: F and G dwarfs of the same files have half.
    """

    balmer_core: float = 0.42
    balmer_scatter: float = 0.25
    line_list_rms: float = 0.12
    star_rms: float = 0.03
    vmic_mean: float = 0.03
    vmic_rms: float = 0.04
    ca_filling: float = 0.16
    ca_quiet: float = 0.4


def _gaussian(wave, centre, fwhm_kms):
    """Make a Gaussian of unit height at a wavelength (sorted `wave`), width in km/s."""
    out = np.zeros_like(wave)
    reach = 3 * fwhm_kms / C_KMS
    near = slice(*np.searchsorted(wave, [centre * (1 - reach), centre * (1 + reach)]))
    velocity = C_KMS * (wave[near] / centre - 1)
    out[near] = np.exp(-4 * np.log(2) * (velocity / fwhm_kms) ** 2)
    return out


def _step(value, middle, width):
    """1 far below `middle`, 0 far above."""
    return 1 / (1 + np.exp(np.clip((value - middle) / width, -50, 50)))


def deepen_balmer(wave, norm, teff, logg, random, settings):
    """Deepen the cores of the Balmer lines, above all in cool giants; wings stay.

    Parameters
    ----------
    wave, norm : ndarray, shape (n_wave,)
        Vacuum wavelength [Angstrom] and normalised flux at R = 5000.
    teff, logg : float
    random : numpy.random.Generator
    settings : PhysicsSettings

    Returns
    -------
    ndarray, shape (n_wave,)

    Notes
    -----
    LTE cores are too shallow because the real lines scatter in the upper atmosphere: H-alpha of
    HD 122563 (4566 K, log g 1.1) is 0.60 at R = 1900 where LTE gives 0.80; dwarfs such as
    tau Ceti agree to 2%. The core is 110 km/s wide at R = 5000.
    """
    share = 0.12 + 0.88 * _step(logg, 2.8, 0.35) * _step(teff, 5500, 250)
    share *= settings.balmer_core * max(0.0, 1 + settings.balmer_scatter * random.normal())
    for centre, weight in zip(BALMER, BALMER_SHARE, strict=True):
        norm = norm * (1 - min(share * weight, 0.8) * _gaussian(wave, centre, 110.0))
    return norm


def smooth_field(n, correlation, random):
    """Draw a random field of unit variance, correlated over `correlation` pixels; shape (n,)."""
    k = 2 * np.pi * fft.rfftfreq(n)
    field = fft.irfft(fft.rfft(random.normal(size=n)) * np.exp(-((k * correlation) ** 2) / 4), n)
    return field * np.sqrt(np.sqrt(2 * np.pi) * correlation)


def line_list_field(wave, settings, seed=SEED):
    """Error of ln(optical depth) that all stars of a mock share; shape (n_wave,).

    Half its variance is correlated over 2 Angstrom (single lines), half over 10 (multiplets and
    molecular bands).
    """
    random, pixel = rng("mock line list", seed), np.median(np.diff(wave))
    fields = [smooth_field(wave.size, width / pixel, random) for width in (2.0, 10.0)]
    return settings.line_list_rms * np.sum(fields, axis=0) / np.sqrt(2)


def scale_lines(norm, ln_factor):
    """Multiply the optical depth -ln(norm) by exp(ln_factor); both shape (n_wave,)."""
    return np.clip(norm, 1e-3, None) ** np.exp(ln_factor)


def strengthen_saturated(norm, amount):
    """Strengthen lines on the flat part of the curve of growth, as micro-turbulence does.

    The factor on the optical depth is 1 + amount at a depth of 1/3 (where lines at R = 5000 are
    saturated cores) and tends to 1 for weak lines (linear part) and for the black cores.
    """
    depth = -np.log(np.clip(norm, 1e-3, None)) / 0.4
    return np.clip(norm, 1e-3, None) ** (1 + amount * depth * np.exp(1 - depth))


def shift_isotopes(wave, norm, norm_no_carbon, change, shift=7.4):
    """Move part of the C2 (1,0) band's optical depth to the 13C12C band head.

    Parameters
    ----------
    wave, norm : ndarray, shape (n_wave,)
    norm_no_carbon : ndarray, shape (n_wave,)
        The same star with hardly any carbon.
    change : float
        Change of the share of 12C13C among the C2 molecules against the grid's.
    shift : float
        Distance of the band heads [Angstrom]: 4737 to 4744.

    Returns
    -------
    ndarray, shape (n_wave,)
    """
    carbon = np.log(np.clip(norm_no_carbon, 1e-3, None) / np.clip(norm, 1e-3, None))
    carbon = np.clip(carbon, 0, None) * ((wave > 4660) & (wave < 4741))
    moved = np.interp(wave - shift, wave, carbon)
    return norm * np.exp(-change * (moved - carbon))


def isotope_change(logg, random):
    """Draw a star's 12C/13C and give the change of the 12C13C share against the grid's.

    The grid has 12C/13C = 15 for log g <= 3.5, else 90; stars get 4 to 40 on the giant branch
    (mixed giants reach the CN equilibrium value of 4) and 20 to 90 below it.
    """
    grid, low, high = (15.0, 4.0, 40.0) if logg <= 3.5 else (90.0, 20.0, 90.0)
    ratio = np.exp(random.uniform(np.log(low), np.log(high)))
    share = [2 * r / (1 + r) ** 2 for r in (ratio, grid)]
    return share[0] - share[1]


def fill_calcium(wave, norm, teff, logg, random, settings):
    """Fill the cores of Ca II H and K: chromospheres of cool dwarfs, a little in all stars."""
    share = _step(teff, 5600, 200) * (1 - _step(logg, 3.8, 0.2))
    active = settings.ca_quiet + (1 - settings.ca_quiet) * share
    amount = settings.ca_filling * active * random.exponential()
    for centre in CA_HK:
        norm = norm + amount * _gaussian(wave, centre, 90.0)
    return norm


def interstellar(wave, ebv, velocity, random):
    """Transmission of the interstellar Na D and Ca II K, H lines at R = 5000.

    Parameters
    ----------
    wave : ndarray, shape (n_wave,)
        Vacuum wavelength in the frame in which `velocity` is given.
    ebv : float
        Reddening E(B-V) [mag].
    velocity : float
        Velocity of the cloud [km/s].
    random : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_wave,)

    Notes
    -----
    Poznanski et al. (2012, MNRAS 426, 1465): log E(B-V) = 2.16 EW(D2) - 1.91 = 2.47 EW(D1) - 1.76,
    scattered by 30%. Calcium is taken as half of sodium D2 (K) and a quarter (H), an order of
    magnitude only: calcium is depleted on dust and hardly follows it.
    """
    log_ebv = np.log10(max(ebv, 1e-4))
    d2, d1 = max(0.0, (log_ebv + 1.91) / 2.16), max(0.0, (log_ebv + 1.76) / 2.47)
    sodium, calcium = np.exp(0.3 * random.normal(size=2))
    widths = [d2 * sodium, d1 * sodium, 0.5 * d2 * calcium, 0.25 * d2 * calcium]
    out = np.ones_like(wave)
    for centre, width in zip([*NA_D, *CA_HK], widths, strict=True):
        profile = _gaussian(wave, centre * (1 + velocity / C_KMS), 70.0)
        area = centre * 70.0 / C_KMS * np.sqrt(np.pi / (4 * np.log(2)))
        out *= 1 - min(width / area, 0.95) * profile
    return out


def apply_physics(wave, norm, norm_no_carbon, star, field, random, settings):
    """Turn an emulated spectrum into that of one individual star.

    Parameters
    ----------
    wave, norm, norm_no_carbon : ndarray, shape (n_wave,)
        Wavelength, the star's emulated spectrum, and the same without carbon.
    star : mapping
        ``teff`` and ``logg``.
    field : ndarray, shape (n_wave,)
        `line_list_field`.
    random : numpy.random.Generator
        Of this star: no two stars get the same spectrum.
    settings : PhysicsSettings

    Returns
    -------
    ndarray, shape (n_wave,)
    """
    teff, logg = star["teff"], star["logg"]
    norm = shift_isotopes(wave, norm, norm_no_carbon, isotope_change(logg, random))
    own = settings.star_rms * smooth_field(wave.size, 100, random)
    norm = scale_lines(norm, field + own)
    norm = strengthen_saturated(norm, settings.vmic_mean + settings.vmic_rms * random.normal())
    norm = deepen_balmer(wave, norm, teff, logg, random, settings)
    return fill_calcium(wave, norm, teff, logg, random, settings)
