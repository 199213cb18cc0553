"""MACRN at its best: the parts of Section 3, arranged for speed, and told the noise.

Beside the paper's configuration (`cemp.models.macrn.MacrnConfig`), which stays as it is. What
differs: convolutions step over pixels instead of pooling them; each pixel comes with how much
its error leaves of it, not only with good or bad; the loss forgives wrong catalogue labels.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from cemp.constants import LABELS, N_PIX
from cemp.models.macrn import LEAST_ERROR, N_FACTOR, Macrn, MacrnConfig


@dataclass(frozen=True)
class TunedConfig(MacrnConfig):
    """Size of the tuned network; what is not named here is as in `MacrnConfig`.

    Parameters
    ----------
    kernels : tuple of int
        First kernel of each branch [pixels], never shorter than the first stride, so that
        every pixel is seen; wider than the paper's because the first step is.
    later_kernel : int
        Kernel of the stages after the first.
    covariance : bool
        Whether errors are learned too. They are read from the last layer as the labels left it:
        the likelihood of the errors does not change the labels, which it made worse in trials.
    attention : bool
        Whether filters are weighed; False leaves the attention out (for the ablation).
    directions : int
        Directions in which the LSTM reads: 2, 1, or 0 for a dense layer at each step instead.
    soft_mask : bool
        Whether a pixel counts by its error; False tells good from bad alone, as in the paper.
    """

    kernels: tuple[int, ...] = (5, 11, 21)
    channels: tuple[int, ...] = (16, 24, 32)
    strides: tuple[int, ...] = (5, 5, 5)
    pools: tuple[int, ...] = (1, 1, 1)
    later_kernel: int = 5
    covariance: bool = True
    mask_bins: int = 10
    attention: bool = True
    directions: int = 2
    soft_mask: bool = True


class StridedPyramid(nn.Module):
    """Parallel branches of different first kernels, shortened by steps instead of pools."""

    def __init__(self, config):
        super().__init__()
        self.branches = nn.ModuleList(self._branch(k, config) for k in config.kernels)

    @staticmethod
    def _branch(kernel, config):
        layers, n_in = [], 2
        for n_out, stride in zip(config.channels, config.strides, strict=True):
            layers += [
                nn.Conv1d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
                nn.BatchNorm1d(n_out),
                nn.ReLU(inplace=True),
            ]
            n_in, kernel = n_out, config.later_kernel
        return nn.Sequential(*layers)

    def forward(self, x):
        """Map spectra (b, 2, p) to features (b, f, t)."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)  # (b, f, t)


