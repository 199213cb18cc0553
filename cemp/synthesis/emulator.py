"""Spectra between the grid's spectra: labels to flux by principal components and networks.

Spectra are stretched (`squash`), written as a mean and some components, and networks learn the
scores from the labels; see `cemp.synthesis.networks` for how, `cemp.synthesis.validate` for how
well. Learning takes torch; emulating takes numpy in single precision.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import fft

from cemp.atomic import atomic_path, hold
from cemp.constants import SEED, WAVE
from cemp.errors import BadInputError
from cemp.synthesis import networks
from cemp.synthesis.grid import GRID_R, grid_hash, load_grid
from cemp.synthesis.resolution import FWHM_TO_SIGMA

#: Room that the stretched flux leaves below 0 and above 1.
FLOOR = 0.1
#: log(O/C) of the Sun (Asplund et al. 2009); oxygen follows [alpha/Fe].
O_OVER_C = 0.26
#: Width [dex] of the bend at O = C.
BEND = 1 / 6
#: What an error outside `WAVE` counts: no method looks there, but a shifted spectrum begins there.
OUTSIDE = 0.5
#: Spectra computed at once: their pixels stay in the processor's cache.
BATCH = 128


@dataclass(frozen=True)
class EmulatorSettings:
    """How an emulator is built.

    Attributes
    ----------
    n_norm, n_cont : int
        Principal components kept of the spectra and of ln(continuum): what they leave out is
        half of the networks' error or less.
    width, depth : int
        Units of a hidden layer, and hidden layers: three err a fifth less than two.
    n_members : int
        Networks averaged: each errs differently between the grid's spectra.
    n_steps, batch : int
        Adam steps a network, and spectra in each.
    rate : float
        Highest learning rate.
    weight_decay : float
        Keeps the networks smooth between the spectra.
    floor : float
        Error in flux below which a spectrum is good enough.
    """

    n_norm: int = 100
    n_cont: int = 8
    width: int = 128
    depth: int = 3
    n_members: int = 3
    n_steps: int = 5000
    batch: int = 64
    rate: float = 1e-2
    weight_decay: float = 1e-5
    floor: float = 2e-3


def sound(grid):
    """Tell which spectra of a grid may be learned from.

    In some 2% of the spectra, hot stars of low gravity, the synthesis failed in the Balmer lines:
    boxes without any flux 20-50 Angstrom wide. In all others above 5000 K H-alpha keeps a third of
    the continuum.

    Parameters
    ----------
    grid : Grid

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    core = np.abs(grid.wave - 6564.6) < 25
    if not core.any():
        return np.ones(len(grid.labels), dtype=bool)
    return (grid.labels[:, 0] < 5000) | (grid.norm[:, core].min(axis=1) > 0.1)


def features(labels):
    """Turn grid labels into the coordinates in which spectra vary most smoothly.

    Parameters
    ----------
    labels : array_like, shape (n, 6)
        Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe].

    Returns
    -------
    ndarray, shape (n, 8)
        5040/Teff, log g, [Fe/H], [C/H], [alpha/Fe], [N/Fe], and the excess of oxygen over carbon
        and of carbon over oxygen [dex], both rounded off where they vanish: CO binds the rarer of
        the two, so the spectrum bends where they are equal.
    """
    teff, logg, fe_h, c_fe, alpha_fe, n_fe = np.asarray(labels, dtype=float).T
    excess = O_OVER_C + alpha_fe - c_fe
    oxygen, carbon = (np.logaddexp(0, sign * excess / BEND) * BEND for sign in (1, -1))
    return np.stack([5040 / teff, logg, fe_h, fe_h + c_fe, alpha_fe, n_fe, oxygen, carbon], axis=1)


def squash(norm):
    """Stretch normalised flux in (0, 1) to the real line: errors shrink towards both ends."""
    return np.log((norm + FLOOR) / (1 + FLOOR - norm))


def unsquash(value):
    """Undo `squash`."""
    return (1 + 2 * FLOOR) / (1 + np.exp(-value)) - FLOOR


