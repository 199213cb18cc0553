"""The labelled sample: split by star first, then the balanced draw of the training fold."""

from string import Formatter

import numpy as np
import pandas as pd

from cemp.errors import BadInputError
from cemp.rows import PART, row_slices
from cemp.sources import merge_sources

__all__ = [
    "assign_folds",
    "balanced_draw",
    "count_bins",
    "draw_training",
    "observation_parts",
    "merge_sources",
    "split_by_star",
    "spectrum_paths",
    "usable",
]

#: Shares of the stars, by fold.
SHARES = {"train": 0.60, "validation": 0.15, "test": 0.25}

#: Low-discrepancy step (golden ratio): any run of stars gets its fair share of every fold.
_GOLDEN = (5**0.5 - 1) / 2


def split_by_star(labels, rng, shares=None, width=0.5):
    """Split labelled stars into folds, stratified by source, [Fe/H] and carbon.

    Parameters
    ----------
    labels : pandas.DataFrame
        One row a star: star_id (unique), source, fe_h, c_h, c_h_limit.
    rng : numpy.random.Generator
        Decides who goes where.
    shares : dict of str to float
        Share of each fold; they add up to 1. Default 60 / 15 / 25 per cent.
    width : float
        Width of the strata in [Fe/H] [dex].

    Returns
    -------
    pandas.Series of str, same index as `labels`
        Fold of each star.

    Raises
    ------
    BadInputError
        If a star is listed twice: it could then stand on both sides.

    Notes
    -----
    Stars are ordered by stratum (detected [C/Fe] > 0.7 or not, source, [Fe/H] bin) and at
    random within it; the k-th star goes where frac(u + 0.618 k) falls among the cumulated
    shares, so that every stratum is divided as evenly as whole stars allow.
    """
    if labels["star_id"].duplicated().any():
        raise BadInputError("a star is listed twice among the labels: merge its entries first")
    shares = SHARES if shares is None else shares
    rich = (labels["c_h"] - labels["fe_h"] > 0.7) & ~labels["c_h_limit"].astype(bool)
    strata = pd.DataFrame({
        "source": labels["source"].astype(str), "bin": np.floor(labels["fe_h"] / width),
        "rich": rich, "star_id": labels["star_id"],
    }).sort_values("star_id")  # fmt: skip
    strata["random"] = rng.random(len(strata))
    order = strata.sort_values(["rich", "source", "bin", "random"], kind="stable").index
    place = (rng.random() + _GOLDEN * np.arange(len(order))) % 1
    edges = np.cumsum(list(shares.values()))[:-1]
    folds = np.array(list(shares), dtype=object)[np.searchsorted(edges, place, side="right")]
    return pd.Series(folds, index=order, dtype="str", name="fold").reindex(labels.index)


def usable(observations):
    """Tell which spectra the survey classes as a star and gives a redshift.

    Parameters
    ----------
    observations : pandas.DataFrame
        Columns cls, z.

    Returns
    -------
    pandas.Series of bool, same index
    """
    return (observations["cls"] == "STAR") & observations["z"].notna()


def assign_folds(observations, labels):
    """Give every spectrum the fold of its star.

    Parameters
    ----------
    observations : pandas.DataFrame
        Columns star_id, cls, z.
    labels : pandas.DataFrame
        Columns star_id, fold.

    Returns
    -------
    pandas.Series of str, same index as `observations`
        ``train``, ``validation`` or ``test`` for labelled stars, ``search`` for stars without
        labels, ``reject`` for spectra that the survey does not class as a star or gives no
        redshift.
    """
    fold = observations["star_id"].map(labels.set_index("star_id")["fold"]).fillna("search")
    return fold.where(usable(observations), "reject").astype("str").rename("fold")


def count_bins(fe_h, width=0.25):
    """Count values in bins of [Fe/H].

    Parameters
    ----------
    fe_h : array_like, shape (n,)
        [dex].
    width : float
        Bin width [dex]; edges at multiples of it.

    Returns
    -------
    bins : ndarray of int, shape (n,)
        Bin number of each value: floor(fe_h / width).
    counts : pandas.Series
        Occupancy by lower edge [dex], empty bins left out.
    """
    bins = np.floor(np.asarray(fe_h, float) / width).astype(int)
    counts = pd.Series(bins).value_counts().sort_index()
    counts.index = counts.index * width
    return bins, counts


def balanced_draw(fe_h, rng, width=0.25):
    """Draw rows so that all bins of [Fe/H] are equally full ("random mean sampling").

    Parameters
    ----------
    fe_h : array_like, shape (n,)
        [dex].
    rng : numpy.random.Generator
    width : float
        Bin width [dex].

    Returns
    -------
    ndarray of int
        Rows drawn, shuffled. Every occupied bin gives the mean occupancy, rounded.

    Notes
    -----
    Fuller bins are drawn without replacement. In emptier bins every row is taken once and the
    remainder is drawn with replacement, so that no rare star is lost to chance.

    Examples
    --------
    >>> rows = balanced_draw([-0.1] * 8 + [-3.1] * 2, np.random.default_rng(1))
    >>> (rows < 8).sum().item(), (rows >= 8).sum().item(), len(set(rows[rows >= 8].tolist()))
    (5, 5, 2)
    """
    bins, counts = count_bins(fe_h, width)
    if not len(counts):
        raise BadInputError("no spectrum to draw from: lower the S/N limit of the training draw")
    target = max(1, round(counts.mean()))
    drawn = []
    for number in np.unique(bins):
        rows = np.flatnonzero(bins == number)
        if rows.size >= target:
            drawn.append(rng.choice(rows, target, replace=False))
        else:
            drawn += [rows, rng.choice(rows, target - rows.size, replace=True)]
    return rng.permutation(np.concatenate(drawn))


