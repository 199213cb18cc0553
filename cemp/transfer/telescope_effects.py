"""How a telescope changes a spectrum, drawn wide: nuisances of instrument, sky and calibration.

Wavelengths are vacuum Angstrom in the observer's frame. Nothing here is taken from the mock
survey: what the network is trained on must not know how its tests were made.
"""

from functools import lru_cache

import numpy as np

from cemp.constants import C_KMS, air_to_vacuum

#: Resolving power (FWHM) of the emulated spectra.
R_MODEL = 5000.0
#: LAMOST's native pixels (1e-4 dex), vacuum [Angstrom].
NATIVE = 10 ** (3.5682 + 1e-4 * np.arange(3909))
#: A spectral library's pixels: 0.9 Angstrom in air, to 7410 Angstrom (MILES,
#: Sanchez-Blazquez et al. 2006, MNRAS 371, 703).
LIBRARY = air_to_vacuum(np.arange(3700.0, 7410.0, 0.9))
#: S/N of a flat spectrum against wavelength, relative to 5000 Angstrom: the square root of a
#: two-arm spectrograph's throughput.
ARMS = (np.array([3690, 3800, 3950, 4100, 4500, 5000, 5500, 5750, 5800, 5950, 6300, 7000, 8000,
                  8600, 9200]),
        np.array([0.15, 0.25, 0.37, 0.52, 0.82, 1.0, 1.05, 0.7, 0.75, 1.15, 1.45, 1.7, 1.55,
                  1.4, 1.1]))  # fmt: skip
#: Telluric bands: edges [Angstrom], the wavelength of greatest depth, and that depth at
#: R = 1800: water, O2 (B), water, O2 (A), water, water.
TELLURIC = ((6275, 6285, 6330, 0.05), (6865, 6880, 6965, 0.35), (7160, 7190, 7345, 0.20),
            (7590, 7605, 7715, 0.75), (8130, 8200, 8350, 0.20), (8930, 9000, 9110, 0.30))
#: Night-sky lines that are always there (vacuum): Hg, [O I], Na.
SKY_LINES = air_to_vacuum(np.array([4358.3, 5460.7, 5577.3, 5889.9, 5895.9, 6300.3, 6363.8]))


def smooth(wave, function, n_nodes=100):
    """Evaluate a smooth function of wavelength on a few nodes, and between them linearly."""
    nodes = np.linspace(wave[0], wave[-1], n_nodes)
    return np.interp(wave, nodes, function(nodes))


def polynomial(wave, size, random):
    """Draw a polynomial without constant; `size`: rms of the Chebyshev coefficients from 1 on."""
    coef = np.concatenate([[0.0], size * random.normal(size=len(size))])
    return smooth(wave, lambda w: np.polynomial.chebyshev.chebval((w - 6400) / 2700, coef))


def resolving_power(wave, random, s):
    """Draw R(wavelength) of a spectrograph and of a star that rotates.

    Parameters
    ----------
    wave : ndarray, shape (n,)
    random : numpy.random.Generator
    s : DomainSettings

    Returns
    -------
    ndarray, shape (n,)
        LAMOST-like (a power law with a step between the arms) or a constant width in Angstrom.
    """
    if random.random() < s.constant_width_fraction:
        power = wave / random.uniform(*s.constant_width)
    else:
        slope = random.uniform(*s.r_slope)
        power = random.uniform(*s.r_5500) * smooth(wave, lambda w: (w / 5500) ** slope)
        power *= np.where(wave < 5800, 1.0, random.uniform(*s.r_step))
    rotation = abs(random.normal(0, s.rotation_kms)) / C_KMS
    return np.clip(1 / np.sqrt(power**-2.0 + rotation**2), 700, 0.98 * R_MODEL)


@lru_cache(maxsize=1)
def _extinction():
    """A(wave)/E(B-V) at Rv = 3.1 (Fitzpatrick 1999, PASP 111, 63) on nodes."""
    import astropy.units as u
    from dust_extinction.parameter_averages import F99

    wave = np.linspace(3500.0, 9300.0, 300)
    return wave, 3.1 * F99(Rv=3.1)(wave * u.AA)


def flux_calibration(wave, random, s):
    """Draw reddening and smooth calibration errors of each arm, with a step where they meet.

    Returns
    -------
    ndarray, shape of `wave`
        Factor on the flux.
    """
    join = random.uniform(*s.join)
    size = s.warp_rms * np.array([0.9, 0.7, 0.5, 0.3])
    blue, red = (polynomial(wave, size, random) for _ in range(2))
    red = red + s.step_rms * random.normal()
    in_red = 1 / (1 + np.exp(-np.clip((wave - join) / random.uniform(5, 30), -50, 50)))
    if random.random() < s.one_arm_fraction:
        in_red = np.zeros(wave.size)
    dust = -0.921 * random.uniform(*s.ebv) * smooth(wave, lambda w: np.interp(w, *_extinction()))
    return np.exp(dust + (1 - in_red) * blue + in_red * red)


