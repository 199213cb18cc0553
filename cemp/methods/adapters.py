"""The two models that the other notebooks use, behind the interface of all methods."""

from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.constants import LABELS, SEED, rng
from cemp.errors import BadInputError
from cemp.methods.base import Method, Prediction, complete
from cemp.models.cannon import Cannon
from cemp.models.data import Augment, Sample
from cemp.models.io import load_model
from cemp.models.macrn import MacrnConfig, count_parameters
from cemp.models.predict import predict, predict_with_covariance
from cemp.models.train import TrainSettings, fit
from cemp.sample import balanced_draw

#: Parameters of 03_training that are fields of `cemp.models.data.Augment`.
AUGMENT = {"noise_fraction": "noise_fraction", "noise_snr_min": "snr_min",
           "shift_kms": "shift_kms", "mask_fraction": "mask_fraction"}  # fmt: skip


def as_sample(spectra, labels, rows=slice(None)):
    """Join spectra and labels, or some rows of them.

    Parameters
    ----------
    spectra : object
        With arrays ``obsid``, ``flux``, ``ivar``, ``good``.
    labels : ndarray (n, 4)
    rows : ndarray of int or of bool, optional

    Returns
    -------
    cemp.models.data.Sample
    """
    arrays = (spectra.obsid, spectra.flux, spectra.ivar, spectra.good, labels)
    return Sample(*(np.asarray(array)[rows] for array in arrays))


class TheCannon(Method):
    """The Cannon (Ness et al. 2015, ApJ 808, 16), fitted to a draw balanced in [Fe/H].

    Unbalanced, most of its training stars are near-solar and its quadratic is theirs.

    Parameters
    ----------
    margin : float
        Labels are sought in the box of the training labels widened by this [scatter].
    n_starts : int
        Training stars whose labels serve as starting points.
    draw_width : float
        Bin of the balanced draw [dex]; 0 takes every training spectrum once.
    seed : int
        Of the draw.

    Attributes
    ----------
    model_ : cemp.models.cannon.Cannon
    """

    name = "The Cannon"
    TRIALS = (
        {},
        {"margin": 0.0},
        {"margin": 0.25},
        {"margin": 1.0},
        {"n_starts": 128},
        {"draw_width": 0.5},
        {"draw_width": 0.5, "margin": 0.25},
        {"draw_width": 0.0},
    )

    def __init__(self, margin=0.5, n_starts=64, draw_width=0.25, seed=SEED):
        self.margin, self.n_starts = margin, n_starts
        self.draw_width, self.seed = draw_width, seed

    def fit(self, spectra, labels, validation=None):
        """Fit coefficients and scatter of every pixel; `validation` is not used."""
        rows = np.flatnonzero(complete(labels, 30, self.name))
        if self.draw_width:
            fe_h = labels[rows, LABELS.index("fe_h")]
            random = rng("methods the cannon", self.seed)
            rows = rows[balanced_draw(fe_h, random, self.draw_width)]
        sample = as_sample(spectra, labels, rows)
        self.model_ = Cannon(self.margin, self.n_starts).fit(sample, sample.labels)
        return self

    def predict(self, spectra):
        """Labels by maximum likelihood, errors from its curvature."""
        result = self.model_.predict(spectra)
        return Prediction(result.labels, result.covariance)

    @property
    def n_parameters(self):
        """Coefficients and scatters of all pixels."""
        return self.model_.coef_.size + self.model_.scatter_.size


def as_trained(folder, parameters):
    """Give the settings of `MacrnMethod` that train once more what 03_training trained.

    Parameters
    ----------
    folder : str or pathlib.Path
        Of ``macrn.json``.
    parameters : dict
        Those of 03_training.

    Returns
    -------
    dict
        ``folder`` None, ``config`` and ``settings``, of plain values.
    """
    augment = {AUGMENT[name]: value for name, value in parameters.items() if name in AUGMENT}
    known = {field.name for field in fields(TrainSettings)}
    settings = {name: value for name, value in parameters.items() if name in known}
    return {"folder": None, "config": asdict(load_model(folder).config),
            "settings": settings | {"augment": augment}}  # fmt: skip


def _built(kind, values):
    """Make settings of plain values; others, or None, are given back."""
    if not isinstance(values, dict):
        return values
    made = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    if "augment" in made:
        made["augment"] = _built(Augment, made["augment"])
    return kind(**made)


class MacrnMethod(Method):
    """MACRN as the paper trains it, read from its folder or trained here.

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        Of ``macrn.pt`` and ``macrn.json``; `fit` then reads instead of training, and training
        took what ``history.csv`` beside them says.
    config : cemp.models.macrn.MacrnConfig or dict, optional
        Errors are given if it has ``covariance=True``.
    settings : cemp.models.train.TrainSettings or dict, optional
        Both as objects or as plain values by name (`as_trained`); else the defaults.
    checkpoint : str or pathlib.Path, optional
        Folder in which a training that was stopped goes on.

    Attributes
    ----------
    model_ : cemp.models.macrn.Macrn
    fit_seconds_ : float
        That the epochs took, by the clock; NaN where no history is kept.
    """

    name = "MACRN"

    def __init__(self, folder=None, config=None, settings=None, checkpoint=None):
        self.folder, self.config = folder, config
        self.settings, self.checkpoint = settings, checkpoint

    def fit(self, spectra, labels, validation=None):
        """Train, or read what was trained; training stops on `validation`."""
        if self.folder is not None:
            self.model_ = load_model(self.folder)
            history = Path(self.folder) / "history.csv"
            known = history.is_file()
            self.fit_seconds_ = pd.read_csv(history)["seconds"].sum() if known else np.nan
            return self
        if validation is None:
            raise BadInputError("MACRN stops training on validation spectra: give them to fit")
        config, settings = _built(MacrnConfig, self.config), _built(TrainSettings, self.settings)
        trained = fit(as_sample(spectra, labels), as_sample(*validation), config, settings,
                      self.checkpoint, log=lambda line: None)  # fmt: skip
        self.model_, self.fit_seconds_ = trained.model, trained.history["seconds"].sum()
        return self

    def predict(self, spectra):
        """Labels, and errors if the network was built to give them."""
        if self.model_.config.covariance:
            return Prediction(*predict_with_covariance(self.model_, spectra.flux, spectra.good))
        return Prediction(predict(self.model_, spectra.flux, spectra.good))

    @property
    def n_parameters(self):
        """Weights of the network."""
        return count_parameters(self.model_)
