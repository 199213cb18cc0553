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


def gaussian_nll(predicted, factor, target, weight=None):
    """Negative log likelihood of labels under a Gaussian, over the labels that exist.

    Parameters
    ----------
    predicted, target : torch.Tensor (b, 4)
        Standardised; NaN in `target` where a label is missing: the others' marginal counts.
    factor : torch.Tensor (b, 4, 4)
        Lower-triangular Cholesky factor of the covariance, with a positive diagonal.
    weight : torch.Tensor (b,), optional
        Weight of a spectrum.

    Returns
    -------
    torch.Tensor
        Scalar: mean over the spectra, without the constant ln(2 pi) / 2 of each label.
    """
    known = torch.isfinite(target)
    error = torch.where(known, torch.nan_to_num(target) - predicted, 0.0)
    if not bool(known.all()):
        factor = _marginal(factor, known)
    z = torch.linalg.solve_triangular(factor, error.unsqueeze(2), upper=False).squeeze(2)
    ln_det = torch.log(torch.diagonal(factor, dim1=1, dim2=2)).sum(dim=1)
    nll = 0.5 * (z**2).sum(dim=1) + ln_det
    if weight is None:
        return nll.mean()
    return (nll * weight).sum() / weight.sum().clamp_min(1e-12)


def _marginal(factor, known):
    """Cholesky factor of the known labels' covariance; missing ones become independent of them.

    With error 0 and variance 1 a missing label adds nothing to the likelihood.
    """
    share = known.to(factor.dtype)
    both = share[:, :, None] * share[:, None, :]  # (b, 4, 4)
    covariance = both * (factor @ factor.transpose(1, 2)) + torch.diag_embed(1 - share)
    return torch.linalg.cholesky(covariance)


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


def move_mean(mean, network, decay):
    """Move a running mean of weights, and of batch statistics, towards a network's.

    Parameters
    ----------
    mean, network : torch.nn.Module
        Of one architecture; `mean` is changed in place.
    decay : float
        Share of itself that the mean keeps; counters are copied.
    """
    state = network.state_dict()
    with torch.no_grad():
        for name, value in mean.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(state[name], 1 - decay)
            else:
                value.copy_(state[name])
