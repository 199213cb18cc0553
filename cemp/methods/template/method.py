"""Template matching behind the interface of the methods."""

from pathlib import Path

import numpy as np
import pandas as pd

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.lamost import read_spectrum
from cemp.methods.base import Method, Prediction
from cemp.methods.template import coarse
from cemp.methods.template.fit import Problem, found, solve
from cemp.methods.template.library import Library, from_grid
from cemp.methods.template.native import CALCIUM, CORES, prepare
from cemp.methods.template.posterior import Posterior
from cemp.paths import ROOT
from cemp.synthesis.emulator import load_emulator

#: Settings that were tried on the validation fold, as constructor arguments; the first, the
#: defaults, were the best. The rest are given in full, for they were tried about another centre.
_CENTRE = {"order": 4, "model_error": 0.01, "calcium": True}
TRIALS = (
    {},
    {"order": 2},
    _CENTRE,
    _CENTRE | {"limits": "paper"},
    _CENTRE | {"nuisance": False},
    _CENTRE | {"model_error": 0.02},
    _CENTRE | {"line_error": 0.2},
    _CENTRE | {"n_starts": 3},
    _CENTRE | {"order": 3},
    _CENTRE | {"calcium": False},
    _CENTRE | {"calcium": False, "model_error": 0.005},
    _CENTRE | {"calcium": False, "line_error": 0.2},
)
#: Spectra read and searched together.
CHUNK = 128
#: Residual [sigma] beyond which a pixel is taken for a cosmic ray or a sky line.
CLIP = 5.0


