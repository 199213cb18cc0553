"""The multi-scale attentional convolutional recurrent network (MACRN), as in Section 3.

Shapes in comments: b spectra of a batch, p pixels (5001), f filters (channels), t steps of
the shortened sequence, l labels (4).
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from cemp.constants import LABELS, N_PIX
from cemp.errors import BadInputError

#: Numbers in a lower-triangular matrix of the labels.
N_FACTOR = len(LABELS) * (len(LABELS) + 1) // 2
#: Least error of a label [scatter of the training labels]: keeps the likelihood bounded.
LEAST_ERROR = 0.01


@dataclass(frozen=True)
class MacrnConfig:
    """Size of the network; the defaults are those of the paper.

    Parameters
    ----------
    clip : float
        Pixels are compressed smoothly to within this many times their scatter, so that a
        noise spike in a faint spectrum does not count more than any line.
    kernels : tuple of int
        Kernel of each pyramid branch [pixels]; odd, so that a line stays where it is.
    channels : tuple of int
        Filters after each stage of a branch; few at full length, where they are dear.
    strides : tuple of int
        Step of each convolution: every second pixel at first, for at R = 1800 a line is
        2 to 5 pixels wide and the smallest kernel still sees every pixel.
    pools : tuple of int
        Shortening after each stage; with the strides it leaves the LSTM a hundred steps.
    reduction : int
        The attention's bottleneck: filters are described by ``f / reduction`` numbers.
    lstm_units : int
        Hidden units in each direction.
    step_features : int
        Numbers kept of each LSTM step, so that the head knows where a feature lies.
    head_units : int
        Width of the dense layer before the labels.
    dropout : float
        Fraction of the head's inputs dropped in training: there are only ~1,000 spectra.
    covariance : bool
        Whether the head also predicts the covariance of the labels' errors, learned by their
        likelihood; without, the network is that of the paper.
    mask_bins : int
        Stretches of the spectrum whose share of lost pixels the head is told beside the
        features, so that errors can widen where what they rest on is missing; 0 for none.
    """

    clip: float = 4.0
    kernels: tuple[int, ...] = (3, 5, 11)
    channels: tuple[int, ...] = (8, 16, 32)
    strides: tuple[int, ...] = (2, 1, 1)
    pools: tuple[int, ...] = (2, 4, 3)
    reduction: int = 8
    lstm_units: int = 48
    step_features: int = 8
    head_units: int = 64
    dropout: float = 0.1
    covariance: bool = False
    mask_bins: int = 0

    @property
    def n_filters(self):
        """Filters of all branches together."""
        return len(self.kernels) * self.channels[-1]

    @property
    def stage_lengths(self):
        """Length of the sequence after each stage."""
        lengths, length = [], N_PIX
        for stride, pool in zip(self.strides, self.pools, strict=True):
            length = math.ceil(length / stride) // pool
            lengths.append(length)
        return tuple(lengths)

    @property
    def n_steps(self):
        """Length of the sequence that reaches the LSTM."""
        return self.stage_lengths[-1]


class PyramidConv(nn.Module):
    """Parallel branches of different kernels, concatenated (Section 3.2.1).

    Small kernels see the cores of lines; large ones wings, molecular bands and slow shapes.
    """

    def __init__(self, config):
        super().__init__()
        self.branches = nn.ModuleList(self._branch(k, config) for k in config.kernels)

    @staticmethod
    def _branch(kernel, config):
        layers, n_in = [], 2
        stages = zip(config.channels, config.strides, config.pools, strict=True)
        for n_out, stride, pool in stages:
            # pooling before the (monotone) activation is the same and costs 1/pool
            layers += [
                nn.Conv1d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
                nn.MaxPool1d(pool),
                nn.BatchNorm1d(n_out),
                nn.ReLU(),
            ]
            n_in = n_out
        return nn.Sequential(*layers)

    def forward(self, x):
        """Map spectra (b, 2, p) to features (b, f, t)."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)  # (b, f, t)


class ChannelAttention(nn.Module):
    """One weight in (0, 1) for each filter, from all filters' means (Section 3.2.2).

    A filter is not a wavelength band: the weights say which filters count, never which
    wavelengths. Squeeze and excitation, Hu et al. (2018, CVPR, 7132).
    """

    def __init__(self, config):
        super().__init__()
        n_filters, n_hidden = config.n_filters, config.n_filters // config.reduction
        self.dense1 = nn.Linear(n_filters, n_hidden)
        self.dense2 = nn.Linear(n_hidden, n_filters)

    def weights(self, features):
        """Attention (b, f) of features (b, f, t)."""
        mean = features.mean(dim=2)  # (b, f) global average pooling
        hidden = torch.relu(self.dense1(mean))  # (b, f / reduction)
        return torch.sigmoid(self.dense2(hidden))  # (b, f)

    def forward(self, features):
        """Weigh features (b, f, t)."""
        return features * self.weights(features).unsqueeze(2)  # (b, f, t)


