"""How real stars differ from LTE spectra, drawn wide: nuisances of the star and its sight line.

Every function takes a normalised spectrum (rest frame, vacuum, R = 5000) and returns a changed
copy. None is tuned to any observed spectrum: ranges are wide on purpose, so that a network
learns not to rely on what the models get wrong.
"""

from functools import lru_cache

import numpy as np
from scipy import fft

from cemp.constants import C_KMS, air_to_vacuum

#: Balmer lines H-alpha to H-zeta, vacuum [Angstrom].
BALMER = air_to_vacuum(np.array([6562.80, 4861.33, 4340.47, 4101.74, 3970.07, 3889.05]))
#: How much of H-alpha's change of the core each line gets: higher lines form deeper.
BALMER_SHARE = np.array([1.0, 0.6, 0.45, 0.35, 0.25, 0.25])
#: Ca II K, H and the triplet; Na I D2 and D1, vacuum [Angstrom].
CA_HK = air_to_vacuum(np.array([3933.66, 3968.47]))
CA_TRIPLET = air_to_vacuum(np.array([8498.02, 8542.09, 8662.14]))
NA_D = air_to_vacuum(np.array([5889.95, 5895.92]))
#: Strong lines of single elements (air centre, half width [Angstrom]) whose abundance does not
#: follow [Fe/H] and [alpha/Fe] star by star, or whose LTE depth is off.
ELEMENTS = {
    "Mg": ((5175.0, 20.0), (5528.4, 3.0), (5711.1, 3.0), (3835.0, 8.0)),
    "Ca": ((4226.7, 6.0), (6122.2, 3.0), (6162.2, 3.0), (6439.1, 3.0)),
    "Na": ((5892.9, 9.0), (8183.3, 3.0), (8194.8, 3.0), (5688.2, 3.0)),
    "Al": ((3944.0, 4.0), (3961.5, 4.0)),
    "Sr, Ba": ((4077.7, 4.0), (4215.5, 4.0), (4554.0, 4.0), (4934.1, 4.0), (6141.7, 3.0),
               (6496.9, 3.0)),
    "K": ((7664.9, 4.0), (7699.0, 4.0)),
}  # fmt: skip
#: Bands whose carbon is in CN [Angstrom, vacuum]: their strength goes with nitrogen too.
CN_BANDS = ((3820.0, 3890.0), (4120.0, 4217.0), (6900.0, 9100.0))


def gaussian(wave, centre, fwhm_kms):
    """Make a Gaussian of unit height, ``fwhm_kms`` [km/s] wide; shape of `wave` (rising)."""
    out = np.zeros_like(wave)
    reach = 3 * fwhm_kms / C_KMS
    near = slice(*np.searchsorted(wave, [centre * (1 - reach), centre * (1 + reach)]))
    velocity = C_KMS * (wave[near] / centre - 1)
    out[near] = np.exp(-4 * np.log(2) * (velocity / fwhm_kms) ** 2)
    return out


def correlated_field(n, lengths, random, shares=(1.0,)):
    """Draw a Gaussian field of unit variance, the sum of fields of several lengths.

    Parameters
    ----------
    n : int
        Pixels.
    lengths : sequence of float
        Correlation lengths [pixel].
    random : numpy.random.Generator
    shares : sequence of float
        Of each length in the variance.

    Returns
    -------
    ndarray, shape (n,)
    """
    amplitude = _amplitude(n, tuple(lengths), tuple(shares))
    noise = random.normal(size=(2, amplitude.size))
    return fft.irfft((noise[0] + 1j * noise[1]) * amplitude, n)


@lru_cache(maxsize=4)
def _amplitude(n, lengths, shares):
    """Amplitude of each Fourier component of `correlated_field`."""
    k = 2 * np.pi * fft.rfftfreq(n)
    power = sum(
        share * length * np.exp(-((k * length) ** 2) / 2)
        for length, share in zip(lengths, shares, strict=True)
    )
    power[0] = 0.0
    return np.sqrt(power / (power.sum() * 4 / n**2))


@lru_cache(maxsize=2)
def _element_profiles(first, ln_step, n):
    """Where each of `ELEMENTS` has its strong lines, 0 to 1; shape (n_element, n)."""
    wave = first * np.exp(ln_step * np.arange(n))
    out = np.zeros((len(ELEMENTS), n))
    for row, lines in zip(out, ELEMENTS.values(), strict=True):
        for centre, half in lines:
            row += np.exp(-(((wave - air_to_vacuum(centre)) / half) ** 2))
    return out


def optical_depth(norm):
    """Optical depth -ln(flux) of a normalised spectrum; of black cores no more than 6."""
    return -np.log(np.clip(norm, 2.5e-3, None))