def draw_training(observations, labels, rng, snrg_min=50.0, width=0.25):
    """Draw the training spectra: high S/N, all metallicities equally often.

    Parameters
    ----------
    observations : pandas.DataFrame
        Columns obsid, star_id, snrg, fold.
    labels : pandas.DataFrame
        Columns star_id, fe_h.
    rng : numpy.random.Generator
    snrg_min : float
        Least S/N in g; of the training fold only.
    width : float
        Bin width in [Fe/H] [dex].

    Returns
    -------
    draw : pandas.DataFrame
        obsid and star_id, one row a drawn spectrum (repeated where drawn repeatedly).
    counts : pandas.DataFrame
        By lower bin edge [dex]: stars, spectra, bright (at or above the limit), drawn,
        different (spectra among the drawn).

    Notes
    -----
    Without a bright spectrum in the training fold the draw is empty: nothing can be trained on
    such a sample, but it can be matched and preprocessed.
    """
    train = observations[observations["fold"] == "train"].reset_index(drop=True)
    train = train.assign(fe_h=train["star_id"].map(labels.set_index("star_id")["fe_h"]))
    bright = train[train["snrg"] >= snrg_min].reset_index(drop=True)
    rows = balanced_draw(bright["fe_h"], rng, width) if len(bright) else []
    draw = bright.iloc[rows]
    counts = pd.DataFrame({
        "stars": count_bins(train.drop_duplicates("star_id")["fe_h"], width)[1],
        "spectra": count_bins(train["fe_h"], width)[1],
        "bright": count_bins(bright["fe_h"], width)[1],
        "drawn": count_bins(draw["fe_h"], width)[1],
        "different": count_bins(draw.drop_duplicates("obsid")["fe_h"], width)[1],
    })  # fmt: skip
    counts = counts.fillna(0).astype(int).rename_axis("[Fe/H] from")
    return draw[["obsid", "star_id"]].reset_index(drop=True), counts


def spectrum_paths(observations, pattern):
    """Tell where each spectrum lies.

    Parameters
    ----------
    observations : pandas.DataFrame
        Columns lmjd, planid, spid, fiberid; obsid if the pattern has it.
    pattern : str
        Path below the folder of spectra, with ``{lmjd}``, ``{planid}``, ``{spid}`` and
        ``{fiberid}``, or with ``{obsid}``, in Python's format.

    Returns
    -------
    pandas.Series of str, same index
        Empty where the catalogue does not name plate and fibre, and the pattern does.

    Raises
    ------
    BadInputError
        If the pattern has other names than these.
    """
    names = ("lmjd", "planid", "spid", "fiberid")
    used = {field for _, field, _, _ in Formatter().parse(pattern) if field is not None}
    if not used <= {*names, "obsid"}:
        raise BadInputError(f"spectrum_pattern '{pattern}': use only {{obsid}}, "
                            f"{', '.join(f'{{{name}}}' for name in names)}")
    if "obsid" in used:
        names = ("obsid", *(name for name in names if name in used))
    rows = zip(*(observations[name] for name in names), strict=True)
    plate = (observations["planid"] != "") & (observations["fiberid"] >= 0)
    known = plate if used & {"lmjd", "planid", "spid", "fiberid"} else plate | True
    paths = [
        pattern.format(**dict(zip(names, row, strict=True))) if there else ""
        for row, there in zip(rows, known, strict=True)
    ]
    return pd.Series(paths, index=observations.index, dtype="str", name="path")


def observation_parts(observations, columns, pattern, size=PART):
    """Go through the observations in the order of their identifiers, some rows at a time.

    Parameters
    ----------
    observations : pandas.DataFrame
        obsid, the columns that `spectrum_paths` needs, and `columns`.
    columns : list of str
        Columns wanted, ``path`` among them: it is written here, as the paths of a whole survey
        take more memory than anything else that is known of it.
    pattern : str
        As for `spectrum_paths`.
    size : int
        Rows at a time.

    Yields
    ------
    pandas.DataFrame
    """
    order = np.argsort(observations["obsid"].to_numpy(), kind="stable")
    needed = [name for name in observations if name in {*columns, "planid", "fiberid", "lmjd",
                                                        "spid"}]  # fmt: skip
    for rows in row_slices(len(order), size):
        part = observations[needed].iloc[order[rows]]
        yield part.assign(path=spectrum_paths(part, pattern))[columns]
