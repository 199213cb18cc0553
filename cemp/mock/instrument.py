"""From a star at rest to a spectrum as LAMOST would have delivered it.

Sizes were taken from public LAMOST DR10 and DR7 spectra: throughput, ratio of the S/N in the
arms, size and correlation of the noise, share and shape of the masked pixels. How like the
result is, `cemp.mock.realism` and `cemp.mock.likeness` measure.
"""

from dataclasses import dataclass

import numpy as np

from cemp.constants import C_KMS, rng
from cemp.mock.physics import smooth_field
from cemp.mock.sky import SKY_LEVEL, sky_lines

#: First pixel and step of the LAMOST wavelengths, log10 of vacuum Angstrom; longest spectrum.
COEFF0, COEFF1, MAX_PIXELS, MIN_PIXELS = 3.5682, 1e-4, 3909, 3751

#: Centre and width of the SDSS bands [Angstrom] over which LAMOST quotes S/N.
SNR_BANDS = {"u": (3543, 567), "g": (4770, 1387), "r": (6231, 1373), "i": (7625, 1526),
             "z": (9134, 950)}

#: S/N keyword over the median of flux * sqrt(ivar) in its band: what LAMOST writes into the
#: header, the same to 1-2% in 77 DR7 and DR10 spectra.
SNR_KEYWORD = {"u": 1.00, "g": 0.944, "r": 0.983, "i": 1.022, "z": 1.16}

#: Photons detected of a flat spectrum, relative to 5250 Angstrom: median flux * ivar / wave^2 of
#: DR10 spectra; blue arm, red arm (each as wavelength, throughput).
BLUE_ARM = (np.array([3690, 3800, 3900, 4000, 4100, 4250, 4500, 4750, 5000, 5250, 5500, 5700,
                      5850, 6000, 9200]),
            np.array([.03, .09, .16, .25, .30, .4, .68, .83, .94, 1.02, 1.08, 0.9,
                      .35, .02, .0]))
RED_ARM = (np.array([3690, 5600, 5700, 5800, 5950, 6200, 6500, 6750, 7000, 7400, 7800, 8200, 8600,
                     8900, 9100, 9200]),
           np.array([.0, .02, .25, .7, 1.4, 2.1, 2.6, 3.0, 3.1, 2.9, 2.6, 2.2, 1.9,
                     1.6, 1.4, 1.3]))


