"""How well a spectrum can be put together from what the training spectra consist of.

Principal components of training vectors span what the network has seen. A spectrum that they
cannot reproduce within its noise holds something else: emission, the wrong redshift, bands of
TiO, Balmer lines of a hot star. Components are fitted to good pixels only, weighted by the noise
and by the error that the components leave in training spectra themselves.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError

#: Edges of the blocks in which the misfit is measured [Angstrom]: Ca H & K to H-delta, G band,
#: H-gamma wing to C2, H-beta and Mg b, the join of the arms with Na D, the red continuum, H-alpha,
#: the telluric and TiO region, the far red, the calcium triplet.
BLOCK_EDGES = (3800.0, 4150.0, 4420.0, 4800.0, 5250.0, 5650.0, 6100.0, 6500.0, 6800.0, 7600.0,
               8350.0, 8801.0)  # fmt: skip

#: Absorption of the Earth's atmosphere (B and A band of O2, H2O) [Angstrom, observed]: with 200
#: km/s either way these pixels tell of the night and not of the object.
TELLURIC = ((6860.0, 6960.0), (7160.0, 7340.0), (7590.0, 7710.0), (8120.0, 8350.0))
TELLURIC_PIXELS = np.any([(low <= WAVE) & (high >= WAVE) for low, high in TELLURIC], axis=0)
#: Distances in ln(wavelength) of the residuals that are multiplied: 4 to 9 native pixels. Noise
#: of a LAMOST pixel reaches its neighbours and, once resampled, theirs, but no further.
LAGS = tuple(pixels * 1e-4 * np.log(10) for pixels in (4, 5, 6, 7, 9))


@dataclass(frozen=True)
class BasisSettings:
    """How the components are found and fitted.

    Parameters
    ----------
    n_components : int
        Of each kind of stars: 30 leave 1-2% of the flux outside the blue, no more than the
        randomised line errors.
    min_snr : float
        Training spectra fainter than this (median S/N an Angstrom) make no component: their noise
        would.
    n_iterations : int
        Rounds in which bad pixels are filled by the reconstruction before it is made anew.
    floor : float
        Least error of the reconstruction [normalised flux].
    least_good : float
        A block with a smaller share of good pixels is not judged.
    clip : float
        A pixel counts with this many standard deviations at most: one sky line left over is no
        foreign object.
    """

    n_components: int = 30
    min_snr: float = 40.0
    n_iterations: int = 3
    floor: float = 0.005
    least_good: float = 0.3
    clip: float = 6.0


def check_vectors(flux, ivar, good):
    """Bring preprocessed vectors to float64 and the same shape (n, n_pix).

    Raises
    ------
    BadInputError
        If they are not on the grid.
    """
    flux, ivar = (np.atleast_2d(np.asarray(a, dtype=float)) for a in (flux, ivar))
    good = np.atleast_2d(np.asarray(good)).astype(bool)
    if not flux.shape == ivar.shape == good.shape or flux.shape[1] != N_PIX:
        raise BadInputError(
            f"flux {flux.shape}, ivar {ivar.shape} and good {good.shape} must be (n, {N_PIX}): "
            "preprocess first"
        )
    good = good & np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    return np.where(good, flux, 1.0), np.where(good, ivar, 0.0), good


def typical_snr(ivar, good):
    """Median S/N of the good pixels.

    Parameters
    ----------
    ivar : ndarray, shape (n, m)
        Inverse variance of the normalised flux, whose level is 1.
    good : ndarray of bool, shape (n, m)

    Returns
    -------
    ndarray, shape (n,)
        0 where no pixel is good.
    """
    root = np.sqrt(np.where(good, ivar, np.nan))
    return np.array([np.nanmedian(r) if g.any() else 0.0 for r, g in zip(root, good, strict=True)])


class Basis:
    """Principal components of training vectors, and how to fit them to gappy, noisy spectra.

    Parameters
    ----------
    settings : BasisSettings, optional

    Attributes
    ----------
    mean_ : ndarray, shape (n_pix,)
        Mean normalised flux.
    rows_ : ndarray, shape (n_components, n_pix)
        Orthonormal components.
    variance_ : ndarray, shape (n_components,)
        Variance of the training spectra along each.
    floor_ : ndarray, shape (n_pix,)
        What the components leave in training spectra that made no component, beyond noise.
    """

    def __init__(self, settings=None):
        self.settings = settings or BasisSettings()

    def fit(self, flux, ivar, good, star=None):
        """Find the components.

        Parameters
        ----------
        flux, ivar, good : ndarray, shape (n, n_pix)
            Training vectors. Every fifth bright one makes no component but measures `floor_`.
        star : array_like, shape (n,), optional
            Number or name of the star of each: every fifth star measures `floor_`, then.

        Returns
        -------
        Basis
            Itself.

        Raises
        ------
        BadInputError
            If fewer than twice as many bright spectra as components are given.
        """
        flux, ivar, good = check_vectors(flux, ivar, good)
        s = self.settings
        bright = np.flatnonzero(typical_snr(ivar, good) >= s.min_snr)
        fifth = every(5, bright.size, None if star is None else np.asarray(star)[bright])
        kept, apart = bright[~fifth], bright[fifth]
        if kept.size < 2 * s.n_components:
            raise BadInputError(
                f"{bright.size} training spectra with S/N >= {s.min_snr:g}: {s.n_components} "
                f"components need {int(2.5 * s.n_components)}"
            )
        self._components(flux[kept], good[kept])
        self.floor_ = np.full(N_PIX, 2 * s.floor)
        self._measure_floor(flux[apart], ivar[apart], good[apart])
        return self

    def _components(self, flux, good):
        """Principal components; bad pixels are filled from them, round by round."""
        count = np.maximum(good.sum(axis=0), 1)
        self.mean_ = 1 + np.where(good, flux - 1, 0).sum(axis=0) / count
        filled = np.where(good, flux, self.mean_)
        for _ in range(self.settings.n_iterations):
            centred = filled - self.mean_
            # eigenvectors of the small matrix of products between spectra: n, not n_pix, wide
            value, vector = np.linalg.eigh(centred @ centred.T)
            best = np.argsort(value)[::-1][: self.settings.n_components]
            rows = (vector[:, best] / np.sqrt(value[best])).T @ centred
            filled = np.where(good, flux, self.mean_ + (centred @ rows.T) @ rows)
        self.mean_ = _as_stored(self.mean_)
        self.rows_, self.variance_ = _as_stored(rows, np.float16), value[best] / len(flux)

    def _measure_floor(self, flux, ivar, good):
        """Mean square residual beyond noise, pixel by pixel, smoothed over a line's width."""
        model = self.reconstruct(flux, ivar, good)[1]
        excess = np.where(good, (flux - model) ** 2 - 1 / np.where(good, ivar, 1), 0)
        width = np.ones(9)
        count = np.convolve(good.sum(axis=0), width, mode="same")
        mean = np.convolve(excess.sum(axis=0), width, mode="same") / np.maximum(count, 1)
        self.floor_ = _as_stored(np.sqrt(np.maximum(mean, self.settings.floor**2)))

    def weight(self, ivar, good):
        """Inverse variance with the floor's square added; 0 where not good, shape of `ivar`."""
        variance = 1 / np.where(good, ivar, 1.0) + self.floor_**2
        return np.where(good, 1 / variance, 0.0)

    def reconstruct(self, flux, ivar, good):
        """Fit the components to good pixels.

        Parameters
        ----------
        flux, ivar, good : array_like, shape (n, n_pix)

        Returns
        -------
        scores : ndarray, shape (n, n_components)
            In units of the training spectra's scatter along each component.
        model : ndarray, shape (n, n_pix)

        Notes
        -----
        Weighted least squares with the training spectra's variance as prior (Tipping & Bishop
        1999, J. R. Stat. Soc. B 61, 611): a component that only bad pixels would tell stays at
        the mean, and a strange spectrum cannot be put together from wild scores.
        """
        flux, ivar, good = check_vectors(flux, ivar, good)
        weight = self.weight(ivar, good)
        design = self.rows_ * np.sqrt(self.variance_)[:, None]
        scores = np.empty((len(flux), len(design)))
        for row, (f, w) in enumerate(zip(flux, weight, strict=True)):
            weighted = design * w
            normal = weighted @ design.T + np.eye(len(design))
            scores[row] = np.linalg.solve(normal, weighted @ (f - self.mean_))
        return scores, self.mean_ + scores @ design


