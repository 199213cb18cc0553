"""Labels by chi-square: the emulator's spectra against an observed one, no learning from stars.

The model goes the observed spectrum's way: its own continuum's slope, the resolution of the
instrument, the observed pixels, then the same continuum fit and the same 1 A grid. What the
pseudo-continuum does to crowded spectra it does to both.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from cemp.constants import WAVE
from cemp.errors import BadInputError
from cemp.preprocess.continuum import blend, fit_arms
from cemp.preprocess.pipeline import PreprocessSettings, preprocess
from cemp.preprocess.resample import resample
from cemp.synthesis.resolution import broaden, sample

#: Range of each parameter: the labels' are those of the grid's design (some dex inside it, where
#: the emulator has neighbours on both sides).
BOUNDS = {
    "teff": (3900, 7100), "logg": (0.2, 5.0), "fe_h": (-4.0, 0.5), "c_fe": (-0.8, 3.5),
    "alpha_fe": (-0.2, 0.6), "n_fe": (-0.3, 1.2), "rv": (-150, 150), "fwhm": (1.5, 5.0),
    "strength": (0.3, 1.7),
}  # fmt: skip
#: Step of the derivatives, also the unit in which the fit moves.
STEP = {"teff": 50.0, "logg": 0.1, "fe_h": 0.05, "c_fe": 0.1, "alpha_fe": 0.05, "n_fe": 0.1,
        "rv": 5.0, "fwhm": 0.1, "strength": 0.03}  # fmt: skip
#: First six are the emulator's labels, in its order.
NAMES = tuple(BOUNDS)
#: Where the fit starts and what stays if it is not fitted.
DEFAULTS = {"teff": 5300.0, "logg": 3.5, "fe_h": -0.5, "c_fe": 0.0, "alpha_fe": 0.15, "n_fe": 0.0,
            "rv": 0.0, "fwhm": 2.5, "strength": 1.0}  # fmt: skip
#: Vacuum centre and half width [Angstrom] of what LTE photospheres do not make: cores of Balmer
#: lines and of Ca II H and K, Na D with its interstellar share, telluric O2 (B band) and H2O.
MASKED = (
    (3934.8, 6), (3969.6, 8), (4102.9, 5), (4341.7, 5), (4862.7, 6), (6564.6, 8), (5894.6, 8),
    (6905.0, 50), (7240.0, 90),
)  # fmt: skip
#: Labels that the fit may start from: (teff, logg, fe_h).
STARTS = ((4400, 1.6, -0.7), (5000, 3.0, -1.5), (5600, 4.3, -0.4), (6300, 4.1, -0.6),
          (4600, 4.6, -0.3), (4900, 2.5, 0.0))  # fmt: skip


@dataclass(frozen=True)
class FitSettings:
    """What is fitted, and to which pixels.

    Parameters
    ----------
    free : tuple of str
        Parameters of `NAMES` that are fitted.
    windows : tuple of (float, float)
        Rest-frame vacuum ranges [Angstrom] that count.
    masked : tuple of (float, float)
        Centres and half widths [Angstrom] that do not.
    resolution : float or None
        Constant resolving power (FWHM); None: constant width in wavelength, parameter ``fwhm``.
    model_error : float
        Error of a model pixel [continuum]: emulator and line data err by about 1%, more than the
        noise of a bright star; it keeps single lines from ruling the fit.
    """

    # nitrogen too: in giants CN is strong, and with [N/Fe] = 0 the fit pays for it with Teff
    free: tuple = ("teff", "logg", "fe_h", "c_fe", "alpha_fe", "n_fe", "rv")
    # 5700-5900 A, where no pixel holds the continuum, and the blue end are left out
    windows: tuple = ((4030, 5700), (5900, 6855))
    masked: tuple = MASKED
    resolution: float | None = None
    model_error: float = 0.01


def used_pixels(settings):
    """Tell which pixels of the grid count.

    Parameters
    ----------
    settings : FitSettings

    Returns
    -------
    ndarray of bool, shape (n_pix,)
    """
    used = np.zeros(WAVE.size, dtype=bool)
    for low, high in settings.windows:
        used |= (low <= WAVE) & (high >= WAVE)
    for centre, half in settings.masked:
        used &= np.abs(WAVE - centre) > half
    return used


class Model:
    """The emulator's spectra as an instrument and the preprocessing would show them.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    wave : ndarray, shape (n,)
        Pixels of the instrument, vacuum, at rest [Angstrom].
    good : ndarray of bool, shape (n,)
        Pixels that the observed continuum was fitted to.
    settings : FitSettings
    preprocessing : cemp.preprocess.pipeline.PreprocessSettings
    """

    def __init__(self, emulator, wave, good, settings, preprocessing=PreprocessSettings()):  # noqa: B008
        near = (emulator.wave > wave[0] - 25) & (emulator.wave < wave[-1] + 25)
        self.emulator, self.near = emulator, near
        self.fine = emulator.wave[near]
        self.inside = (wave > emulator.wave[0] + 1) & (wave < emulator.wave[-1] - 1)
        self.wave, self.good = wave[self.inside], good[self.inside]
        self.settings, self.preprocessing = settings, preprocessing

    def __call__(self, values):
        """Compute normalised spectra.

        Parameters
        ----------
        values : array_like, shape (n, 9)
            Parameters in the order of `NAMES`; rv [km/s], fwhm [Angstrom], strength multiplies
            the optical depth of all lines.

        Returns
        -------
        ndarray, shape (n, n_pix)
            On `cemp.constants.WAVE`; NaN where the instrument has no pixels.
        """
        values = np.atleast_2d(values)
        norm, cont = self.emulator.emulate(values[:, :6])
        norm, cont = norm[:, self.near], cont[:, self.near]
        return np.array([self._observe(norm[k] ** v[8] * cont[k], v[6], v[7])
                         for k, v in enumerate(values)])

    def _observe(self, flux, rv, fwhm):
        """Broaden, sample, divide by the continuum, resample."""
        step = np.log(self.fine[1] / self.fine[0])
        scale = flux.mean()
        r = self.settings.resolution or self.fine / fwhm
        seen = sample(self.fine, broaden(flux / scale, step, r, n_nodes=5), self.wave, rv)
        p = self.preprocessing
        cont = blend(self.wave, *fit_arms(self.wave, seen, self.good, p.continuum_order,
                                          p.continuum_width))
        ones = np.ones(self.wave.size)
        return resample(self.wave, seen / cont, ones, ones.astype(bool))[0]


def fit_spectrum(emulator, spectrum, settings=FitSettings(), fixed=None, start=None):  # noqa: B008
    """Fit one spectrum.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    spectrum : cemp.spectrum.Spectrum
    settings : FitSettings
    fixed : dict of str to float, optional
        Values of parameters that are not free (else `DEFAULTS`).
    start : dict of str to float, optional
        Where free parameters start; by default the best of `STARTS`.

    Returns
    -------
    dict
        Value of every parameter by name; ``errors`` (dict, free ones, from the curvature, scaled to
        a reduced chi-square of 1); ``rms`` of the residuals; ``chi2`` (reduced); ``model`` and
        ``used``, shape (n_pix,).

    Raises
    ------
    BadInputError
        If the spectrum cannot be preprocessed, or a name is unknown.
    """
    unknown = set(settings.free) | set(fixed or {}) | set(start or {})
    if unknown := unknown - set(NAMES):
        raise BadInputError(f"no parameter {', '.join(sorted(unknown))}: use {', '.join(NAMES)}")
    vector = preprocess(spectrum)
    model = Model(emulator, spectrum.wave / (1 + spectrum.z), spectrum.good, settings)
    return fit_vector(model, vector, fixed, start)


def fit_vector(model, vector, fixed=None, start=None):
    """Fit a preprocessed spectrum.

    Parameters
    ----------
    model : Model
    vector : cemp.preprocess.pipeline.Vector
    fixed, start
        As of `fit_spectrum`.

    Returns
    -------
    dict
        As of `fit_spectrum`.
    """
    problem = _Problem(model, vector, DEFAULTS | (fixed or {}))
    first = problem.first(start)
    done = least_squares(lambda x: problem.residual(x)[0], first, problem.jacobian, problem.bounds,
                         loss="soft_l1", f_scale=3.0, xtol=1e-4, ftol=1e-5, max_nfev=40)
    return problem.result(done)


class _Problem:
    """Residuals of one spectrum as a function of the free parameters, each in units of `STEP`."""

    def __init__(self, model, vector, base):
        free = model.settings.free
        self.model, self.flux, self.base, self.free = model, vector.flux, base, free
        self.column = [NAMES.index(name) for name in free]
        self.unit = np.array([STEP[name] for name in free])
        self.values = np.array([base[name] for name in NAMES], dtype=float)
        self.used = used_pixels(model.settings) & vector.good
        self.weight = 1 / np.sqrt(1 / vector.ivar[self.used] + model.settings.model_error**2)
        low, high = (np.array([BOUNDS[name] for name in free], dtype=float) / self.unit[:, None]).T
        self.bounds = (low, high)

    def rows(self, x):
        """Return parameters (n, 9) at points (n, n_free)."""
        out = np.tile(self.values, (len(x), 1))
        out[:, self.column] = x * self.unit
        return out

    def residual(self, x):
        """Return weighted residuals (n, n_used) at points (n, n_free)."""
        made = self.model(self.rows(np.atleast_2d(x)))[:, self.used]
        return self.weight * (np.where(np.isfinite(made), made, 1) - self.flux[self.used])

    def jacobian(self, x):
        """Return derivatives (n_used, n_free): a step up, or down next to the upper bound."""
        sign = np.where(x + 1 > self.bounds[1], -1, 1)
        made = self.residual(np.vstack([x, x + np.diag(sign)]))
        return ((made[1:] - made[0]) * sign[:, None]).T

    def first(self, start):
        """Return the best starting point (n_free,)."""
        points = [self.base | start] if start else [
            self.base | dict(zip(("teff", "logg", "fe_h"), labels, strict=True))
            for labels in STARTS]
        x = np.array([[point[name] for name in self.free] for point in points]) / self.unit
        x = np.clip(x, self.bounds[0] + 0.1, self.bounds[1] - 0.1)
        return x[np.argmin((self.residual(x) ** 2).sum(axis=1))]

    def result(self, done):
        """Gather values, errors and residuals of a finished fit."""
        values = self.rows(done.x[None])
        made = self.model(values)[0]
        chi2 = 2 * done.cost / max(self.used.sum() - len(self.free), 1)
        covariance = np.linalg.pinv(done.jac.T @ done.jac) * max(chi2, 1e-9)
        errors = np.sqrt(np.diag(covariance)) * self.unit
        rms = np.sqrt(np.nanmean((self.flux[self.used] - made[self.used]) ** 2))
        return {**dict(zip(NAMES, values[0].tolist(), strict=True)),
                "errors": dict(zip(self.free, errors.tolist(), strict=True)),
                "rms": float(rms), "chi2": float(chi2), "model": made, "used": self.used}


#: What `fit_all` keeps of a fit, as it is.
KEPT = ("teff", "logg", "fe_h", "alpha_fe", "rv", "rms", "chi2")


def fit_all(emulator, spectra, settings=FitSettings()):  # noqa: B008  (frozen)
    """Fit many spectra.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    spectra : list of cemp.spectrum.Spectrum
        Identified by their ``obsid``.
    settings : FitSettings

    Returns
    -------
    pandas.DataFrame
        One row a spectrum: obsid, teff, logg, fe_h, c_h, alpha_fe, rv, rms, chi2, and e_teff,
        e_logg, e_fe_h (formal errors); NaN where the spectrum cannot be preprocessed.
    """
    rows = []
    for spectrum in spectra:
        try:
            fit = fit_spectrum(emulator, spectrum, settings)
        except BadInputError:
            rows.append({"obsid": spectrum.obsid})
            continue
        errors = {f"e_{name}": fit["errors"].get(name, np.nan) for name in ("teff", "logg", "fe_h")}
        kept = {name: fit[name] for name in KEPT}
        rows.append({"obsid": spectrum.obsid, "c_h": fit["fe_h"] + fit["c_fe"], **kept, **errors})
    return pd.DataFrame(rows)
