"""MACRN at its best, behind the interface of the methods."""

from pathlib import Path

import numpy as np
import pandas as pd

from cemp.constants import SEED
from cemp.errors import BadInputError
from cemp.methods.adapters import as_sample
from cemp.methods.base import Method, Prediction
from cemp.models import tuned
from cemp.models.data import Augment
from cemp.models.macrn import count_parameters
from cemp.models.tuned_train import TunedSettings, TunedTraining


def carbon_limits(folder, obsid):
    """Read the upper limits on carbon of some spectra's stars.

    Parameters
    ----------
    folder : str or pathlib.Path
        Of stage 01.
    obsid : ndarray (n,)

    Returns
    -------
    ndarray (n,)
        [C/H] [dex]; NaN for a star without a limit, or with a measurement.
    """
    observations = pd.read_parquet(Path(folder) / "observations.parquet").set_index("obsid")
    labels = pd.read_parquet(Path(folder) / "labels.parquet").set_index("star_id")
    limited = labels["c_h_limit"].fillna(False).astype(bool)
    limits = labels["c_h"].where(limited)
    return limits.reindex(observations["star_id"].reindex(obsid)).to_numpy(dtype=float)


class TunedMacrnMethod(Method):
    """The tuned configuration of MACRN (`cemp.models.tuned`), trained here.

    Parameters
    ----------
    config : dict, optional
        Fields of `cemp.models.tuned.TunedConfig` that differ from its defaults.
    settings : dict, optional
        Fields of `cemp.models.tuned_train.TunedSettings` that differ.
    augment : dict, optional
        Fields of `cemp.models.data.Augment` that differ.
    epochs : int, optional
    seed : int
    catalogue : str or pathlib.Path, optional
        Folder of ``observations.parquet`` and ``labels.parquet`` (stage 01), for the upper limits
        on carbon, which labels lack: a prediction above a limit costs. Half of the hot metal-poor
        training stars have limits alone, and those left are the carbon-rich ones: without limits
        a network puts every limited star of the validation fold 0.3 dex and more above its limit.

    Attributes
    ----------
    model_ : cemp.models.tuned.TunedMacrn
    history_ : list of dict
        One an epoch.
    """

    name = "MACRN, tuned"
    #: The default, then half its schedule: as it is, and with one thing changed. Trials that
    #: differ by less than 0.004 in validation loss differ by luck: seeds do.
    TRIALS = (
        {},
        {"epochs": 18},
        {"epochs": 18, "settings": {"huber": 0.0}},
        {"epochs": 18, "settings": {"huber": 0.25}},
        {"epochs": 18, "config": {"soft_mask": False, "mask_bins": 0}},
        {"epochs": 18, "augment": {"noise_fraction": 0.7}},
        {"epochs": 18, "settings": {"batch": 16, "learning_rate": 3e-3}},
        {"epochs": 18, "settings": {"learning_rate": 8e-3}},
        {"epochs": 18, "config": {"kernels": (5, 15), "channels": (16, 32, 48)}},
        {"epochs": 18, "config": {"channels": (24, 32, 48), "lstm_units": 64}},
        {"epochs": 18, "config": {"strides": (5, 4, 4)}},
        {"epochs": 18, "config": {"dropout": 0.2}},
    )

    def __init__(self, config=None, settings=None, augment=None, epochs=None, seed=SEED,
                 catalogue=None):  # fmt: skip
        self.catalogue = catalogue
        self.config, self.settings, self.augment = config, settings, augment
        self.epochs, self.seed = epochs, seed

    def fit(self, spectra, labels, validation=None):
        """Train; the epoch that is kept is the best of `validation`."""
        if validation is None:
            raise BadInputError(f"{self.name} picks its epoch on validation: give it to fit")
        settings = {"seed": self.seed, **(self.settings or {})}
        if self.epochs is not None:
            settings["epochs"] = self.epochs
        if self.augment:
            settings["augment"] = Augment(**self.augment)
        made = TunedTraining(
            as_sample(spectra, labels), as_sample(*validation),
            tuned.TunedConfig(**(self.config or {})), TunedSettings(**settings),
            None if self.catalogue is None else carbon_limits(self.catalogue, spectra.obsid),
        ).run()  # fmt: skip
        self.model_, self.history_ = made.model_, made.history_
        return self

    def predict(self, spectra):
        """Labels and errors, unless the configuration leaves these out."""
        ivar = np.where(spectra.good, spectra.ivar, 0)
        return Prediction(*tuned.predict(self.model_, spectra.flux, ivar))

    @property
    def n_parameters(self):
        """Weights of the network."""
        return count_parameters(self.model_)
