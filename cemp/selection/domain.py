"""Spectra unlike all that the network was trained on, in a survey that trained it itself."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS, SEED, rng
from cemp.models.predict import predict
from cemp.paths import ROOT
from cemp.selection.recipe import SIGNS, carbon_coverage
from cemp.selection.sets import spread
from cemp.selection.simulate import Maker, Nights, realise
from cemp.transfer.outside import Domain, DomainSettings
from cemp.transfer.reconstruct import BasisSettings, every, kinds, typical_snr

#: Spectra in memory at a time.
CHUNK = 500
#: Labelled spectra to learn from: 0.2 GB as double numbers, of which some copies are made.
MOST = 4000


def domain_settings(n_components=20, min_snr=25.0, false_alarm=0.03):
    """Give settings that suit some thousand labelled spectra instead of a synthetic training set.

    Parameters
    ----------
    n_components : int
        Of each kind of stars: fewer than for a synthetic training set, as there are fewer and
        noisier spectra to make them from.
    min_snr : float
        Spectra fainter than this (median S/N an Angstrom) make no component.
    false_alarm : float
        Share of labelled spectra of their own kind that may be called outside.

    Returns
    -------
    cemp.transfer.outside.DomainSettings
    """
    basis = BasisSettings(n_components=n_components, min_snr=min_snr)
    return DomainSettings(false_alarm=false_alarm, basis=basis)


def rich_vectors(maker, nights, n=500, seed=SEED):
    """Make spectra of cool carbon-rich stars, of which a survey has few.

    Components that a few such stars have taught cannot make up the next one: without these
    spectra the sign refuses one in eight CEMP giants below 5200 K, the strongest bands first.

    Parameters
    ----------
    maker : cemp.selection.simulate.Maker
        Of the synthetic library.
    nights : cemp.selection.simulate.Nights
        Observations of the training stars.
    n : int
    seed : int

    Returns
    -------
    flux, ivar, good : ndarray, shape (n, n_pix)
    labels : ndarray, shape (n, 4)
    """
    random = rng("selection rich", seed)
    stars = spread(40 * n, seed + 1)
    stars = stars[(stars["teff"] < 5400) & (stars["c_fe"] > 1.0)].iloc[:n]
    rows = nights.draw(stars["teff"], random)
    flux, ivar, good = realise(maker.stars(stars, random), nights, rows, random)
    labels = stars.assign(c_h=stars["fe_h"] + stars["c_fe"])[list(LABELS)].to_numpy(dtype=float)
    return flux, ivar, good, labels


def draw_training(rows, labels, most=MOST, seed=SEED):
    """Draw training spectra when there are more than memory takes.

    Parameters
    ----------
    rows : pandas.DataFrame
        One row a spectrum: star_id.
    labels : pandas.DataFrame
        One row a star of the catalogues: star_id, teff, fe_h, c_h. Stars without carbon count as
        ordinary ones, stars without labels, or without teff or fe_h, as a kind of their own.
    most : int
    seed : int

    Returns
    -------
    pandas.DataFrame
        All rows if they are few enough; else whole stars, from each kind ([Fe/H], warm or cool,
        rich in carbon or not) equally many as long as it has any.
    """
    if len(rows) <= most:
        return rows
    known = labels.drop_duplicates("star_id").set_index("star_id")
    kind = (np.digitize(known["fe_h"], (-2.5, -1.5, -0.5)) + 4 * (known["teff"] > 5350)
            + 8 * (known["c_h"] - known["fe_h"] > 0.4))  # fmt: skip
    # np.digitize takes NaN for more than the last edge, here for a star of the Sun's [Fe/H]
    kind = kind.where(known[["teff", "fe_h"]].notna().all(axis=1))
    stars = pd.Series(rows["star_id"].unique()).sample(frac=1.0, random_state=seed % 2**31)
    turn = stars.groupby(kind.reindex(stars).fillna(-1).to_numpy()).cumcount()
    turn = pd.Series(turn.to_numpy(), stars).sort_values(kind="stable")
    count = rows["star_id"].value_counts().reindex(turn.index).cumsum()
    return rows[rows["star_id"].isin(count.index[count <= most])]


def fit_domain(store, observations, labels, model, maker="library", fold="train", settings=None):
    """Learn what the labelled spectra of a survey look like.

    Parameters
    ----------
    store : cemp.vectors.VectorStore
        Preprocessed spectra.
    observations : pandas.DataFrame
        One row a spectrum: obsid, star_id, fold, snrg.
    labels : pandas.DataFrame
        As for `draw_training`.
    model : cemp.models.macrn.Macrn
        Its labels say of which kind a star is: catalogues do not give carbon for all of them.
    maker : cemp.selection.simulate.Maker or str or None
        Adds `rich_vectors`: a maker of the synthetic library, ``"library"`` to take it from the
        cache of emulators, or None to learn from observed spectra alone.
    fold : str
        Fold to learn from: every kind of star that the network knows is in ``train``.
    settings : cemp.transfer.outside.DomainSettings, optional
        `domain_settings` by default; fewer components where there are few spectra.

    Returns
    -------
    cemp.transfer.outside.Domain
        Fitted; it knows the signs ``labels`` and ``reconstruction``.

    Raises
    ------
    BadInputError
        If there are too few spectra.
    """
    rows = observations[(observations["fold"] == fold) & store.has(observations["obsid"])]
    rows = draw_training(rows, labels)
    vectors, star = store.read(rows["obsid"]), pd.factorize(rows["star_id"])[0]
    guess = predict(model, vectors.flux, vectors.good)
    sample = [vectors.flux, vectors.ivar, vectors.good, guess, star]
    if maker is not None:
        if maker == "library":
            maker = Maker.of("library", ROOT / "build" / "emulator")
        bright = rows.assign(teff=guess[:, 0])
        bright = bright[bright["snrg"] > 2 * (settings or domain_settings()).basis.min_snr]
        rich = rich_vectors(maker, Nights.read(store, bright))
        rich = (*rich, len(rows) + np.arange(len(rich[0])))  # no star twice
        sample = [np.concatenate(pair) for pair in zip(sample, rich, strict=True)]
        # The domain takes every third star for thresholds: both sources are to be in both.
        order = rng("selection domain", SEED).permutation(len(sample[0]))
        sample = [values[order] for values in sample]
    *arrays, star = sample
    settings = settings or domain_settings(_affordable(*arrays[1:], star))
    return Domain(settings).fit(*arrays, star=star)


def _affordable(ivar, good, labels, star, most=20):
    """Count the components that the kind with the fewest bright spectra can make."""
    inside = ~every(3, len(star), star)
    bright = typical_snr(ivar[inside], good[inside]) >= domain_settings().basis.min_snr
    stars = [star[inside][bright & kind] for kind in kinds(labels[inside])]
    fewest = min(np.sum(~every(5, len(s), s)) for s in stars)
    return int(np.clip(0.375 * fewest, 2, most))  # each component takes two spectra


def outside_flags(domain, flux, ivar, good, labels):
    """Flag what the training does not cover, and measure what the recipe asks for.

    Parameters
    ----------
    domain : cemp.transfer.outside.Domain
    flux, ivar, good : ndarray, shape (n, n_pix)
    labels : ndarray, shape (n, 4)
        Predicted labels.

    Returns
    -------
    pandas.DataFrame
        carbon_good, gband_good, outside_labels, outside_reconstruction, outside_score (1 at the
        threshold of the reconstruction) and outside_reason (text).
    """
    flags = domain.flags(flux, ivar, good, labels)
    table = carbon_coverage(good)
    for sign in SIGNS[:2]:
        table[f"outside_{sign}"] = flags[sign].to_numpy(dtype=bool)
    # what cannot be judged (too few good pixels) is not covered
    table["outside_reconstruction"] |= flags["reconstruction_score"].isna().to_numpy()
    return table.assign(outside_score=flags["reconstruction_score"].to_numpy(),
                        outside_reason=flags["reason"].to_numpy())  # fmt: skip


def add_flags(table, store, domain):
    """Add to a table of spectra what the recipe needs besides P(CEMP).

    Parameters
    ----------
    table : pandas.DataFrame
        obsid and the predicted labels, one row a spectrum or star.
    store : cemp.vectors.VectorStore
    domain : cemp.transfer.outside.Domain

    Returns
    -------
    pandas.DataFrame
        A copy with the columns of `outside_flags`.

    Raises
    ------
    BadInputError
        If a spectrum is not in the store.
    """
    if not len(table):
        columns = {"carbon_good": 0.0, "gband_good": 0.0, "outside_labels": False,
                   "outside_reconstruction": False, "outside_score": 0.0, "outside_reason": ""}
        return table.assign(**columns)
    parts, labels = [], table[list(LABELS)].to_numpy(dtype=float)
    for start in range(0, len(table), CHUNK):
        rows = slice(start, start + CHUNK)
        v = store.read(table["obsid"].to_numpy()[rows])
        parts.append(outside_flags(domain, v.flux, v.ivar, v.good, labels[rows]))
    flags = {name: pd.concat([part.pop(name) for part in parts], ignore_index=True).array
             for name in list(parts[0])}
    return table.drop(columns=list(flags), errors="ignore").assign(**flags)
