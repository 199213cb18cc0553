"""Domain randomisation: emulated spectra as some telescope might have given them of some star.

A network trained on clean synthetic spectra reads from real stars what the models get wrong.
Here every such thing is drawn anew for each spectrum, over ranges wider than the truth is likely
to need (Tobin et al. 2017, IROS, 23), so that only what holds under all of them is learned. The
ranges come from the literature, from the grid's own documentation and from the survey's
description; the centre of the line strengths alone looks at real stars (`DomainSettings.scale`).
"""

from dataclasses import dataclass

import numpy as np

from cemp.constants import C_KMS
from cemp.spectrum import Spectrum
from cemp.synthesis.resolution import broaden, sample
from cemp.transfer import star_effects as star
from cemp.transfer import telescope_effects as telescope

#: [C/Fe] of the comparison spectrum without molecules of carbon: the grid's lowest.
NO_CARBON = -0.8


@dataclass(frozen=True)
class DomainSettings:
    """Ranges of everything that is drawn; pairs are bounds, ``rms`` standard deviations.

    Attributes
    ----------
    balmer : bool
        Whether the Balmer cores are changed; False for the ablation.
    balmer_half : float
        Half range of the H-alpha core's missing flux share about `star.balmer_centre`: 0.3
        covers stars whose LTE core is right and those twice as wrong as HD 122563.
    calcium_half, calcium_light : float
        Change of the Ca II cores' depth either way, and mean chromospheric light [continuum] of
        cool stars: LTE cores are off and chromospheres vary.
    core_width : tuple of float
        FWHM of all these cores [km/s] at R = 5000.
    field_rms, field_lengths, field_shares : tuple of float
        Range of the rms of the fields in ln(optical depth), their lengths [Angstrom] (single
        lines, multiplets, bands) and shares of the variance: single gf values are the worst,
        often 0.15 dex off.
    scale, blue_rms : tuple of float, float
        Error of all lines in ln(optical depth), and more bluewards of 5200 Angstrom per 1000
        Angstrom. Centred on -0.2: in the grid's Sun medium strong lines are 8-15% too strong
        against measured equivalent widths, its microturbulence is 0.2 km/s above the usual, and
        on the development half of MILES lines are 17% too strong in the middle (the one range
        that looks at real stars). Missing or doubtful opacity grows to the blue.
    element_rms : float
        Of the strong lines of single elements, in ln(optical depth): 0.15 dex of abundance.
    saturation, saturation_rms : float
        Mean strengthening of saturated lines, and its scatter: 0.08 is some 0.4 km/s of
        microturbulence, and the grid's is 0.2 too high.
    isotope_share : tuple of float
        Change of the 12C13C share: the grid has 12C/13C = 15 (giants) or 90; stars 4 to 90.
    cn_rms : float
        Of ln(strength of CN): nitrogen beyond the grid's range.
    interstellar_fraction, interstellar_kms, sodium_width : float, float, tuple of float
        How often there are interstellar lines, their velocity's rms against the star's [km/s],
        and the equivalent width of Na D2 [Angstrom].
    r_5500, r_slope, r_step : tuple of float
        LAMOST-like R at 5500 Angstrom, its power of wavelength, and the red arm's factor.
    constant_width, constant_width_fraction : tuple of float, float
        FWHM [Angstrom] of spectra whose width is constant (MILES 2.5), and their share.
    rotation_kms : float
        Rms of the extra broadening (FWHM) by rotation and macroturbulence.
    library_fraction : float
        Share of spectra on a library's pixels, which end at 7410 Angstrom.
    warp_rms, step_rms, ebv, join, one_arm_fraction : float or tuple of float
        Calibration errors (natural log), their step between the arms, reddening [mag], where
        the arms meet [Angstrom], and the share of spectra from one arm.
    rv_rms, rv_error : float
        Rms of the stars' velocities and half range of the error of the velocity that is used
        for the rest frame [km/s]: LAMOST's errors at S/N = 8.
    distortion_kms : float
        Rms of the smooth error of the wavelength scale.
    telluric_rms, telluric_raw_fraction : float
        Residual of the telluric bands in units of their depth; share of uncorrected spectra.
    snr, noiseless_fraction, noiseless_snr : tuple of float, float, float
        S/N a pixel in 4000-5500 Angstrom, log-uniform; share and S/N of those without noise.
    flat_noise_fraction : float
        Share of spectra with the same S/N at all wavelengths.
    noise_link : tuple of float
        Weight of a pixel's neighbours in its noise: none to more than LAMOST's 0.22.
    ivar_rms : float
        Error of the noise that is quoted (natural log).
    sky_fraction, sky_height, n_oh : float, tuple of float, float
        Share of spectra with residual sky lines, their height in sigma, number in the red.
    cosmic_rate : float
        Mean number of cosmic rays that nobody noticed.
    late_start_fraction, start, early_end_fraction, end : float or tuple of float
        Shares of spectra that start late or end early, and where [Angstrom].
    no_blue_fraction, no_g_band_fraction, join_lost_fraction : float
        Shares that lack the blue arm, the G band (often enough to learn that carbon is then
        uncertain), the arm join. (A spectrum without the red arm is refused by preprocessing.)
    n_short_runs, n_long_runs, longest_run : float, float, int
        Mean number of lost runs of 2-9 pixels, of longer ones, and the longest.
    """

    balmer: bool = True
    balmer_half: float = 0.3
    calcium_half: float = 0.5
    calcium_light: float = 0.10
    core_width: tuple = (80.0, 160.0)
    field_rms: tuple = (0.05, 0.40)
    field_lengths: tuple = (2.0, 10.0, 60.0)
    field_shares: tuple = (0.7, 0.2, 0.1)
    scale: tuple = (-0.45, 0.05)
    blue_rms: float = 0.08
    element_rms: float = 0.25
    saturation: float = -0.04
    saturation_rms: float = 0.08
    isotope_share: tuple = (-0.1, 0.3)
    cn_rms: float = 0.3
    interstellar_fraction: float = 0.7
    interstellar_kms: float = 80.0
    sodium_width: tuple = (0.02, 1.0)
    r_5500: tuple = (1400.0, 2300.0)
    r_slope: tuple = (0.0, 1.0)
    r_step: tuple = (0.85, 1.15)
    constant_width: tuple = (2.1, 3.3)
    constant_width_fraction: float = 0.35
    rotation_kms: float = 30.0
    library_fraction: float = 0.25
    warp_rms: float = 0.10
    step_rms: float = 0.05
    ebv: tuple = (0.0, 1.0)
    join: tuple = (5700.0, 5900.0)
    one_arm_fraction: float = 0.25
    rv_rms: float = 120.0
    rv_error: float = 25.0
    distortion_kms: float = 4.0
    telluric_rms: float = 0.12
    telluric_raw_fraction: float = 0.25
    snr: tuple = (8.0, 400.0)
    noiseless_fraction: float = 0.15
    noiseless_snr: float = 1000.0
    flat_noise_fraction: float = 0.3
    noise_link: tuple = (0.0, 0.3)
    ivar_rms: float = 0.15
    sky_fraction: float = 0.6
    sky_height: tuple = (0.5, 6.0)
    n_oh: float = 20.0
    cosmic_rate: float = 1.0
    late_start_fraction: float = 0.3
    start: tuple = (3750.0, 4000.0)
    early_end_fraction: float = 0.25
    end: tuple = (7000.0, 8800.0)
    no_blue_fraction: float = 0.02
    no_g_band_fraction: float = 0.15
    join_lost_fraction: float = 0.2
    n_short_runs: float = 2.0
    n_long_runs: float = 0.3
    longest_run: int = 300


