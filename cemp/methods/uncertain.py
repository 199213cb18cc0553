"""MACRN with errors: from its own head, from dropout, from an ensemble.

Three answers to what a label's error is. `HeteroscedasticMacrn` predicts a covariance with every
spectrum and learns it by likelihood: what the noise and the spectrum leave open. `DropoutMacrn`
asks the same network many times with other units dropped (Gal & Ghahramani 2016, ICML, PMLR 48,
1050; the "Bayesian CNN" of the literature): what the weights leave open. `EnsembleMacrn` has
several networks that each predict a covariance (Lakshminarayanan et al. 2017, NeurIPS 30): both.
None of them is honest by construction: `cemp.evaluate.calibration` tells.
"""

from dataclasses import replace

import numpy as np
import torch

from cemp.constants import LABELS, SEED
from cemp.errors import BadInputError
from cemp.methods.adapters import MacrnMethod
from cemp.methods.base import Method, Prediction
from cemp.methods.tuned import TunedMacrnMethod
from cemp.models.data import Augment, to_input
from cemp.models.io import load_model
from cemp.models.loss import bin_weights
from cemp.models.macrn import MacrnConfig, count_parameters
from cemp.models.train import TrainSettings

#: Residuals beyond this many robust standard deviations are cut back before a covariance is
#: taken of them: wrong catalogue labels are no property of the method.
CUT = 4.0


class HeteroscedasticMacrn(MacrnMethod):
    """MACRN whose head predicts labels and the Cholesky factor of their covariance.

    Parameters
    ----------
    epochs : int
        Shorter than the paper's 32: the likelihood of validation is best early.
    learning_rate, weight_decay, dropout, noise_fraction
        As in `TrainSettings`, `MacrnConfig` and `Augment`.
    mask_bins : int
        Stretches whose share of lost pixels the head is told.
    clip_gradient : float
        Largest norm of a gradient: an outlier's likelihood under a narrow covariance has no
        bound.
    seed : int
    config, settings : MacrnConfig and TrainSettings, optional
        What the above are entered in; the defaults if left out.
    checkpoint : str or pathlib.Path, optional
        Folder in which a training that was stopped goes on, and a finished one is found.

    Attributes
    ----------
    model_ : cemp.models.macrn.Macrn
    fit_seconds_ : float
    """

    name = "MACRN, heteroscedastic"
    TRIALS = ({}, {"noise_fraction": 0.9}, {"mask_bins": 10}, {"learning_rate": 2e-3})

    def __init__(self, epochs=20, learning_rate=3e-3, weight_decay=1e-2, dropout=0.1,
                 noise_fraction=0.7, mask_bins=0, clip_gradient=5.0, seed=SEED,
                 config=None, settings=None, checkpoint=None):  # fmt: skip
        self.epochs, self.seed = epochs, seed
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.dropout, self.noise_fraction = dropout, noise_fraction
        self.mask_bins, self.clip_gradient = mask_bins, clip_gradient
        config, settings = config or MacrnConfig(), settings or TrainSettings()
        config = replace(config, covariance=True, mask_bins=mask_bins, dropout=dropout)
        augment = replace(settings.augment or Augment(), noise_fraction=noise_fraction)
        settings = replace(
            settings, epochs=epochs, patience=epochs, learning_rate=learning_rate, seed=seed,
            weight_decay=weight_decay, clip_gradient=clip_gradient, augment=augment)
        super().__init__(None, config, settings, checkpoint)


class DropoutMacrn(Method):
    """Monte-Carlo dropout: a trained MACRN asked many times, each time with other units dropped.

    The scatter of the answers is what the weights leave open. To it comes the noise of the
    labels themselves, the inverse of Gal & Ghahramani's precision tau: one covariance for all
    spectra, found on validation. (It cannot know that a faint spectrum is worse.)

    Parameters
    ----------
    folder : str or pathlib.Path
        Of ``macrn.pt`` and ``macrn.json``.
    dropout : float, optional
        Share of units dropped; that of the training if left out, as the theory has it.
    passes : int
        Answers for each spectrum. Only the head drops units, so that all passes together cost
        little more than one.
    seed : int

    Attributes
    ----------
    model_ : cemp.models.macrn.Macrn
    noise_ : ndarray (4, 4)
        Covariance of the labels given the weights.
    """

    name = "MACRN, MC dropout"
    TRIALS = ({}, {"dropout": 0.05}, {"dropout": 0.2}, {"dropout": 0.3}, {"passes": 50})

    def __init__(self, folder, dropout=None, passes=20, seed=SEED):
        self.folder, self.dropout, self.passes, self.seed = folder, dropout, passes, seed

    def fit(self, spectra, labels, validation=None):
        """Read the network; find the noise of the labels on `validation`."""
        if validation is None:
            raise BadInputError(
                "MC dropout finds the noise of the labels on validation spectra: give them to fit")
        self.model_ = load_model(self.folder)
        answers = self._answers(validation[0])
        residual = validation[1] - answers.mean(axis=1)
        weight = bin_weights(validation[1][:, LABELS.index("fe_h")])
        spread = np.average(_covariance(answers), axis=0, weights=weight)
        self.noise_ = positive(residual_covariance(residual, weight) - spread)
        return self

    def predict(self, spectra):
        """Mean of the answers; their covariance and the labels' noise added."""
        answers = self._answers(spectra)
        return Prediction(answers.mean(axis=1), _covariance(answers) + self.noise_)

    def _answers(self, spectra, batch=128):
        """Labels (n, passes, 4) of the network with units dropped."""
        torch.manual_seed(self.seed)
        model, out = self.model_.eval(), np.empty((len(spectra.flux), self.passes, len(LABELS)))
        rate = model.config.dropout if self.dropout is None else self.dropout
        with torch.inference_mode():
            for start in range(0, len(spectra.flux), batch):
                part = slice(start, start + batch)
                x = to_input(spectra.flux[part], spectra.good[part])
                made = dropped(model, x, rate, self.passes)
                out[part] = (made * model.label_scale + model.label_mean).numpy()
        return out

    @property
    def n_parameters(self):
        """Weights of the network, and the noise's covariance."""
        return count_parameters(self.model_) + 10


