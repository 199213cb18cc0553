"""One star, one identity: repeats and catalogue rows grouped before anything is split."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from cemp.crossmatch import ARCSEC, sky_points
from cemp.skycells import CORES, in_slices, order_of

#: Powers of ten that an identifier can have.
TENS = 10 ** np.arange(1, 19, dtype=np.int64)


def _gaia_numbers(observations):
    """Gaia identifiers as integers, 0 where there is none."""
    if "gaia_source_id" not in observations:
        return np.zeros(len(observations), np.int64)
    ids = pd.Series(observations["gaia_source_id"]).fillna(0).to_numpy(np.int64, copy=True)
    ids[ids < 0] = 0
    return ids


def _uids(observations):
    """Source identifiers as text, empty where there is none."""
    if "uid" not in observations:
        return pa.nulls(len(observations), pa.large_string()).fill_null("")
    uid = observations["uid"]
    if uid.hasnans:
        uid = uid.fillna("")
    return _large(uid.astype("str"))


def _large(texts):
    """Texts of a column as one array of Arrow, without a copy where they are one already."""
    array = pa.array(texts, pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _adopt_by_uid(number, uid):
    """Give rows the number of the one Gaia star that shares their source identifier."""
    bare = np.flatnonzero(number == 0)
    wanted = pc.unique(uid.take(pa.array(bare)))
    wanted = wanted.filter(pc.not_equal(wanted, ""))
    if not len(wanted):
        return

    def look_up(rows):
        part = uid.slice(rows.start, rows.stop - rows.start)
        found = pc.index_in(part, value_set=wanted)
        return found.fill_null(-1).to_numpy(zero_copy_only=False)

    code = np.concatenate(in_slices(look_up, len(uid), max(-(-len(uid) // CORES), 1 << 18)))
    named = np.flatnonzero((number > 0) & (code >= 0))
    low, high = np.full(len(wanted), np.iinfo(np.int64).max), np.zeros(len(wanted), np.int64)
    np.minimum.at(low, code[named], number[named])
    np.maximum.at(high, code[named], number[named])
    single = low == high  # of several Gaia stars none is chosen
    bare = bare[code[bare] >= 0]
    bare = bare[single[code[bare]]]
    number[bare] = low[code[bare]]


def _adopt_by_position(number, points, sharp, radius):
    """Give rows the number of the nearest named row within the radius.

    Only nameless rows look for a name, so that two Gaia stars are never chained together by a
    nameless row between them.
    """
    bare, named = np.flatnonzero((number == 0) & sharp), np.flatnonzero((number > 0) & sharp)
    if not (bare.size and named.size):
        return
    there = points.vectors[bare]
    near = points.near(there, np.full(bare.size, radius * (1 + 1e-9)), 4 * radius)
    named = near[(number[near] > 0) & sharp[near]]  # the others are too far from any nameless row
    if named.size:
        tree = cKDTree(points.vectors[named])
        distance, k = tree.query(there, distance_upper_bound=radius, workers=CORES)
        near = np.isfinite(distance)
        number[bare[near]] = number[named[k[near]]]


def _group_rest(points, uid, sharp, radius):
    """Friends of friends among nameless rows, by position or by source identifier."""
    rows = np.flatnonzero(sharp)
    pairs = rows[cKDTree(points[rows]).query_pairs(radius, output_type="ndarray")]
    code = uid.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    with_uid = np.flatnonzero(pc.not_equal(uid, "").to_numpy(zero_copy_only=False))
    first = np.full(len(code), len(code))
    np.minimum.at(first, code[with_uid], with_uid)
    rows = np.concatenate([pairs[:, 0], with_uid])
    cols = np.concatenate([pairs[:, 1], first[code[with_uid]]])
    graph = coo_array((np.ones(rows.size, bool), (rows, cols)), shape=(len(points),) * 2)
    return connected_components(graph, directed=False)[1]


def _position_names(ra, dec, uid, group):
    """Name groups by the position of their first member, numbered where two share it."""
    rank = np.empty(len(ra), np.int64)
    rank[pc.array_sort_indices(uid).to_numpy()] = np.arange(len(ra))
    order = np.lexsort((rank, dec, ra))
    group = group[order]
    first = np.sort(np.unique(group, return_index=True)[1])
    rows = order[first]
    names = pd.Series([f"J{a:010.6f}{d:+010.6f}"
                       for a, d in zip(ra[rows].tolist(), dec[rows].tolist(), strict=True)])
    number = names.groupby(names).cumcount().to_numpy()
    names = np.where(number > 0, names + "-" + (number + 1).astype(str), names)
    named = np.empty(first.size, object)
    named[group[first]] = names
    out = np.empty(len(ra), object)
    out[order] = named[group]
    return out


def assign_star_id(observations, radius_arcsec=1.5):
    """Give every row the identity of its star.

    Parameters
    ----------
    observations : pandas.DataFrame
        Columns ra, dec [deg]; optionally gaia_source_id, uid, the identifier (or name) that
        the catalogue itself gives a star, and coord_arcsec: positions coarser than the radius
        are not used.
    radius_arcsec : float
        Rows this close are one star unless Gaia tells them apart. Half of a LAMOST fibre:
        closer pairs share their light in any case.

    Returns
    -------
    pandas.Series of str, same index
        ``"G<Gaia identifier>"``, or ``"J<ra><dec>"`` of a star that Gaia has not identified. It
        does not depend on the order of the rows.

    Notes
    -----
    Gaia decides first; a row without identifier takes that of the one Gaia star with the same
    uid, else of the nearest one within the radius; the rest are grouped by uid and position.
    """
    n = len(observations)
    uid, number = _uids(observations), _gaia_numbers(observations)
    ra, dec = _floats(observations["ra"]), _floats(observations["dec"])
    points = sky_points({"ra": ra, "dec": dec})
    sharp = np.ones(n, dtype=bool)
    if "coord_arcsec" in observations:
        sharp = ~(observations["coord_arcsec"].to_numpy(float) > radius_arcsec)
    _adopt_by_uid(number, uid)
    _adopt_by_position(number, points, sharp, radius_arcsec * ARCSEC)
    bare = np.flatnonzero(number == 0)
    names = np.zeros(0, object)
    if bare.size:
        texts = uid.take(pa.array(bare))
        group = _group_rest(points.vectors[bare], texts, sharp[bare], radius_arcsec * ARCSEC)
        names = _position_names(ra[bare], dec[bare], texts, group)
    del points, uid
    return pd.Series(_names(number, names), index=observations.index, name="star_id")


def _floats(column):
    return np.asarray(column, float)


def _names(number, others):
    """Write identifiers as names: ``G`` and the number, the others where it is 0."""
    given, text = np.zeros(len(number) + 1, np.int64), pa.large_string()
    np.cumsum(number == 0, out=given[1:])
    others = pa.array(others, text)

    def write(rows):
        part = number[rows]
        names = pc.binary_join_element_wise(pa.scalar("G", text), pc.cast(pa.array(part), text),
                                            pa.scalar("", text))
        first, last = given[[rows.start, rows.stop]]
        return pc.replace_with_mask(names, pa.array(part == 0), others[first:last])

    parts = in_slices(write, len(number))
    names = pa.concat_arrays(parts) if parts else pa.array([], text)
    return pd.StringDtype(na_value=np.nan).__from_arrow__(names)


def _gaia_keys(names):
    """Sort keys of names ``G<number>``, in the order of the texts; 0 elsewhere.

    Parameters
    ----------
    names : pyarrow.Array of large_string

    Returns
    -------
    keys : ndarray of uint64 or None
        The digits, filled up with zeros on the right. None if the names do not allow that
        (leading zeros, further letters).
    digits : ndarray of int8
        Their number: tells G12 from G120.
    """
    keys, counts = np.zeros(len(names), np.uint64), np.zeros(len(names), np.int8)

    def fill(rows):
        part = names.slice(rows.start, rows.stop - rows.start)
        is_gaia = pc.starts_with(part, "G")
        given = part if pc.all(is_gaia).as_py() else part.filter(is_gaia)
        try:
            number = pc.cast(pc.utf8_slice_codeunits(given, 1), pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            return False
        digits = np.searchsorted(TENS, number, "right") + 1
        if (number <= 0).any() or (pc.binary_length(given).to_numpy() != digits + 1).any():
            return False
        is_gaia = is_gaia.to_numpy(zero_copy_only=False)
        filled = number.astype(np.uint64) * (np.uint64(10) ** (19 - digits).astype(np.uint64))
        keys[rows][is_gaia], counts[rows][is_gaia] = filled, digits
        return True

    return (keys, counts) if all(in_slices(fill, len(names))) else (None, None)


def rows_by_star(star_id):
    """Bring rows of the same star together, stars in the order of their names.

    Parameters
    ----------
    star_id : pandas.Series of str, n rows

    Returns
    -------
    row : ndarray of int, shape (n,)
        Row numbers, star after star, those of a star ascending.
    start : ndarray of int
        Where in `row` each star begins.
    """
    keys, digits = _gaia_keys(_large(star_id))
    if keys is None:
        return _cut(*_coded(star_id, np.arange(len(star_id))))
    others, gaia = np.flatnonzero(keys == 0), order_of(keys)
    gaia = gaia[others.size :]  # a key of 0 comes first
    keys = keys[gaia]
    same = np.diff(keys) == 0
    if (np.diff(digits[gaia])[same] != 0).any():
        return _cut(*_coded(star_id, np.arange(len(star_id))))
    row, key = _coded(star_id.iloc[others], others)
    before = int((star_id.iloc[row] < "G").sum())
    start = [_cut(row[:before], key[:before])[1],
             before + np.flatnonzero(np.concatenate([[True], ~same])[: gaia.size]),
             before + gaia.size + _cut(row[before:], key[before:])[1]]
    return np.concatenate([row[:before], gaia, row[before:]]), np.concatenate(start)


def _coded(texts, rows):
    """Rows in the order of their texts, and a number for each text."""
    code = pd.factorize(texts, sort=True)[0]
    order = np.argsort(code, kind="stable")
    return rows[order], code[order]


def _cut(row, key):
    """Rows, and where among them a new key begins."""
    return row, np.flatnonzero(np.diff(key.astype(np.int64), prepend=key[:1].astype(np.int64) - 1))


def count_stars(star_id):
    """Count different stars.

    Parameters
    ----------
    star_id : pandas.Series of str

    Returns
    -------
    int
    """
    return len(rows_by_star(star_id)[1]) if len(star_id) else 0


def stars_by_fold(observations):
    """Tell which stars have spectra in which fold.

    Parameters
    ----------
    observations : pandas.DataFrame
        star_id, fold; one row a spectrum.

    Returns
    -------
    pandas.DataFrame of bool
        A column a fold, in alphabetical order, and a row a star, in the order of their names.
    """
    if observations.empty:
        return pd.DataFrame()
    row, start = rows_by_star(observations["star_id"])
    star = np.empty(len(row), np.int32)
    star[row] = np.repeat(np.arange(len(start), dtype=np.int32), np.diff(start, append=len(row)))
    columns = {}
    for fold in sorted(observations["fold"].unique()):
        columns[fold] = np.zeros(len(start), dtype=bool)
        columns[fold][star[(observations["fold"] == fold).to_numpy(bool)]] = True
    return pd.DataFrame(columns)


def star_table(observations):
    """One row a star of a table of observations.

    Parameters
    ----------
    observations : pandas.DataFrame
        Columns star_id, ra, dec [deg] and optionally gaia_source_id, coord_arcsec, epoch,
        pmra, pmdec.

    Returns
    -------
    pandas.DataFrame
        star_id, n_rows and the columns above: position, epoch and motion of the row with the
        finest position (the first if equal), the Gaia identifier of any row.
    """
    order = observations
    if "coord_arcsec" in observations:
        order = observations.sort_values("coord_arcsec", kind="stable")
    have = [c for c in ("ra", "dec", "coord_arcsec", "epoch") if c in observations]
    row, start = rows_by_star(order["star_id"])
    table = order[["star_id", *have]].iloc[row[start]].reset_index(drop=True)
    table["star_id"] = table["star_id"].astype("str")
    for column in ("pmra", "pmdec", "gaia_source_id"):
        if column in observations:
            table[column] = _first_known(order[column], row, start)
    table["n_rows"] = np.diff(start, append=row.size)
    return table


def _first_known(column, row, start):
    """Give each star the first value that is not missing, if there is one."""
    known = column.notna().to_numpy(bool)
    first = row[start]
    last = np.append(start, row.size)[1:]
    lacking = np.flatnonzero(~known[first] & (last - start > 1))
    if lacking.size:  # few stars: their rows are looked through
        count = last[lacking] - start[lacking]
        begin = np.cumsum(count) - count
        place = row[np.repeat(start[lacking] - begin, count) + np.arange(count.sum())]
        place = np.minimum.reduceat(np.where(known[place], place, len(row)), begin)
        first[lacking] = np.where(place < len(row), place, first[lacking])
    values = column.iloc[first].reset_index(drop=True)
    return values.where(known[first])
