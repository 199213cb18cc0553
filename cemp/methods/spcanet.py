"""Principal components and a dense network.

SPCANet is often described so. The published one, the Stellar Parameters and Chemical Abundances
Network (Wang et al. 2020, ApJ 891, 23), is a convolutional network for LAMOST's medium-resolution
spectra, and its name does not stand for principal components; the convolutional network of
`cemp.methods.cnn` is nearer to it. Here it is the simple one: a few tens of components,
then dense layers, as in Bailer-Jones et al. (1998, MNRAS 298, 361).
"""

import numpy as np
import torch
from torch import nn

from cemp.constants import LABELS, SEED, rng
from cemp.methods.base import Method, Prediction
from cemp.methods.training import Schedule, apply_network, noise_augment, train_network, varied
from cemp.models.macrn import count_parameters
from cemp.models.scaler import pixel_scale
from cemp.sample import balanced_draw


class Components:
    """Principal components of spectra with bad pixels.

    Parameters
    ----------
    n_components : int
    floor : float
        Least scatter that a pixel is scaled by [normalised flux].
    clip : float
        Pixels are kept within this many times their scatter: spikes count no more than lines.
    n_fill : int
        Times that bad pixels are filled with what the components make of the rest.

    Attributes
    ----------
    mean_, scale_ : ndarray (n_pix,)
        Of flux - 1.
    vectors_ : ndarray (n_components, n_pix)
    size_ : ndarray (n_components,)
        Root mean square of each component's coefficient in the training rows.
    """

    def __init__(self, n_components=40, floor=0.02, clip=6.0, n_fill=3):
        self.n_components, self.floor = n_components, floor
        self.clip, self.n_fill = clip, n_fill

    def fit(self, flux, good):
        """Learn from spectra (n, n_pix); bad pixels are filled as the components emerge."""
        self.mean_, self.scale_ = pixel_scale(flux, good, self.floor)
        contrast, bad = self._contrast(flux, good)
        for _ in range(self.n_fill):
            self.vectors_ = _leading(contrast, self.n_components)
            filled = contrast @ self.vectors_.T @ self.vectors_
            contrast[bad] = filled[bad]
        self.size_ = np.sqrt(np.mean((contrast @ self.vectors_.T) ** 2, axis=0))
        return self

    def transform(self, flux, good, chunk=1000):
        """Coefficients (n, n_components) of spectra (n, n_pix), each of unit size in training."""
        parts = [
            self._transform(flux[start : start + chunk], good[start : start + chunk])
            for start in range(0, len(flux), chunk)
        ]
        return np.concatenate(parts)

    def _transform(self, flux, good):
        contrast, bad = self._contrast(flux, good)
        for _ in range(self.n_fill):
            filled = contrast @ self.vectors_.T @ self.vectors_
            contrast[bad] = filled[bad]
        return contrast @ self.vectors_.T / self.size_

    def _contrast(self, flux, good):
        """Flux in units of its pixel's scatter, 0 where bad; and where it is bad."""
        bad = ~(good & np.isfinite(flux))
        depth = (np.where(bad, 1, flux) - 1 - self.mean_) / self.scale_
        contrast = np.where(bad, 0, np.clip(depth, -self.clip, self.clip))
        return contrast.astype(np.float32), bad


def _leading(contrast, n):
    """Leading right singular vectors (n, n_pix), by way of the smaller Gram matrix."""
    value, left = np.linalg.eigh(contrast.astype(float) @ contrast.T.astype(float))
    n = min(n, int((value > 1e-10 * value[-1]).sum()))  # few spectra have fewer components
    vectors = left[:, : -n - 1 : -1].T @ contrast / np.sqrt(value[: -n - 1 : -1])[:, None]
    return vectors.astype(np.float32)


class SpcaNet(Method):
    """Principal components of the normalised spectrum, then dense layers.

    Parameters
    ----------
    n_components : int
    hidden : tuple of int
        Units of the dense layers.
    dropout : float
        Between the layers.
    n_copies : int
        Varied copies (noise, velocity, lost pixels) of each training spectrum.
    noise_fraction : float
        Share of copies that get more noise; 0 trains on bright spectra only.
    epochs : int
    learning_rate : float
    weight_decay : float
    seed : int

    Attributes
    ----------
    components_ : Components
        Of a draw of the training spectra balanced in [Fe/H].
    network_ : torch.nn.Module
    scaler_ : LabelScaler
    """

    name = "SPCANet"
    TRIALS = (
        {},
        {"n_components": 40},
        {"n_components": 160},
        {"dropout": 0.2},
        {"dropout": 0.0},
        {"hidden": (64,)},
        {"hidden": (256, 128)},
        {"weight_decay": 0.1},
        {"learning_rate": 1e-3},
        {"noise_fraction": 0.4},
        {"noise_fraction": 0.0},
        {"n_copies": 20, "epochs": 200},
    )

    def __init__(self, n_components=80, hidden=(128, 64), dropout=0.1, n_copies=10,
                 noise_fraction=0.7, epochs=100, learning_rate=3e-3, weight_decay=1e-2,
                 seed=SEED):  # fmt: skip
        self.n_components, self.hidden, self.dropout = n_components, hidden, dropout
        self.n_copies, self.noise_fraction = n_copies, noise_fraction
        self.epochs, self.learning_rate = epochs, learning_rate
        self.weight_decay, self.seed = weight_decay, seed

    def fit(self, spectra, labels, validation=None):
        """Find the components, then train; the best epoch on `validation` is kept."""
        random = rng("methods spcanet", self.seed)
        fe_h = labels[:, LABELS.index("fe_h")]
        rows = balanced_draw(fe_h, random)
        self.components_ = Components(self.n_components)
        self.components_.fit(spectra.flux[rows], spectra.good[rows])
        copies = self._copies(spectra, random)
        schedule = Schedule(self.epochs, 32, self.learning_rate, weight_decay=self.weight_decay,
                            every=5, seed=self.seed)  # fmt: skip
        if validation is not None:
            validation = self._input(validation[0]), validation[1]
        self.network_, self.scaler_ = train_network(
            self._build,
            lambda rows, random: copies[random.integers(len(copies), size=len(rows)), rows],
            labels, schedule, validation,
        )  # fmt: skip
        return self

    def predict(self, spectra):
        """Labels, without errors."""
        return Prediction(self.scaler_.inverse(apply_network(self.network_, self._input(spectra))))

    @property
    def n_parameters(self):
        """Numbers in the components and the network."""
        return self.components_.vectors_.size + count_parameters(self.network_)

    def _input(self, spectra):
        return torch.from_numpy(self.components_.transform(spectra.flux, spectra.good))

    def _copies(self, spectra, random):
        """Coefficients (n_copies, n, n_components) of varied training spectra."""
        settings, rows = noise_augment(self.noise_fraction), np.arange(len(spectra.flux))
        return torch.from_numpy(np.stack([
            self.components_.transform(*varied(spectra, rows, random, settings))
            for _ in range(self.n_copies)
        ]))  # fmt: skip

    def _build(self):
        sizes = (len(self.components_.vectors_), *self.hidden)
        layers = []
        for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(n_in, n_out), nn.GELU(), nn.Dropout(self.dropout)]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], len(LABELS)))
