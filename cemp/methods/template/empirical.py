"""Empirical templates: spectra of real stars (MILES) in place of synthetic ones."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from cemp.lamost import read_spectrum
from cemp.methods.base import Prediction
from cemp.methods.template import coarse
from cemp.methods.template.library import Coarse, make_coarse
from cemp.methods.template.method import CHUNK, TemplateMatching
from cemp.methods.template.native import resolving_power
from cemp.synthesis.resolution import FWHM_TO_SIGMA
from cemp.transfer.miles import MILES_FWHM, read_labels, read_miles

#: Labels below which and above which no star of the library resembles those that are sought.
TEFF = (3900.0, 7100.0)


def miles_templates(folder, rows=None):
    """Read MILES stars as coarse templates.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``labels.csv`` and the spectra.
    rows : array_like of bool, shape (n_table,), optional
        Stars to take: by default those of the development half (`cemp.transfer.miles.split`)
        within `TEFF`. The other half is for judging.

    Returns
    -------
    coarse : cemp.methods.template.library.Coarse
        [C/Fe] is NaN: the library has no carbon.
    table : pandas.DataFrame
        As of `cemp.transfer.miles.read_labels`, one row a template.

    Raises
    ------
    BadInputError
        If the folder is missing or incomplete.
    """
    if rows is None:
        every = read_labels(folder)
        rows = every["dev"] & every["teff"].between(*TEFF)
        rows &= np.isfinite(every[["logg", "fe_h"]]).all(axis=1)
    spectra, table = read_miles(folder, rows)
    wave = spectra[0].wave
    flux = np.array([np.interp(wave, s.wave, s.flux / np.median(s.flux)) for s in spectra])
    labels = np.column_stack([table[["teff", "logg", "fe_h"]], np.full(len(table), np.nan)])
    made = make_coarse(labels, wave, lambda chosen: flux[chosen],
                       lambda pixels, velocity: _operator(pixels, velocity, wave))
    return made, table


def _operator(pixels, velocity, wave):
    """Broaden from MILES' constant width to LAMOST's and read on its pixels, as one operator.

    Where LAMOST is hardly broader the kernel is a pixel wide, which is linear interpolation.
    """
    rest = pixels / (1 + velocity / 299792.458)
    width = np.sqrt(np.clip((pixels / resolving_power(pixels)) ** 2 - MILES_FWHM**2, 0, None))
    sigma = np.maximum(FWHM_TO_SIGMA * width, 0.5)[:, None]
    step = np.diff(wave).mean()
    column = np.searchsorted(wave, rest)[:, None] + np.arange(-8, 8)
    column = np.clip(column, 0, wave.size - 1)
    weight = np.exp(-0.5 * ((wave[column] - rest[:, None]) / sigma) ** 2) * step
    weight /= weight.sum(axis=1, keepdims=True)
    ends = np.arange(0, column.size + 1, column.shape[1])
    return csr_array((weight.ravel(), column.ravel(), ends), shape=(pixels.size, wave.size))


def nearest(chi2, rows, labels):
    """Average the labels of the best templates.

    Parameters
    ----------
    chi2 : ndarray, shape (n, k)
        Of the k best.
    rows : ndarray of int, shape (n, k)
        Which templates they are.
    labels : ndarray, shape (t, 4)

    Returns
    -------
    labels : ndarray, shape (n, 4)
        Means with weights 1 / chi2.
    covariance : ndarray, shape (n, 4, 4)
        Of the best about their mean: a rough error, as templates are few.
    """
    weight = 1 / np.maximum(chi2, 1e-12)
    weight /= weight.sum(axis=1, keepdims=True)
    mean = np.einsum("nk,nkl->nl", weight, labels[rows])
    offset = labels[rows] - mean[:, None]
    return mean, np.einsum("nk,nkl,nkm->nlm", weight, offset, offset)


class EmpiricalMatching(TemplateMatching):
    """Labels of the real stars that a spectrum resembles most: Teff, log g and [Fe/H] only.

    After Yee et al. (2017, ApJ 836, 77), who average over the best five of an empirical library.
    MILES holds few metal-poor stars and no labels of carbon: [C/H] is NaN.

    Parameters
    ----------
    spectra_dir : str or pathlib.Path
    observations : pandas.DataFrame or str or pathlib.Path
        As of `TemplateMatching`.
    folder : str or pathlib.Path
        The MILES spectra.
    n_best : int
        Templates averaged.
    """

    name = "Empirical templates"

    def __init__(self, spectra_dir, observations, folder, n_best=5):
        super().__init__(spectra_dir, observations)
        self.folder, self.n_best = folder, n_best

    def fit(self, spectra=None, labels=None, validation=None):
        """Read the library; training spectra are not looked at.

        Returns
        -------
        EmpiricalMatching
        """
        self.coarse_, self.table_ = miles_templates(Path(self.folder))
        return self

    def predict(self, spectra):
        """Match spectra, as `TemplateMatching.predict`."""
        files, parts = self.files(spectra.obsid), []
        for start in range(0, len(files), CHUNK):
            batch = [read_spectrum(path) for path in files[start:start + CHUNK]]
            parts.append(self._match(batch))
        labels, covariance, velocity = (np.concatenate(p) for p in zip(*parts, strict=True))
        self.report_ = pd.DataFrame({"obsid": spectra.obsid, "rv": velocity})
        return Prediction(labels, covariance)

    def _match(self, spectra):
        """Labels, covariances and velocities of some spectra."""
        templates = self.coarse_.some()
        flux, weight, shift, velocity = zip(
            *(coarse.place(spectrum, templates) for spectrum in spectra), strict=True)
        rows, chi2 = coarse.search(np.array(flux), np.array(weight), shift, self.coarse_,
                                   self.n_best)
        return *nearest(chi2, rows, self.coarse_.labels), np.array(velocity)


def leave_one_out(made: Coarse, n_best=5):
    """Match every template with the others: what an empirical library can do at best.

    Parameters
    ----------
    made : cemp.methods.template.library.Coarse
    n_best : int

    Returns
    -------
    ndarray, shape (t, 4)
        Labels found.
    """
    flux = made.norm[0]
    chi2 = coarse.chi_square(flux, np.tile(made.covered, (len(flux), 1)), flux)
    np.fill_diagonal(chi2, np.inf)
    rows = np.argsort(chi2, axis=1, kind="stable")[:, :n_best]
    return nearest(np.take_along_axis(chi2, rows, axis=1), rows, made.labels)[0]
