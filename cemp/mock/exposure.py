"""One mock exposure: the steps of `cemp.mock.instrument` in the order in which light meets them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cemp.constants import C_KMS
from cemp.mock import instrument as lamost
from cemp.mock.physics import interstellar
from cemp.mock.sky import SKY_LINES, sky_lines, telluric_depth
from cemp.synthesis.resolution import broaden, sample

#: Ratio of total to selective extinction of the diffuse interstellar medium.
R_V = 3.1
#: Median flux of a star of G = 15.5 in LAMOST's arbitrary units, as in DR10.
FLUX_AT_15_5 = 500.0


@dataclass(frozen=True)
class Exposure:
    """A coadded mock spectrum.

    Attributes
    ----------
    coeff0 : float
        log10 of the first wavelength.
    wave, flux, ivar, andmask, ormask : ndarray, shape (n,)
        As in LAMOST's table; ivar is 0 where the pixel is lost.
    snr : dict
        S/N a pixel in u, g, r, i, z.
    z, z_err : float
        Redshift that the pipeline gives, and its error.
    helio_rv : float
        Heliocentric correction [km/s].
    r_5500 : float
        Resolving power at 5500 Angstrom (truth: it is in no header).
    """

    coeff0: float
    wave: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    andmask: np.ndarray
    ormask: np.ndarray
    snr: dict
    z: float
    z_err: float
    helio_rv: float
    r_5500: float


@lru_cache(maxsize=1)
def _extinction_nodes():
    """A(wave)/E(B-V) at Rv = 3.1 (Fitzpatrick 1999), on nodes over 3500-9300 Angstrom."""
    import astropy.units as u
    from dust_extinction.parameter_averages import F99

    wave = np.linspace(3500.0, 9300.0, 300)
    return wave, R_V * F99(Rv=R_V)(wave * u.AA)


def redden(wave, flux, ebv):
    """Dim a spectrum by interstellar dust (Fitzpatrick 1999, Rv = 3.1); shape of `wave`."""
    return flux * 10 ** (-0.4 * ebv * np.interp(wave, *_extinction_nodes()))


def draw_resolution(random, settings):
    """Draw the resolving power at 5500 Angstrom of one spectrum."""
    return float(np.clip(random.normal(settings.r_mean, settings.r_rms), *settings.r_range))


def _light(rest_wave, rest_flux, wave, rv, ebv, r_5500, ism_velocity, star_random):
    """Noiseless flux at the telescope, at the resolution of the spectrograph."""
    # The cloud moves otherwise than the star: its lines go into the spectrum at the velocity
    # that brings them to the right place once the star's shift is applied.
    relative = ((1 + ism_velocity / C_KMS) / (1 + rv / C_KMS) - 1) * C_KMS
    flux = rest_flux * interstellar(rest_wave, ebv, relative, star_random)
    flux = redden(rest_wave * (1 + rv / C_KMS), flux, ebv)
    step = np.log(rest_wave[-1] / rest_wave[0]) / (rest_wave.size - 1)
    flux = broaden(flux, step, lamost.resolution(rest_wave * (1 + rv / C_KMS), r_5500))
    return sample(rest_wave, flux, wave, rv)


def _residuals(wave, flux, sigma, helio, random, settings):
    """Draw what sky subtraction and telluric correction leave, and its share in the variance."""
    rest = wave / (1 + helio / C_KMS)
    telluric = flux * telluric_depth(rest) * random.normal(0, settings.telluric)
    # The sky model misses each line by some per cent; noise already holds the line's photons.
    miss = random.normal(size=len(SKY_LINES)) * np.sqrt(SKY_LINES[:, 1])
    # Against the noise between the lines of the red arm, where nearly all of them are.
    lines = sky_lines(rest, miss) * np.percentile(sigma[wave > 6000], 20) * settings.sky_miss
    # The pipeline's ivar knows part of the sky's error and, as in DR10, next to none of the rest.
    known = random.uniform(0.1, 0.6)
    # Nobody corrects the O2 band at 6280 Angstrom: DR7 and DR10 have it whole.
    uncorrected = flux * telluric_depth(rest) * ((rest > 6270) & (rest < 6335))
    telluric = np.where(uncorrected > 0, -uncorrected * random.uniform(0.7, 1.2), telluric)
    return telluric + lines, (0.2 * known * telluric) ** 2 + (known * lines) ** 2


def _cosmic_rays(n, sigma, random, settings):
    """Spikes one to three pixels wide, 6 to 60 sigma high, and which of them were noticed."""
    spikes, seen = np.zeros(n), np.zeros(n, dtype=bool)
    for _ in range(random.poisson(settings.cosmic_rate)):
        at = random.integers(2, n - 3)
        width = random.integers(1, 4)
        spikes[at:at + width] += sigma[at] * random.uniform(6, 60) * random.uniform(0.4, 1, width)
        if random.random() < 0.25:
            seen[max(at - 2, 0):at + width + 2] = True
    return spikes, seen


def _lose_pixels(flux, ivar, bad):
    """Zero the lost pixels as LAMOST does; return flux, ivar and both masks."""
    inner = bad.copy()
    inner[1:-1] = bad[1:-1] & bad[:-2] & bad[2:]
    deep = inner.copy()
    deep[2:-2] = inner[2:-2] & inner[:-4] & inner[4:]
    return np.where(deep, 0.0, flux), np.where(bad, 0.0, ivar), deep * 1.0, inner * 1.0


def expose(rest_wave, rest_flux, target, random, star_random, settings):
    """Observe a star.

    Parameters
    ----------
    rest_wave, rest_flux : ndarray, shape (n_wave,)
        Vacuum wavelength [Angstrom], even in ln, and flux in any unit, at rest, R = 5000.
    target : mapping
        ``rv`` [km/s], ``ebv``, ``snr_g`` (wanted), ``gmag``, ``helio_rv`` [km/s] and, optionally,
        ``spid``, the spectrograph.
    random, star_random : numpy.random.Generator
        Of the observation, and of the star (its interstellar cloud is the same every night).
    settings : InstrumentSettings

    Returns
    -------
    Exposure
    """
    r_5500 = draw_resolution(random, settings)
    coeff0, wave = lamost.pixel_grid(random)
    join, helio = random.uniform(*settings.join), target["helio_rv"]
    flux = _light(rest_wave, rest_flux, wave, target["rv"], target["ebv"], r_5500,
                  star_random.normal(0, 15), star_random)
    flux *= lamost.calibration_error(wave, join, random, settings)
    if "spid" in target:
        flux *= 1 + lamost.response_ripple(wave, target["spid"], settings)
    level = FLUX_AT_15_5 * 10 ** (-0.4 * (target["gmag"] - 15.5)) * np.exp(random.normal(0, 0.2))
    flux *= level / np.median(flux)
    balance = random.normal(settings.balance, settings.balance_rms)
    sigma = lamost.expected_noise(wave, flux, target["snr_g"], join, helio, settings, balance)
    left, known = _residuals(wave, flux, sigma, helio, random, settings)
    spikes, seen = _cosmic_rays(wave.size, sigma, random, settings)
    share = max(random.normal(settings.noise_share, settings.noise_share_rms), 0.5)
    noise = share * sigma * lamost.correlated_noise(wave.size, settings.noise_link, random)
    noise += settings.pixel_error * flux * random.normal(size=wave.size)
    bad = lamost.bad_pixels(wave, random, settings) | seen
    flux, ivar, andmask, ormask = _lose_pixels(
        flux + left + spikes + noise, 1 / (sigma**2 + known), bad)
    error, quoted = lamost.velocity_error(target["snr_g"], random, settings)
    return Exposure(coeff0, wave, flux, ivar, andmask, ormask,
                    lamost.signal_to_noise(wave, flux, ivar), (target["rv"] + error) / C_KMS,
                    quoted / C_KMS, helio, r_5500)
