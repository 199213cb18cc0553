"""One star, one identity: repeats and catalogue rows grouped before anything is split."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from cemp.crossmatch import ARCSEC, unit_vectors


def _gaia_names(ids):
    """Names of the rows that have a Gaia identifier, empty strings elsewhere."""
    ids = pd.Series(ids).fillna(0).to_numpy(np.int64)
    return np.where(ids > 0, np.char.add("G", ids.astype(str)), "").astype(object)


def _adopt_by_uid(name, uid):
    """Name rows after the one Gaia star that shares their source identifier."""
    table = pd.DataFrame({"name": name, "uid": uid})
    known = table[(table["name"] != "") & (table["uid"] != "")]
    single = known.groupby("uid")["name"].agg(["first", "nunique"]).query("nunique == 1")["first"]
    found = table["uid"].map(single).astype(object)
    return np.where((name == "") & found.notna().to_numpy(), found, name)


def _adopt_by_position(name, points, sharp, radius):
    """Name rows after the nearest named row within the radius.

    Only nameless rows look for a name, so that two Gaia stars are never chained together by a
    nameless row between them.
    """
    bare, named = np.flatnonzero((name == "") & sharp), np.flatnonzero((name != "") & sharp)
    if bare.size and named.size:
        distance, k = cKDTree(points[named]).query(points[bare], distance_upper_bound=radius)
        near = np.isfinite(distance)
        name[bare[near]] = name[named[k[near]]]
    return name


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
    uid = observations["uid"] if "uid" in observations else pd.Series([""] * n)
    uid = uid.fillna("").astype(str).to_numpy(dtype=object)
    gaia = observations["gaia_source_id"] if "gaia_source_id" in observations else np.zeros(n)
    points = unit_vectors(observations["ra"], observations["dec"])
    sharp = np.ones(n, dtype=bool)
    if "coord_arcsec" in observations:
        sharp = ~(observations["coord_arcsec"].to_numpy(float) > radius_arcsec)
    name = _adopt_by_uid(_gaia_names(np.asarray(gaia, dtype=object)), uid)
    name = _adopt_by_position(name.astype(object), points, sharp, radius_arcsec * ARCSEC)
    bare = np.flatnonzero(name == "")
    if bare.size:
        group = _group_rest(points[bare], uid[bare], sharp[bare], radius_arcsec * ARCSEC)
        where = observations.iloc[bare][["ra", "dec"]].astype(float).assign(uid=uid[bare])
        name[bare] = _position_names(where.to_numpy(dtype=object), group)
    return pd.Series(name, index=observations.index, dtype="str", name="star_id")


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
    groups = order.groupby("star_id", sort=True)
    table = order.drop_duplicates("star_id").set_index("star_id")[have]
    for column in ("pmra", "pmdec", "gaia_source_id"):
        if column in observations:
            table[column] = groups[column].first()
    table["n_rows"] = groups.size()
    return table.sort_index().reset_index()
