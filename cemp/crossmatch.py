"""Match two catalogues on the sky: nearest and mutual, Gaia deciding, motion carried along."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from cemp.errors import BadInputError

ARCSEC = np.pi / 180 / 3600


@dataclass(frozen=True)
class MatchSettings:
    """How two rows are found to be one star.

    Parameters
    ----------
    radius_arcsec : float
        Largest separation when position alone decides.
    id_radius_arcsec : float
        Largest separation of rows that bear the same Gaia identifier.
    """

    # LAMOST fibres are 3.3 arcsec wide; 95% of real LAMOST-APOGEE pairs lie within 0.32 arcsec
    radius_arcsec: float = 3.0
    # literature positions rounded to 0.01 deg are up to 25 arcsec off; a mistyped identifier
    # should still not tie stars in different fields together
    id_radius_arcsec: float = 60.0


#: The paper's choice.
MATCHING = MatchSettings()


def unit_vectors(ra, dec):
    """Turn positions into unit vectors.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        ICRS [deg].

    Returns
    -------
    ndarray, shape (n, 3)
    """
    ra, dec = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def separation(left, right):
    """Angle between pairs of unit vectors.

    Parameters
    ----------
    left, right : ndarray, shape (n, 3)

    Returns
    -------
    ndarray, shape (n,)
        [arcsec]; from the chord, so exact for small angles.
    """
    chord = np.linalg.norm(left - right, axis=1)
    return 2 * np.arcsin(np.clip(chord / 2, 0, 1)) / ARCSEC


def propagate(ra, dec, pmra, pmdec, years):
    """Move stars along their proper motion.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        ICRS [deg].
    pmra, pmdec : array_like, shape (n,)
        Proper motion, pmra including cos(dec) [mas/yr]; NaN counts as none.
    years : array_like, shape (n,) or scalar
        New epoch minus old epoch [yr].

    Returns
    -------
    ndarray, shape (n, 3)
        Unit vectors at the new epoch.

    Notes
    -----
    Straight motion in the tangent plane at the old position (ESA 1997, The Hipparcos
    Catalogue, vol. 1, eq. 1.2.13, without parallax and radial velocity).
    """
    ra, dec = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    start = np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    east = np.column_stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)])
    north = np.column_stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    step = np.nan_to_num(np.asarray(years, float)) * ARCSEC / 1000
    moved = (
        start
        + east * (np.nan_to_num(np.asarray(pmra, float)) * step)[:, None]
        + north * (np.nan_to_num(np.asarray(pmdec, float)) * step)[:, None]
    )
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def _columns(table, epoch):
    """Positions, motions, epochs and identifiers of a table as plain arrays."""
    n = len(table)
    ra, dec = np.asarray(table["ra"], float), np.asarray(table["dec"], float)
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        raise BadInputError("a table to match has rows without position: drop and count them first")
    out = {"ra": ra, "dec": dec}
    for name, missing in (("pmra", np.nan), ("pmdec", np.nan), ("epoch", epoch)):
        values = np.asarray(table[name], float) if name in table else np.full(n, np.nan)
        out[name] = np.where(np.isfinite(values), values, missing)
    ids = table["gaia_source_id"] if "gaia_source_id" in table else pd.Series(0, range(n))
    out["gaia"] = pd.Series(ids).fillna(0).to_numpy(np.int64)
    return out


def _pair_separation(left, right, i, j):
    """Separation of pairs [arcsec], both at one epoch if either side knows its motion."""
    a = unit_vectors(left["ra"][i], left["dec"][i])
    b = unit_vectors(right["ra"][j], right["dec"][j])
    years = left["epoch"][i] - right["epoch"][j]
    right_moves = np.isfinite(right["pmra"][j] + right["pmdec"][j])
    b = propagate(
        right["ra"][j], right["dec"][j], right["pmra"][j], right["pmdec"][j],
        np.where(right_moves, years, 0.0),
    ) if right_moves.any() else b  # fmt: skip
    a = propagate(
        left["ra"][i], left["dec"][i], left["pmra"][i], left["pmdec"][i],
        np.where(right_moves, 0.0, -years),
    )  # fmt: skip
    return separation(a, b)


def _reach(table, years):
    """How far each star can have moved in so many years [arcsec]."""
    motion = np.hypot(table["pmra"], table["pmdec"])
    return np.nan_to_num(motion) * years / 1000


def _candidates(left, right, radius):
    """Row pairs within the radius once motion is allowed for."""
    epochs = np.concatenate([left["epoch"], right["epoch"]])
    years = float(np.ptp(epochs)) if epochs.size else 0.0
    fast_left = _reach(left, years)
    reach = radius + _reach(right, years)
    tree = cKDTree(unit_vectors(left["ra"], left["dec"]))
    points = unit_vectors(right["ra"], right["dec"])
    lists = tree.query_ball_point(points, reach * ARCSEC)
    j = np.repeat(np.arange(len(points)), np.fromiter(map(len, lists), int, len(lists)))
    i = np.concatenate([np.asarray(k, int) for k in lists]) if j.size else np.zeros(0, int)
    moving = np.flatnonzero(fast_left > 0.1)  # the few whose motion only the left side knows
    if moving.size:
        tree = cKDTree(points)
        reach = radius + fast_left[moving]
        lists = tree.query_ball_point(unit_vectors(left["ra"], left["dec"])[moving], reach * ARCSEC)
        sizes = np.fromiter(map(len, lists), int, len(lists))
        i = np.concatenate([i, np.repeat(moving, sizes)])
        j = np.concatenate([j, *[np.asarray(k, int) for k in lists]]).astype(int)
    pairs = np.unique(j.astype(np.int64) * len(left["ra"]) + i)
    return pairs % len(left["ra"]), pairs // len(left["ra"])


def _mutual(i, j, sep):
    """Keep pairs in which each is the other's nearest; ties go to the first row."""
    order = np.lexsort((i, j, sep))
    i, j, sep = i[order], j[order], sep[order]
    first_i = np.zeros(i.size, bool)
    first_j = np.zeros(j.size, bool)
    first_i[np.unique(i, return_index=True)[1]] = True
    first_j[np.unique(j, return_index=True)[1]] = True
    keep = first_i & first_j
    return i[keep], j[keep], sep[keep]


