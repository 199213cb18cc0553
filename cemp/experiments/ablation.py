"""The ablation of MACRN: one part or one choice changed at a time, on paired seeds.

All variants train the tuned network (`cemp.models.tuned`) on a short schedule, eight draws of the
training sample: a difference between variants counts, not how good the best of them is. The
variant "paper" is the paper's network and training (`cemp.models.macrn`) on as many draws.
"""

from dataclasses import asdict, dataclass, field, replace

import numpy as np

from cemp.constants import LABELS
from cemp.evaluate.classify import rates
from cemp.models import tuned
from cemp.models.data import Augment
from cemp.models.macrn import MacrnConfig
from cemp.models.predict import predict as predict_paper
from cemp.models.train import TrainSettings, fit
from cemp.models.tuned_train import TunedSettings, TunedTraining

_FE_H, _C_H = LABELS.index("fe_h"), LABELS.index("c_h")
#: Draws of the training sample a run: the validation loss is then within a fifth of its end.
EPOCHS = 8
SEEDS = tuple(range(20261122, 20261127))


@dataclass(frozen=True)
class Variant:
    """One change to the base.

    Parameters
    ----------
    what : str
        In words, for the table.
    config, settings, augment : dict
        Fields of `TunedConfig`, `TunedSettings` and `Augment` that differ.
    spectra : str
        ``"rest"``, or what `cemp.experiments.bench.respectra` makes.
    labels : str
        ``"catalogue"``, ``"noisy"`` or ``"exact"``.
    limits : str
        Upper limits on carbon: ``"censored"`` punishes a prediction above them, ``"none"`` leaves
        them out, ``"value"`` takes them for measurements.
    """

    what: str
    config: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    augment: dict = field(default_factory=dict)
    spectra: str = "rest"
    labels: str = "catalogue"
    limits: str = "censored"


VARIANTS = {
    "base": Variant("tuned MACRN, short schedule"),
    "no_attention": Variant("without channel attention", {"attention": False}),
    "single_kernel": Variant(
        "one kernel (11) with as many filters", {"kernels": (11,), "channels": (48, 72, 96)}),
    "no_lstm": Variant("dense layer at each step, no LSTM", {"directions": 0}),
    "one_direction": Variant("LSTM in one direction", {"directions": 1}),
    "unbalanced": Variant("every training spectrum once", settings={"balance": False}),
    "no_noise": Variant("no noise added in training", augment={"noise_fraction": 0.0}),
    "hard_mask": Variant(
        "good or bad pixels, errors not told", {"soft_mask": False, "mask_bins": 0}),
    "squared": Variant("squared errors throughout", settings={"huber": 0.0}),
    "no_limits": Variant("upper limits on carbon left out", limits="none"),
    "limit_value": Variant("upper limits taken for measurements", limits="value"),
    "noisy_labels": Variant("labels as uncertain as literature entries", labels="noisy"),
    "exact_labels": Variant("true labels in training", labels="exact"),
    "paper": Variant("the paper's network and training, as many draws"),
    "unrepaired": Variant("no median repair of cosmic rays", spectra="unrepaired"),
    "observed": Variant("no shift to the rest frame", spectra="observed"),
}  # fmt: skip


def training_sample(variant, bench, seed, noisy):
    """Training spectra with the labels that a variant learns from.

    Parameters
    ----------
    variant : Variant
    bench : cemp.experiments.bench.Bench
    seed : int
    noisy : callable
        ``noisy(sample, seed)`` gives labels with errors added.

    Returns
    -------
    cemp.models.data.Sample
    """
    labels = bench.train.labels
    if variant.labels == "exact":
        labels = np.where(np.isfinite(labels), bench.exact, np.nan)
    elif variant.labels == "noisy":
        labels = noisy(bench.train, seed)
    if variant.limits == "value":
        labels = labels.copy()
        known = np.isfinite(bench.limits)
        labels[known, _C_H] = bench.limits[known]
    return replace(bench.train, labels=labels)


def run(name, seed, bench, noisy, epochs=EPOCHS):
    """Train one variant with one seed and predict the judged spectra.

    Parameters
    ----------
    name : str
        Key of `VARIANTS`.
    seed : int
    bench : cemp.experiments.bench.Bench
    noisy : callable
        See `training_sample`.
    epochs : int

    Returns
    -------
    labels : ndarray (n_judged, 4)
    loss : float
        Of validation, at the epoch kept.
    """
    variant = VARIANTS[name]
    train = training_sample(variant, bench, seed, noisy)
    if name == "paper":
        settings = TrainSettings(seed=seed, epochs=epochs, device="cpu")
        made = fit(train, bench.validation, MacrnConfig(), settings, log=lambda line: None)
        labels = predict_paper(made.model, bench.judged.flux, bench.judged.good)
        return labels, float(made.history["validation_loss"].min())
    config, settings = _settings(variant, seed, epochs)
    limits = bench.limits if variant.limits == "censored" else None
    made = TunedTraining(train, bench.validation, config, settings, limits).run()
    ivar = np.where(bench.judged.good, bench.judged.ivar, 0)
    return tuned.predict(made.model_, bench.judged.flux, ivar)[0], made.best


def _settings(variant, seed, epochs):
    """Make the configuration and the training settings of a variant."""
    config = tuned.TunedConfig(**variant.config)
    augment = Augment(**{**asdict(TunedSettings().augment), **variant.augment})
    return config, TunedSettings(seed=seed, epochs=epochs, augment=augment, **variant.settings)


def cemp_rows(labels):
    """Tell which labels (..., 4) are CEMP by Table 1: [Fe/H] < -2 and [C/Fe] > 0.7."""
    return (labels[..., _FE_H] < -2) & (labels[..., _C_H] - labels[..., _FE_H] > 0.7)


def scores(predicted, truth, snrg, weights):
    """Score predictions under many sets of star weights at once.

    Parameters
    ----------
    predicted, truth : ndarray (n, 4)
    snrg : ndarray (n,)
    weights : ndarray (n_boot, n)

    Returns
    -------
    dict of str to ndarray (n_boot,)
        F1 of the simple cut; RMSE [dex] of [Fe/H], of [C/H], of [C/H] of true CEMP stars, and of
        [C/H] at S/N(g) < 20.
    """
    error = np.nan_to_num(predicted - truth, nan=0.0)
    groups = {"rmse_fe_h": (_FE_H, np.ones(len(truth))), "rmse_c_h": (_C_H, np.ones(len(truth))),
              "rmse_c_h_cemp": (_C_H, cemp_rows(truth)), "rmse_c_h_faint": (_C_H, snrg < 20)}
    found = {"f1": rates(cemp_rows(predicted), cemp_rows(truth), weights)["f1"]}
    for name, (label, rows) in groups.items():
        squared = weights @ (rows * error[:, label] ** 2)
        found[name] = np.sqrt(squared / np.maximum(weights @ rows.astype(float), 1e-12))
    return found
