"""Training of the tuned network: noise that the network is told of, and a loss that forgives."""

import copy
import math
import time
from dataclasses import dataclass, field

import numpy as np
import torch

from cemp.constants import LABELS, N_PIX, rng
from cemp.models.data import Augment, shift, unit_noise
from cemp.models.device import make_deterministic
from cemp.models.loss import bin_weights, gaussian_nll, learning_rate, move_mean
from cemp.models.scaler import LabelScaler, pixel_scale
from cemp.models.tuned import TunedConfig, TunedMacrn, to_input
from cemp.sample import balanced_draw

_FE_H, _C_H = LABELS.index("fe_h"), LABELS.index("c_h")


@dataclass(frozen=True)
class TunedSettings:
    """How the tuned network is trained; names as in `cemp.models.train.TrainSettings`.

    Parameters
    ----------
    huber : float
        Errors beyond this many scatters of a label count linearly: a fifth of literature
        pairs differ by more than 0.5 dex in carbon. 0 for squared errors throughout.
    limit_weight : float
        What an upper limit on carbon, where they are given, weighs beside a label. More of it
        drags down hot CEMP stars too, whose bands are as weak as limits allow.
    balance : bool
        Whether each epoch is a draw balanced in [Fe/H]; False takes every spectrum once.
    """

    seed: int = 20261122
    epochs: int = 36
    batch: int = 32
    learning_rate: float = 4e-3
    warmup: float = 0.1
    weight_decay: float = 1e-2
    ema: float = 0.99
    huber: float = 0.5
    limit_weight: float = 0.25
    balance: bool = True
    draw_width: float = 0.25
    clip_gradient: float = 1.0
    flux_floor: float = 0.02
    # more spectra are made noisier than in the paper: validation has every S/N, training 50 and up
    augment: Augment = field(default_factory=lambda: Augment(noise_fraction=0.9))
    threads: int = 1


def augment(flux, ivar, typical, random, settings):
    """Vary training spectra, and keep their errors true.

    Parameters
    ----------
    flux, ivar : ndarray (n, 5001)
        ivar is 0 at bad pixels.
    typical : ndarray (n,)
        Median error of each spectrum's good pixels.
    random : numpy.random.Generator
    settings : cemp.models.data.Augment

    Returns
    -------
    flux, ivar : ndarray (n, 5001)
        Shifted, noisier, with stretches lost; the inverse variance knows of the noise.
    """
    n, good = len(flux), ivar > 0
    if settings.shift_kms:
        velocity = settings.shift_kms * random.standard_normal(n).astype(np.float32)
        flux = shift(flux, good, np.clip(velocity, -30, 30))
    ivar = ivar.copy()
    noisier = np.flatnonzero(random.random(n) < settings.noise_fraction)
    if noisier.size:
        lowest = np.minimum(settings.snr_min * typical[noisier], 1)
        ratio = (lowest ** random.random(noisier.size)).astype(np.float32)[:, None]
        part = ivar[noisier]
        sigma = np.where(good[noisier], 1 / np.sqrt(np.maximum(part, 1e-12)), 0)
        noise = np.sqrt(1 / ratio**2 - 1) * sigma * unit_noise(noisier.size, random)
        flux = flux.copy() if not settings.shift_kms else flux
        flux[noisier] += noise
        ivar[noisier] = part * ratio**2
    for row in np.flatnonzero(random.random(n) < settings.mask_fraction):
        start = random.integers(N_PIX)
        ivar[row, start : start + random.integers(1, settings.mask_pixels + 1)] = 0
    return flux, ivar


def huber_loss(size, huber):
    """Square sizes, but count them linearly beyond `huber`; 0 squares all of them."""
    if not huber:
        return size**2
    return torch.where(size < huber, size**2, huber * (2 * size - huber))


def robust_loss(predicted, target, huber, weight=None):
    """Squared errors of the labels that exist, linear beyond `huber` (Huber 1964).

    Parameters
    ----------
    predicted, target : torch.Tensor (b, 4)
        Standardised; NaN in `target` where a label is missing.
    huber : float
        0 squares every error.
    weight : torch.Tensor (b,), optional

    Returns
    -------
    torch.Tensor
        Scalar: mean over the labels that exist.
    """
    known = torch.isfinite(target)
    size = torch.where(known, predicted - torch.nan_to_num(target), 0.0).abs()
    share = known.to(predicted.dtype)
    if weight is not None:
        share = share * weight[:, None]
    return (huber_loss(size, huber) * share).sum() / share.sum().clamp_min(1e-12)


def limit_loss(predicted, limit, huber):
    """Excess of [C/H] over upper limits, squared, linear beyond `huber`.

    Parameters
    ----------
    predicted : torch.Tensor (b,)
    limit : torch.Tensor (b,)
        Standardised; NaN for no limit.
    huber : float

    Returns
    -------
    torch.Tensor
        Scalar: a spectrum with a limit weighs as much as one label of another does, so the sum
        is divided by four times the number of spectra.
    """
    excess = torch.where(torch.isfinite(limit), torch.relu(predicted - limit), 0.0)
    return huber_loss(excess, huber).mean() / len(LABELS)