def _same_id(left, right):
    """Row pairs with the same Gaia identifier."""
    a = pd.DataFrame({"gaia": left["gaia"], "i": np.arange(left["gaia"].size)}).query("gaia > 0")
    b = pd.DataFrame({"gaia": right["gaia"], "j": np.arange(right["gaia"].size)}).query("gaia > 0")
    both = b.merge(a, on="gaia")
    return both["i"].to_numpy(int), both["j"].to_numpy(int)


def match(left, right, settings=MATCHING, left_epoch=2000.0, right_epoch=2000.0):
    """Match two catalogues of stars.

    Parameters
    ----------
    left, right : pandas.DataFrame
        Columns ra, dec [deg]; optionally epoch [yr], pmra, pmdec [mas/yr], gaia_source_id. One
        row a star (repeated rows compete, and one of them wins).
    settings : MatchSettings
        Radii.
    left_epoch, right_epoch : float
        Epoch of positions in rows that do not state it [yr].

    Returns
    -------
    pandas.DataFrame
        left, right: row positions in the tables; sep_arcsec, at the common epoch;
        decided_by: ``"gaia"`` or ``"position"``. Sorted by left. ``attrs`` counts what was
        refused: ``id_too_far`` and ``id_disagrees`` (pairs).

    Notes
    -----
    1. Rows with the same Gaia identifier within ``id_radius_arcsec`` are matched, however far
       apart within it: rounded positions and unknown motion are forgiven.
    2. Of the rest, pairs within ``radius_arcsec`` in which each is the other's nearest are
       matched, unless both have identifiers: then they disagree, and the pair is refused
       before "nearest" is judged, so that a neighbour does not hide the star.
    Where the right side knows its proper motion it is carried to the left epoch, else the left
    side is carried to the right epoch.
    """
    a, b = _columns(left, left_epoch), _columns(right, right_epoch)
    i, j = _same_id(a, b)
    sep = _pair_separation(a, b, i, j)
    near = sep <= settings.id_radius_arcsec
    counts = {"id_too_far": int((~near).sum())}
    i, j, sep = _mutual(i[near], j[near], sep[near])
    p, q = _candidates(a, b, settings.radius_arcsec)
    free = ~np.isin(p, i) & ~np.isin(q, j)
    refused = (a["gaia"][p] > 0) & (b["gaia"][q] > 0)
    distance = _pair_separation(a, b, p, q)
    close = distance <= settings.radius_arcsec
    counts["id_disagrees"] = int((refused & close & (a["gaia"][p] != b["gaia"][q])).sum())
    keep = free & ~refused & close
    p, q, distance = _mutual(p[keep], q[keep], distance[keep])
    table = pd.DataFrame({
        "left": np.concatenate([i, p]), "right": np.concatenate([j, q]),
        "sep_arcsec": np.concatenate([sep, distance]),
        "decided_by": ["gaia"] * len(i) + ["position"] * len(p),
    })  # fmt: skip
    table = table.sort_values(["left", "right"]).reset_index(drop=True)
    table.attrs = counts
    return table


def false_match_rate(left, right, settings=MATCHING, shifts=None, **epochs):
    """Estimate how many matches by position are chance, from shifted positions.

    Parameters
    ----------
    left, right : pandas.DataFrame
        As for `match`.
    settings : MatchSettings
        Radii.
    shifts : array_like, shape (n_shift, 2), optional
        Offsets east and north [arcsec], well beyond the radius and small against the field; by
        default 8 directions at 40 and 80 arcsec in turn.
    **epochs
        ``left_epoch`` and ``right_epoch`` as for `match`.

    Returns
    -------
    pandas.DataFrame
        east, north [arcsec] and matches: how many stars found a partner after the shift.
        ``attrs["expected"]`` is the mean number of chance matches, ``attrs["error"]`` its
        Poisson error (of one match if there was none), ``attrs["rate"]`` their share of the
        matches that position alone gives unshifted.

    Notes
    -----
    Identifiers are ignored, so this is the rate of a match by position alone: what Gaia
    decides can only lower it.
    """
    if shifts is None:
        angle = np.arange(8) * np.pi / 4
        radius = np.where(np.arange(8) % 2, 80.0, 40.0)
        shifts = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    left, right = (t.drop(columns="gaia_source_id", errors="ignore") for t in (left, right))
    real = len(match(left, right, settings, **epochs))
    rows = []
    for east, north in np.asarray(shifts, float):
        dec = np.clip(right["dec"] + north / 3600, -90, 90)
        ra = (right["ra"] + east / 3600 / np.maximum(np.cos(np.radians(dec)), 1e-6)) % 360
        found = match(left, right.assign(ra=ra, dec=dec), settings, **epochs)
        rows.append((east, north, len(found)))
    table = pd.DataFrame(rows, columns=["east", "north", "matches"])
    total, n = int(table["matches"].sum()), len(table)
    table.attrs = {
        "expected": total / n, "error": max(total, 1) ** 0.5 / n,
        "rate": total / n / real if real else float("nan"), "real": real,
    }  # fmt: skip
    return table
