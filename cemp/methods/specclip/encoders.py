"""Networks of the contrastive model, and the loss that aligns them."""

import numpy as np
import torch
from torch import nn

from cemp.constants import N_PIX
from cemp.models.scaler import pixel_scale

#: Components of the LAMOST and of the XP spectra that the decoders give.
N_LAMOST, N_XP = 64, 16
#: Least scatter that a sample of ln(XP flux) is scaled by: the calibration's error.
XP_FLOOR = 0.005


def info_nce(left, right, star, scale):
    """Symmetric InfoNCE (van den Oord et al. 2018; Radford et al. 2021).

    Parameters
    ----------
    left, right : torch.Tensor (b, d)
        Embeddings of pairs, each of unit length.
    star : torch.Tensor (b,)
        Whose they are: another spectrum of the same star is no negative and does not count.
    scale : torch.Tensor
        Inverse temperature.

    Returns
    -------
    torch.Tensor
        Scalar: mean cross entropy of finding the partner among the batch, both ways;
        ln(b) for embeddings that know nothing.
    """
    logits = scale * left @ right.T
    same = (star[:, None] == star) & ~torch.eye(len(star), dtype=torch.bool)
    logits = logits.masked_fill(same, -1e9)
    target = torch.arange(len(star))
    cross = nn.functional.cross_entropy
    return (cross(logits, target) + cross(logits.T, target)) / 2


class Components(nn.Module):
    """Principal components of spectra, with scores of like size: what decoders predict.

    Parameters
    ----------
    spectra : ndarray (n, m)
        Training spectra without gaps.
    n_components : int

    Notes
    -----
    Scores are divided by the square root of their scatter: a compromise between the spectrum's
    variance, which is temperature nearly alone, and all components alike, most of which are noise.
    """

    def __init__(self, spectra, n_components):
        super().__init__()
        mean = spectra.mean(axis=0)
        _, size, rows = np.linalg.svd(spectra - mean, full_matrices=False)
        k = min(n_components, int((size > 1e-4 * size[0]).sum()))  # clean data may have few
        scatter = np.sqrt(size[:k] / np.sqrt(len(spectra)))
        for name, array in (("mean", mean), ("rows", rows[:k]), ("scatter", scatter)):
            self.register_buffer(name, torch.from_numpy(array.astype(np.float32)))
        self.variance = float(np.mean(scatter**2))

    def scores(self, spectra):
        """Spectra (b, m) to scores (b, k)."""
        return (spectra - self.mean) @ self.rows.T / self.scatter

    def spectra(self, scores):
        """Scores (b, k) to spectra (b, m)."""
        return scores * self.scatter @ self.rows + self.mean


def dense(n_in, n_out, hidden, dropout=0.0):
    """Build a network with one hidden layer."""
    return nn.Sequential(nn.Linear(n_in, hidden), nn.GELU(), nn.Dropout(dropout),
                         nn.Linear(hidden, n_out))  # fmt: skip