def dropped(model, x, rate, passes):
    """Ask a network several times with units of its head dropped.

    Parameters
    ----------
    model : Macrn
    x : torch.Tensor (b, 2, p)
    rate : float
        Share of the head's inputs and hidden units dropped.
    passes : int

    Returns
    -------
    torch.Tensor (b, passes, 4)
        Standardised labels; all passes are those of ``model(x)`` if nothing is dropped.
    """
    kept = {}
    handle = model.step.register_forward_hook(lambda _, __, made: kept.update(steps=made))
    model(x)  # the layers before the head, once
    handle.remove()
    steps = kept["steps"].flatten(1)[:, None].expand(-1, passes, -1)  # (b, passes, t * features)
    steps = torch.nn.functional.dropout(steps, rate)
    if model.config.mask_bins:
        steps = torch.cat([steps, model.lost(x)[:, None].expand(-1, passes, -1)], dim=2)
    hidden = torch.nn.functional.dropout(torch.relu(model.dense(steps)), rate)
    return model.labels(hidden)


class EnsembleMacrn(Method):
    """Deep ensemble: tuned networks that differ in their seed, each with a covariance.

    As published the mean too is learned by likelihood; here it is the tuned network's, whose
    labels are learned robustly and whose covariance by likelihood (`cemp.models.tuned`).

    Parameters
    ----------
    members : int
    epochs : int
        Of each.
    seed : int
        Of the first; the k-th has seed + k.
    config, settings, augment, catalogue : optional
        As of `TunedMacrnMethod`, for all members.

    Attributes
    ----------
    members_ : list of TunedMacrnMethod
    """

    name = "MACRN, ensemble"
    TRIALS = ({}, {"members": 2}, {"members": 5})

    def __init__(self, members=3, epochs=18, seed=SEED, config=None, settings=None, augment=None,
                 catalogue=None):  # fmt: skip
        self.members, self.epochs, self.seed, self.catalogue = members, epochs, seed, catalogue
        self.config, self.settings, self.augment = config, settings, augment

    def fit(self, spectra, labels, validation=None):
        """Train every member on all spectra; each keeps its best epoch on `validation`."""
        config = {**(self.config or {}), "covariance": True}
        self.members_ = [
            TunedMacrnMethod(config, self.settings, self.augment, self.epochs, self.seed + k,
                             self.catalogue)
            .fit(spectra, labels, validation)
            for k in range(self.members)
        ]  # fmt: skip
        return self

    def predict(self, spectra):
        """Moments of the mixture of the members' answers."""
        return mixture([member.predict(spectra) for member in self.members_])

    @property
    def n_parameters(self):
        """Weights of all members."""
        return sum(member.n_parameters for member in self.members_)


def mixture(predictions):
    """Mean and covariance of an even mixture of predictions.

    Parameters
    ----------
    predictions : sequence of Prediction
        All with a covariance.

    Returns
    -------
    Prediction
        By the law of total variance: the mean of the covariances, what the spectra leave open,
        and the covariance of the means (divided by their number), what the weights leave open.
    """
    labels = np.stack([p.labels for p in predictions], axis=1)  # (n, m, 4)
    within = np.mean([p.covariance for p in predictions], axis=0)
    between = _covariance(labels) if len(predictions) > 1 else 0.0
    return Prediction(labels.mean(axis=1), within + between)


def _covariance(answers):
    """Covariance (n, 4, 4) of answers (n, m, 4) about their mean, divided by m."""
    difference = answers - answers.mean(axis=1, keepdims=True)
    return np.einsum("nmi,nmj->nij", difference, difference) / answers.shape[1]


def residual_covariance(residual, weight):
    """Covariance of residuals about zero, outliers cut back to `CUT` robust deviations.

    Parameters
    ----------
    residual : ndarray (n, 4)
        NaN where a label is missing: each element rests on the rows that have both.
    weight : ndarray (n,)

    Returns
    -------
    ndarray (4, 4)
    """
    limit = CUT * 1.4826 * np.nanmedian(np.abs(residual), axis=0)
    known = np.isfinite(residual)
    cut = np.where(known, np.clip(residual, -limit, limit), 0.0)
    total = (known * weight[:, None]).T.astype(float) @ known
    return (cut * weight[:, None]).T @ cut / np.maximum(total, 1e-12)


def positive(covariance, least=1e-4):
    """Make a symmetric matrix positive definite.

    Parameters
    ----------
    covariance : ndarray (4, 4)
    least : float
        Smallest eigenvalue kept, of the matrix in units of its own diagonal.

    Returns
    -------
    ndarray (4, 4)
    """
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    return (vectors * np.maximum(values, least)) @ vectors.T * np.outer(scale, scale)
