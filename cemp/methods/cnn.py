"""A convolutional network from pixels to labels, without pyramid, attention or recurrence.

One is sometimes described under the name of SLAM, which is support-vector regression
(`cemp.methods.slam`). This one follows StarNet (Fabbro et al. 2018, MNRAS 475, 2978; on LAMOST
spectra R. Zhang et al. 2019, PASP 131, 094202): convolutions, pooling, dense layers.
"""

import torch
from torch import nn

from cemp.constants import LABELS, SEED
from cemp.methods.base import Method, Prediction
from cemp.methods.training import Schedule, apply_network, noise_augment, train_network, varied
from cemp.models.data import to_input
from cemp.models.macrn import count_parameters
from cemp.models.scaler import pixel_scale


class Convolutions(nn.Module):
    """The network; shapes in comments: b spectra, p pixels, f filters, t steps.

    Parameters
    ----------
    mean, scale : ndarray (p,)
        Of flux - 1 in the training rows.
    channels, kernels, strides, pools : tuple of int
        One convolution each.
    units : int
        Of the dense layer.
    dropout : float
        Of the dense layers' inputs.
    clip : float
        Pixels are compressed smoothly to within this many times their scatter.
    """

    def __init__(self, mean, scale, channels, kernels, strides, pools, units, dropout, clip=4.0):
        super().__init__()
        self.clip = clip
        self.register_buffer("flux_mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("flux_scale", torch.as_tensor(scale, dtype=torch.float32))
        layers, n_in = [], 2
        for n_out, kernel, stride, pool in zip(channels, kernels, strides, pools, strict=True):
            layers += [nn.Conv1d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
                       nn.MaxPool1d(pool), nn.BatchNorm1d(n_out), nn.ReLU()]  # fmt: skip
            n_in = n_out
        self.features = nn.Sequential(*layers)
        with torch.no_grad():
            n_flat = self.features.eval()(torch.zeros(1, 2, len(mean))).numel()
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(n_flat, units), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(units, len(LABELS)),
        )  # fmt: skip

    def forward(self, x):
        """Map spectra (b, 2, p), flux - 1 and mask, to standardised labels (b, 4)."""
        depth, good = x[:, 0], x[:, 1]  # (b, p) each
        contrast = good * (depth - self.flux_mean) / self.flux_scale  # (b, p)
        contrast = self.clip * torch.tanh(contrast / self.clip)  # (b, p)
        features = self.features(torch.stack([contrast, good], dim=1))  # (b, f, t)
        return self.head(features)  # (b, 4)


class Cnn(Method):
    """End-to-end convolutional network.

    Parameters
    ----------
    channels, kernels, strides, pools : tuple of int
        Filters, width [pixels], step and shortening of each convolution.
    units : int
        Of the dense layer.
    dropout : float
    noise_fraction : float
        Share of drawn spectra that get more noise; 0 trains on bright spectra only.
    epochs, batch : int
    learning_rate, weight_decay : float
    seed : int

    Attributes
    ----------
    network_ : Convolutions
    scaler_ : LabelScaler
    """

    name = "CNN"
    TRIALS = (
        {},
        {"dropout": 0.3},
        {"kernels": (11, 7, 5)},
        {"channels": (8, 16, 32)},
        {"noise_fraction": 0.4},
        {"pools": (2, 4, 2), "units": 64},
        {"learning_rate": 1e-3},
    )

    def __init__(self, channels=(16, 32, 64), kernels=(7, 5, 5), strides=(2, 1, 1),
                 pools=(2, 4, 4), units=128, dropout=0.1, noise_fraction=0.7, epochs=22,
                 batch=32, learning_rate=3e-3, weight_decay=1e-2, seed=SEED):  # fmt: skip
        self.channels, self.kernels, self.strides, self.pools = channels, kernels, strides, pools
        self.units, self.dropout, self.noise_fraction = units, dropout, noise_fraction
        self.epochs, self.batch = epochs, batch
        self.learning_rate, self.weight_decay, self.seed = learning_rate, weight_decay, seed

    def fit(self, spectra, labels, validation=None):
        """Train; the best epoch on `validation` is kept."""
        mean, scale = pixel_scale(spectra.flux, spectra.good)
        settings = noise_augment(self.noise_fraction)
        schedule = Schedule(self.epochs, self.batch, self.learning_rate,
                            weight_decay=self.weight_decay, seed=self.seed)  # fmt: skip
        if validation is not None:
            validation = to_input(validation[0].flux, validation[0].good), validation[1]
        self.network_, self.scaler_ = train_network(
            lambda: Convolutions(mean, scale, self.channels, self.kernels, self.strides,
                                 self.pools, self.units, self.dropout),
            lambda rows, random: to_input(*varied(spectra, rows, random, settings)),
            labels, schedule, validation,
        )  # fmt: skip
        return self

    def predict(self, spectra, chunk=1024):
        """Labels, without errors."""
        labels = torch.empty(len(spectra.flux), len(LABELS), dtype=torch.float64)
        for start in range(0, len(labels), chunk):
            part = slice(start, start + chunk)
            x = to_input(spectra.flux[part], spectra.good[part])
            made = self.scaler_.inverse(apply_network(self.network_, x))
            labels[part] = torch.from_numpy(made)
        return Prediction(labels.numpy())

    @property
    def n_parameters(self):
        """Weights of the network."""
        return count_parameters(self.network_)
