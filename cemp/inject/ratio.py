"""More carbon in an observed spectrum: CH, C2 and CN multiplied in, noise as it was.

The ratio of two emulated spectra of the same star, one with more carbon, carries every line that
carbon changes, blends and saturation included, and none of what synthetic spectra get wrong alike
in both. Fibre, sky, continuum and defects stay those of the observation. Metallicity cannot be
lowered in this way: lines that are in a spectrum do not go, as what lies under them is not known.
"""

from dataclasses import replace

import numpy as np

from cemp.constants import C_KMS, LABELS
from cemp.errors import BadInputError
from cemp.mock.instrument import SNR_BANDS
from cemp.paths import ROOT
from cemp.synthesis.design import (
    ALPHA_TREND,
    C_FE_HIGH,
    C_FE_LOW,
    C_H_HIGH,
    FE_H_RANGE,
    LOGG_HIGH,
    LOGG_LOW,
    TEFF_RANGE,
)
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.resolution import sample

#: Resolving power (FWHM) of LAMOST at 5500 Angstrom; carbon's bands are far wider.
RESOLUTION = 1800.0
#: Least flux over continuum of the spectrum divided by: in the cores of H and K of cool stars a
#: ratio of two residuals of the synthesis would mean nothing.
LEAST_FLUX = 0.05


def real_emulator(cache=None):
    """Load the emulator for real stars: fitted to every spectrum of the grid.

    Parameters
    ----------
    cache : str or pathlib.Path, optional
        Folder for the fitted emulator; ``build/emulator`` by default. The first fit takes
        minutes.

    Returns
    -------
    cemp.synthesis.emulator.Emulator
    """
    return load_emulator(None, cache=cache or ROOT / "build" / "emulator")


def grid_labels(labels, c_fe=None):
    """Complete the labels of stars to those of the grid.

    Parameters
    ----------
    labels : array_like, shape (n, 4)
        Teff [K], log g, [Fe/H], [C/H], as `cemp.constants.LABELS`.
    c_fe : array_like, shape (n,), optional
        [C/Fe] in place of the stars' own.

    Returns
    -------
    ndarray, shape (n, 6)
        In the order of `cemp.synthesis.grid.GRID_LABELS`. log g and [Fe/H] are held inside the
        grid, as is the stars' own [C/Fe]; [alpha/Fe] follows the Galactic trend of the grid's
        design, [N/Fe] = 0.
    """
    teff, logg, fe_h, c_h = np.asarray(labels, dtype=float).reshape(-1, len(LABELS)).T
    logg = np.clip(logg, np.interp(teff, *LOGG_LOW), np.interp(teff, *LOGG_HIGH))
    own = np.clip(c_h - fe_h, C_FE_LOW, highest(fe_h))
    fe_h = np.clip(fe_h, *FE_H_RANGE)
    carbon = own if c_fe is None else np.broadcast_to(np.asarray(c_fe, dtype=float), own.shape)
    alpha = np.interp(fe_h, *ALPHA_TREND)
    return np.column_stack([teff, logg, fe_h, carbon, alpha, np.zeros(teff.size)])


def highest(fe_h):
    """Tell the highest [C/Fe] of the grid.

    Parameters
    ----------
    fe_h : array_like
        [Fe/H].

    Returns
    -------
    ndarray
        3.5, or less where [C/H] would exceed 0.3: the atmospheres are not computed with their
        carbon, and beyond that they mean little.
    """
    fe_h = np.clip(np.asarray(fe_h, dtype=float), *FE_H_RANGE)
    return np.minimum(C_FE_HIGH, C_H_HIGH - fe_h)


