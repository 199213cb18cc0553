"""Match two catalogues on the sky: nearest and mutual, Gaia deciding, motion carried along."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.errors import BadInputError
from cemp.skycells import Points, in_slices

ARCSEC = np.pi / 180 / 3600
#: Shifts up to this are searched for chance matches in one go [arcsec]: more would find most of
#: the sky near every star.
WIDE = 200.0


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
    level = np.cos(dec)
    return np.column_stack([level * np.cos(ra), level * np.sin(ra), np.sin(dec)])


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
    """Positions, motions, epochs and identifiers of a table as plain arrays.

    A column that the table lacks costs no memory: the long tables lack most of them.
    """
    n = len(table)
    ra, dec = np.asarray(table["ra"], float), np.asarray(table["dec"], float)
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        raise BadInputError("a table to match has rows without position: drop and count them first")
    out = {"ra": ra, "dec": dec}
    for name, missing in (("pmra", np.nan), ("pmdec", np.nan), ("epoch", epoch)):
        if name in table:
            values = np.asarray(table[name], float)
            out[name] = np.where(np.isfinite(values), values, missing)
        else:
            out[name] = np.broadcast_to(float(missing), n)
    if "gaia_source_id" in table:
        out["gaia"] = pd.Series(table["gaia_source_id"]).fillna(0).to_numpy(np.int64)
    else:
        out["gaia"] = np.broadcast_to(np.int64(0), n)
    return out


def _absent(values):
    """Tell a column that the table lacks: one empty value, repeated without memory."""
    return not values.strides[0] and not (values[:1] > 0).any() and not (values[:1] < 0).any()


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
    if _absent(table["pmra"]) or _absent(table["pmdec"]):
        return np.broadcast_to(0.0, len(table["ra"]))
    motion = np.hypot(table["pmra"], table["pmdec"])
    return np.nan_to_num(motion) * years / 1000


def _years(left, right):
    """Longest time between two positions [yr]."""
    epochs = [f(t["epoch"]) for t in (left, right) if len(t["epoch"]) for f in (np.min, np.max)]
    return float(np.ptp(epochs)) if epochs else 0.0


def sky_points(table):
    """Make positions ready to be searched.

    Parameters
    ----------
    table : dict of str to ndarray
        ra, dec [deg].

    Returns
    -------
    cemp.skycells.Points
    """
    n = len(table["ra"])
    vectors = np.empty((n, 3))

    def fill(rows):  # unit vectors of all rows at once would need thrice the room
        vectors[rows] = unit_vectors(table["ra"][rows], table["dec"][rows])

    in_slices(fill, n)
    return Points(vectors)


def _candidates(left, right, radius, points):
    """Row pairs within the radius once motion is allowed for."""
    years = _years(left, right)
    fast_left = _reach(left, years)
    reach = (radius + _reach(right, years)) * ARCSEC
    there = unit_vectors(right["ra"], right["dec"])
    i, j = points.pairs(there, reach, 2 * radius * ARCSEC)
    moving = np.flatnonzero(fast_left > 0.1)  # the few whose motion only the left side knows
    if not moving.size:
        return i, j
    reach = (radius + fast_left[moving]) * ARCSEC
    q, p = Points(there).pairs(points.vectors[moving], reach, 2 * radius * ARCSEC)
    n = max(len(left["ra"]), 1)
    pairs = np.unique(np.concatenate([j * n + i, q * n + moving[p]]))
    return pairs % n, pairs // n


def _pair_reach(left, right, radius, pairs):
    """Largest distance at which each pair is still looked at, as in `_candidates` [rad]."""
    years, (i, j) = _years(left, right), pairs
    fast = _reach(left, years)[i]
    return (radius + np.maximum(_reach(right, years)[j], np.where(fast > 0.1, fast, 0))) * ARCSEC


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
    a, b = left["gaia"], right["gaia"]
    rows = np.flatnonzero(b > 0)
    rows = rows[np.argsort(b[rows], kind="stable")]
    ids = b[rows]
    if not rows.size or _absent(a):
        return np.zeros(0, int), np.zeros(0, int)
    low = np.searchsorted(ids, a, "left")
    known = np.flatnonzero((a > 0) & (ids[np.minimum(low, ids.size - 1)] == a))
    low = low[known]
    count = np.searchsorted(ids, a[known], "right") - low
    i = np.repeat(known, count)
    step = np.arange(i.size) - np.repeat(np.cumsum(count) - count, count)
    return i, rows[np.repeat(low, count) + step]


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
    return _match(a, b, settings, _candidates(a, b, settings.radius_arcsec, sky_points(a)))


def _match(a, b, settings, candidates):
    """Match plain arrays; `candidates` are pairs of rows, all that can be near among them."""
    i, j = _same_id(a, b)
    sep = _pair_separation(a, b, i, j)
    near = sep <= settings.id_radius_arcsec
    counts = {"id_too_far": int((~near).sum())}
    i, j, sep = _mutual(i[near], j[near], sep[near])
    p, q = candidates
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


def _shifted(table, east, north):
    """Shift positions [arcsec]."""
    dec = np.clip(table["dec"] + north / 3600, -90, 90)
    ra = (table["ra"] + east / 3600 / np.maximum(np.cos(np.radians(dec)), 1e-6)) % 360
    return table | {"ra": ra, "dec": dec}


def _widest(table, shifts):
    """How far shifts carry any row [arcsec]: at a pole further than was asked."""
    polar = {key: table[key][np.abs(table["dec"]) > 80] for key in ("ra", "dec")}
    there = unit_vectors(polar["ra"], polar["dec"])
    far = [1.01 * np.hypot(*shift) for shift in shifts]
    for shift in shifts:
        moved = _shifted(polar, *shift)
        far.append(separation(there, unit_vectors(moved["ra"], moved["dec"])).max(initial=0.0))
    return max(far)


def _count_all(a, b, settings, shifts, points):
    """Count the matches after each shift, through one search as wide as the widest of them."""
    radius = settings.radius_arcsec
    i, j = _candidates(a, b, radius + _widest(b, shifts), points)
    reach = _pair_reach(a, b, radius, (i, j))
    few, j = np.unique(j, return_inverse=True)
    b = {key: values[few] for key, values in b.items()}

    def count(k):
        moved = b if k.start == 0 else _shifted(b, *shifts[k.start - 1])
        there = unit_vectors(moved["ra"], moved["dec"])
        chord = ((points.vectors[i] - there[j]) ** 2).sum(axis=1)
        keep = chord <= (reach * (1 + 1e-9)) ** 2 + 1e-30
        return len(_match(a, moved, settings, (i[keep], j[keep])))

    return in_slices(count, len(shifts) + 1, 1)


def false_match_rate(
    left, right, settings=MATCHING, shifts=None, left_epoch=2000.0, right_epoch=2000.0
):
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
    left_epoch, right_epoch : float
        As for `match`.

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
    a, b = _columns(left, left_epoch), _columns(right, right_epoch)
    a["gaia"], b["gaia"] = np.broadcast_to(0, len(left)), np.broadcast_to(0, len(right))
    points, shifts = sky_points(a), np.asarray(shifts, float)
    if _widest(b, shifts) < WIDE:
        real, *found = _count_all(a, b, settings, shifts, points)
    else:
        tables = [b, *(_shifted(b, *shift) for shift in shifts)]
        real, *found = (len(_match(a, moved, settings, _candidates(
            a, moved, settings.radius_arcsec, points))) for moved in tables)
    table = pd.DataFrame({"east": shifts[:, 0], "north": shifts[:, 1], "matches": found})
    total, n = int(table["matches"].sum()), len(table)
    table.attrs = {
        "expected": total / n, "error": max(total, 1) ** 0.5 / n,
        "rate": total / n / real if real else float("nan"), "real": real,
    }  # fmt: skip
    return table
