"""Training: Adam on the loss of standardised labels, stopped on validation.

The loss is the mean squared error, or the negative log likelihood of a network that predicts
the covariance of its errors.

Every random number of an epoch follows from the seed and the epoch, so that a run that was
killed and resumed ends with the weights of a run that was not.
"""

import copy
import math
import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from cemp.constants import LABELS, rng
from cemp.models.checkpoint import Checkpoint, fingerprint
from cemp.models.data import Augment, augment, to_input
from cemp.models.device import choose_device, make_deterministic
from cemp.models.loss import bin_weights, gaussian_nll, learning_rate, masked_mse, move_mean
from cemp.models.macrn import Macrn, MacrnConfig
from cemp.models.scaler import LabelScaler, pixel_scale
from cemp.sample import balanced_draw


@dataclass(frozen=True)
class TrainSettings:
    """How the network is trained.

    Parameters
    ----------
    seed : int
        Of weights, draws, noise and dropout.
    epochs : int
        At most; the learning rate falls to nothing over these.
    patience : int
        Epochs without a better validation loss before training stops.
    batch : int
        Spectra a step.
    learning_rate : float
        Highest, reached after `warmup`.
    warmup : float
        Fraction of all steps over which the learning rate rises.
    weight_decay : float
        Decoupled from the gradient (Loshchilov & Hutter 2019); against overfitting.
    ema : float
        Decay a step of the running mean of weights that is validated and kept.
    balance : bool
        Whether an epoch is a draw balanced in [Fe/H]; False takes every spectrum once, for a
        sample that was drawn as it should be.
    draw_width : float
        Bin of the balanced draw in [Fe/H] [dex].
    clip_gradient : float
        Largest norm of a step's gradient; 0 for no limit. The likelihood of an outlier under a
        narrow covariance has no bound, a squared error of standardised labels hardly needs one.
    flux_floor : float
        Least scatter that a pixel is scaled by [normalised flux].
    augment : Augment
        Variation of training spectra.
    device : str
        ``"auto"`` or a torch device.
    threads : int
        CPU threads; part of the settings because the last digits depend on it.
    """

    seed: int = 20261122
    epochs: int = 32
    patience: int = 20
    batch: int = 16
    learning_rate: float = 3e-3
    warmup: float = 0.1
    weight_decay: float = 1e-2
    ema: float = 0.99
    balance: bool = True
    draw_width: float = 0.25
    clip_gradient: float = 0.0
    flux_floor: float = 0.02
    augment: Augment = field(default_factory=Augment)
    device: str = "auto"
    threads: int = 1


@dataclass(frozen=True)
class Trained:
    """Outcome of a training run.

    Parameters
    ----------
    model : Macrn
        Best weights on validation, in evaluation mode.
    history : pandas.DataFrame
        One row an epoch: losses, learning rate, seconds.
    best_epoch : int
        The epoch kept, counted from 1.
    """

    model: Macrn
    history: pd.DataFrame
    best_epoch: int


def fit(train, validation, config=None, settings=None, folder=None, log=print):
    """Train the network.

    Parameters
    ----------
    train, validation : Sample
        Spectra with labels; the scaler and all else that is fitted sees `train` alone.
    config : MacrnConfig, optional
    settings : TrainSettings, optional
    folder : str or pathlib.Path, optional
        Of the checkpoint; a run killed there goes on after its last whole epoch.
    log : callable
        Takes one line an epoch.

    Returns
    -------
    Trained
    """
    config, settings = config or MacrnConfig(), settings or TrainSettings()
    make_deterministic(settings.seed, settings.threads)
    checkpoint = Checkpoint(folder, fingerprint(config, settings, train, validation))
    run = _Run(train, validation, config, settings)
    run.restore(checkpoint.load(log))
    while not run.finished:
        run.epoch()
        log(run.line())
        checkpoint.save(**run.state())
    return run.result()


def _outputs(model, x):
    """Labels, and the covariance's factor if the network predicts one."""
    return model.distribution(x) if model.config.covariance else (model(x),)


def _loss(outputs, target, weight=None):
    """Likelihood where there is a covariance, squared error where not."""
    loss = masked_mse if len(outputs) == 1 else gaussian_nll
    return loss(*outputs, target, weight)