class LamostEncoder(nn.Module):
    """LAMOST spectra to embeddings: three strided convolutions and a dense layer.

    Parameters
    ----------
    flux, good : ndarray (n, 5001)
        Training spectra, for the mean and scatter of each pixel.
    size, width : int
        Of the embedding; filters of the first convolution, half those of the others.
    dropout : float
    """

    def __init__(self, flux, good, size, width, dropout):
        super().__init__()
        for name, array in zip(("mean", "scale"), pixel_scale(flux, good), strict=True):
            self.register_buffer(name, torch.from_numpy(array.astype(np.float32)))
        layers = []
        shapes = ((2, width, 16, 8), (width, 2 * width, 9, 4), (2 * width, 2 * width, 5, 2))
        for n_in, n_out, kernel, stride in shapes:
            layers += [nn.Conv1d(n_in, n_out, kernel, stride, padding=kernel // 2), nn.GELU()]
        self.convolve = nn.Sequential(*layers, nn.Flatten())
        length = self.convolve(torch.zeros(1, 2, N_PIX)).shape[1]
        self.embed = nn.Sequential(nn.Dropout(dropout), nn.Linear(length, size), nn.LayerNorm(size),
                                   nn.GELU(), nn.Linear(size, size))  # fmt: skip

    def forward(self, x):
        """Embed inputs of `cemp.models.data.to_input` (b, 2, 5001): (b, size)."""
        flux = (x[:, 0] - self.mean) / self.scale * x[:, 1]
        return self.embed(self.convolve(torch.stack([flux, x[:, 1]], dim=1)))


class XpEncoder(nn.Module):
    """XP spectra to embeddings: a dense network of the standardised ln(flux).

    Parameters
    ----------
    log_flux : ndarray (n, n_xp)
        Training spectra.
    size : int
    dropout : float
    """

    def __init__(self, log_flux, size, dropout):
        super().__init__()
        scale = np.hypot(log_flux.std(axis=0), XP_FLOOR)
        for name, array in (("mean", log_flux.mean(axis=0)), ("scale", scale)):
            self.register_buffer(name, torch.from_numpy(array.astype(np.float32)))
        n = log_flux.shape[1]
        self.embed = nn.Sequential(nn.Linear(n, 256), nn.GELU(), nn.Dropout(dropout),
                                   nn.Linear(256, 256), nn.LayerNorm(256), nn.GELU(),
                                   nn.Linear(256, size))  # fmt: skip

    def forward(self, x):
        """Embed ln(flux) (b, n_xp): (b, size)."""
        return self.embed((x - self.mean) / self.scale)


class Pair(nn.Module):
    """Both encoders, their common space and the decoders.

    Parameters
    ----------
    flux, good : ndarray (n, 5001)
        LAMOST training spectra.
    log_flux : ndarray (n, n_xp)
        Their stars' XP spectra.
    size, width, shared : int
        Of the embeddings, of the convolutions, of the space in which surveys are aligned.
    temperature : float
        To start with; it is learned.
    dropout : float
    """

    def __init__(self, flux, good, log_flux, size, width, shared, temperature, dropout):
        super().__init__()
        self.lamost = LamostEncoder(flux, good, size, width, dropout)
        self.xp = XpEncoder(log_flux, size, dropout)
        self.to_shared = nn.ModuleList(nn.Linear(size, shared) for _ in range(2))
        self.log_scale = nn.Parameter(torch.tensor(-np.log(temperature), dtype=torch.float32))
        filled = np.where(good, flux - 1, self.lamost.mean.numpy())
        self.lamost_parts = Components(filled, N_LAMOST)
        self.xp_parts = Components(log_flux, N_XP)
        sizes = (len(self.lamost_parts.scatter), len(self.xp_parts.scatter))
        self.decode = nn.ModuleList(dense(size, n, 256) for n in sizes)

    def align(self, embedding, survey):
        """Embeddings to vectors of unit length in the common space (survey 0 LAMOST, 1 XP)."""
        return nn.functional.normalize(self.to_shared[survey](embedding), dim=1)

    def contrast(self, lamost, xp, star):
        """InfoNCE of embeddings; the temperature cannot fall below 0.01."""
        scale = self.log_scale.clamp(max=np.log(100.0)).exp()
        return info_nce(self.align(lamost, 0), self.align(xp, 1), star, scale)

    def decoding(self, embeddings, clean):
        """Mean squared error of both spectra from either embedding, each over its variance.

        Parameters
        ----------
        embeddings : sequence of torch.Tensor (b, size)
        clean : sequence of torch.Tensor (b, k)
            Scores of the LAMOST and of the XP spectra, without added noise.
        """
        parts = (self.lamost_parts, self.xp_parts)
        return sum(((decode(e) - target) ** 2).mean() / part.variance
                   for e in embeddings
                   for decode, target, part in zip(self.decode, clean, parts, strict=True)) / 4
