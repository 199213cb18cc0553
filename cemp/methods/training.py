"""Training of a network that takes spectra to labels, whatever the network."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch

from cemp.constants import LABELS, SEED, rng
from cemp.methods.base import validation_loss
from cemp.models.data import Augment, augment
from cemp.models.device import make_deterministic
from cemp.models.loss import learning_rate, masked_mse, move_mean
from cemp.models.scaler import LabelScaler
from cemp.sample import balanced_draw


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network learns.

    Parameters
    ----------
    epochs : int
        Draws of the training sample, balanced in [Fe/H].
    batch : int
        Spectra a step.
    learning_rate : float
        Highest; rises over the first `warmup` of all steps and falls to a hundredth.
    warmup : float
    weight_decay : float
        Decoupled from the gradient (Loshchilov & Hutter 2019).
    ema : float
        Decay a step of the running mean of weights, which is what is validated and kept.
    every : int
        Epochs between validations.
    draw_width : float
        Bin of the balanced draw [dex].
    seed : int
        Of draws, noise and dropout.
    """

    epochs: int = 30
    batch: int = 32
    learning_rate: float = 3e-3
    warmup: float = 0.1
    weight_decay: float = 1e-2
    ema: float = 0.99
    every: int = 1
    draw_width: float = 0.25
    seed: int = SEED


def noise_augment(noise_fraction, mask_fraction=0.3):
    """Augmentation as MACRN trains with, but for how often noise is added.

    Parameters
    ----------
    noise_fraction, mask_fraction : float
        Share of drawn spectra that get more noise, and that lose a stretch of pixels.

    Returns
    -------
    cemp.models.data.Augment
    """
    return Augment(noise_fraction=noise_fraction, mask_fraction=mask_fraction)


def varied(spectra, rows, random, settings):
    """Vary some spectra as `cemp.models.data.augment` does.

    Parameters
    ----------
    spectra : object
        With arrays ``flux``, ``ivar``, ``good``.
    rows : ndarray of int (m,)
    random : numpy.random.Generator
    settings : cemp.models.data.Augment

    Returns
    -------
    flux, good : ndarray (m, n_pix)
    """
    arrays = (spectra.flux[rows], spectra.ivar[rows], spectra.good[rows])
    return augment(*arrays, random, settings)


def train_network(build, inputs, labels, schedule, validation=None):
    """Train a network on standardised labels.

    Parameters
    ----------
    build : callable
        Takes nothing and returns the network; called once the seed is set.
    inputs : callable
        ``inputs(rows, random)`` gives the tensor of a batch of training rows.
    labels : ndarray (n, 4)
        Physical units; missing ones (NaN) are left out of the loss.
    schedule : Schedule
    validation : tuple of (torch.Tensor, ndarray (m, 4)), optional
        Inputs and labels by which the best epoch is kept; without them it is the last.

    Returns
    -------
    network : torch.nn.Module
        Running mean of weights, in evaluation mode.
    scaler : LabelScaler
        Of the labels.
    """
    make_deterministic(schedule.seed, 1)
    scaler = LabelScaler().fit(labels)
    target = torch.from_numpy(scaler.transform(labels).astype(np.float32))
    network = build()
    mean = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=schedule.weight_decay)
    fe_h = labels[:, LABELS.index("fe_h")]
    best, best_loss, step = None, np.inf, 0
    for epoch in range(schedule.epochs):
        random = rng(f"methods epoch {epoch}", schedule.seed)
        torch.manual_seed(int(random.integers(2**62)))
        rows = balanced_draw(fe_h, random, schedule.draw_width)
        batches = np.array_split(rows, math.ceil(len(rows) / schedule.batch))
        for i, part in enumerate(batches):
            rate = learning_rate((epoch + i / len(batches)) / schedule.epochs, schedule)
            _step(network, optimizer, rate, inputs(part, random), target[part])
            step += 1
            move_mean(mean, network, min(schedule.ema, (1 + step) / (10 + step)))
        last = epoch + 1 == schedule.epochs
        if validation is not None and (last or (epoch + 1) % schedule.every == 0):
            predicted = scaler.inverse(apply_network(mean, validation[0]))
            loss = validation_loss(predicted, validation[1], scaler)
            if loss < best_loss:
                best, best_loss = copy.deepcopy(mean.state_dict()), loss
    if best is not None:
        mean.load_state_dict(best)
    return mean, scaler


def _step(network, optimizer, rate, x, target):
    """One step of Adam at a given rate."""
    network.train()
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = masked_mse(network(x), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def apply_network(network, x, batch=256):
    """Apply a network in evaluation mode: ndarray (n, ...) of its outputs for inputs (n, ...)."""
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(part) for part in torch.split(x, batch)]).numpy()
