"""The known answer: noiseless pairs from which labels and partners must come back."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS, N_PIX, WAVE, rng
from cemp.methods.specclip.contrast import SpecClip
from cemp.methods.specclip.tasks import Retrieval, take
from cemp.methods.specclip.xp import XP_WAVE, XpSpectra
from cemp.models.data import Sample


def clean_pairs(n, seed=0):
    """Make noiseless pairs whose labels are in both surveys: the known answer's data.

    Parameters
    ----------
    n, seed : int

    Returns
    -------
    sample : cemp.models.data.Sample
        Each label deepens six lines of its own; labels are uniform over the usual ranges.
    xp : XpSpectra
        Four broad shapes, one a label.
    """
    random = rng("methods specclip clean", seed)
    unit = random.uniform(-1, 1, (n, len(LABELS)))
    centres = random.uniform(WAVE[50], WAVE[-50], (len(LABELS), 6))
    lines = np.exp(-0.5 * ((WAVE - centres[..., None]) / 4.0) ** 2).sum(axis=1)
    flux = (1 - (0.3 + 0.2 * unit) @ lines).astype(np.float32)
    x = np.linspace(-1, 1, XP_WAVE.size)
    shapes = np.stack([np.sin((k + 1) * np.pi * x) for k in range(len(LABELS))])
    ln_flux = (0.2 * unit @ shapes).astype(np.float32)
    labels = np.array([5250, 2.5, -2, -1.5]) + unit * np.array([1250, 2, 2, 2])
    whole = np.ones((n, N_PIX), dtype=bool)
    obsid = np.arange(n)
    sample = Sample(obsid, flux, np.full(flux.shape, 1e4, np.float32), whole, labels)
    return sample, XpSpectra(obsid, obsid, np.exp(ln_flux), np.full_like(ln_flux, 1e-3))


def known_answer(n=400, epochs=12, seed=0):
    """Fit clean pairs: labels and partners of other pairs must come back.

    Parameters
    ----------
    n, epochs, seed : int
        As many pairs are judged as a quarter of those fitted.

    Returns
    -------
    pandas.DataFrame
        One row: top-1 retrieval with its chance level, and the rms error of labels from either
        survey over the labels' scatter (1 is no knowledge).
    """
    sample, xp = clean_pairs(n + n // 4, seed)
    train, test = take(sample, slice(0, n)), take(sample, slice(n, None))
    model = SpecClip(xp=xp, epochs=epochs, batch=64, width=8, copies=2, head_steps=600, seed=seed)
    model.fit(train, train.labels)
    found = Retrieval(model, test, xp, train).table().loc["embedding"]
    error = [np.sqrt(np.mean(((p.labels - test.labels) / test.labels.std(axis=0)) ** 2))
             for p in (model.predict(test), model.predict_xp(xp.of(test.obsid)))]
    return pd.DataFrame([{"top 1": found["top 1"], "chance": found["chance top 1"],
                          "LAMOST labels": error[0], "XP labels": error[1]}])  # fmt: skip
