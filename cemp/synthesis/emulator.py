"""Spectra between the grid's spectra: principal components and small networks.

A provisional emulator. It reproduces held-out grid spectra to about half a per cent (measured by
`cross_validate`), which is less than the physics that `cemp.mock.physics` adds on purpose.
"""

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.constants import SEED, WAVE
from cemp.synthesis.grid import GRID_R, grid_hash, load_grid
from cemp.synthesis.resolution import FWHM_TO_SIGMA

#: Room that the stretched flux leaves below 0 and above 1.
FLOOR = 0.03


@dataclass(frozen=True)
class EmulatorSettings:
    """How an emulator is built.

    Attributes
    ----------
    n_norm, n_cont : int
        Principal components kept of the spectra and of ln(continuum): beyond them the grid's
        own variance is below 0.1%.
    width : int
        Units of both hidden layers: wider ones over-fit 300 spectra.
    n_members : int
        Networks averaged: each errs differently between the grid's spectra.
    n_steps : int
        Full-batch Adam steps a network.
    weight_decay : float
        Keeps the networks smooth between the spectra.
    """

    n_norm: int = 50
    n_cont: int = 6
    width: int = 128
    n_members: int = 3
    n_steps: int = 1500
    weight_decay: float = 1e-5


def features(labels):
    """Turn grid labels into the coordinates in which spectra vary most smoothly.

    Parameters
    ----------
    labels : array_like, shape (n, 6)
        Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe].

    Returns
    -------
    ndarray, shape (n, 6)
        5040/Teff, log g, [Fe/H], [C/H], [alpha/Fe], [N/Fe].
    """
    teff, logg, fe_h, c_fe, alpha_fe, n_fe = np.asarray(labels, dtype=float).T
    return np.stack([5040 / teff, logg, fe_h, fe_h + c_fe, alpha_fe, n_fe], axis=1)


def squash(norm):
    """Stretch normalised flux in (0, 1) to the real line: errors shrink towards both ends."""
    return np.log((norm + FLOOR) / (1 + FLOOR - norm))


def unsquash(value):
    """Undo `squash`."""
    return (1 + 2 * FLOOR) / (1 + np.exp(-value)) - FLOOR


def _components(values, n):
    """Principal components: mean, directions (n, n_pix), and scores (n_row, n)."""
    mean = values.mean(axis=0)
    _, _, rows = np.linalg.svd(values - mean, full_matrices=False)
    return mean, rows[:n], (values - mean) @ rows[:n].T


@contextmanager
def _one_thread():
    """Compute sums in one order, so that the spectra do not depend on the number of cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train_network(inputs, targets, weights, settings, seed):
    """Train one network (n, 6) -> (n, n_score); return its matrices and offsets."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    x, y, w = (torch.as_tensor(a, dtype=torch.float32) for a in (inputs, targets, weights))
    width = settings.width
    net = nn.Sequential(nn.Linear(x.shape[1], width), nn.SiLU(), nn.Linear(width, width),
                        nn.SiLU(), nn.Linear(width, y.shape[1]))
    adam = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=settings.weight_decay)
    plan = torch.optim.lr_scheduler.OneCycleLR(adam, 1e-2, settings.n_steps, pct_start=0.1)
    for _ in range(settings.n_steps):
        adam.zero_grad()
        (w * (net(x) - y) ** 2).mean().backward()
        adam.step()
        plan.step()
    return [p.detach().numpy().astype(float).T for p in net.parameters()]


def _apply_network(arrays, x):
    """Evaluate a trained network in numpy, so that many processes need no torch."""
    for k in range(0, len(arrays), 2):
        x = x @ arrays[k] + arrays[k + 1]
        if k < len(arrays) - 2:
            x = x / (1 + np.exp(-x))
    return x