@dataclass(frozen=True)
class InstrumentSettings:
    """What a mock exposure suffers.

    Attributes
    ----------
    r_mean, r_rms, r_range : float, float, tuple of float
        Resolving power at 5500 Angstrom: LAMOST's about 1800, differing between fibres.
    warp : float
        Rms of the flux calibration's smooth error in each arm: 0.055 gives the arms' step a
        scatter of 0.07, as in DR7 and DR10 spectra.
    tilt : float
        Rms of a smooth error that both arms share: broad shapes of real spectra scatter by 0.10
        about their twins' at the red end, where arms of their own explain 0.07.
    balance, balance_rms : float
        ln of the red arm's photons relative to the blue's, against `RED_ARM`: S/N(i) over S/N(g)
        of one DR7 spectrograph is 0.68 of, of five DR10 ones 0.87 of what `RED_ARM` gives.
    join : tuple of float
        Where the arms meet [Angstrom]: it differs between spectrographs.
    sky_counts : float
        Photons of sky and read noise a pixel at 5250 Angstrom, as variance: puts the sky limit
        below S/N = 10, where it is for LAMOST's stars.
    flat_error : float
        Relative error of each pixel however bright the star: flat field, fibre, sky; no LAMOST
        spectrum is better than about 600.
    ripple : float
        Rms of a pattern that all spectra of one spectrograph share (flat field, flux standard),
        correlated over a resolution element: after division by synthetic spectra the two halves
        of a DR7 spectrograph correlate by 0.9 above 5950 Angstrom, DR7 and DR10 by 0.1-0.5.
    pixel_error : float
        Relative error of each pixel that ivar does not know: bright DR7 spectra have more
        pixel-to-pixel structure than ivar and synthetic lines explain, 0.3-0.5% of the flux.
    noise_share, noise_share_rms : float
        Actual noise over that of ivar, and its scatter between spectra: pixels of faint DR7 and
        DR10 spectra differ, four and more pixels apart, by 0.65-0.9 of what ivar says.
    noise_link : float
        Weight of the neighbours when noise is smoothed: with 0.10 neighbours differ by 0.92 as
        much as distant pixels, as in DR10, where pixels were resampled.
    telluric : float
        Rms share of the atmosphere's bands left after their correction: DR7 and DR10 spectra
        have 1% of the flux left in the A band, where two thirds were absorbed.
    sky_miss : float
        Size of the sky lines' residuals, relative to the square root of their brightness: gives
        OH lines of 7700-8900 Angstrom the excess scatter they have in DR7 and DR10.
    masked : float
        Share of spectra with runs of bad pixels; two thirds of the later releases have none.
    lost_arm : float
        Share of spectra that lost a large part of an arm: 2 of 137 files.
    rv_floor : float
        Error [km/s] of the pipeline's velocity at high S/N.
    cosmic_rate : float
        Mean number of cosmic rays left in a coadd.
    """

    r_mean: float = 1800.0
    r_rms: float = 150.0
    r_range: tuple = (1400.0, 2300.0)
    warp: float = 0.055
    tilt: float = 0.06
    balance: float = -0.5
    balance_rms: float = 0.3
    join: tuple = (5700.0, 5900.0)
    sky_counts: float = 60.0
    flat_error: float = 1 / 600
    ripple: float = 0.005
    pixel_error: float = 0.003
    noise_share: float = 0.80
    noise_share_rms: float = 0.08
    noise_link: float = 0.10
    telluric: float = 0.03
    sky_miss: float = 0.5
    masked: float = 0.15
    lost_arm: float = 0.02
    rv_floor: float = 4.0
    cosmic_rate: float = 1.5


def resolution(wave, r_5500):
    """Give the resolving power along a LAMOST spectrum; shape of `wave` [Angstrom].

    Within an arm the width in Angstrom varies little, so R grows with wavelength; between the
    arms it falls.
    """
    blue, red = (wave / 5500) ** 0.6, 0.98 * (wave / 6800) ** 0.6
    return r_5500 * np.where(wave < 5800, blue, red)


def pixel_grid(random):
    """Draw a spectrum's wavelengths: (COEFF0, wavelengths [Angstrom, vacuum], float32).

    Nearly all have the full length or lose a few pixels in the red; some lose more.
    """
    lost = random.integers(0, 10) if random.random() < 0.95 else random.integers(
        10, MAX_PIXELS - MIN_PIXELS + 1)
    in_blue = int(random.integers(0, lost + 1)) if random.random() < 0.1 else 0
    coeff0 = round(COEFF0 + COEFF1 * in_blue, 4)
    wave = 10 ** (coeff0 + COEFF1 * np.arange(MAX_PIXELS - lost))
    return coeff0, wave


def calibration_error(wave, join, random, settings):
    """Error of the flux calibration: a scale and a smooth warp in each arm, a tilt of both."""
    x = (wave - 6400) / 2700
    basis = np.polynomial.chebyshev.chebvander(x, 4)
    size = settings.warp * np.array([0.6, 0.7, 0.5, 0.3, 0.2])
    blue, red = (basis @ (size * random.normal(size=5)) for _ in range(2))
    both = basis[:, 1:3] @ (settings.tilt * np.array([0.8, 0.5]) * random.normal(size=2))
    in_red = 1 / (1 + np.exp(-np.clip((wave - join) / 12.0, -50, 50)))
    return np.exp((1 - in_red) * blue + in_red * red + both)


def response_ripple(wave, spid, settings):
    """Pattern of relative errors that a spectrograph puts on each of its spectra; shape (n,)."""
    random = rng("ripple", int(spid))
    field = smooth_field(MAX_PIXELS, 2.5, random)
    first = round((np.log10(wave[0]) - COEFF0) / COEFF1)
    return settings.ripple * field[first:first + wave.size]