def wavelength_error(wave, random, s):
    """Draw a smooth error of the wavelength scale [km/s]; shape of `wave`."""
    return polynomial(wave, s.distortion_kms * np.full(3, 1 / np.sqrt(1.5)), random)


def tellurics(wave, random, s):
    """Draw what the atmosphere's bands leave: transmission, above 1 where over-corrected.

    Each spectrum is corrected (a residual of either sign in each band), or not at all.
    """
    if random.random() < s.telluric_raw_fraction:
        left = random.uniform(0.3, 1.3) * np.exp(0.2 * random.normal(size=len(TELLURIC)))
    else:
        left = s.telluric_rms * random.normal(size=len(TELLURIC))
    out = np.ones(wave.size)
    for (low, peak, high, depth), share in zip(TELLURIC, left, strict=True):
        part = slice(*np.searchsorted(wave, [low, high]))
        shape = np.interp(wave[part], [low, peak, high], [0, 1, 0])
        ripple = 1 + 0.4 * np.sin(wave[part] / 2.4 + random.uniform(0, 6.3))
        out[part] -= share * depth * shape * ripple
    return np.clip(out, 0.02, None)


def noise_level(wave, flux, random, s):
    """Draw S/N and the standard deviation of each pixel.

    Parameters
    ----------
    wave, flux : ndarray, shape (n,)
    random : numpy.random.Generator
    s : DomainSettings

    Returns
    -------
    sigma : ndarray, shape (n,)
        The median of flux / sigma over 4000-5500 Angstrom is the S/N.
    snr : float
    """
    snr = np.exp(random.uniform(*np.log(s.snr)))
    if random.random() < s.noiseless_fraction:
        snr = s.noiseless_snr
    relative = np.ones(wave.size)
    if random.random() > s.flat_noise_fraction:
        tilt = random.normal(0, 0.3) * (wave - 5000) / 2000
        photons = np.clip(flux / np.median(flux), 0.02, None) * (wave / 5000)
        relative = np.interp(wave, *ARMS) * np.exp(tilt) * np.sqrt(photons)
    per_pixel = np.clip(relative, 0.02, None)
    in_g = (wave > 4000) & (wave < 5500)
    per_pixel = per_pixel * snr / np.median(per_pixel[in_g])
    return np.clip(flux, 0.02 * np.median(flux), None) / per_pixel, snr


def unit_noise(n, random, s):
    """Noise of unit variance whose neighbours are correlated, as resampling leaves it; (n,)."""
    link = random.uniform(*s.noise_link)
    white = random.normal(size=n + 2)
    return (white[1:-1] + link * (white[:-2] + white[2:])) / np.sqrt(1 + 2 * link**2)


def sky_residuals(wave, sigma, random, s):
    """Draw what sky subtraction leaves: lines of either sign, most of them in the red; (n,).

    Positions beyond 7200 Angstrom (OH) are random: no residual there shall be trusted.
    """
    out = np.zeros(wave.size)
    if random.random() > s.sky_fraction:
        return out
    oh = random.uniform(7200, 9100, random.poisson(s.n_oh))
    height = np.exp(random.uniform(*np.log(s.sky_height)))
    for centre in [*SKY_LINES, *oh]:
        low, high = np.searchsorted(wave, [centre - 10, centre + 10])
        if high > low:
            line = np.exp(-0.5 * ((wave[low:high] - centre) / 1.6) ** 2)
            out[low:high] += height * random.normal() * sigma[low:high] * line
    return out


def lost_pixels(wave, random, s):
    """Draw the pixels that are missing: ends, an arm, runs, the G band, the arm join.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        At rest, so that the G band is where it is.
    random : numpy.random.Generator
    s : DomainSettings

    Returns
    -------
    ndarray of bool, shape (n,)
        True where lost.
    """
    lost = np.zeros(wave.size, dtype=bool)
    if random.random() < s.late_start_fraction:
        lost |= wave < random.uniform(*s.start)
    if random.random() < s.early_end_fraction:
        lost |= wave > random.uniform(*s.end)
    elif random.random() < s.no_blue_fraction:
        lost |= wave < random.uniform(5500, 5900)
    if random.random() < s.no_g_band_fraction:
        lost |= (wave > random.uniform(4150, 4290)) & (wave < random.uniform(4320, 4450))
    if random.random() < s.join_lost_fraction:
        lost |= np.abs(wave - random.uniform(*s.join)) < random.uniform(3, 100)
    short = [random.integers(2, 10) for _ in range(random.poisson(s.n_short_runs))]
    long = [random.integers(10, s.longest_run + 1) for _ in range(random.poisson(s.n_long_runs))]
    for length in [*short, *long]:
        first = random.integers(0, wave.size)
        lost[first:first + length] = True
    return lost
