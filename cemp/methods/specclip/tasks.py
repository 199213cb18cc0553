"""What an aligned pair of encoders is for: partners, labels from XP alone, predicted spectra."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS, WAVE
from cemp.methods.specclip.xp import log_flux
from cemp.models.data import Sample


def ranks(similarity, own, allowed=None):
    """Rank of the right partner among all candidates.

    Parameters
    ----------
    similarity : ndarray (n, m)
        Of each query with each candidate; larger is more alike.
    own : ndarray (n,) of int
        Column of the right one.
    allowed : ndarray (n, m) of bool, optional
        Candidates that count; the right one always does.

    Returns
    -------
    ndarray (n,) of float
        1 if nothing is more alike. Ties count half, and so that nobody gains by having no answer,
        one that is not a number counts as more alike.
    """
    rows = np.arange(len(own))
    right = similarity[rows, own][:, None]
    others = np.ones_like(similarity, dtype=bool) if allowed is None else allowed.copy()
    others[rows, own] = False
    equal = (others & (similarity == right)).sum(axis=1)
    not_above = (others & (similarity <= right)).sum(axis=1)
    return 1 + others.sum(axis=1) - not_above + equal / 2


def nearest_labels(labels, candidates, scale, own, k=19):
    """Tell which candidates are hardest to tell from the right one: nearest to it in labels.

    Parameters
    ----------
    labels : ndarray (n, 4)
        Of the queries' stars; labels missing on either side are left out of the distance.
    candidates : ndarray (m, 4)
    scale : ndarray (4,)
        Unit of each label.
    own : ndarray (n,) of int
        Column of the right candidate, which is not one of the `k`.
    k : int

    Returns
    -------
    ndarray (n, m) of bool
    """
    distance = np.nanmean(((labels[:, None] - candidates) / scale) ** 2, axis=2)
    distance = np.where(np.isfinite(distance), distance, np.inf)
    distance[np.arange(len(own)), own] = np.inf
    hard = np.zeros(distance.shape, dtype=bool)
    np.put_along_axis(hard, np.argsort(distance, axis=1, kind="stable")[:, :k], True, axis=1)
    return hard


class Retrieval:
    """Finding a LAMOST spectrum's star among the XP spectra of all stars of a sample.

    Parameters
    ----------
    model : cemp.methods.specclip.SpecClip
        Fitted.
    sample : cemp.models.data.Sample
        Judged spectra with labels; those without an XP spectrum are left out.
    xp : XpSpectra
    reference : cemp.models.data.Sample
        Validation spectra: how labels from the two surveys differ is learned from them.
    """

    def __init__(self, model, sample, xp, reference):
        own_xp = xp.of(sample.obsid)
        rows = np.flatnonzero(own_xp.there & (own_xp.star >= 0))
        stars, first, self.own = np.unique(own_xp.star[rows], return_index=True,
                                           return_inverse=True)  # fmt: skip
        self.rows, gallery = rows, own_xp.of(sample.obsid[rows[first]])
        labels = sample.labels[rows]
        lamost, other = model.embed(take(sample, rows)), model.embed_xp(gallery)
        shared = model.shared_space(lamost, 0) @ model.shared_space(other, 1).T
        by_labels = _label_similarity(model, lamost, other, reference, xp)
        hard = nearest_labels(labels, labels[first], model.scaler_.scale_, self.own)
        self.n_stars, self.n_hard = len(stars), int(hard.sum(axis=1).max()) + 1
        self.ranks = {
            "embedding": ranks(shared, self.own),
            "predicted labels": ranks(by_labels, self.own),
            "embedding, hard negatives": ranks(shared, self.own, hard),
            "predicted labels, hard negatives": ranks(by_labels, self.own, hard),
        }

    def table(self):
        """Top-1, top-5 and median rank of each way beside those of chance (a DataFrame)."""
        out = {}
        for name, rank in self.ranks.items():
            n = self.n_hard if "hard" in name else self.n_stars
            out[name] = {"among": n, "top 1": np.mean(rank < 2), "top 5": np.mean(rank < 6),
                         "median rank": np.median(rank), "chance top 1": 1 / n,
                         "chance top 5": min(5 / n, 1), "chance median": (n + 1) / 2}
        return pd.DataFrame(out).T


def take(sample, rows):
    """Take some rows of a `Sample`."""
    return Sample(*(array[rows] for array in vars(sample).values()))


def _label_similarity(model, lamost, other, reference, xp):
    """Minus the distance of labels from both surveys, by the covariance of their difference."""
    own = xp.of(reference.obsid)
    difference = (model.predict(reference).labels - model.predict_xp(own).labels)[own.there]
    weight = np.linalg.inv(np.cov(difference.T))
    left, right = model.labels(lamost, 0), model.labels(other, 1)
    apart = left[:, None] - right - difference.mean(axis=0)
    return -np.einsum("nmi,ij,nmj->nm", apart, weight, apart)


def label_table(model, sample, xp):
    """Compare labels from LAMOST and from XP spectra of the same stars with the catalogues'.

    Parameters
    ----------
    model : cemp.methods.specclip.SpecClip
    sample : cemp.models.data.Sample
    xp : XpSpectra

    Returns
    -------
    pandas.DataFrame
        Rows LAMOST and XP; median and robust scatter (1.4826 median absolute deviation) of each
        label's residual [K, dex], over spectra that have both.
    """
    own, table = xp.of(sample.obsid), {}
    made = {"LAMOST": model.predict(sample).labels, "XP": model.predict_xp(own).labels}
    for survey, predicted in made.items():
        residual = (predicted - sample.labels)[own.there]
        middle = np.nanmedian(residual, axis=0)
        scatter = 1.4826 * np.nanmedian(np.abs(residual - middle), axis=0)
        table[survey] = {f"{name} {what}": value for what, values in
                         (("median", middle), ("scatter", scatter))
                         for name, value in zip(LABELS, values, strict=True)}  # fmt: skip
    return pd.DataFrame(table).T


def translations(model, sample, xp, train):
    """Predict normalised LAMOST spectra, from XP spectra and by what it must beat.

    Parameters
    ----------
    model : cemp.methods.specclip.SpecClip
    sample, train : cemp.models.data.Sample
        Judged and training spectra.
    xp : XpSpectra

    Returns
    -------
    dict of str to ndarray (n, 5001)
        ``XP`` (the decoder on the XP embedding), ``nearest XP`` (spectrum of the training star
        with the most similar XP spectrum), ``mean`` (of the training spectra), and, as the best
        that the decoder can do, ``LAMOST`` (from the spectrum itself).
    """
    own, known = xp.of(sample.obsid), xp.of(train.obsid)
    pairs = np.flatnonzero(known.there)
    ln_train, ln_own = log_flux(known)[0][pairs], log_flux(own)[0]
    scale = model.model_.xp.scale.numpy()
    a, b = ln_own / scale, ln_train / scale
    distance = np.sum(b**2, axis=1) - 2 * a @ b.T  # less a term of the query alone
    nearest = pairs[np.argmin(distance, axis=1)]
    mean = 1 + model.model_.lamost.mean.numpy()
    near = np.where(train.good[nearest], train.flux[nearest], mean)
    return {"XP": model.translate(model.embed_xp(own)), "nearest XP": near,
            "mean": np.tile(mean, (len(own), 1)), "LAMOST": model.translate(model.embed(sample))}


def rms(predicted, sample, axis=None):
    """Root mean square of predicted minus observed flux over good pixels.

    Parameters
    ----------
    predicted : ndarray (n, 5001)
    sample : cemp.models.data.Sample
    axis : int, optional
        0 for a value a pixel, 1 a spectrum; all together if left out.

    Returns
    -------
    float or ndarray
        In continuum units; the noise of the observed spectra is in it.
    """
    good = sample.good & np.isfinite(predicted)
    squared = np.where(good, predicted - sample.flux, 0.0) ** 2
    return np.sqrt(squared.sum(axis=axis) / np.maximum(good.sum(axis=axis), 1))


def noise(sample, axis=None):
    """Root mean square of the errors that the pipeline quotes, over good pixels."""
    variance = np.where(sample.good, 1 / np.maximum(sample.ivar, 1e-9), 0.0)
    return np.sqrt(variance.sum(axis=axis) / np.maximum(sample.good.sum(axis=axis), 1))


def carbon_giant(sample):
    """Row of the carbon-enhanced giant with the least noise; of any star if there is none."""
    _, logg, fe_h, c_h = sample.labels.T
    rows = np.flatnonzero((logg < 3) & (fe_h < -2) & (c_h - fe_h > 0.7))
    rows = rows if rows.size else np.arange(len(sample))
    return int(rows[np.argmin(noise(sample, axis=1)[rows])])


def figure_data(found, made, sample, ordinary, strange):
    """Collect what `cemp.plots.specclip` shows.

    Parameters
    ----------
    found : Retrieval
    made : dict of str to ndarray (n, 5001)
        From `translations`.
    sample : cemp.models.data.Sample
        Its spectra.
    ordinary, strange : dict of str to ndarray
        From `strangeness`.

    Returns
    -------
    dict of str to ndarray
    """
    row, names = carbon_giant(sample), list(made)
    blocks = WAVE[:-1].reshape(-1, 50)
    by_block = [np.sqrt(np.mean((rms(made[k], sample, axis=0)[:-1] ** 2).reshape(blocks.shape),
                                axis=1)) for k in names]  # fmt: skip
    data = {"way": np.array(list(found.ranks)), "rank": np.array(list(found.ranks.values())),
            "n_stars": found.n_stars, "n_hard": found.n_hard, "wave": WAVE,
            "observed": np.where(sample.good[row], sample.flux[row], np.nan),
            "predicted": made["XP"][row], "mean": made["mean"][row],
            "star": sample.labels[row], "by": np.array(names), "block": blocks.mean(axis=1),
            "rms": np.array(by_block), "score": np.array(list(ordinary))}
    for name, scores in (("ordinary", ordinary), ("strange", strange)):
        data[name] = np.array([scores[k] for k in ordinary])
    return data