def randomise(emulator, labels, random, settings=None):
    """Draw observed-like spectra of stars with given labels.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    labels : array_like, shape (n, 6)
        Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe].
    random : numpy.random.Generator or sequence of numpy.random.Generator
        One for all, or one for each spectrum, so that it does not depend on its company.
    settings : DomainSettings, optional

    Returns
    -------
    list of cemp.spectrum.Spectrum
        As observed; ``meta`` holds what was drawn: ``snr``, ``rv``, ``rv_error``.
    """
    settings, labels = settings or DomainSettings(), np.atleast_2d(np.asarray(labels, float))
    randoms = [random] * len(labels) if isinstance(random, np.random.Generator) else random
    bare = labels.copy()
    bare[:, 3] = np.minimum(bare[:, 3], NO_CARBON)
    norm, cont = emulator.emulate(labels)
    norm_bare, _ = emulator.emulate(bare)
    rows = zip(labels, norm, norm_bare, cont, randoms, strict=True)
    return [
        observe(emulator.wave, individual(emulator.wave, *row[:3], row[4], settings) * row[3],
                row[4], settings)
        for row in rows
    ]  # fmt: skip


def individual(wave, labels, norm, norm_bare, random, s):
    """Turn a synthetic spectrum into that of an individual star behind its interstellar cloud.

    Parameters
    ----------
    wave : ndarray, shape (n,)
    labels : ndarray, shape (6,)
    norm, norm_bare : ndarray, shape (n,)
        Normalised flux of the star, and of the same star with hardly any carbon.
    random : numpy.random.Generator
    s : DomainSettings

    Returns
    -------
    ndarray, shape (n,)
        Normalised flux at R = 5000.
    """
    teff, logg = labels[:2]
    depth = star.optical_depth(norm)
    carbon = np.clip(depth - star.optical_depth(norm_bare), 0, None)
    depth = depth + star.carbon_changes(wave, carbon, random, s)
    depth = depth * np.exp(star.line_errors(wave, random, s))
    norm = np.exp(-star.saturate(depth, s.saturation + s.saturation_rms * random.normal()))
    if s.balmer:
        norm = star.balmer_cores(wave, norm, teff, logg, random, s)
    norm = star.calcium_cores(wave, norm, teff, random, s)
    return norm * star.interstellar(wave, random, s)