class BasisSet:
    """Bases of several kinds of stars; a spectrum is judged by the one that fits it best.

    The bands of carbon saturate, so cool carbon-rich stars are no sum of a few components of all
    stars: one basis for all would have to be lenient to everything for their sake.

    Parameters
    ----------
    settings : BasisSettings, optional

    Attributes
    ----------
    bases_ : list of Basis
    """

    def __init__(self, settings=None):
        self.settings = settings or BasisSettings()

    def fit(self, flux, ivar, good, labels=None, star=None):
        """Find the components of each kind of stars.

        Parameters
        ----------
        flux, ivar, good : ndarray, shape (n, n_pix)
        labels : ndarray, shape (n, 4), optional
            teff, logg, fe_h, c_h, which say the kind (see `kinds`); one kind without them.
        star : array_like, shape (n,), optional
            As for `Basis.fit`.

        Returns
        -------
        BasisSet
            Itself.
        """
        groups = [np.ones(len(flux), dtype=bool)] if labels is None else kinds(labels)
        star = np.arange(len(flux)) if star is None else np.asarray(star)
        self.bases_ = [Basis(self.settings).fit(flux[g], ivar[g], good[g], star[g])
                       for g in groups]  # fmt: skip
        return self

    def misfit(self, flux, ivar, good):
        """Measure the reconstruction error block by block.

        Parameters
        ----------
        flux, ivar, good : array_like, shape (n, n_pix)

        Returns
        -------
        misfit : ndarray, shape (n, n_block)
            Mean product of residuals a few pixels apart, in units of noise and floor: 0 for
            noise alone, about 1 if the residuals are those of a training spectrum's own error at
            infinite S/N. NaN where too few pixels are good.
        excess : ndarray, shape (n, n_block)
            Root of the mean product without units [normalised flux], 0 where it is negative.
        snr : ndarray, shape (n, n_block)
            Median S/N of each block.
        kind : ndarray of int, shape (n,)
            The basis that fits best.

        Notes
        -----
        A chi-square would hang on the errors' scale: in spectra of S/N below 12 of LAMOST DR7 and
        DR10 ivar gives twice the variance that is there. The products of residuals further apart
        than noise is correlated have mean 0 whatever the noise, and what is no noise is wider
        than that at R = 1800.
        """
        flux, ivar, good = check_vectors(flux, ivar, good)
        parts = [self._judge(basis, flux, ivar, good) for basis in self.bases_]
        best = np.argmin([distance for distance, _, _ in parts], axis=0)
        rows = np.arange(len(flux))
        misfit, excess = (np.stack([p[k] for p in parts])[best, rows] for k in (1, 2))
        snr = [typical_snr(ivar[:, block], good[:, block]) for block in block_pixels()]
        return misfit, excess, np.transpose(snr), best

    def _judge(self, basis, flux, ivar, good):
        """Distance (n,) that tells bases apart, misfit and excess (n, n_block) of one basis."""
        s = self.settings
        residual = flux - basis.reconstruct(flux, ivar, good)[1]
        variance = 1 / np.where(good, ivar, 1.0) + (2 * s.floor) ** 2
        distance = (good * np.minimum(residual**2 / variance, s.clip**2)).sum(axis=1)
        weight = basis.weight(ivar, good & ~TELLURIC_PIXELS)
        unit = np.clip(residual * np.sqrt(weight), -s.clip, s.clip)
        misfit, excess = [], []
        for lag in LAGS:
            partner = np.minimum(np.arange(N_PIX) + np.round(lag * WAVE).astype(int), N_PIX - 1)
            both = (weight > 0) & (weight[:, partner] > 0) & (partner < N_PIX - 1)
            misfit.append(_block_means(unit * unit[:, partner], both, s.least_good))
            excess.append(_block_means(residual * residual[:, partner], both, s.least_good))
        excess = np.sqrt(np.clip(np.mean(excess, axis=0), 0, None))
        return distance, np.mean(misfit, axis=0), excess