def throughput(wave, join, balance=0.0):
    """Relative throughput of both arms, the red one scaled by exp(balance), about their join."""
    shift = join - 5780.0
    blue = np.interp(wave - shift * (wave > 5500), *BLUE_ARM)
    red = np.interp(wave - shift * (wave < 6200), *RED_ARM)
    return np.maximum(blue, red * np.exp(balance)) + 1e-3


def expected_noise(wave, flux, snr_g, join, helio, settings, balance=0.0):
    """Compute the standard deviation of each pixel for a wanted S/N(g).

    Parameters
    ----------
    wave, flux : ndarray, shape (n,)
        Observed wavelength [Angstrom] and noiseless flux.
    snr_g : float
        Wanted S/N of the g band, as the header quotes it.
    join, helio : float
        Meeting point of the arms [Angstrom]; heliocentric correction [km/s].
    settings : InstrumentSettings
    balance : float
        ln of the red arm's efficiency against `RED_ARM`.

    Returns
    -------
    ndarray, shape (n,)

    Notes
    -----
    Photons N = k * flux * wave^2 * throughput (a log-linear pixel grows with wavelength) over a
    background B: S/N = N / sqrt(N + B). Each pixel needs its own k for the wanted S/N, and the
    median of those is the k that brings the median S/N there, since S/N rises with k. The flat
    field's relative error is added; the wanted photon S/N is raised accordingly.
    """
    through = throughput(wave, join, balance)
    per_flux = through * (wave / 5250) ** 2
    rest = wave / (1 + helio / C_KMS)
    sky = settings.sky_counts * through * (np.interp(rest, *SKY_LEVEL) + sky_lines(rest)) + 20.0
    photons = np.clip(flux, 1e-6, None) * per_flux
    band = in_band(wave, "g")
    t2 = 1 / ((SNR_KEYWORD["g"] / snr_g) ** 2 - settings.flat_error**2)
    k = np.median((t2 + np.sqrt(t2**2 + 4 * t2 * sky))[band] / (2 * photons[band]))
    return np.hypot(np.sqrt(k * photons + sky) / (k * per_flux), settings.flat_error * flux)


def in_band(wave, name):
    """Pixels inside one of the `SNR_BANDS`."""
    centre, width = SNR_BANDS[name]
    return np.abs(wave - centre) < width / 2


def signal_to_noise(wave, flux, ivar):
    """S/N a pixel in the bands u, g, r, i, z, as the headers quote it.

    Median of flux * sqrt(ivar) times `SNR_KEYWORD`; 0 where nothing is left.
    """
    ratio = flux * np.sqrt(np.clip(ivar, 0, None))
    out = {}
    for name in SNR_BANDS:
        use = in_band(wave, name) & (ivar > 0)
        out[name] = SNR_KEYWORD[name] * float(np.median(ratio[use])) if use.any() else 0.0
    return out


def correlated_noise(n, link, random):
    """Noise of unit variance whose neighbours are correlated by resampling; shape (n,)."""
    white = random.normal(size=n + 2)
    return (white[1:-1] + link * (white[:-2] + white[2:])) / np.sqrt(1 + 2 * link**2)


def bad_pixels(wave, random, settings):
    """Draw the runs of lost pixels: True where ivar is 0; shape of `wave`.

    As in 137 files of DR5 and later: most spectra have none; some a run or two of 5-13 pixels
    (bad columns), anywhere; rarely a large part of an arm is lost. In DR1 and DR2, which this
    is not, every spectrum lost its ends and some its arm join.
    """
    n = wave.size
    bad = np.zeros(n, dtype=bool)
    if random.random() < settings.masked:
        for _ in range(random.integers(1, 4)):
            first = random.integers(0, n)
            bad[first:first + random.integers(5, 14)] = True
    if random.random() < settings.lost_arm:
        length = int(n * random.uniform(0.05, 0.4))
        first = random.integers(0, n - length)
        bad[first:first + length] = True
    return bad


def velocity_error(snr_g, random, settings):
    """Error of the pipeline's velocity and its quoted sigma [km/s]: 4 at S/N 100, 20 at 5."""
    sigma = np.hypot(settings.rv_floor, 100.0 / max(snr_g, 1.0))
    return sigma * random.standard_t(5) * np.sqrt(3 / 5), sigma * random.uniform(0.8, 1.2)
