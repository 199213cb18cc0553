"""What the network is given: input tensors, labels with gaps, and augmented training spectra."""

from dataclasses import dataclass

import numpy as np
import torch

from cemp.constants import C_KMS, LABELS, N_PIX, WAVE
from cemp.errors import BadInputError

#: LAMOST's native pixels are equal steps of 1e-4 in log10(wavelength).
NATIVE_STEP = 1e-4


@dataclass(frozen=True)
class Sample:
    """Spectra with labels, row by row.

    Parameters
    ----------
    obsid : ndarray (n,)
        Identifiers of the spectra.
    flux, ivar : ndarray (n, 5001)
        Normalised flux and its inverse variance.
    good : ndarray (n, 5001) of bool
        True where a pixel can be used.
    labels : ndarray (n, 4)
        Labels, NaN where missing or only a limit.
    """

    obsid: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    good: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.obsid)


@dataclass(frozen=True)
class Augment:
    """What a training spectrum may look like from one epoch to the next.

    Parameters
    ----------
    noise_fraction : float
        Fraction of drawn spectra that get more noise (0 trains as the paper's recipe does: on
        S/N >= 50 only, though test stars have every S/N).
    snr_min : float
        Faintest S/N imitated; that of the faintest spectra searched.
    shift_kms : float
        Standard deviation of a velocity shift: the error of LAMOST's z.
    mask_fraction : float
        Fraction of spectra that lose a stretch of pixels, as to sky lines or arm joins.
    mask_pixels : int
        Longest such stretch [pixels].
    ripple : float
        Largest rms of smooth errors of the continuum. Real spectra have weak telluric water
        (6470-6600 Angstrom), flat-field and calibration errors that no normalisation takes out;
        a network that never met them reads 1% beside H-alpha as 200 K. 0 leaves them out.
    ripple_lengths : tuple of float
        Range of their lengths [Angstrom]: from a line's wings to what the continuum follows.
    """

    noise_fraction: float = 0.7
    snr_min: float = 5.0
    shift_kms: float = 7.0
    mask_fraction: float = 0.3
    mask_pixels: int = 100
    ripple: float = 0.0
    ripple_lengths: tuple = (20.0, 200.0)


def label_array(labels):
    """Take labels out of a table, limits on carbon as missing.

    Parameters
    ----------
    labels : pandas.DataFrame
        Columns teff, logg, fe_h, c_h and c_h_limit.

    Returns
    -------
    ndarray (n, 4)
        A limit is no value, so it becomes NaN: the loss leaves it out.
    """
    values = labels.loc[:, list(LABELS)].to_numpy(dtype=float, copy=True)
    limit = labels["c_h_limit"].fillna(False).to_numpy(dtype=bool)
    values[limit, LABELS.index("c_h")] = np.nan
    return values


def labelled_sample(store, rows):
    """Read the spectra of labelled rows.

    Parameters
    ----------
    store : cemp.vectors.VectorStore
        Preprocessed spectra.
    rows : pandas.DataFrame
        Columns obsid, the four labels and c_h_limit, one row a spectrum.

    Returns
    -------
    Sample
        In the order of `rows`, less spectra that preprocessing could not use.
    """
    rows = rows[rows["obsid"].isin(store.obsid)]
    vectors = store.read(rows["obsid"].to_numpy())
    return Sample(vectors.obsid, vectors.flux, vectors.ivar, vectors.good, label_array(rows))


def to_input(flux, good):
    """Make the network's input.

    Parameters
    ----------
    flux : ndarray (n, 5001)
        Normalised flux.
    good : ndarray (n, 5001) of bool
        True where a pixel can be used.

    Returns
    -------
    torch.Tensor (n, 2, 5001)
        Flux - 1, with 0 (the continuum) at bad pixels whatever their value, and the mask.
    """
    flux, good = np.atleast_2d(flux), np.atleast_2d(good).astype(bool)
    if flux.shape != good.shape or flux.shape[1] != N_PIX:
        raise BadInputError(
            f"flux {flux.shape} and good {good.shape} must be (n, {N_PIX}): preprocess first"
        )
    good = good & np.isfinite(flux)
    depth = np.where(good, flux - 1, 0)
    return torch.from_numpy(np.stack([depth, good], axis=1).astype(np.float32))