def squash_slope(norm):
    """Change of flux with its stretched value, d `unsquash` / d value, at a given flux."""
    return (norm + FLOOR) * (1 + FLOOR - norm) / (1 + 2 * FLOOR)


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
            Spectra to learn from, some hundred; those that are not `sound` are left out.
        seed : int

        Returns
        -------
        Emulator
            Itself.
        """
        grid = grid.select(sound(grid))
        x = features(grid.labels)
        out = {"wave": grid.wave, "x_mean": x.mean(axis=0), "x_scale": x.std(axis=0)}
        x = (x - out["x_mean"]) / out["x_scale"]
        # A change of the stretched flux is worth the change of flux that it makes: over the grid
        # that is a weight of the pixels, and in one spectrum its importance.
        slopes = squash_slope(grid.norm)
        seen = (grid.wave >= WAVE[0]) & (grid.wave <= WAVE[-1])
        weights = np.where(seen, 1, OUTSIDE) * np.sqrt(np.mean(slopes**2, axis=0))
        out["mean"], out["rows"], scores = networks.components(
            squash(grid.norm), self.settings.n_norm, weights)
        importance = np.mean(slopes**2, axis=1) / np.mean(weights**2) / weights.size
        out |= self._train("norm", x, scores, importance, seed)
        mean, rows, scores = networks.components(np.log(grid.cont), self.settings.n_cont)
        importance = np.full(len(x), 1 / grid.cont_wave.size)
        out |= self._train("cont", x, scores, importance, seed)
        # Between its nodes the continuum is linear in ln(flux), and so are its components.
        out["cont_mean"], *cont_rows = (np.interp(grid.wave, grid.cont_wave, row)
                                        for row in [mean, *rows])
        out["cont_rows"] = np.array(cont_rows, dtype=np.float32)
        self.arrays_ = out
        return self

    def _train(self, name, x, scores, importance, seed):
        """Train the members for one set of scores; return their arrays by name."""
        return {f"{name}{member}_{k}": array for member in range(self.settings.n_members)
                for k, array in enumerate(networks.train_network(
                    x, scores, importance, self.settings, seed + member))}

    def _scores(self, name, x):
        """Mean over the members, shape (n, n_score)."""
        s, a = self.settings, self.arrays_
        return sum(networks.apply_network(
            [a[f"{name}{member}_{k}"] for k in range(2 * s.depth + 2)], x)
            for member in range(s.n_members)) / np.float32(s.n_members)

    @property
    def wave(self):
        """Vacuum wavelengths [Angstrom] of the emulated spectra, shape (n_wave,)."""
        return self.arrays_["wave"]

    def emulate(self, labels, r=None):
        """Compute spectra.

        Parameters
        ----------
        labels : array_like, shape (n, 6)
            Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe].
        r : float, optional
            Resolving power (FWHM) wanted, below `GRID_R`, which is the default. For one that
            changes with wavelength see `cemp.synthesis.resolution.broaden`.

        Returns
        -------
        norm : ndarray of float32, shape (n, n_wave)
            Normalised flux.
        cont : ndarray of float32, shape (n, n_wave)
            Continuum at the stellar surface [erg/s/cm2/Angstrom].
        """
        a = self.arrays_
        x = ((features(labels) - a["x_mean"]) / a["x_scale"]).astype(np.float32)
        norm, cont = (np.empty((len(x), self.wave.size), np.float32) for _ in range(2))
        # Far outside the grid the exponentials may overflow; the flux is 0 or 1 there.
        with np.errstate(over="ignore"):
            for start in range(0, len(x), BATCH):
                part = slice(start, start + BATCH)
                self._flux(x[part], norm[part])
                np.matmul(self._scores("cont", x[part]), a["cont_rows"], out=cont[part])
                cont[part] += a["cont_mean"].astype(np.float32)
                np.exp(cont[part], out=cont[part])
        return (norm if r is None else lower_resolution(norm, self.wave, r)), cont

    def _flux(self, x, out):
        """Write normalised flux into `out`: `unsquash` without copies."""
        np.matmul(self._scores("norm", x), self.arrays_["rows"], out=out)
        out += self.arrays_["mean"]
        np.negative(out, out=out)
        np.exp(out, out=out)
        out += np.float32(1)
        np.divide(np.float32(1 + 2 * FLOOR), out, out=out)
        out -= np.float32(FLOOR)
        np.maximum(out, 0, out=out)


def lower_resolution(norm, wave, r):
    """Broaden many spectra to one resolving power.

    Parameters
    ----------
    norm : ndarray, shape (n, n_wave)
        Spectra at `GRID_R`.
    wave : ndarray, shape (n_wave,)
        Wavelengths, even in ln.
    r : float
        Resolving power (FWHM) wanted.

    Returns
    -------
    ndarray, shape (n, n_wave)
        In the precision of `norm`.

    Raises
    ------
    BadInputError
        If `r` is not in 0 to `GRID_R`.
    """
    if not 0 < r <= GRID_R:
        raise BadInputError(f"resolving power {r} asked of spectra with {GRID_R:.0f}: ask for less")
    step = np.log(wave[-1] / wave[0]) / (wave.size - 1)
    sigma = FWHM_TO_SIGMA * np.sqrt(1 / r**2 - 1 / GRID_R**2) / step
    # Edge values are repeated, so that the circular convolution does not join the two ends.
    pad = int(4 * sigma) + 1
    size = fft.next_fast_len(wave.size + 2 * pad, real=True)
    padded = np.pad(norm, ((0, 0), (pad, size - wave.size - pad)), mode="edge")
    kernel = np.exp(-2 * (np.pi * sigma * fft.rfftfreq(size)) ** 2).astype(norm.dtype)
    return fft.irfft(fft.rfft(padded) * kernel, size)[:, pad:pad + wave.size]


def load_emulator(half="mock", seed=SEED, settings=None, cache=None):
    """Fit the emulator of one half of the grid or of all of it, or read it from a cache.

    Parameters
    ----------
    half : {"mock", "library", None}
        None, for real stars: on every spectrum of the grid. Whoever judges a method on the mock
        may not use that one.
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
    code = b"".join(Path(module).read_bytes() for module in (__file__, networks.__file__))
    key = f"{half} {seed} {emulator.settings}".encode() + code
    name = hashlib.sha256(grid_hash().encode() + key).hexdigest()[:16]
    path = Path(cache) / f"emulator-{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w") as lock:
        hold(lock, wait=True)  # two notebooks at a time: the second one reads what the first fits
        if not path.is_file():
            emulator.fit(load_grid(half), seed)
            with atomic_path(path) as temporary:
                np.savez(temporary, **emulator.arrays_)
    with np.load(path) as stored:
        emulator.arrays_ = dict(stored)
    return emulator
