"""Spectra that belong to no star of the training sample's kind, and whether they are noticed."""

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from cemp.constants import LABELS, rng
from cemp.errors import BadInputError
from cemp.lamost import read_spectrum
from cemp.methods.specclip.tasks import noise, rms
from cemp.models.data import Sample
from cemp.preprocess.pipeline import preprocess


def refused_spectra(observations, spectra_dir):
    """Read what the survey does not class as a star as if it were one at rest.

    Parameters
    ----------
    observations : pandas.DataFrame
        Columns obsid and path of the wanted spectra.
    spectra_dir : str or pathlib.Path

    Returns
    -------
    cemp.models.data.Sample
        Without those that preprocessing refuses all the same; labels NaN.

    Raises
    ------
    BadInputError
        If none of them can be read.
    """
    made = []
    for path in observations["path"]:
        try:
            spectrum = read_spectrum(f"{spectra_dir}/{path}")
            made.append(preprocess(replace(spectrum, cls="STAR", z=0.0)))
        except BadInputError:
            continue
    if len(observations) and not made:
        raise BadInputError(f"{spectra_dir}: none of {len(observations)} spectra could be read; "
                            "set spectra_dir to the survey's folder")
    arrays = [np.array([getattr(v, name) for v in made]) for name in
              ("obsid", "flux", "ivar", "good")]  # fmt: skip
    return Sample(*arrays, np.full((len(made), len(LABELS)), np.nan))


def strangeness(model, sample, xp, train):
    """Score how unlike the training stars spectra are.

    Parameters
    ----------
    model : cemp.methods.specclip.SpecClip
    sample, train : cemp.models.data.Sample
    xp : XpSpectra

    Returns
    -------
    dict of str to ndarray (n,)
        Larger is stranger. ``surveys disagree``: 1 - cosine of the two surveys' vectors;
        ``far from training``: Mahalanobis distance of the LAMOST embedding; ``not decoded``:
        rms of the spectrum against its own decoding, over the noise.
    """
    own, embedding, known = xp.of(sample.obsid), model.embed(sample), model.embed(train)
    pair = [model.shared_space(e, k) for k, e in enumerate((embedding, model.embed_xp(own)))]
    apart = embedding - known.mean(axis=0)
    covariance = np.cov(known.T) + 1e-3 * np.eye(known.shape[1])
    far = np.einsum("ni,ij,nj->n", apart, np.linalg.inv(covariance), apart)
    left = rms(model.translate(embedding), sample, axis=1)
    return {"surveys disagree": 1 - np.sum(pair[0] * pair[1], axis=1),
            "far from training": np.sqrt(far), "not decoded": left / noise(sample, axis=1)}


def auc_table(ordinary, strange, n_boot=200, seed=0):
    """Area under the ROC curve of each score, with its 95% interval over both samples.

    Parameters
    ----------
    ordinary, strange : dict of str to ndarray
        `strangeness` of stars and of contaminants; missing scores (no XP spectrum) are left out.
    n_boot, seed : int

    Returns
    -------
    pandas.DataFrame
        Columns auc, low, high, n ordinary, n strange; 0.5 is chance.
    """
    random, table = rng("methods specclip auc", seed), {}
    for name in ordinary:
        a, b = (scores[name][np.isfinite(scores[name])] for scores in (ordinary, strange))
        drawn = [_auc(random.choice(a, a.size), random.choice(b, b.size)) for _ in range(n_boot)]
        low, high = np.percentile(drawn, [2.5, 97.5])
        table[name] = {"auc": _auc(a, b), "low": low, "high": high, "n ordinary": a.size,
                       "n strange": b.size}  # fmt: skip
    return pd.DataFrame(table).T


def _auc(a, b):
    return roc_auc_score(np.repeat([0, 1], [a.size, b.size]), np.concatenate([a, b]))