class TunedTraining:
    """A training run of `TunedMacrn`.

    Parameters
    ----------
    train, validation : cemp.models.data.Sample
        Spectra with labels; only `train` is learned from, `validation` picks the epoch.
    config : TunedConfig, optional
    settings : TunedSettings, optional
    limits : ndarray (n,), optional
        Upper limits of [C/H] [dex] of the training spectra, NaN where there is none.

    Attributes
    ----------
    model_ : TunedMacrn
        Running mean of the weights at the best epoch, in evaluation mode.
    history_ : list of dict
        One an epoch.
    """

    def __init__(self, train, validation, config=None, settings=None, limits=None):
        self.settings, self.train = settings or TunedSettings(), train
        make_deterministic(self.settings.seed, self.settings.threads)
        self.scaler = LabelScaler().fit(train.labels)
        self.model = self._network(config or TunedConfig())
        self.mean_model = copy.deepcopy(self.model).eval()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), weight_decay=self.settings.weight_decay
        )
        self.ivar = np.where(train.good & np.isfinite(train.flux), train.ivar, 0)
        self.flux = np.where(self.ivar > 0, train.flux, 1).astype(np.float32)
        self.typical = _typical_error(self.ivar)
        self.target = self._scaled(train.labels)
        self.limits = None
        if limits is not None:
            scaled = (limits - self.scaler.mean_[_C_H]) / self.scaler.scale_[_C_H]
            self.limits = torch.from_numpy(scaled.astype(np.float32))
        self.validation = validation
        self.step, self.history_, self.best = 0, [], math.inf

    def _network(self, config):
        model = TunedMacrn(config)
        mean, scale = pixel_scale(self.train.flux, self.train.good, self.settings.flux_floor)
        model.flux_mean.copy_(torch.from_numpy(mean))
        model.flux_scale.copy_(torch.from_numpy(scale))
        model.label_mean.copy_(torch.from_numpy(self.scaler.mean_))
        model.label_scale.copy_(torch.from_numpy(self.scaler.scale_))
        return model

    def _scaled(self, labels):
        return torch.from_numpy(self.scaler.transform(labels).astype(np.float32))

    def run(self, log=None):
        """Train over all epochs; returns itself."""
        for number in range(self.settings.epochs):
            start = time.perf_counter()
            losses = self._epoch(number)
            loss = self._validate()
            if loss < self.best:
                self.best, kept = loss, copy.deepcopy(self.mean_model.state_dict())
            row = {"epoch": number + 1, "train_loss": float(np.mean(losses)),
                   "validation_loss": loss, "seconds": time.perf_counter() - start}
            self.history_.append(row)
            if log:
                log("epoch {epoch:3d}  train {train_loss:.4f}  validation {validation_loss:.4f}  "
                    "{seconds:.1f} s".format(**row))
        self.mean_model.load_state_dict(kept)
        self.model_ = self.mean_model.eval()
        return self

    def _epoch(self, number):
        """All steps of an epoch; every random number follows from seed and epoch."""
        random = rng(f"tuned epoch {number}", self.settings.seed)
        torch.manual_seed(int(random.integers(2**62)))
        rows = np.arange(len(self.train))
        if self.settings.balance:
            fe_h = self.train.labels[:, _FE_H]
            rows = balanced_draw(fe_h, random, width=self.settings.draw_width)
        rows = random.permutation(rows)
        batches = np.array_split(rows, math.ceil(len(rows) / self.settings.batch))
        losses = []
        for i, part in enumerate(batches):
            progress = (number + i / len(batches)) / self.settings.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(progress, self.settings)
            losses.append(self._step(part, random))
        return losses

    def _step(self, rows, random):
        """One step of Adam; returns the loss."""
        self.model.train()
        flux, ivar = augment(
            self.flux[rows], self.ivar[rows], self.typical[rows], random, self.settings.augment
        )
        loss = self._loss(self.model, to_input(flux, ivar), rows)
        self.optimizer.zero_grad()
        loss.backward()
        if self.settings.clip_gradient:
            self._clip(self.settings.clip_gradient)
        self.optimizer.step()
        self.step += 1
        self._average()
        return float(loss.detach())

    def _clip(self, most):
        """Shorten gradients; those of the covariance by themselves, lest they slow the labels."""
        named = list(self.model.named_parameters())
        for of_factor in (False, True):
            part = [p for name, p in named if name.startswith("factor.") == of_factor]
            if part:
                torch.nn.utils.clip_grad_norm_(part, most)

    def _loss(self, model, x, rows):
        """Loss of a batch: robust errors of the labels, and the likelihood of their covariance."""
        target = self.target[rows]
        if model.config.covariance:
            predicted, settled, factor = model.labels_and_errors(x)
            likelihood = gaussian_nll(settled, factor, target)
        else:
            predicted, likelihood = model(x), 0.0
        loss = robust_loss(predicted, target, self.settings.huber) + likelihood
        if self.limits is not None:
            excess = limit_loss(predicted[:, _C_H], self.limits[rows], self.settings.huber)
            loss = loss + self.settings.limit_weight * excess
        return loss

    def _average(self):
        """Move the running mean of weights (and of batch statistics) towards the weights."""
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        move_mean(self.mean_model, self.model, decay)

    def _validate(self, batch=64):
        """Squared error of the mean weights on validation, every bin of [Fe/H] alike."""
        sample, made = self.validation, []
        ivar = np.where(sample.good, sample.ivar, 0)
        with torch.inference_mode():
            for start in range(0, len(sample), batch):
                part = slice(start, start + batch)
                made.append(self.mean_model(to_input(sample.flux[part], ivar[part])))
        weight = torch.from_numpy(bin_weights(sample.labels[:, _FE_H]).astype(np.float32))
        return float(robust_loss(torch.cat(made), self._scaled(sample.labels), 0, weight))


def _typical_error(ivar):
    """Median error (n,) of the good pixels of each spectrum."""
    rows = [np.median(row[row > 0]) if (row > 0).any() else 1.0 for row in ivar]
    return (1 / np.sqrt(np.array(rows))).astype(np.float32)