def line_errors(wave, random, s):
    """Draw the error of ln(optical depth): common scale, blue slope, fields, elements.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Even in ln(wavelength).
    random : numpy.random.Generator
    s : DomainSettings

    Returns
    -------
    ndarray, shape (n,)
        To be added to ln(optical depth).
    """
    pixel = 5500.0 * np.log(wave[1] / wave[0])
    lengths = tuple(round(width / pixel, 3) for width in s.field_lengths)
    field = correlated_field(wave.size, lengths, random, s.field_shares)
    error = random.uniform(*s.field_rms) * field + random.uniform(*s.scale)
    error += s.blue_rms * random.normal() * np.clip((5200 - wave) / 1000, 0, None)
    step = np.log(wave[-1] / wave[0]) / (wave.size - 1)
    profiles = _element_profiles(float(wave[0]), float(step), wave.size)
    error += (s.element_rms * random.normal(size=len(profiles))) @ profiles
    return error


def carbon_changes(wave, carbon, random, s):
    """Change the optical depth of carbon's molecules: 12C/13C, and CN apart from the rest.

    Parameters
    ----------
    wave : ndarray, shape (n,)
    carbon : ndarray, shape (n,)
        Optical depth that carbon adds: of the star, less that of the same star without.
    random : numpy.random.Generator
    s : DomainSettings

    Returns
    -------
    ndarray, shape (n,)
        Optical depth to be added.

    Notes
    -----
    12C13C has its (1,0) Swan head 7.4 Angstrom redwards of 12C2's at 4737; of CH a share moves
    by about a third of an Angstrom only, less than any pixel, and is left.
    """
    in_swan = carbon * ((wave > 4660) & (wave < 4741))
    moved = np.interp(wave - 7.4, wave, in_swan)
    change = random.uniform(*s.isotope_share) * (moved - in_swan)
    in_cn = np.zeros(wave.size, dtype=bool)
    for low, high in CN_BANDS:
        in_cn |= (wave > low) & (wave < high)
    return change + (np.exp(s.cn_rms * random.normal()) - 1) * carbon * in_cn


def saturate(depth, amount):
    """Strengthen lines on the flat part of the curve of growth, as microturbulence does.

    The factor on the optical depth is 1 + `amount` at 0.4 and tends to 1 for weak lines and for
    black cores.
    """
    x = np.clip(depth, 0, None) / 0.4
    return depth * (1 + amount * x * np.exp(1 - x))


def giant_share(teff, logg):
    """Tell how much a star is a cool giant, 0 to 1."""
    cool = 1 / (1 + np.exp((teff - 5500) / 250))
    return cool / (1 + np.exp((logg - 2.8) / 0.35))


def balmer_centre(teff, logg):
    """Missing share of the H-alpha core's flux at R = 5000 about which cores are drawn.

    In LTE the cores of cool giants are far too shallow (0.80 against 0.60 observed in HD 122563
    at R = 1900), those of dwarfs hardly.
    """
    return 0.05 + 0.37 * giant_share(teff, logg)


def balmer_cores(wave, norm, teff, logg, random, s):
    """Make the Balmer cores deeper or shallower; the wings stay.

    Parameters
    ----------
    wave, norm : ndarray, shape (n,)
    teff, logg : float
    random : numpy.random.Generator
    s : DomainSettings

    Returns
    -------
    ndarray, shape (n,)
    """
    share = balmer_centre(teff, logg) + s.balmer_half * random.uniform(-1, 1)
    width = random.uniform(*s.core_width)
    own = np.exp(0.3 * random.normal(size=BALMER.size))
    for centre, weight in zip(BALMER, BALMER_SHARE * own, strict=True):
        norm = norm * (1 - np.clip(share * weight, -0.6, 0.85) * gaussian(wave, centre, width))
    return norm


def calcium_cores(wave, norm, teff, random, s):
    """Change the cores of Ca II H, K and the triplet both ways, and add a chromosphere's light.

    Emission is drawn larger for stars below 5600 K, which may be active.
    """
    width = random.uniform(*s.core_width)
    share = s.calcium_half * random.uniform(-1, 1)
    light = random.exponential(s.calcium_light) * (1.0 if teff < 5600 else 0.2)
    for lines, weight in ((CA_HK, 1.0), (CA_TRIPLET, 0.5)):
        for centre in lines:
            core = weight * gaussian(wave, centre, width)
            norm = norm * (1 - share * core) + light * core
    return norm


def interstellar(wave, random, s):
    """Transmission of interstellar Na D and Ca II K, H in the star's frame; shape of `wave`.

    Widths are drawn free of the reddening, which preprocessing takes away anyhow; calcium is
    0.1 to 0.8 of sodium, as it is depleted on dust.
    """
    out = np.ones_like(wave)
    if random.random() > s.interstellar_fraction:
        return out
    velocity, fwhm = random.normal(0, s.interstellar_kms), random.uniform(60, 100)
    d2 = np.exp(random.uniform(*np.log(s.sodium_width)))
    calcium = d2 * random.uniform(0.1, 0.8)
    widths = [d2, d2 * random.uniform(0.5, 1), calcium, calcium * random.uniform(0.5, 0.7)]
    for centre, width in zip([*NA_D, *CA_HK], widths, strict=True):
        area = centre * fwhm / C_KMS * np.sqrt(np.pi / (4 * np.log(2)))
        line = gaussian(wave, centre * (1 + velocity / C_KMS), fwhm)
        out *= 1 - min(width / area, 0.95) * line
    return out
