"""Library stars as the survey would have seen them: pixels, losses and noise of its own spectra."""

import numpy as np
from scipy.ndimage import median_filter

from cemp.errors import BadInputError
from cemp.mock.instrument import SNR_BANDS, SNR_KEYWORD, in_band
from cemp.spectrum import Spectrum

#: Pixels over which the S/N of a survey spectrum is smoothed: wider than lines, narrower than arms.
WIDTH = 151
#: Noise where the flux nearly vanishes is that of this share of the median flux.
FLOOR = 0.05


def once(spectra):
    """Keep one spectrum of each exposure, the first.

    Parameters
    ----------
    spectra : list of cemp.spectrum.Spectrum
        The same exposure may be there from several data releases.

    Returns
    -------
    list of cemp.spectrum.Spectrum
        Those without an obsid are all kept.
    """
    kept, seen = [], set()
    for spectrum in spectra:
        if spectrum.obsid is None or spectrum.obsid not in seen:
            kept.append(spectrum)
        seen.add(spectrum.obsid)
    return kept


def noise_patterns(spectra, least=20.0):
    """Measure how S/N runs along survey spectra.

    Parameters
    ----------
    spectra : list of cemp.spectrum.Spectrum
    least : float
        Fainter ones (header S/N in g) are left out: their flux is no measure of S/N.

    Returns
    -------
    list of (ndarray, ndarray, ndarray)
        Wavelength [Angstrom], S/N a pixel over its median in g (the header's scale), mask.

    Raises
    ------
    BadInputError
        If there is none.
    """
    patterns = []
    for spectrum in spectra:
        band = in_band(spectrum.wave, "g") & spectrum.good
        if not (spectrum.cls == "STAR" and spectrum.snr.get("g", 0) >= least and band.any()):
            continue
        ratio = spectrum.flux * np.sqrt(spectrum.ivar)
        known = np.interp(spectrum.wave, spectrum.wave[spectrum.good], ratio[spectrum.good])
        smooth = median_filter(known, WIDTH, mode="nearest")
        scale = SNR_KEYWORD["g"] * np.median(ratio[band])
        patterns.append((spectrum.wave, np.maximum(smooth, 0.05 * scale) / scale, spectrum.good))
    if not patterns:
        raise BadInputError(f"no survey star with S/N(g) of {least:g} or more to copy noise from")
    return patterns


def like_survey(spectrum, random, patterns, snr):
    """Observe a library star with the survey.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
        Its own noise must be far below the one wanted; its resolution is kept.
    random : numpy.random.Generator
        Chooses the pattern and draws the noise.
    patterns : list
        From `noise_patterns`.
    snr : float
        S/N in g as the survey's header quotes it.

    Returns
    -------
    cemp.spectrum.Spectrum
        On the survey's pixels as far as the library reaches, with masks of a real spectrum and
        Gaussian noise of its shape: its size follows the flux level, not the flux of a pixel,
        whose own noise and lines would otherwise weigh the brighter half less.
    """
    wave, run, good = patterns[random.integers(len(patterns))]
    inside = (wave >= spectrum.wave[0]) & (wave <= spectrum.wave[-1])
    wave, run, good = wave[inside], run[inside], good[inside]
    flux = np.interp(wave, spectrum.wave, spectrum.flux)
    level = median_filter(flux, WIDTH, mode="nearest")
    sigma = np.maximum(level, FLOOR * np.median(flux)) / (run * snr)
    noisy = flux + sigma * random.normal(size=wave.size)
    header = {band: snr * float(np.median(run[here])) if here.any() else np.nan
              for band in SNR_BANDS for here in [in_band(wave, band)]} | {"g": snr}  # fmt: skip
    return Spectrum(obsid=spectrum.obsid, wave=wave, flux=noisy, good=good,
                    ivar=np.where(good, sigma**-2.0, 0.0), z=spectrum.z, snr=header,
                    release=spectrum.release, path=spectrum.path)  # fmt: skip
