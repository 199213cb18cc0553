"""How wrong a predicted label is: the covariance of out-of-fold residuals, star by star.

The network gives labels, no errors. Stars that no weight was trained on tell how far the
prediction lies from the adopted label. Such a residual holds two errors, the network's and the
label's own; the second is known from the label's catalogue and is taken out in the likelihood.
What is left is described by a Gaussian whose widths and correlation depend on what is known of a
star without a label: its S/N and its predicted labels.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize

from cemp.atomic import atomic_path
from cemp.constants import LABELS
from cemp.errors import BadInputError

#: What the widths depend on; each is about unity in size, so that one ridge suits all slopes.
FEATURES = ("constant", "log10(snr/50)", "(teff-5000)/1000", "fe_h+1", "c_fe")


@dataclass(frozen=True)
class CovarianceSettings:
    """Choices of the residual covariance model.

    Parameters
    ----------
    wide : tuple of float
        Smallest and largest width of the contaminating Gaussian in units of the core, between
        which it is fitted: literature carbon differs by more than 0.5 dex in a fifth of
        repeated entries, and no core should be widened by that.
    ridge : float
        Weight of the squared slopes in the likelihood: keeps a slope that few stars constrain
        near zero, and is negligible for hundreds of stars.
    clip : float
        Percentage at either end beyond which a feature is held: the model does not extrapolate.
    floors : tuple of float
        Smallest errors of teff [K], logg, fe_h, c_h [dex]: no likelihood may claim a perfect label.
    minimum : int
        Fewest stars with a label that a fit is made with.
    """

    wide: tuple = (3.0, 30.0)
    ridge: float = 4.0
    clip: float = 1.0
    floors: tuple = (10.0, 0.02, 0.02, 0.02)
    minimum: int = 20


def features(labels, snr):
    """Compute what the widths depend on.

    Parameters
    ----------
    labels : array_like, shape (n, 4)
        Predicted labels in the order of `cemp.constants.LABELS`.
    snr : array_like, shape (n,)
        Signal-to-noise ratio in g.

    Returns
    -------
    ndarray, shape (n, 5)
        Columns `FEATURES`.
    """
    labels, snr = np.asarray(labels, dtype=float), np.asarray(snr, dtype=float)
    teff, _, fe_h, c_h = labels.T
    return np.column_stack(
        [
            np.ones(len(snr)),
            np.log10(np.clip(snr, 1.0, None) / 50.0),
            (teff - 5000.0) / 1000.0,
            fe_h + 1.0,
            c_h - fe_h,
        ]
    )


def _log_gaussian(residual, covariance, known):
    """Log density of n Gaussian vectors, missing components left out (up to a constant)."""
    eye = np.eye(known.shape[1])
    both = known[:, :, None] & known[:, None, :]
    covariance = np.where(both, covariance, eye)
    residual = np.where(known, residual, 0.0)
    chi2 = np.einsum("ni,nij,nj->n", residual, np.linalg.inv(covariance), residual)
    return -0.5 * (chi2 + np.log(np.linalg.det(covariance)))


def _covariance(parameters, design, floors):
    """Turn linear coefficients into covariances, shape (n, d, d) with d of 1 or 2."""
    n_label, n_feature = len(floors), design.shape[1]
    linear = parameters.reshape(-1, n_feature) @ design.T
    sigma = np.hypot(np.exp(np.clip(linear[:n_label], -12, 12)), np.reshape(floors, (-1, 1)))
    covariance = np.einsum("in,jn->nij", sigma, sigma)
    if n_label == 2:
        # Held inside +-0.99 so that the matrix stays invertible.
        covariance[:, [0, 1], [1, 0]] *= 0.99 * np.tanh(linear[2])[:, None]
    else:
        covariance = covariance * np.eye(n_label)
    return covariance


def _cost(theta, design, residual, known, noise, floors, settings):
    """Negative log likelihood of a core and a wide Gaussian, plus the ridge on the slopes."""
    fraction, parameters = 0.5 / (1 + np.exp(-theta[0])), theta[2:]
    core = _covariance(parameters, design, floors) + noise
    narrow = np.log(1 - fraction) + _log_gaussian(residual, core, known)
    broad = np.log(fraction) + _log_gaussian(residual, np.exp(2 * theta[1]) * core, known)
    slopes = parameters.reshape(-1, design.shape[1])[:, 1:]
    return -np.logaddexp(narrow, broad).sum() + 0.5 * settings.ridge * np.sum(slopes**2)


def _fit(design, residual, label_error, floors, settings):
    """Fit one label, or the pair of labels; return coefficients and contamination."""
    n_label, n_feature = residual.shape[1], design.shape[1]
    known = np.isfinite(residual)
    noise = np.eye(n_label) * np.nan_to_num(label_error)[:, :, None] ** 2
    start = np.zeros((n_label + (n_label == 2), n_feature))
    start[:n_label, 0] = np.log(1.48 * np.nanmedian(np.abs(residual), axis=0) + 1e-3)
    result = minimize(
        _cost,
        np.concatenate([[-2.2, np.log(5.0)], start.ravel()]),
        args=(design, residual, known, noise, floors, settings),
        method="L-BFGS-B",
        bounds=[(-8.0, 8.0), tuple(np.log(settings.wide)), *[(-12.0, 12.0)] * start.size],
    )
    return result.x[2:].reshape(start.shape), 0.5 / (1 + np.exp(-result.x[0]))


class ResidualCovariance:
    """Errors of predicted labels from residuals of stars outside the training fold.

    Parameters
    ----------
    settings : CovarianceSettings

    Attributes
    ----------
    coefficients_ : dict of str to ndarray
        ``teff``, ``logg``: (1, 5) coefficients of log sigma; ``pair``: (3, 5) those of
        log sigma([Fe/H]), log sigma([C/H]) and atanh(rho / 0.99).
    contamination_ : dict of str to float
        Fraction of residuals in the wide Gaussian, for the same three fits.
    range_ : ndarray, shape (2, 5)
        Features are held within this range.
    """

    def __init__(self, settings=CovarianceSettings()):  # noqa: B008  (frozen)
        self.settings = settings

    def fit(self, residual, labels, snr, label_error=None):
        """Fit the widths and the correlation by maximum likelihood.

        Parameters
        ----------
        residual : array_like, shape (n, 4)
            Adopted minus predicted label; NaN where no label is adopted (or only a limit).
        labels : array_like, shape (n, 4)
            Predicted labels.
        snr : array_like, shape (n,)
            Signal-to-noise ratio in g.
        label_error : array_like, shape (n, 4), optional
            Errors of the adopted labels, added to the model's covariance in the likelihood so
            that the fit describes the network alone; NaN counts as 0 (the safe side).

        Returns
        -------
        ResidualCovariance
            Itself.

        Raises
        ------
        BadInputError
            If too few stars have a label.

        Notes
        -----
        The likelihood of a residual r is (1 - f) N(r; 0, S + E) + f N(r; 0, w^2 (S + E)) with S
        the model, E the label errors, and f < 1/2 and w fitted as well. The wide
        part takes wrong labels and failed fits; errors are those of the core, S.
        """
        residual = np.asarray(residual, dtype=float)
        label_error = np.zeros_like(residual) if label_error is None else np.asarray(label_error)
        design = features(labels, snr)
        usable = np.isfinite(design).all(axis=1)
        self._check(np.isfinite(residual[usable]).sum(axis=0))
        residual, label_error, design = residual[usable], label_error[usable], design[usable]
        clip = self.settings.clip
        self.range_ = np.percentile(design, [clip, 100 - clip], axis=0)
        design = np.clip(design, *self.range_)
        self.coefficients_, self.contamination_ = {}, {}
        for name, columns in (("teff", [0]), ("logg", [1]), ("pair", [2, 3])):
            floors = np.array(self.settings.floors)[columns]
            self.coefficients_[name], self.contamination_[name] = _fit(
                design, residual[:, columns], label_error[:, columns], floors, self.settings
            )
        return self

    def _check(self, counts):
        """Refuse to fit errors to a handful of stars."""
        for name, count in zip(LABELS, counts, strict=True):
            if count < self.settings.minimum:
                raise BadInputError(
                    f"only {count} held-out spectra have {name}: {self.settings.minimum} are "
                    "needed to fit its error; enlarge the validation and test folds in 01"
                )

    def _predict(self, name, columns, labels, snr):
        """Covariance of one fit for given stars; NaN where a feature is missing."""
        design = np.clip(features(labels, snr), *self.range_)
        floors = np.array(self.settings.floors)[columns]
        return _covariance(self.coefficients_[name].ravel(), design, floors)

    def predict(self, labels, snr):
        """Give the error covariance of ([Fe/H], [C/H]).

        Parameters
        ----------
        labels : array_like, shape (n, 4)
            Predicted labels.
        snr : array_like, shape (n,)
            Signal-to-noise ratio in g.

        Returns
        -------
        ndarray, shape (n, 2, 2)
            Covariance [dex^2]; NaN where a label or the S/N is missing.
        """
        return self._predict("pair", [2, 3], labels, snr)

    def errors(self, labels, snr):
        """Give the standard deviation of every label.

        Parameters
        ----------
        labels : array_like, shape (n, 4)
            Predicted labels.
        snr : array_like, shape (n,)
            Signal-to-noise ratio in g.

        Returns
        -------
        ndarray, shape (n, 4)
            In the order of `cemp.constants.LABELS` [K, dex, dex, dex].
        """
        single = [self._predict(LABELS[i], [i], labels, snr)[:, 0, 0] for i in (0, 1)]
        pair = self.predict(labels, snr)
        return np.sqrt(np.column_stack([*single, pair[:, 0, 0], pair[:, 1, 1]]))

    def to_json(self, path):
        """Write the fitted model.

        Parameters
        ----------
        path : str or pathlib.Path
        """
        content = {
            "features": FEATURES,
            "settings": asdict(self.settings),
            "coefficients": {k: v.tolist() for k, v in self.coefficients_.items()},
            "contamination": self.contamination_,
            "range": self.range_.tolist(),
        }
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def from_json(cls, path):
        """Read a model that `to_json` wrote.

        Parameters
        ----------
        path : str or pathlib.Path

        Returns
        -------
        ResidualCovariance

        Raises
        ------
        BadInputError
            If the file was written for other features.
        """
        with open(path) as stream:
            content = json.load(stream)
        if tuple(content.get("features", ())) != FEATURES:
            raise BadInputError(f"{path} holds an error model of other features: rerun 05")
        lists = {k: tuple(v) for k, v in content["settings"].items() if isinstance(v, list)}
        model = cls(CovarianceSettings(**content["settings"] | lists))
        model.coefficients_ = {k: np.array(v) for k, v in content["coefficients"].items()}
        model.contamination_ = content["contamination"]
        model.range_ = np.array(content["range"])
        return model
