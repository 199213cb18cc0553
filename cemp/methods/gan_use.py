"""Does it help to train on made spectra? Judged on stars that no arm has seen.

A quick regressor is trained on the real spectra alone, on the real ones reweighted, and on the
real ones with as many spectra added where stars are rare: from the GAN, or from the library half
of the synthetic grid with the errors of real spectra. The same seeds in every arm: differences
are paired over seeds and stars. And a generated spectrum is held against real ones of the same
labels by its line indices.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from cemp.candidates.gband import degrade, normalise
from cemp.constants import LABELS, SEED, WAVE, rng
from cemp.evaluate.bootstrap import BootstrapSettings, interval, star_weights
from cemp.indices import measure
from cemp.methods.gan import dress
from cemp.methods.spcanet import Components
from cemp.methods.training import noise_augment, varied
from cemp.models.data import Sample
from cemp.models.device import make_deterministic
from cemp.models.loss import bin_weights
from cemp.models.scaler import LabelScaler
from cemp.synthesis.grid import GRID_R

_TEFF, _FE_H, _C_H = (LABELS.index(name) for name in ("teff", "fe_h", "c_h"))
#: LAMOST's resolving power at 5500 Angstrom.
LAMOST_R = 1800.0
#: The rare corners that are filled, by what a star there is.
POOR, RICH = -2.5, 0.7
INDICES = ("gband_lick", "ca_k", "mgb", "hbeta")
DEFAULT = BootstrapSettings()


def corner_labels(n, labels, random):
    """Draw labels in the two corners: [Fe/H] < -2.5, and carbon-rich below -2.

    Parameters
    ----------
    n : int
    labels : ndarray (m, 4)
        Of the training spectra: Teff and log g are those of metal-poor ones among them, jittered
        together by 100 K and 0.15 dex.
    random : numpy.random.Generator

    Returns
    -------
    ndarray (n, 4)
        The first half has -4 < [Fe/H] < -2.5 and -0.5 < [C/Fe] < 1, the second -4 < [Fe/H] < -2
        and 0.7 < [C/Fe] < 3, with [C/H] < 0.3, about the most that is observed.
    """
    poor = labels[(labels[:, _FE_H] < -1.5) & np.isfinite(labels).all(axis=1)]
    out = poor[random.integers(len(poor), size=n)].copy()
    step = random.standard_normal(n)
    out[:, _TEFF] = np.clip(out[:, _TEFF] + 100 * step, 4050, 6900)
    out[:, 1] = np.clip(out[:, 1] + 0.15 * random.standard_normal(n) + 0.1 * step, 0.6, 4.9)
    rich = np.arange(n) >= n // 2
    out[:, _FE_H] = random.uniform(-3.95, np.where(rich, -2.0, POOR))
    c_fe = np.where(rich, random.uniform(RICH, 3.0, n), random.uniform(-0.5, 1.0, n))
    out[:, _C_H] = np.minimum(out[:, _FE_H] + c_fe, 0.3)
    return out


def survey_like(stars, spectra, teff, emulator, random, powers=(LAMOST_R,)):
    """Make library spectra that look as the survey observed them.

    Parameters
    ----------
    stars : ndarray (n, 6)
        Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe].
    spectra : object
        Real spectra, whose errors and lost pixels are taken.
    teff : ndarray (m,)
        Of those [K].
    emulator : cemp.synthesis.emulator.Emulator
        Of the library half.
    random : numpy.random.Generator
    powers : tuple of float
        Resolving powers, which the stars have in turn.

    Returns
    -------
    cemp.models.data.Sample
        Labels Teff, log g, [Fe/H], [C/H]; divided by the survey's continuum, as observed spectra.
    """
    norm, cont = emulator.emulate(stars)
    flux, n = np.empty((len(stars), len(WAVE))), len(powers)
    for turn, power in enumerate(powers[: len(stars)]):
        seen = degrade(emulator.wave, (norm * cont)[turn::n], power, GRID_R)
        flux[turn::n] = normalise(emulator.wave, seen)
    labels = stars[:, :4].copy()
    labels[:, _C_H] += labels[:, _FE_H]
    return dress(flux, labels, spectra.ivar * spectra.good, teff, random)


def library_spectra(labels, spectra, known, emulator, random):
    """Make spectra from the synthetic library, with the errors of real ones.

    Parameters
    ----------
    labels : ndarray (n, 4)
    spectra : object
        Real spectra, whose errors and lost pixels are taken.
    known : ndarray (m, 4)
        Their labels.
    emulator : cemp.synthesis.emulator.Emulator
        Of the library half.
    random : numpy.random.Generator
        [alpha/Fe] = 0.4 +- 0.1 and [N/Fe] = 0.2 +- 0.4 are drawn: nobody knows them.

    Returns
    -------
    cemp.models.data.Sample
        Brought to R = 1800 and divided by the survey's continuum, as observed spectra are.
    """
    n = len(labels)
    alpha = np.clip(random.normal(0.4, 0.1, n), -0.2, 0.6)
    nitrogen = np.clip(random.normal(0.2, 0.4, n), -0.3, 1.2)
    c_fe = labels[:, _C_H] - labels[:, _FE_H]
    stars = np.column_stack([labels[:, :3], c_fe, alpha, nitrogen])
    made = survey_like(stars, spectra, known[:, _TEFF], emulator, random)
    return replace(made, labels=np.asarray(labels, dtype=float))  # to the last bit as asked


def join(first, second):
    """Put two samples together."""
    names = ("obsid", "flux", "ivar", "good", "labels")
    return Sample(*(np.concatenate([getattr(first, k), getattr(second, k)]) for k in names))


class QuickRegressor:
    """Principal components and a small dense network: labels in seconds, for comparisons.

    Parameters
    ----------
    components : cemp.methods.spcanet.Components
        Fitted once, to real training spectra: the same in every arm.
    steps, batch : int
    n_copies : int
        Noisier copies of each spectrum that it learns from.
    seed : int
    """

    def __init__(self, components, steps=1500, batch=64, n_copies=4, seed=SEED):
        self.components, self.steps, self.batch = components, steps, batch
        self.n_copies, self.seed = n_copies, seed

    def fit(self, sample, share):
        """Learn from a sample (complete labels), row k being drawn with probability share[k]."""
        make_deterministic(self.seed, 1)
        random, rows = rng("methods quick", self.seed), np.arange(len(sample))
        copies = np.stack([self.components.transform(*varied(sample, rows, random, NOISE))
                           for _ in range(self.n_copies)])  # fmt: skip
        copies = torch.from_numpy(copies.astype(np.float32))
        self.scaler_ = LabelScaler().fit(sample.labels)
        target = torch.from_numpy(self.scaler_.transform(sample.labels).astype(np.float32))
        self.network_ = nn.Sequential(
            nn.Linear(copies.shape[2], 96), nn.GELU(), nn.Linear(96, 48), nn.GELU(),
            nn.Linear(48, len(LABELS)))  # fmt: skip
        optimizer = torch.optim.AdamW(self.network_.parameters(), 3e-3, weight_decay=0.03)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        for _ in range(self.steps):
            rows = random.choice(len(sample), self.batch, p=share)
            x = copies[random.integers(self.n_copies, size=self.batch), rows]
            loss = nn.functional.smooth_l1_loss(self.network_(x), target[rows], beta=0.5)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return self

    def predict(self, scores):
        """Labels (n, 4) of spectra with given components (n, n_components)."""
        with torch.inference_mode():
            out = self.network_(torch.from_numpy(np.asarray(scores, dtype=np.float32)))
        return self.scaler_.inverse(out.numpy())


#: How copies are varied.
NOISE = noise_augment(0.7)


def arms(sample, extra):
    """Make up what each arm learns from.

    Parameters
    ----------
    sample : Sample
        The real spectra, complete labels.
    extra : dict of str to Sample
        Made spectra to add, by the name of the arm.

    Returns
    -------
    dict of str to (Sample, ndarray)
        Spectra, and how likely each is drawn: ``nothing`` and the arms with added spectra draw
        all alike, ``reweighted`` all quarter-dex bins of [Fe/H].
    """
    def even(rows):
        return np.full(len(rows), 1 / len(rows))

    share = bin_weights(sample.labels[:, _FE_H], 0.25) / len(sample)
    out = {"nothing": (sample, even(sample)), "reweighted": (sample, share)}
    for name, made in extra.items():
        both = join(sample, made)
        out[name] = (both, even(both))
    return out


def judge(sample, extra, spectra, seeds=(1, 2, 3, 4, 5), **settings):
    """Train the quick regressor in every arm with every seed and predict unseen spectra.

    Parameters
    ----------
    sample : Sample
        Real training spectra, complete labels.
    extra : dict of str to callable
        ``extra[name](seed)`` gives the Sample to add.
    spectra : object
        Unseen spectra.
    seeds : sequence of int
    **settings
        Of `QuickRegressor`.

    Returns
    -------
    dict of str to ndarray (n_seed, n, 4)
        Predicted labels by arm.
    """
    components = Components(40)
    share = bin_weights(sample.labels[:, _FE_H], 0.25) / len(sample)
    draw = rng("methods judge", SEED).choice(len(sample), len(sample), p=share)
    components.fit(sample.flux[draw], sample.good[draw])
    scores, out = components.transform(spectra.flux, spectra.good), {}
    for seed in seeds:
        made = {name: make(seed) for name, make in extra.items()}
        for name, (rows, share) in arms(sample, made).items():
            fitted = QuickRegressor(components, seed=SEED + seed, **settings).fit(rows, share)
            out.setdefault(name, []).append(fitted.predict(scores))
    return {name: np.array(values) for name, values in out.items()}


def help_table(predicted, labels, star_id, against="nothing", settings=DEFAULT):
    """Tabulate the errors of every arm in the corners, and by how much it is ahead.

    Parameters
    ----------
    predicted : dict of str to ndarray (n_seed, n, 4)
        From `judge`.
    labels : ndarray (n, 4)
        The truth.
    star_id : array_like (n,)
    against : str
        The arm that others are compared with.
    settings : cemp.evaluate.bootstrap.BootstrapSettings

    Returns
    -------
    pandas.DataFrame
        By group, label and arm: mean absolute error, how much less it is than `against`'s
        (positive is better), its 95% interval over stars and seeds, and the number of spectra.
    """
    c_fe = labels[:, _C_H] - labels[:, _FE_H]
    groups = {f"[Fe/H] < {POOR}": labels[:, _FE_H] < POOR,
              "carbon-rich": (labels[:, _FE_H] < -2) & (c_fe > RICH),
              "others": (labels[:, _FE_H] >= POOR) & ~((labels[:, _FE_H] < -2) & (c_fe > RICH))}
    rows, star_id = [], np.asarray(star_id)
    for group, inside in groups.items():
        draws = star_weights(star_id[inside], settings)
        draws /= draws.sum(axis=1, keepdims=True)
        n_seed = len(predicted[against])
        seeds = rng("methods help", settings.seed).multinomial(
            n_seed, np.full(n_seed, 1 / n_seed), settings.n_boot) / n_seed
        for label in (_FE_H, _C_H):
            error = {name: np.abs(values[:, inside, label] - labels[inside, label])
                     for name, values in predicted.items()}  # fmt: skip
            for name, values in error.items():
                gain = error[against] - values  # (n_seed, n)
                boot = np.einsum("bn,sn,bs->b", draws, gain, seeds, optimize=True)
                low, high = interval(boot, settings)
                rows.append({"group": group, "label": LABELS[label], "arm": name,
                             "mae": values.mean(), "gain": gain.mean(), "low": low, "high": high,
                             "n": int(inside.sum())})  # fmt: skip
    return pd.DataFrame(rows)


def index_table(made, real, names=INDICES):
    """Hold the line indices of made spectra against those of real ones with the same labels.

    Parameters
    ----------
    made, real : object
        Spectra, row by row of the same labels.
    names : sequence of str
        Keys of `cemp.indices.BANDS`.

    Returns
    -------
    table : pandas.DataFrame
        By index: its range (16th to 84th percentile) among real spectra, median and robust
        scatter of made minus real, the median noise of such a difference, and the correlation.
    values : dict of str to (ndarray, ndarray)
        Real and made index of every row.
    """
    both = [measure(WAVE, s.flux, s.ivar, s.good, names) for s in (real, made)]
    rows, values = {}, {}
    for name in names:
        one, two = both[0][name], both[1][name]
        known = np.isfinite(one) & np.isfinite(two)
        low, middle, high = np.percentile((two - one)[known], [16, 50, 84])
        noise = np.hypot(both[0][f"e_{name}"], both[1][f"e_{name}"])[known]
        spread = np.percentile(one[known], [16, 84])
        rows[name] = {
            "range": np.ptp(spread), "bias": middle, "scatter": (high - low) / 2,
            "noise": np.median(noise), "correlation": np.corrcoef(one[known], two[known])[0, 1],
            "n": int(known.sum())}  # fmt: skip
        values[name] = one, two
    return pd.DataFrame.from_dict(rows, orient="index"), values
