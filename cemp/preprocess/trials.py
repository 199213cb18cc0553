"""Trials of the preprocessing on spectra whose continuum and noise are known."""

import numpy as np
from scipy.ndimage import gaussian_filter1d, percentile_filter

from cemp.constants import WAVE
from cemp.preprocess.continuum import continuum
from cemp.preprocess.pipeline import preprocess
from cemp.preprocess.repair import repair
from cemp.spectrum import Spectrum

#: LAMOST's own pixels [Angstrom]: steps of 1e-4 dex from 3700 to 9099.
NATIVE = 10 ** (3.5682 + 1e-4 * np.arange(3909))
#: Where S/N is quoted [Angstrom]: the g band.
G_BAND = (4000.0, 5500.0)


def synthetic(flux, snr, random):
    """Observe a rest-frame spectrum with photon noise.

    Parameters
    ----------
    flux : ndarray, shape (3909,)
        Noiseless flux on `NATIVE`.
    snr : float
        Median signal-to-noise ratio a pixel in g.
    random : numpy.random.Generator

    Returns
    -------
    cemp.spectrum.Spectrum
        With z = 0 and the true ivar.
    """
    in_g = (NATIVE > G_BAND[0]) & (NATIVE < G_BAND[1])
    level = np.median(flux[in_g])
    sigma = np.sqrt(np.clip(flux, 1e-3 * level, None) * level) / snr
    noisy = flux + sigma * random.normal(size=flux.size)
    good = np.ones(flux.size, dtype=bool)
    return Spectrum(None, NATIVE, noisy, sigma**-2, good, z=0.0, snr={"g": snr})


def envelope(flux, width=201, percent=90):
    """Continuum by a running quantile: the method not taken, for comparison.

    Parameters
    ----------
    flux : ndarray, shape (3909,)
    width : int
        Pixels.
    percent : float

    Returns
    -------
    ndarray, shape (3909,)
    """
    return gaussian_filter1d(percentile_filter(flux, percent, width, mode="nearest"), width / 4)


def broad_mean(flux, sigma=50.0):
    """Continuum by a Gaussian mean over all pixels (Ho et al. 2017, ApJ 836, 5): for comparison.

    Parameters
    ----------
    flux : ndarray, shape (3909,)
    sigma : float
        Width at 4300 Angstrom [Angstrom].

    Returns
    -------
    ndarray, shape (3909,)
    """
    return gaussian_filter1d(flux, sigma / (4300 * 1e-4 * np.log(10)), mode="nearest")


def noise_trial(flux, snrs, n_draw, random):
    """Mean normalised flux of one star at several S/N, by this pipeline and by an envelope.

    Parameters
    ----------
    flux : ndarray, shape (3909,)
        Noiseless flux on `NATIVE`.
    snrs : sequence of float
    n_draw : int
        Observations a S/N.
    random : numpy.random.Generator

    Returns
    -------
    pipeline, quantile : ndarray, shape (n_snr, n_pix)
        Means over the observations on `cemp.constants.WAVE`.
    """
    pipeline, quantile = [], []
    for snr in snrs:
        observed = [synthetic(flux, snr, random) for _ in range(n_draw)]
        pipeline.append(np.mean([preprocess(s).flux for s in observed], axis=0))
        normalised = np.mean([s.flux / envelope(s.flux) for s in observed], axis=0)
        quantile.append(np.interp(WAVE, NATIVE, normalised))
    return np.array(pipeline), np.array(quantile)


def block_means(values, size=100):
    """Mean over blocks of pixels.

    Parameters
    ----------
    values : ndarray, shape (..., n_pix)
    size : int
        Pixels a block; a rest at the end is left out.

    Returns
    -------
    ndarray, shape (..., n_pix // size)

    Examples
    --------
    >>> block_means(np.arange(7.0), 3).tolist()
    [1.0, 4.0]
    """
    n_block = values.shape[-1] // size
    return values[..., : n_block * size].reshape(*values.shape[:-1], n_block, size).mean(axis=-1)


def continuum_trial(flux, true, method=None):
    """Pseudo-continuum over true continuum for noiseless spectra.

    Parameters
    ----------
    flux, true : ndarray, shape (n, 3909)
        Flux and its true continuum on `NATIVE`.
    method : callable, optional
        ``method(flux)``; this paper's continuum if omitted.

    Returns
    -------
    ndarray, shape (n, n_pix)
        On `cemp.constants.WAVE`; 1 where the continuum is the true one.
    """
    good = np.ones(NATIVE.size, dtype=bool)
    method = method or (lambda row: continuum(NATIVE, row, good))
    ratios = [method(row) / level for row, level in zip(flux, true, strict=True)]
    return np.array([np.interp(WAVE, NATIVE, ratio) for ratio in ratios])


def repair_trial(flux, snr, random, n_ray=20, height=1.0):
    """Count what the repair does to clean spectra, and what it finds of injected cosmic rays.

    Parameters
    ----------
    flux : ndarray, shape (n, 3909)
        Noiseless flux on `NATIVE`.
    snr : float
    random : numpy.random.Generator
    n_ray : int
        Rays of one pixel injected into each spectrum.
    height : float
        Their height in units of the local flux.

    Returns
    -------
    changed : ndarray, shape (n,)
        Share of a clean spectrum's pixels that were changed.
    in_cores : int
        Changed pixels within 3 Angstrom of the Ca II K, H and triplet lines.
    found : ndarray, shape (n,)
        Share of the injected rays that were found.
    """
    cores = np.abs(NATIVE[:, None] - [3934.8, 3969.6, 8500.4, 8544.4, 8664.5]).min(axis=1) < 3
    changed, found, in_cores = [], [], 0
    for row in flux:
        clean = synthetic(row, snr, random)
        _, good, n_repaired = repair(NATIVE, clean.flux, clean.ivar, clean.good)
        changed.append(n_repaired / row.size)
        in_cores += int((~good & cores).sum())
        hit = random.choice(row.size, n_ray, replace=False)
        struck = clean.flux.copy()
        struck[hit] += height * row[hit]
        _, good, _ = repair(NATIVE, struck, clean.ivar, clean.good)
        found.append(1 - good[hit].mean())
    return np.array(changed), in_cores, np.array(found)
