"""One star, one identity: repeats and catalogue rows grouped before anything is split."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from cemp.crossmatch import ARCSEC, sky_points
from cemp.skycells import BITS, MIX, SLICE, Bitmap


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
        return pd.Series("", index=range(len(observations)), dtype="str")
    return observations["uid"].reset_index(drop=True).fillna("").astype("str")


def _text_slots(texts):
    """Slots of texts by their last eight bytes: equal texts have equal ones."""
    array = pa.chunked_array([pa.array(texts, pa.large_string())]).combine_chunks()
    n = len(array)
    place, data = (np.frombuffer(buffer or b"", kind) for buffer, kind in zip(
        array.buffers()[1:], (np.int64, np.uint8), strict=True))
    place = place[array.offset : array.offset + n + 1]
    slots = np.zeros(n, np.int32)
    for start in range(0, n, SLICE):
        first, last = (place[start + k : min(start + SLICE, n) + k] for k in (0, 1))
        key = np.zeros(len(last), np.uint64)
        for k in range(1, 9 if data.size else 0):
            byte = data[np.maximum(last - k, 0)]
            key = (key << np.uint64(8)) | np.where(last - k >= first, byte, 0).astype(np.uint64)
        slots[start : start + SLICE] = (key * MIX) >> np.uint64(64 - BITS)
    return slots


def _adopt_by_uid(number, uid):
    """Give rows the number of the one Gaia star that shares their source identifier."""
    bare = np.flatnonzero((number == 0) & (uid != "").to_numpy(bool))
    if not bare.size:
        return
    wanted = uid.iloc[bare]
    slots = _text_slots(uid)
    bitmap = Bitmap(bare.size)  # puts most rows aside before texts are compared
    bitmap.mark(slots[bare])
    named = bitmap.rows(slots)
    named = named[number[named] > 0]
    found = pd.Series(number[named]).groupby(uid.iloc[named].to_numpy()).agg(["min", "max"])
    single = found["min"][found["min"] == found["max"]]  # of several Gaia stars none is chosen
    place = single.index.get_indexer(wanted)
    number[bare[place >= 0]] = single.to_numpy()[place[place >= 0]]


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
        distance, k = cKDTree(points.vectors[named]).query(there, distance_upper_bound=radius)
        near = np.isfinite(distance)
        number[bare[near]] = number[named[k[near]]]


def _group_rest(points, uid, sharp, radius):
    """Friends of friends among nameless rows, by position or by source identifier."""
    rows = np.flatnonzero(sharp)
    pairs = rows[cKDTree(points[rows]).query_pairs(radius, output_type="ndarray")]
    codes = pd.factorize(uid)[0]
    with_uid = np.flatnonzero(uid != "")
    first = pd.Series(with_uid).groupby(codes[with_uid]).transform("first").to_numpy()
    rows = np.concatenate([pairs[:, 0], with_uid])
    cols = np.concatenate([pairs[:, 1], first])
    graph = coo_array((np.ones(rows.size, bool), (rows, cols)), shape=(len(points),) * 2)
    return connected_components(graph, directed=False)[1]


def _position_names(rows, group):
    """Name groups by the position of their first member, numbered where two share it."""
    first = pd.DataFrame(rows, columns=["ra", "dec", "uid"]).assign(group=group)
    first = first.sort_values(["ra", "dec", "uid"], kind="stable").drop_duplicates("group")
    names = [f"J{a:010.6f}{d:+010.6f}" for a, d in zip(first["ra"], first["dec"], strict=True)]
    first["name"] = names
    number = first.groupby("name").cumcount()
    first["name"] += np.where(number > 0, "-" + (number + 1).astype(str), "")
    return first.set_index("group")["name"].loc[group].to_numpy(dtype=object)


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
    points = sky_points({"ra": _floats(observations["ra"]), "dec": _floats(observations["dec"])})
    sharp = np.ones(n, dtype=bool)
    if "coord_arcsec" in observations:
        sharp = ~(observations["coord_arcsec"].to_numpy(float) > radius_arcsec)
    _adopt_by_uid(number, uid)
    _adopt_by_position(number, points, sharp, radius_arcsec * ARCSEC)
    bare = np.flatnonzero(number == 0)
    names = np.zeros(0, object)
    if bare.size:
        texts = uid.iloc[bare].to_numpy(dtype=object)
        group = _group_rest(points.vectors[bare], texts, sharp[bare], radius_arcsec * ARCSEC)
        where = observations.iloc[bare][["ra", "dec"]].astype(float).assign(uid=texts)
        names = _position_names(where.to_numpy(dtype=object), group)
    return pd.Series(_names(number, names), index=observations.index, name="star_id")


def _floats(column):
    return np.asarray(column, float)


def _names(number, others):
    """Write identifiers as names: ``G`` and the number, the others where it is 0."""
    texts = pc.cast(pa.array(number), pa.large_string())
    texts = pc.binary_join_element_wise(pa.scalar("G", pa.large_string()), texts,
                                        pa.scalar("", pa.large_string()))
    texts = pc.replace_with_mask(texts, pa.array(number == 0), pa.array(others, pa.large_string()))
    return pd.StringDtype(na_value=np.nan).__from_arrow__(texts)


def _gaia_keys(names):
    """Sort keys of names ``G<number>``, in the order of the texts; 0 elsewhere.

    Parameters
    ----------
    names : pyarrow.ChunkedArray of large_string

    Returns
    -------
    keys : ndarray of uint64 or None
        The digits, filled up with zeros on the right. None if the names do not allow that
        (leading zeros, further letters).
    digits : ndarray of int8
        Their number: tells G12 from G120.
    """
    is_gaia = pc.starts_with(names, "G")
    given = names.filter(is_gaia)
    try:
        number = pc.cast(pc.utf8_slice_codeunits(given, 1), pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None, None
    digits = np.searchsorted(10 ** np.arange(1, 19, dtype=np.int64), number, "right") + 1
    if (number <= 0).any() or (pc.utf8_length(given).to_numpy() != digits + 1).any():
        return None, None
    filled = number.astype(np.uint64) * (np.uint64(10) ** (19 - digits).astype(np.uint64))
    is_gaia = is_gaia.to_numpy(zero_copy_only=False) if len(names) else np.zeros(0, bool)
    keys, counts = np.zeros(len(names), np.uint64), np.zeros(len(names), np.int8)
    keys[is_gaia], counts[is_gaia] = filled, digits
    return keys, counts


def _by_star(star_id):
    """Bring rows of the same star together, stars in the order of their names.

    Parameters
    ----------
    star_id : pandas.Series of str, n rows

    Returns
    -------
    row : ndarray of int, shape (n,)
        Row numbers, star after star.
    start : ndarray of int
        Where in `row` each star begins.
    """
    names = pa.chunked_array([pa.array(star_id, pa.large_string())])
    keys, digits = _gaia_keys(names)
    gaia = np.flatnonzero(keys) if keys is not None else np.zeros(0, int)
    gaia = gaia[np.argsort(keys[gaia])] if gaia.size else gaia
    same = np.diff(keys[gaia]) == 0 if gaia.size else np.zeros(0, bool)
    if keys is None or (np.diff(digits[gaia])[same] != 0).any():
        return _cut(*_coded(star_id, np.arange(len(star_id))))
    others = np.flatnonzero(keys == 0)
    row, key = _coded(star_id.iloc[others], others)
    before = int((star_id.iloc[row] < "G").sum())
    start = [_cut(row[:before], key[:before])[1],
             before + _cut(gaia, keys[gaia])[1],
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
    row, start = _by_star(order["star_id"])
    first = np.minimum.reduceat(row, start) if row.size else row
    table = order.iloc[first][["star_id", *have]].reset_index(drop=True)
    table["star_id"] = table["star_id"].astype("str")
    for column in ("pmra", "pmdec", "gaia_source_id"):
        if column in observations:
            table[column] = _first_known(order[column], row, start)
    table["n_rows"] = np.diff(start, append=row.size)
    return table


def _first_known(column, row, start):
    """Give each star the first value that is not missing, if there is one."""
    known = column.notna().to_numpy(bool)
    place = np.where(known[row], row, len(row))
    first = np.minimum.reduceat(place, start) if row.size else place
    values = column.iloc[np.minimum(first, max(len(row) - 1, 0))].reset_index(drop=True)
    return values.where(first < len(row))