class Macrn(nn.Module):
    """Four stellar labels from one normalised, rest-frame spectrum.

    Parameters
    ----------
    config : MacrnConfig
        Size of the network.

    Notes
    -----
    The buffers ``flux_mean``, ``flux_scale``, ``label_mean`` and ``label_scale`` carry what
    was fitted on the training rows, so that weights and scalers cannot be parted.
    """

    def __init__(self, config=None):
        super().__init__()
        self.config = config = config or MacrnConfig()
        self.pyramid = PyramidConv(config)
        self.attention = ChannelAttention(config)
        self.lstm = nn.LSTM(
            config.n_filters, config.lstm_units, batch_first=True, bidirectional=True
        )
        self.step = nn.Linear(2 * config.lstm_units, config.step_features)
        self.dropout = nn.Dropout(config.dropout)
        n_head = config.n_steps * config.step_features + config.mask_bins
        self.dense = nn.Linear(n_head, config.head_units)
        self.labels = nn.Linear(config.head_units, len(LABELS))
        if config.covariance:  # last, so that the other weights start the same without it
            self.factor = nn.Linear(config.head_units, N_FACTOR)
        self.register_buffer("flux_mean", torch.zeros(N_PIX))
        self.register_buffer("flux_scale", torch.ones(N_PIX))
        self.register_buffer("label_mean", torch.zeros(len(LABELS)))
        self.register_buffer("label_scale", torch.ones(len(LABELS)))

    def features(self, x):
        """Map spectra (b, 2, p) to the pyramid's features (b, f, t)."""
        depth, good = x[:, 0], x[:, 1]  # (b, p) each
        contrast = good * (depth - self.flux_mean) / self.flux_scale  # (b, p); 0 where bad
        contrast = self.config.clip * torch.tanh(contrast / self.config.clip)  # (b, p)
        return self.pyramid(torch.stack([contrast, good], dim=1))  # (b, f, t)

    def forward(self, x):
        """Predict standardised labels.

        Parameters
        ----------
        x : torch.Tensor
            Spectra (b, 2, p): flux - 1 with 0 at bad pixels, and the mask (1 is good).

        Returns
        -------
        torch.Tensor
            Labels (b, l) in units of the training rows' mean and scatter.
        """
        return self.labels(self.hidden(x))  # (b, l)

    def hidden(self, x):
        """Map spectra (b, 2, p) to the head's last layer (b, head_units)."""
        features = self.features(x)  # (b, f, t)
        features = self.attention(features)  # (b, f, t)
        sequence, _ = self.lstm(features.transpose(1, 2))  # (b, t, 2 * lstm_units)
        steps = self.step(sequence)  # (b, t, step_features)
        steps = self.dropout(steps.flatten(1))  # (b, t * step_features)
        if self.config.mask_bins:
            steps = torch.cat([steps, self.lost(x)], dim=1)  # (b, ... + mask_bins)
        hidden = torch.relu(self.dense(steps))  # (b, head_units)
        return self.dropout(hidden)  # (b, head_units)

    def lost(self, x):
        """Share of lost pixels (b, mask_bins) in even stretches of the spectra (b, 2, p)."""
        return 1 - nn.functional.adaptive_avg_pool1d(x[:, 1:], self.config.mask_bins)[:, 0]

    def distribution(self, x):
        """Predict standardised labels and the Cholesky factor of their covariance.

        Parameters
        ----------
        x : torch.Tensor
            Spectra (b, 2, p), as for `forward`.

        Returns
        -------
        labels : torch.Tensor (b, l)
        factor : torch.Tensor (b, l, l)
            Lower triangular, diagonal at least `LEAST_ERROR`: covariance = factor factor^T.

        Raises
        ------
        BadInputError
            If the network was built without ``covariance``.
        """
        if not self.config.covariance:
            raise BadInputError(
                "this network predicts no covariance: train one with MacrnConfig(covariance=True)"
            )
        hidden = self.hidden(x)  # (b, head_units)
        raw = self.factor(hidden)  # (b, l (l + 1) / 2): the diagonal, then what is below it
        n = len(LABELS)
        diagonal = nn.functional.softplus(raw[:, :n]) + LEAST_ERROR  # (b, l)
        row, column = torch.tril_indices(n, n, -1, device=x.device)
        factor = torch.diag_embed(diagonal)  # (b, l, l)
        factor[:, row, column] = raw[:, n:]
        return self.labels(hidden), factor

    def physical(self, x):
        """Predict labels (b, l) in physical units: K and dex."""
        return self(x) * self.label_scale + self.label_mean  # (b, l)

    def physical_distribution(self, x):
        """Predict labels (b, l) and their covariance (b, l, l) in units of K and dex."""
        labels, factor = self.distribution(x)
        factor = factor * self.label_scale[:, None]  # (b, l, l)
        covariance = factor @ factor.transpose(1, 2)  # (b, l, l)
        return labels * self.label_scale + self.label_mean, covariance


def count_parameters(module):
    """Count trainable parameters.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    int
    """
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