def shift(flux, good, velocity):
    """Shift spectra by small velocities.

    Parameters
    ----------
    flux : ndarray (n, 5001)
        Normalised flux.
    good : ndarray (n, 5001) of bool
        A bad neighbour is not interpolated with.
    velocity : ndarray (n,)
        Recession velocity [km/s], less than a pixel (34 km/s at 8800 Angstrom).

    Returns
    -------
    ndarray (n, 5001)
        ``flux(wave / (1 + velocity / c))``, interpolated linearly.
    """
    offset = -velocity[:, None] / C_KMS * WAVE.astype(np.float32)  # pixels of 1 Angstrom
    right = np.concatenate([flux[:, 1:], flux[:, -1:]], axis=1)
    left = np.concatenate([flux[:, :1], flux[:, :-1]], axis=1)
    usable_r = np.concatenate([good[:, 1:], good[:, -1:]], axis=1)
    usable_l = np.concatenate([good[:, :1], good[:, :-1]], axis=1)
    towards_right = offset > 0
    neighbour = np.where(towards_right, right, left)
    usable = np.where(towards_right, usable_r, usable_l)
    return flux + np.where(usable & good, np.abs(offset) * (neighbour - flux), 0)


def unit_noise(n, rng):
    """Draw noise of unit variance with the correlation of resampled LAMOST pixels.

    Native pixels are 0.88 to 2.03 Angstrom wide; interpolation to 1 Angstrom makes
    neighbours share them.

    Parameters
    ----------
    n : int
        Spectra.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray (n, 5001) of float32
    """
    position = np.log10(WAVE / WAVE[0]) / NATIVE_STEP + rng.random()
    left = position.astype(int)
    weight = (position - left).astype(np.float32)
    native = rng.standard_normal((n, left[-1] + 2), dtype=np.float32)
    noise = native[:, left] * (1 - weight) + native[:, left + 1] * weight
    return noise / np.sqrt(weight**2 + (1 - weight) ** 2)


def added_noise(ivar, good, rng, settings):
    """Draw the noise that takes spectra from their own S/N to a lower one.

    Parameters
    ----------
    ivar : ndarray (n, 5001)
        Inverse variance of the normalised flux.
    good : ndarray (n, 5001) of bool
    rng : numpy.random.Generator
    settings : Augment
        S/N is drawn log-uniformly from `snr_min` to the spectrum's own (its median pixel).

    Returns
    -------
    ndarray (n, 5001) of float32
        Zero for spectra that keep their S/N.
    """
    sigma = np.where(good & (ivar > 0), 1 / np.sqrt(np.maximum(ivar, 1e-12)), 0)
    typical = np.array([np.median(s[s > 0]) if (s > 0).any() else 1.0 for s in sigma])
    lowest = np.minimum(settings.snr_min * typical, 1)  # ratio of new to own S/N
    ratio = lowest ** rng.random(len(ivar))
    factor = np.sqrt(1 / ratio**2 - 1) * (rng.random(len(ivar)) < settings.noise_fraction)
    return (factor[:, None] * sigma * unit_noise(len(ivar), rng)).astype(np.float32)


def ripples(n, rng, settings):
    """Draw smooth errors of the continuum.

    Parameters
    ----------
    n : int
        Spectra.
    rng : numpy.random.Generator
    settings : Augment

    Returns
    -------
    ndarray (n, 5001) of float32
        Factors about 1; each spectrum has an rms between 0 and `ripple` and a length of its own.
    """
    out = np.empty((n, N_PIX), dtype=np.float32)
    low, high = np.log(settings.ripple_lengths)
    for row in range(n):
        length = np.exp(rng.uniform(low, high))
        nodes = rng.standard_normal(int((WAVE[-1] - WAVE[0]) / length) + 3)
        start = WAVE[0] - length * rng.random()
        field = np.interp(WAVE, start + length * np.arange(nodes.size), nodes)
        out[row] = 1 + settings.ripple * rng.random() * field
    return out


def augment(flux, ivar, good, rng, settings):
    """Vary training spectra: velocity, continuum, noise, missing stretches.

    Parameters
    ----------
    flux, ivar : ndarray (n, 5001)
    good : ndarray (n, 5001) of bool
    rng : numpy.random.Generator
    settings : Augment

    Returns
    -------
    flux, good : ndarray (n, 5001)
        New arrays.
    """
    velocity = settings.shift_kms * rng.standard_normal(len(flux)).astype(np.float32)
    flux = shift(flux, good, np.clip(velocity, -30, 30))
    if settings.ripple > 0:
        flux = flux * ripples(len(flux), rng, settings)
    flux = flux + added_noise(ivar, good, rng, settings)
    good = good.copy()
    for row in np.flatnonzero(rng.random(len(flux)) < settings.mask_fraction):
        start = rng.integers(N_PIX)
        good[row, start : start + rng.integers(1, settings.mask_pixels + 1)] = False
    return flux, good
