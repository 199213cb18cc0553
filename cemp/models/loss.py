"""What training makes small, how validation is weighed, and how fast Adam steps."""

import math

import numpy as np
import torch


def masked_mse(predicted, target, weight=None):
    """Mean squared error over the labels that exist.

    Parameters
    ----------
    predicted, target : torch.Tensor (b, 4)
        Standardised; NaN in `target` where a label is missing.
    weight : torch.Tensor (b,), optional
        Weight of a spectrum.

    Returns
    -------
    torch.Tensor
        Scalar; zero if no label exists.
    """
    known = torch.isfinite(target)
    error = torch.where(known, predicted - torch.nan_to_num(target), 0.0) ** 2
    share = known.to(predicted.dtype)
    if weight is not None:
        share = share * weight[:, None]
    return (error * share).sum() / share.sum().clamp_min(1e-12)


def bin_weights(fe_h, width=0.5, fewest=5):
    """Weights that count every bin of [Fe/H] alike, as the training draw does.

    Validation keeps its natural mix; unweighted, near-solar stars would decide when to stop.

    Parameters
    ----------
    fe_h : ndarray (n,)
        [Fe/H] [dex].
    width : float
        Bin [dex].
    fewest : int
        A bin with fewer spectra than this gets less than its share: one star is no bin.

    Returns
    -------
    ndarray (n,)
        Mean 1.
    """
    bins = np.floor(np.asarray(fe_h) / width)
    _, which, count = np.unique(bins, return_inverse=True, return_counts=True)
    weight = 1 / np.maximum(count, fewest)[which]
    return weight / weight.mean()


def learning_rate(progress, settings):
    """Learning rate at a fraction of the run: linear rise, then half a cosine down to 1%."""
    if progress < settings.warmup:
        return settings.learning_rate * max(progress / settings.warmup, 0.01)
    phase = (progress - settings.warmup) / (1 - settings.warmup)
    return settings.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * phase)) / 2)
