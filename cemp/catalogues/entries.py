"""Entries of all label tables in one: positions at one epoch, mended by name, stars told apart."""

import numpy as np
import pandas as pd

from cemp.catalogues.common import LABEL_TABLE
from cemp.catalogues.names import star_key
from cemp.crossmatch import propagate, separation, unit_vectors
from cemp.errors import BadInputError
from cemp.identity import assign_star_id, star_table

#: Columns that only some readers give, and what stands where there is none.
OPTIONAL = {"name": "", "recommended": False, "correction": np.nan, "group": ""}


def join_entries(tables):
    """Put the entries of all label tables into one.

    Parameters
    ----------
    tables : sequence of pandas.DataFrame
        From the readers of labels.

    Returns
    -------
    pandas.DataFrame
        `LABEL_TABLE` and `OPTIONAL`; positions at epoch 2000 where a motion is known.

    Raises
    ------
    BadInputError
        If there is no table.
    """
    if not tables:
        raise BadInputError("no table of labels among the files: name at least one")
    parts = []
    for table in tables:
        extra = {name: table[name] if name in table else blank for name, blank in OPTIONAL.items()}
        parts.append(table[list(LABEL_TABLE)].assign(**extra))
    entries = pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)
    for name in (*LABEL_TABLE, *OPTIONAL):
        if name not in entries:  # missing in every source
            entries[name] = OPTIONAL.get(name, np.nan)
    entries["gaia_source_id"] = entries["gaia_source_id"].astype("Int64")
    for name in ("name", "group"):
        entries[name] = entries[name].fillna("").astype(str)
    entries["name"] = entries["name"].where(entries["name"] != "", entries["star"])
    return _to_2000(entries[[*LABEL_TABLE, *OPTIONAL]])


def _to_2000(entries):
    """Carry positions of known motion to epoch 2000."""
    moving = entries["pmra"].notna() & entries["pmdec"].notna() & entries["ra"].notna()
    rows = entries[moving & (entries["epoch"] != 2000.0)]
    if len(rows):
        x, y, z = propagate(rows["ra"], rows["dec"], rows["pmra"], rows["pmdec"],
                            2000.0 - rows["epoch"]).T  # fmt: skip
        entries.loc[rows.index, "ra"] = np.degrees(np.arctan2(y, x)) % 360
        entries.loc[rows.index, "dec"] = np.degrees(np.arcsin(np.clip(z, -1, 1)))
        entries.loc[rows.index, "epoch"] = 2000.0
    return entries


def positions_by_name(entries, radius_arcsec):
    """Give entries without a sharp position that of an entry of the same name.

    Parameters
    ----------
    entries : pandas.DataFrame
        From `join_entries`.
    radius_arcsec : float
        Coarser positions than this are replaced.

    Returns
    -------
    pandas.DataFrame
        Same rows. A position that was only rounded is replaced if the new one lies within its
        rounding; names that stand for positions more than `radius_arcsec` apart are not used.
        ``attrs["by_name"]`` counts the rows changed.
    """
    entries = entries.copy()
    keys = {column: entries[column].map(star_key) for column in ("star", "name")}
    blunt = entries["ra"].isna() | (entries["coord_arcsec"] > radius_arcsec)
    columns = ["ra", "dec", "coord_arcsec", "epoch", "pmra", "pmdec", "gaia_source_id"]
    sharp = pd.concat([entries[~blunt].assign(key=key[~blunt]) for key in keys.values()])
    groups = sharp.groupby("key")[["ra", "dec"]]
    spread = (groups.max() - groups.min()).max(axis=1) * 3600
    single = spread.index[spread <= 2 * radius_arcsec]
    known = sharp.sort_values("coord_arcsec", kind="stable").drop_duplicates("key").set_index("key")
    known = known.loc[known.index.isin(single) & (known.index != ""), columns]
    changed = np.zeros(len(entries), bool)
    for key in keys.values():
        rows = np.flatnonzero(blunt & ~changed & key.isin(known.index))
        new = known.loc[key.iloc[rows]]
        old = entries.iloc[rows]
        away = separation(unit_vectors(old["ra"].fillna(0), old["dec"].fillna(0)),
                          unit_vectors(new["ra"], new["dec"]))  # fmt: skip
        fits = old["ra"].isna().to_numpy() | (away <= old["coord_arcsec"].to_numpy() + 1.0)
        for column in columns:
            entries.loc[entries.index[rows[fits]], column] = new[column].to_numpy()[fits]
        changed[rows[fits]] = True
    entries.attrs["by_name"] = int(changed.sum())
    return entries


def identify(entries, radius_arcsec):
    """Name the star of each entry.

    Parameters
    ----------
    entries : pandas.DataFrame
        From `positions_by_name`, every row with a position.
    radius_arcsec : float
        Entries this close are one star.

    Returns
    -------
    pandas.DataFrame
        With star_id and sep_arcsec, the distance from the star's adopted position [arcsec].
    stars : pandas.DataFrame
        From `cemp.identity.star_table`.

    Notes
    -----
    Within a source the name tells stars apart, between sources only position and Gaia do: short
    names ("S1", "119") mean different stars in different papers.
    """
    uid = entries["source"] + ":" + entries["star"].map(star_key)
    entries = entries.assign(
        star_id=assign_star_id(entries.assign(uid=uid), radius_arcsec)
    )
    stars = star_table(entries)
    place = stars.set_index("star_id").loc[entries["star_id"]]
    apart = separation(unit_vectors(entries["ra"], entries["dec"]),
                       unit_vectors(place["ra"], place["dec"]))  # fmt: skip
    return entries.assign(sep_arcsec=apart), stars