class TunedMacrn(Macrn):
    """MACRN that reads flux and inverse variance.

    The second input channel is the inverse variance of the normalised flux, 0 at bad pixels.
    A pixel of error sigma whose training spectra scatter by s keeps the share
    s^2 / (s^2 + sigma^2) of its contrast, the best linear guess of a noiseless value, and the
    share itself is what the network is told in place of the mask.

    Parameters
    ----------
    config : TunedConfig
    """

    def __init__(self, config=None):
        config = config or TunedConfig()
        super().__init__(replace(config, covariance=False))
        self.config = config
        self.pyramid = StridedPyramid(config)
        width = 2 * config.lstm_units
        if config.directions == 1:  # as many outputs from one direction as from two
            self.lstm = nn.LSTM(config.n_filters, width, batch_first=True)
        elif config.directions == 0:
            self.lstm = nn.Linear(config.n_filters, width)
        if not config.attention:
            self.attention = nn.Identity()
        if config.covariance:  # last, so that the other weights start the same without it
            self.factor = nn.Linear(config.head_units + config.mask_bins, N_FACTOR)

    def share(self, x):
        """Share (b, p) of each pixel's contrast that its error leaves; 0 where bad."""
        ivar = x[:, 1]  # (b, p)
        if not self.config.soft_mask:
            return (ivar > 0).to(x.dtype)
        signal = ivar * self.flux_scale**2  # (b, p) squared signal-to-noise of the contrast
        return signal / (1 + signal)

    def features(self, x):
        """Map spectra (b, 2, p) to the pyramid's features (b, f, t)."""
        share = self.share(x)  # (b, p)
        contrast = share * (x[:, 0] - self.flux_mean) / self.flux_scale  # (b, p)
        contrast = self.config.clip * torch.tanh(contrast / self.config.clip)  # (b, p)
        return self.pyramid(torch.stack([contrast, share], dim=1))  # (b, f, t)

    def steps(self, x):
        """Map spectra (b, 2, p) to the steps' features and the lost shares (b, n_head)."""
        features = self.attention(self.features(x)).transpose(1, 2)  # (b, t, f)
        if self.config.directions:
            sequence, _ = self.lstm(features)  # (b, t, 2 * lstm_units)
        else:
            sequence = torch.tanh(self.lstm(features))  # (b, t, 2 * lstm_units)
        return self.step(sequence).flatten(1)  # (b, t * step_features)

    def head(self, steps, lost, dropout):
        """Map steps to the head's last layer (b, head_units), with dropout or without."""
        steps = dropout(steps)  # (b, t * step_features)
        if self.config.mask_bins:
            steps = torch.cat([steps, lost], dim=1)  # (b, ... + mask_bins)
        return dropout(torch.relu(self.dense(steps)))  # (b, head_units)

    def hidden(self, x):
        """Map spectra (b, 2, p) to the head's last layer (b, head_units)."""
        return self.head(self.steps(x), self.lost(x), self.dropout)

    def distribution(self, x):
        """Predict standardised labels (b, l) and the factor (b, l, l) of their covariance.

        As `Macrn.distribution`; in training, dropout makes no part of the errors.
        """
        return self.labels_and_errors(x)[1:]

    def labels_and_errors(self, x):
        """Labels to learn from, with dropout; and labels without, with their covariance's factor.

        Gradients of the last two stop before the layers that make labels.
        """
        steps, lost = self.steps(x), self.lost(x)
        labels = self.labels(self.head(steps, lost, self.dropout))  # (b, l)
        with torch.no_grad():
            hidden = self.head(steps, lost, lambda values: values)  # (b, head_units)
            settled = self.labels(hidden)  # (b, l)
        n = len(LABELS)
        told = torch.cat([hidden, lost], dim=1) if self.config.mask_bins else hidden
        raw = self.factor(told)  # (b, l (l + 1) / 2): the diagonal, then what is below it
        row, column = torch.tril_indices(n, n, -1)
        factor = torch.diag_embed(nn.functional.softplus(raw[:, :n]) + LEAST_ERROR)  # (b, l, l)
        factor[:, row, column] = raw[:, n:]
        return labels, settled, factor

    def lost(self, x):
        """Mean share (b, mask_bins) that is lost in even stretches of the spectra (b, 2, p)."""
        if not self.config.mask_bins:
            return None
        share = self.share(x)[:, None]  # (b, 1, p)
        return 1 - nn.functional.adaptive_avg_pool1d(share, self.config.mask_bins)[:, 0]


def to_input(flux, ivar):
    """Make the tuned network's input.

    Parameters
    ----------
    flux, ivar : ndarray (n, 5001)
        Normalised flux and its inverse variance, 0 where a pixel is not good.

    Returns
    -------
    torch.Tensor (n, 2, 5001)
        Flux - 1, with 0 at bad pixels whatever their value, and the inverse variance.
    """
    flux, ivar = np.atleast_2d(flux), np.atleast_2d(ivar)
    good = (ivar > 0) & np.isfinite(flux)
    x = np.empty((len(flux), 2, N_PIX), dtype=np.float32)
    x[:, 0] = np.where(good, flux - 1, 0)
    x[:, 1] = np.where(good, ivar, 0)
    return torch.from_numpy(x)


def predict(model, flux, ivar, batch=64):
    """Predict labels, and the covariance of their errors if the network has it.

    Parameters
    ----------
    model : TunedMacrn
        Trained; left in the mode it was found in.
    flux, ivar : ndarray (n, 5001)
    batch : int
        Spectra at a time: few enough for the processor's cache.

    Returns
    -------
    labels : ndarray (n, 4)
        teff [K], logg [dex], fe_h [dex], c_h [dex].
    covariance : ndarray (n, 4, 4) or None
        In products of these units.
    """
    was_training, n = model.training, len(LABELS)
    model.eval()
    labels = np.empty((len(flux), n))
    covariance = np.empty((len(flux), n, n)) if model.config.covariance else None
    with torch.inference_mode():
        for start in range(0, len(flux), batch):
            part = slice(start, start + batch)
            x = to_input(flux[part], ivar[part])
            if covariance is None:
                labels[part] = model.physical(x).numpy()
            else:
                made = model.physical_distribution(x)
                labels[part], covariance[part] = (array.numpy() for array in made)
    model.train(was_training)
    return labels, covariance