def refusal(labels, c_fe):
    """Tell why a star's carbon cannot be raised to a value.

    Parameters
    ----------
    labels : array_like, shape (4,)
        Teff [K], log g, [Fe/H], [C/H].
    c_fe : float
        [C/Fe] wanted.

    Returns
    -------
    str
        Empty if it can be.
    """
    teff, _, fe_h, c_h = np.asarray(labels, dtype=float)
    if not np.isfinite(labels).all() or not TEFF_RANGE[0] <= teff <= TEFF_RANGE[1]:
        return f"Teff {teff:.0f} K is outside the grid's {TEFF_RANGE[0]:.0f}-{TEFF_RANGE[1]:.0f} K"
    if c_h - fe_h < C_FE_LOW:
        return (f"the star's own [C/Fe] {c_h - fe_h:+.2f} is below the grid's lowest, "
                f"{C_FE_LOW:+.2f}: what the raise would add is not known")  # fmt: skip
    if c_fe < c_h - fe_h:
        return f"[C/Fe] {c_fe:+.2f} is below the star's own {c_h - fe_h:+.2f}; carbon is only added"
    if c_fe > highest(fe_h):
        return (f"[C/Fe] {c_fe:+.2f} is above the grid's highest, {highest(fe_h):+.2f} at [Fe/H] "
                f"{fe_h:+.2f}")  # fmt: skip
    return ""


def carbon_ratio(emulator, labels, c_fe, resolution=RESOLUTION):
    """Compute what more carbon does to spectra.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    labels : array_like, shape (n, 4)
        Teff [K], log g, [Fe/H], [C/H] of the stars as they are.
    c_fe : array_like, shape (n,)
        [C/Fe] wanted.
    resolution : float
        Resolving power (FWHM) of the observed spectra.

    Returns
    -------
    ndarray, shape (n, n_wave)
        Normalised flux with the wanted carbon over that with the star's own, on
        ``emulator.wave``; exactly 1 for stars that have the wanted carbon already. Continua are
        left out: preprocessing would divide them out again.

    Raises
    ------
    BadInputError
        If a star or its carbon is outside the grid.
    """
    now, then = grid_labels(labels), grid_labels(labels, c_fe)
    for row, want in zip(np.reshape(labels, (-1, len(LABELS))), then[:, 3], strict=True):
        why = refusal(row, want)
        if why:
            raise BadInputError(f"cannot inject carbon: {why}")
    before = emulator.emulate(now, resolution)[0].astype(float)
    after = emulator.emulate(then, resolution)[0].astype(float)
    ratio = np.maximum(after, 0) / np.maximum(before, LEAST_FLUX)
    ratio = np.where(before < LEAST_FLUX, np.minimum(ratio, 1.0), ratio)
    return np.where((now[:, 3] == then[:, 3])[:, None], 1.0, ratio)


def inject(spectrum, wave, ratio, random=None):
    """Multiply a ratio into an observed spectrum.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
        As observed, with its velocity.
    wave, ratio : ndarray, shape (n_wave,)
        Rest wavelengths, even in ln, and the ratio there.
    random : numpy.random.Generator, optional
        Draws the noise that is put back; without it none is.

    Returns
    -------
    cemp.spectrum.Spectrum
        With the same pixels, mask and velocity; S/N of the header scaled with the flux.

    Notes
    -----
    Flux times r < 1 shrinks the noise to r sigma, as if the absorbed light had taken its share of
    sky, read-out and flat-field noise with it. Noise of (1 - r^2) sigma^2 is put back, so that
    the inverse variance of the file stays right. That is exact where the background dominates;
    where the star's photons do, the true variance lies between r sigma^2 and sigma^2, so the test
    is a little harder than the sky. Where r > 1 the inverse variance falls to 1 / (r sigma)^2.
    Noise that is put back is white, that of coadded pixels is not quite.
    """
    # The spline is drawn through ratio - 1, so that a ratio of 1 leaves every bit as it was.
    r = np.maximum(1 + sample(wave, ratio - 1, spectrum.wave, spectrum.z * C_KMS), 0.0)
    flux = spectrum.flux * r
    if random is not None:
        sigma = 1 / np.sqrt(np.where(spectrum.ivar > 0, spectrum.ivar, np.inf))
        flux = flux + np.sqrt(np.clip(1 - r**2, 0, 1)) * sigma * random.normal(size=r.size)
    ivar = spectrum.ivar / np.maximum(r, 1.0) ** 2
    return replace(spectrum, flux=flux, ivar=ivar, snr=_scaled(spectrum, r))


def _scaled(spectrum, ratio):
    """S/N of the header with the flux of each band scaled by the median ratio in it."""
    out = {}
    for band, value in spectrum.snr.items():
        centre, width = SNR_BANDS[band]
        inside = np.abs(spectrum.wave - centre) < width / 2
        out[band] = value * float(np.median(ratio[inside])) if inside.any() else value
    return out