class TemplateMatching(Method):
    """Chi-square of the synthetic library's spectra, on native pixels; nothing is learned.

    Coarse search (velocity by cross-correlation, labels by two matrix products), then
    Levenberg-Marquardt in labels, velocity and scale (a polynomial in each arm), with the
    emulator of the grid's library half; covariance from the Jacobian.

    Parameters
    ----------
    spectra_dir : str or pathlib.Path
        Folder of the FITS files: the method reads native pixels, not the vectors.
    observations : pandas.DataFrame or str or pathlib.Path
        Columns obsid and path (relative to `spectra_dir`), or the parquet file of them.
    limits : {"grid", "paper"}
        Range of the labels: all that the grid covers, or that of the paper's library.
    nuisance : bool
        Fit [alpha/Fe], [N/Fe] and the resolving power too, with their priors.
    order : int
        Degree of the polynomial that scales each arm.
    model_error : float
        Error of a template's pixel [continuum].
    line_error : float
        Error of ln(optical depth) of a template's lines.
    carbon : bool
        Give [C/Fe] a prior of 0.3 +- 0.8: without it the fit of a star that shows no carbon runs
        to the border.
    calcium : bool
        Use the cores of Ca II H and K.
    n_starts : int
        Coarse templates from which the fit starts; the best minimum counts.
    refine : bool
        False: the labels are those of the best of the grid's own spectra, without errors, which
        takes no emulator and a twentieth of the time.
    emulator : cemp.synthesis.emulator.Emulator, optional
        The library half's, read from its cache if left out.

    Attributes
    ----------
    report_ : pandas.DataFrame
        Of the last `predict`, one row a spectrum: obsid, rv [km/s], chi2 (reduced), n_used,
        converged, at_edge, reason ("" unless there is no answer).
    """

    name = "Template matching"

    def __init__(self, spectra_dir, observations, limits="grid", nuisance=True, order=3,
                 model_error=0.005, line_error=0.1, carbon=True, calcium=False, n_starts=1,
                 refine=True, emulator=None):
        self.spectra_dir, self.observations = spectra_dir, observations
        self.limits, self.nuisance, self.order = limits, nuisance, order
        self.model_error, self.line_error, self.carbon = model_error, line_error, carbon
        self.calcium, self.n_starts = calcium, n_starts
        self.refine, self.emulator = refine, emulator

    def fit(self, spectra=None, labels=None, validation=None):
        """Compute the coarse library; training spectra are not looked at.

        Parameters
        ----------
        spectra, labels, validation : object, optional
            As of `Method.fit`; not used.

        Returns
        -------
        TemplateMatching
        """
        if self.refine:
            cache = ROOT / "build" / "emulator"
            self.library_ = Library(self.emulator or load_emulator("library", cache=cache))
            self.coarse_ = self.library_.coarse(self.limits)
        else:
            self.coarse_ = from_grid(self.limits)
        return self

    @property
    def n_parameters(self):
        """Nothing is learned from training rows."""
        return 0

    def predict(self, spectra):
        """Fit spectra.

        Parameters
        ----------
        spectra : object
            Only its ``obsid`` is used.

        Returns
        -------
        Prediction
            NaN where the fit failed; `report_` tells why.
        """
        files, rows = self.files(spectra.obsid), []
        for start in range(0, len(files), CHUNK):
            rows += self.fit_spectra([read_spectrum(path) for path in files[start:start + CHUNK]])
        return self._collect(spectra.obsid, rows)

    def files(self, obsids):
        """Find the FITS files of spectra.

        Parameters
        ----------
        obsids : array_like of int

        Returns
        -------
        list of pathlib.Path

        Raises
        ------
        BadInputError
            If one is not in the table of observations.
        """
        table = self.observations
        if not isinstance(table, pd.DataFrame):
            table = pd.read_parquet(table, columns=["obsid", "path"])
        paths = dict(zip(table["obsid"], table["path"], strict=True))
        unknown = [int(obsid) for obsid in obsids if obsid not in paths]
        if unknown:
            raise BadInputError(f"obsid {unknown[:3]} not in observations: give all of stage 01")
        return [Path(self.spectra_dir) / paths[obsid] for obsid in obsids]

    def fit_spectra(self, spectra):
        """Fit spectra that are in memory.

        Parameters
        ----------
        spectra : list of cemp.spectrum.Spectrum

        Returns
        -------
        list of cemp.methods.template.fit.Fit or str
            The reason where there is no fit.
        """
        out, ready, templates = [None] * len(spectra), [], self.coarse_.some()
        for row, spectrum in enumerate(spectra):
            try:
                ready.append((row, *coarse.place(spectrum, templates)))
            except BadInputError as error:
                out[row] = str(error)
        if not ready:
            return out
        rows, flux, weight, shifts, velocities = zip(*ready, strict=True)
        best, chi2 = coarse.search(np.array(flux), np.array(weight), shifts, self.coarse_,
                                   self.n_starts)
        for k, row in enumerate(rows):
            starts = self.coarse_.labels[best[k]]
            try:
                out[row] = (self._refine(spectra[row], velocities[k], starts) if self.refine else
                            found(starts[0], velocities[k], chi2[k, 0], np.sum(weight[k] > 0)))
            except (BadInputError, np.linalg.LinAlgError) as error:
                out[row] = str(error)
        return out

    def pixels(self, spectrum, velocity):
        """Choose native pixels of a spectrum, as this method's settings want them."""
        masked = CORES if self.calcium else CORES + CALCIUM
        return prepare(spectrum, velocity, self.order, self.model_error, masked)

    def problem(self, pixels):
        """Pose the fit of some pixels, as this method's settings want it."""
        return Problem(self.library_, pixels, self.limits, self.nuisance, self.carbon)

    def _refine(self, spectrum, velocity, starts):
        """Best fit from several starts; again with the lines' errors and without outliers."""
        problem = self.problem(self.pixels(spectrum, velocity))
        fits = [solve(problem, labels, velocity, max_steps=8, tolerance=1e-3) for labels in starts]
        best = min(fits, key=lambda fit: fit.chi2)
        return solve(self.problem(self.weigh(problem, best)), best.values[:4], best.values[6])

    def weigh(self, problem, fit):
        """Add the errors of the lines to the pixels of a first fit; leave its outliers out."""
        pixels, (model, _) = problem.pixels, problem.model(fit.x)
        pixels = pixels.with_line_error(model, self.line_error)
        offset = np.abs(model - pixels.flux) / pixels.sigma
        return pixels.select(offset < CLIP * max(1.0, np.sqrt(np.mean(offset**2))))

    def posterior(self, spectrum, fit):
        """Posterior of a fitted spectrum, for `cemp.methods.template.posterior.sample`.

        Parameters
        ----------
        spectrum : cemp.spectrum.Spectrum
        fit : cemp.methods.template.fit.Fit
            Of `fit_spectra`.

        Returns
        -------
        cemp.methods.template.posterior.Posterior
        """
        problem = self.problem(self.pixels(spectrum, fit.values[6]))
        return Posterior(self.library_, self.weigh(problem, fit), fit, limits=self.limits,
                         nuisance=self.nuisance, carbon=self.carbon)

    def _collect(self, obsid, fits):
        """Build the prediction, and the report beside it."""
        n = len(LABELS)
        labels = np.full((len(fits), n), np.nan)
        covariance, report = np.full((len(fits), n, n), np.nan), []
        for row, fit in enumerate(fits):
            if isinstance(fit, str):
                report.append({"reason": fit})
                continue
            if fit.converged:
                labels[row], covariance[row] = fit.labels()
            report.append({"rv": fit.values[6], "chi2": fit.chi2, "n_used": fit.n_used,
                           "converged": fit.converged, "at_edge": fit.at_edge,
                           "reason": "" if fit.converged else "not converged"})
        columns = ["rv", "chi2", "n_used", "converged", "at_edge", "reason"]
        self.report_ = pd.DataFrame(report, columns=columns)
        self.report_.insert(0, "obsid", np.asarray(obsid))
        return Prediction(labels, covariance if self.refine else None)
