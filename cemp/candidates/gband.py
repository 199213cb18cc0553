"""Carbon checked without the network: how strong the CH G band should be.

The observed band is compared with what a star of the same Teff, log g and [Fe/H] shows at
[C/Fe] = 0. The comparison spectra come from synthetic spectra degraded to the survey's resolution
and passed through the same continuum as the observed ones.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import gaussian_filter1d

from cemp.constants import WAVE
from cemp.indices import Band
from cemp.preprocess.continuum import continuum
from cemp.preprocess.pipeline import PreprocessSettings

#: Nodes of Teff [K] at which the library's lowest and highest log g are tabulated.
_TEFF = (3900, 4500, 5000, 5500, 6000, 6500, 7100)
_LOWEST = (0.2, 0.6, 1.2, 1.8, 2.4, 3.0, 3.4)
_HIGHEST = (5.0, 4.95, 4.9, 4.825, 4.75, 4.67, 4.6)

#: The G band against one side band [air, Angstrom] beyond the CH lines. The usual indices take
#: their side bands from within them and fall again above [C/Fe] = 1 in giants; this one
#: saturates but does not fall. It needs a flux that is normalised already.
CH_BAND = Band((4280.0, 4320.0), ((4425.0, 4520.0),), "this paper: CH against the continuum")

#: LAMOST's pixels: steps of 1e-4 in log10(wavelength), 3700-9099 Angstrom at rest.
NATIVE = 10 ** (3.5682 + 1e-4 * np.arange(3909))


@dataclass(frozen=True)
class GBandSettings:
    """Choices of the G-band check.

    Parameters
    ----------
    band : cemp.indices.Band
        What is measured.
    resolution : float
        Resolving power that the comparison spectra are brought to: LAMOST's at 5500 Angstrom.
    teff, height, fe_h : tuple of (first, last, number)
        Nodes [K], [fraction of the library's range in log g at that Teff], [dex]; between them
        the index is interpolated. [Fe/H] ends where [C/Fe] = 1 leaves the library.
    alpha_fe : float
        [alpha/Fe] of the comparison spectra: that of halo stars.
    c_fe_strong : float
        [C/Fe] whose expected excess tells whether a spectrum can show an enhancement at all.
    n_sigma : float
        Excess that confirms, in units of its error.
    step : tuple of float
        Steps in Teff [K], log g, [Fe/H] over which the index's slopes are taken.
    """

    band: Band = CH_BAND
    resolution: float = 1800.0
    teff: tuple = (4000.0, 6900.0, 11)
    height: tuple = (0.0, 1.0, 5)
    fe_h: tuple = (-4.0, -0.7, 8)
    alpha_fe: float = 0.4
    c_fe_strong: float = 1.0
    n_sigma: float = 3.0
    step: tuple = (50.0, 0.1, 0.05)


def strip(teff):
    """Tell the range of log g that the synthetic library covers.

    Parameters
    ----------
    teff : array_like
        Effective temperature [K].

    Returns
    -------
    lowest, highest : ndarray
        log g [dex, cgs] of the library's design at that Teff.
    """
    return np.interp(teff, _TEFF, _LOWEST), np.interp(teff, _TEFF, _HIGHEST)


def degrade(wave, flux, resolution, native):
    """Bring spectra with equal steps in ln(wavelength) to a lower resolving power.

    Parameters
    ----------
    wave : ndarray, shape (n_wave,)
        Wavelength [Angstrom], equal steps in its logarithm.
    flux : ndarray, shape (n, n_wave)
    resolution, native : float
        Resolving power (FWHM) wanted and present.

    Returns
    -------
    ndarray, shape (n, n_wave)
    """
    step = np.log(wave[-1] / wave[0]) / (wave.size - 1)
    sigma = np.sqrt(1 / resolution**2 - 1 / native**2) / (2.354820045 * step)
    return gaussian_filter1d(flux, sigma, axis=1, mode="nearest")


def normalise(wave, flux, settings=PreprocessSettings()):  # noqa: B008  (frozen)
    """Divide synthetic spectra by the survey's continuum, as the observed ones are.

    Parameters
    ----------
    wave : ndarray, shape (n_wave,)
        Vacuum wavelength [Angstrom].
    flux : ndarray, shape (n, n_wave)
    settings : cemp.preprocess.pipeline.PreprocessSettings
        Those of 02.

    Returns
    -------
    ndarray, shape (n, n_pix)
        On `cemp.constants.WAVE`. The continuum is fitted on LAMOST's own pixels.
    """
    good, rows = np.ones(NATIVE.size, dtype=bool), []
    for row in flux:
        row = np.interp(NATIVE, wave, row)
        cont = continuum(
            NATIVE, row, good, settings.continuum_order, settings.continuum_width
        )
        rows.append(np.interp(WAVE, NATIVE, row / cont))
    return np.array(rows)


class ExpectedBand:
    """The index that a star of given labels should show at [C/Fe] = 0 and at a high one.

    Parameters
    ----------
    measure : callable
        ``measure(flux)`` with flux (n, n_pix) normalised on `WAVE`; returns (n,) indices.
    settings : GBandSettings

    Attributes
    ----------
    tables_ : dict of str to RegularGridInterpolator
        ``normal`` and ``strong`` carbon, over Teff, height in the log g strip, and [Fe/H].
    """

    def __init__(self, measure, settings=GBandSettings()):  # noqa: B008  (frozen)
        self.measure, self.settings = measure, settings

    def fit(self, emulate, wave, native):
        """Compute the index at the nodes.

        Parameters
        ----------
        emulate : callable
            ``emulate(labels)`` with labels (n, 6): Teff, log g, [Fe/H], [C/Fe], [alpha/Fe],
            [N/Fe]; returns normalised fluxes (n, n_wave).
        wave : ndarray, shape (n_wave,)
            Vacuum wavelength [Angstrom], equal steps in its logarithm.
        native : float
            Resolving power of those spectra.

        Returns
        -------
        ExpectedBand
            Itself.
        """
        s = self.settings
        axes = [np.linspace(*nodes[:2], int(nodes[2])) for nodes in (s.teff, s.height, s.fe_h)]
        teff, height, fe_h = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
        low, high = strip(teff)
        shape, self.tables_ = tuple(len(a) for a in axes), {}
        for name, c_fe in (("normal", 0.0), ("strong", s.c_fe_strong)):
            rest = [np.full(teff.size, value) for value in (c_fe, s.alpha_fe, 0.0)]
            labels = np.column_stack([teff, low + height * (high - low), fe_h, *rest])
            flux = degrade(wave, emulate(labels), s.resolution, native)
            index = self.measure(normalise(wave, flux)).reshape(shape)
            self.tables_[name] = RegularGridInterpolator(axes, index, method="cubic")
        return self

    def predict(self, labels, carbon="normal"):
        """Give the expected index.

        Parameters
        ----------
        labels : array_like, shape (n, 3 or more)
            Teff [K], log g, [Fe/H]; further columns are not used.
        carbon : {"normal", "strong"}
            [C/Fe] = 0 or `GBandSettings.c_fe_strong`.

        Returns
        -------
        ndarray, shape (n,)
            log g is held inside the library's strip and [Fe/H] at the lowest of the library,
            where the band hardly changes; NaN for other labels outside it.
        """
        teff, logg, fe_h = np.asarray(labels, dtype=float)[:, :3].T
        s = self.settings
        with np.errstate(invalid="ignore"):
            inside = (teff >= s.teff[0]) & (teff <= s.teff[1]) & (fe_h <= s.fe_h[1])
        inside &= np.isfinite(logg)
        low, high = strip(teff)
        height = np.clip((logg - low) / (high - low), 0.0, 1.0)
        points = np.column_stack([teff, height, np.maximum(fe_h, s.fe_h[0])])
        index = np.full(teff.shape, np.nan)
        if inside.any():
            index[inside] = self.tables_[carbon](points[inside])
        return index

    def label_error(self, labels, errors):
        """Propagate the errors of Teff, log g and [Fe/H] into the expected index.

        Parameters
        ----------
        labels, errors : array_like, shape (n, 3 or more)
            Labels and their standard deviations.

        Returns
        -------
        ndarray, shape (n,)
            Error of the index at [C/Fe] = 0, label errors taken as independent.
        """
        labels, errors = np.asarray(labels, dtype=float)[:, :3], np.asarray(errors)[:, :3]
        variance = np.zeros(len(labels))
        for i, step in enumerate(self.settings.step):
            # Backwards, so that a star at the metal-rich or hot end stays inside the library.
            shifted = labels - step * np.eye(3)[i]
            slope = (self.predict(labels) - self.predict(shifted)) / step
            variance += (np.nan_to_num(slope) * errors[:, i]) ** 2
        return np.sqrt(variance)