def every(k, n, star=None):
    """Tell every k-th of n spectra, or all spectra of every k-th star, in the order of appearance.

    Parameters
    ----------
    k, n : int
    star : array_like, shape (n,), optional
        Number or name of the star of each spectrum.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    return (np.arange(n) if star is None else pd.factorize(np.asarray(star))[0]) % k == 0


def kinds(labels):
    """Sort training stars into kinds whose spectra are nearly linear in few components.

    Parameters
    ----------
    labels : ndarray, shape (n, 4)
        teff [K], logg, fe_h, c_h [dex].

    Returns
    -------
    list of ndarray of bool, shape (n,)
        Warm stars; cool stars of ordinary carbon; cool stars with [C/Fe] > 0.4 or [C/H] > 0,
        whose bands of C2 saturate. The borders overlap by 300 K.
    """
    teff, _, fe_h, c_h = np.asarray(labels, dtype=float).T
    rich = (c_h - fe_h > 0.4) | (c_h > 0.0)
    return [teff > 5200, (teff < 5500) & ~rich, (teff < 5500) & rich]


def _block_means(products, used, least_good):
    """Mean of `products` over the used pixels of each block, (n, n_block); NaN if few."""
    means = []
    for block in block_pixels():
        count = used[:, block].sum(axis=1)
        enough = count >= max(least_good * (block & ~TELLURIC_PIXELS).sum(), 1)
        total = np.where(used, products, 0)[:, block].sum(axis=1)
        means.append(np.where(enough, total / np.maximum(count, 1), np.nan))
    return np.array(means).T


def _as_stored(values, kind=np.float32):
    """Round to the precision of the file, so that storing changes nothing."""
    return values.astype(kind).astype(float)


def block_pixels():
    """Pixels of each block: list of ndarray of bool, shape (n_pix,)."""
    return [(low <= WAVE) & (high > WAVE)
            for low, high in zip(BLOCK_EDGES[:-1], BLOCK_EDGES[1:], strict=True)]