class _Run:
    """State of a training run: current weights, their running mean, and the best of it."""

    def __init__(self, train, validation, config, settings):
        self.settings, self.train = settings, train
        self.device = choose_device(settings.device)
        scaler = LabelScaler().fit(train.labels)
        self.target = torch.from_numpy(scaler.transform(train.labels).astype(np.float32))
        self.model = Macrn(config)
        mean, scale = pixel_scale(train.flux, train.good, settings.flux_floor)
        self.model.flux_mean.copy_(torch.from_numpy(mean))
        self.model.flux_scale.copy_(torch.from_numpy(scale))
        self.model.label_mean.copy_(torch.from_numpy(scaler.mean_))
        self.model.label_scale.copy_(torch.from_numpy(scaler.scale_))
        self.model.to(self.device)
        self.mean_model = copy.deepcopy(self.model).eval()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            weight_decay=settings.weight_decay,
            decoupled_weight_decay=True,
        )
        self.validation = validation
        self.valid_target = torch.from_numpy(
            scaler.transform(validation.labels).astype(np.float32)
        )
        fe_h = validation.labels[:, LABELS.index("fe_h")]
        self.valid_weight = torch.from_numpy(bin_weights(fe_h).astype(np.float32))
        self.history, self.best, self.best_epoch, self.step = [], None, 0, 0

    @property
    def finished(self):
        """Whether all epochs are done, or patience is at its end."""
        done = len(self.history)
        waited = done - self.best_epoch
        return done >= self.settings.epochs or (done and waited >= self.settings.patience)

    def epoch(self):
        """Train on one draw, then validate."""
        start, number = time.perf_counter(), len(self.history)
        random = rng(f"03 epoch {number}", self.settings.seed)
        torch.manual_seed(int(random.integers(2**62)))
        rows = random.permutation(self._draw(random))
        batches = np.array_split(rows, math.ceil(len(rows) / self.settings.batch))
        losses = []
        for i, part in enumerate(batches):
            self._set_rate((number + i / len(batches)) / self.settings.epochs)
            losses.append(self._step(part, random))
        validation = self._validate()
        if self.best is None or validation < self.best_loss:
            self.best = copy.deepcopy(self.mean_model.state_dict())
            self.best_loss, self.best_epoch = validation, number + 1
        self.history.append(
            {
                "epoch": number + 1,
                "train_loss": float(np.mean(losses)),
                "validation_loss": validation,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "n_spectra": len(rows),
                "seconds": time.perf_counter() - start,
            }
        )

    def _draw(self, random):
        """Rows of an epoch."""
        if not self.settings.balance:
            return np.arange(len(self.train))
        fe_h = self.train.labels[:, LABELS.index("fe_h")]
        return balanced_draw(fe_h, random, width=self.settings.draw_width)

    def _set_rate(self, progress):
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(progress, self.settings)

    def _step(self, rows, random):
        """One step of Adam; returns the loss."""
        self.model.train()
        sample = self.train
        flux, good = augment(
            sample.flux[rows], sample.ivar[rows], sample.good[rows], random, self.settings.augment
        )
        outputs = _outputs(self.model, to_input(flux, good).to(self.device))
        loss = _loss(outputs, self.target[rows].to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        if self.settings.clip_gradient:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_gradient)
        self.optimizer.step()
        self.step += 1
        self._average()
        return float(loss.detach())

    def _average(self):
        """Move the running mean of weights (and of batch statistics) towards the weights."""
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        move_mean(self.mean_model, self.model, decay)

    def _validate(self, batch=128):
        """Loss of the mean weights on validation spectra, every bin of [Fe/H] alike."""
        sample, outputs = self.validation, []
        with torch.inference_mode():
            for start in range(0, len(sample), batch):
                part = slice(start, start + batch)
                x = to_input(sample.flux[part], sample.good[part]).to(self.device)
                outputs.append([made.cpu() for made in _outputs(self.mean_model, x)])
        outputs = [torch.cat(parts) for parts in zip(*outputs, strict=True)]
        return float(_loss(outputs, self.valid_target, self.valid_weight))

    def line(self):
        """Progress, one line an epoch."""
        row = self.history[-1]
        left = row["seconds"] * (self.settings.epochs - row["epoch"])
        mark = "  best" if row["epoch"] == self.best_epoch else ""
        return (
            f"epoch {row['epoch']:3d}/{self.settings.epochs}  train {row['train_loss']:.4f}  "
            f"validation {row['validation_loss']:.4f}  {row['seconds']:.1f} s  "
            f"at most {left / 60:.1f} min left{mark}"
        )

    def state(self):
        """All that the next epoch depends on."""
        return {
            "model": self.model.state_dict(),
            "mean_model": self.mean_model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "history": self.history,
            "step": self.step,
        }

    def restore(self, state):
        """Go on from a saved state (None starts afresh)."""
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.mean_model.load_state_dict(state["mean_model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("best", "best_loss", "best_epoch", "history", "step"):
            setattr(self, name, state[name])

    def result(self):
        """Give the best mean weights, ready to predict."""
        self.mean_model.load_state_dict(self.best)
        model = self.mean_model.to("cpu").eval()
        return Trained(model, pd.DataFrame(self.history), self.best_epoch)