class Emulator:
    """Normalised spectra (R = 5000) and continua for any labels inside the grid.

    Parameters
    ----------
    settings : EmulatorSettings

    Attributes
    ----------
    arrays_ : dict of str to ndarray
        Everything learned: means, components, scales and network matrices.
    """

    def __init__(self, settings=None):
        self.settings = settings or EmulatorSettings()

    def fit(self, grid, seed=SEED):
        """Learn from a grid.

        Parameters
        ----------
        grid : Grid
            Spectra to learn from, some hundred.
        seed : int

        Returns
        -------
        Emulator
            Itself.
        """
        s = self.settings
        x = features(grid.labels)
        mean, rows, scores = _components(squash(grid.norm.astype(float)), s.n_norm)
        cont_mean, cont_rows, cont_scores = _components(np.log(grid.cont), s.n_cont)
        targets = np.concatenate([scores, cont_scores], axis=1)
        out = {"wave": grid.wave, "cont_wave": grid.cont_wave, "x_mean": x.mean(0),
               "x_scale": x.std(0), "scale": targets.std(0), "mean": mean, "rows": rows,
               "cont_mean": cont_mean, "cont_rows": cont_rows}
        # Large components count more, each block on its own scale; not in proportion to their
        # variance, which would leave the weak lines unlearned.
        weights = np.concatenate([b.std(0) / b.std(0).mean() for b in (scores, cont_scores)])
        for member in range(s.n_members):
            with _one_thread():
                arrays = _train_network((x - out["x_mean"]) / out["x_scale"],
                                        targets / out["scale"], weights, s, seed + member)
            out |= {f"net{member}_{k}": a for k, a in enumerate(arrays)}
        self.arrays_ = out
        return self

    @property
    def wave(self):
        """Vacuum wavelengths [Angstrom] of the emulated spectra, shape (n_wave,)."""
        return self.arrays_["wave"]

    def emulate(self, labels):
        """Compute spectra.

        Parameters
        ----------
        labels : array_like, shape (n, 6)
            Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe].

        Returns
        -------
        norm : ndarray, shape (n, n_wave)
            Normalised flux at R = 5000.
        cont : ndarray, shape (n, n_wave)
            Continuum at the stellar surface [erg/s/cm2/Angstrom].
        """
        a = self.arrays_
        x = (features(labels) - a["x_mean"]) / a["x_scale"]
        scores = np.mean([_apply_network([a[f"net{m}_{k}"] for k in range(6)], x)
                          for m in range(self.settings.n_members)], axis=0) * a["scale"]
        n = self.settings.n_norm
        norm = unsquash(a["mean"] + scores[:, :n] @ a["rows"])
        ln_cont = a["cont_mean"] + scores[:, n:] @ a["cont_rows"]
        cont = np.exp([np.interp(a["wave"], a["cont_wave"], row) for row in ln_cont])
        return np.clip(norm, 0, None), cont


def load_emulator(half="mock", seed=SEED, settings=None, cache=None):
    """Fit the emulator of one half of the grid, or read it from a cache.

    Parameters
    ----------
    half : {"mock", "library"}
    seed : int
    settings : EmulatorSettings, optional
    cache : str or pathlib.Path, optional
        Folder for the fitted emulator; the file is named after the grid's bytes, the half, the
        seed and the settings, so that it can never be an old one.

    Returns
    -------
    Emulator
    """
    emulator = Emulator(settings)
    if cache is None:
        return emulator.fit(load_grid(half), seed)
    key = f"{half} {seed} {emulator.settings}".encode() + Path(__file__).read_bytes()
    name = hashlib.sha256(grid_hash().encode() + key).hexdigest()[:16]
    path = Path(cache) / f"emulator-{name}.npz"
    if not path.is_file():
        emulator.fit(load_grid(half), seed)
        with atomic_path(path) as temporary:
            np.savez(temporary, **emulator.arrays_)
    with np.load(path) as stored:
        emulator.arrays_ = dict(stored)
    return emulator


def cross_validate(grid, settings=None, n_folds=5, seed=SEED, n_run=None):
    """Measure the emulator's error on spectra that it has not seen.

    Parameters
    ----------
    grid : Grid
    settings : EmulatorSettings, optional
    n_folds : int
    seed : int
    n_run : int, optional
        Folds to compute, to save time; all by default.

    Returns
    -------
    dict
        ``rms`` (n,): error of each spectrum at R = 1800 over 3800-8800 Angstrom, NaN where its
        fold was not run; ``median`` and ``p90`` of those with Teff > 4500 K and [C/Fe] < 2, and
        ``median_all``.
    """
    from scipy.ndimage import gaussian_filter1d

    step = np.log(grid.wave[1] / grid.wave[0])
    sigma = FWHM_TO_SIGMA * np.sqrt(1 / 1800**2 - 1 / GRID_R**2) / step
    seen = (grid.wave >= WAVE[0]) & (grid.wave <= WAVE[-1])
    order = np.random.default_rng(seed).permutation(len(grid.index))
    rms = np.full(order.size, np.nan)
    for test in np.array_split(order, n_folds)[:n_run]:
        train = np.setdiff1d(order, test)
        predicted, _ = Emulator(settings).fit(grid.select(train), seed).emulate(grid.labels[test])
        error = gaussian_filter1d(predicted - grid.norm[test], sigma, axis=1)[:, seen]
        rms[test] = np.sqrt(np.mean(error**2, axis=1))
    usual = (grid.labels[:, 0] > 4500) & (grid.labels[:, 3] < 2) & np.isfinite(rms)
    median, p90 = np.percentile(rms[usual], [50, 90])
    return {"rms": rms, "median": median, "p90": p90, "median_all": np.nanmedian(rms)}