def observe(wave, flux, random, s):
    """Observe a star: velocity, resolution, pixels, calibration, atmosphere, noise, losses.

    Parameters
    ----------
    wave, flux : ndarray, shape (n,)
        At rest, even in ln(wavelength), R = 5000.
    random : numpy.random.Generator
    s : DomainSettings

    Returns
    -------
    cemp.spectrum.Spectrum
    """
    in_library = random.random() < s.library_fraction
    pixels = telescope.LIBRARY if in_library else telescope.NATIVE
    rv = 0.0 if in_library else s.rv_rms * random.normal()
    error = s.rv_error * random.uniform(-1, 1)
    step = np.log(wave[-1] / wave[0]) / (wave.size - 1)
    power = telescope.resolving_power(wave, random, s)
    flux = broaden(flux / np.median(flux), step, power, n_nodes=5)
    shift = telescope.wavelength_error(pixels, random, s) / C_KMS
    flux = sample(wave, flux, pixels * (1 - shift), rv)
    flux = flux * telescope.flux_calibration(pixels, random, s)
    flux = flux * telescope.tellurics(pixels, random, s)
    sigma, snr = telescope.noise_level(pixels, flux, random, s)
    flux = flux + telescope.sky_residuals(pixels, sigma, random, s)
    flux = flux + sigma * telescope.unit_noise(pixels.size, random, s)
    flux = _strike(flux, sigma, random, s)
    rest = pixels / (1 + (rv + error) / C_KMS)
    good = ~telescope.lost_pixels(rest, random, s) & (rest > wave[0]) & (rest < wave[-1])
    ivar = np.where(good, (sigma * np.exp(s.ivar_rms * random.normal())) ** -2.0, 0.0)
    return Spectrum(None, pixels, np.where(good, flux, 0.0), ivar, good, z=(rv + error) / C_KMS,
                    snr={"g": snr}, meta={"snr": snr, "rv": rv, "rv_error": error})


def _strike(flux, sigma, random, s):
    """Add cosmic rays, one to three pixels wide."""
    for _ in range(random.poisson(s.cosmic_rate)):
        at = random.integers(flux.size - 3)
        width = random.integers(1, 4)
        flux[at:at + width] += sigma[at] * random.uniform(6, 60)
    return flux
