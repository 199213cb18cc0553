"""One table of stars from many catalogues: one position, one scale, every entry accounted for.

Entries are brought together by Gaia's identifier, by name within a source, and by position. Several
of one source become their median, sources are compared where they overlap and moved if the offset
is sure, and the most trusted source that gives a label is adopted (`cemp.sources`). By how much the
entries of a star disagree stands beside its labels.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cemp.catalogues.entries import identify, join_entries, positions_by_name
from cemp.catalogues.scatter import repeatability, star_scatter
from cemp.constants import LABELS
from cemp.crossmatch import MatchSettings, match
from cemp.identity import assign_star_id, star_table
from cemp.sample import usable
from cemp.sources import TRUST, MergeSettings, combine_entries, compare_sources, merge_sources


@dataclass(frozen=True)
class TableSettings:
    """How entries become stars and labels.

    Parameters
    ----------
    priority : tuple of str
        Sources of labels, the most trusted first. Those not named give no labels.
    radius_arcsec : float
        Entries this close are one star.
    discrepant : float
        Entries of a star that scatter by more than so many times the usual scatter are marked.
    """

    # homogeneous first; APOGEE stops at [Fe/H] = -2.5 and measures CO and CN
    priority: tuple = TRUST
    # positions of 2000 without motion: 186 stars that JINAbase and the list of CEMP stars name
    # alike lie within 1.8 arcsec; different stars of JINAbase are 3 arcsec apart or more but two
    radius_arcsec: float = 2.0
    # a normal distribution does so once in 370 stars
    discrepant: float = 3.0


@dataclass
class Combined:
    """The one table and what is to be known about it.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a star, columns as `cemp.catalogues.table_file.COLUMNS` describes them.
    comparison : pandas.DataFrame
        From `cemp.sources.compare_sources`.
    scatter : pandas.DataFrame
        From `cemp.catalogues.scatter.repeatability`: entries of one star in one source (those
        of two sources are often one measurement).
    counts : dict of str to int
        Entries read, given a position by name, dropped for want of one; stars.
    """

    table: pd.DataFrame
    comparison: pd.DataFrame
    scatter: pd.DataFrame
    counts: dict = field(default_factory=dict)


def _joined(values):
    """Different texts, sorted, empty ones left out."""
    return "; ".join(sorted({str(value) for value in values if str(value)}))


def _about(entries):
    """Gather what is said of a star beside its labels: name, class, correction, recommended."""
    groups = entries.groupby("star_id")
    chosen = entries[entries["recommended"].astype(bool)].groupby("star_id")["reference"]
    return pd.DataFrame({
        "name": groups["name"].first(), "group": groups["group"].agg(_joined),
        "c_fe_correction": groups["correction"].median(),
        "recommended": chosen.agg(_joined).reindex(groups["name"].first().index).fillna(""),
    })  # fmt: skip


def _scatter(entries):
    """Scatter between the entries of a star: within a source, the largest if several have it."""
    own = star_scatter(entries.assign(star=entries["source"] + ":" + entries["star_id"]), "star")
    star = own.index.str.partition(":").get_level_values(2)
    return own.groupby(star).max()


def _quality(table, merging, settings):
    """Remarks on each star, separated by commas; empty where there are none."""
    far = np.zeros(len(table), bool)
    for label in LABELS:
        far |= (table[f"s_{label}"] > settings.discrepant * merging.default_error[label]).to_numpy()
    marks = {
        "single_entry": table["n_entries"] == 1,
        "entries_disagree": far,
        "carbon_limit": table["c_h_limit"],
        "no_carbon": table["c_h"].isna(),
        "coarse_position": table["coord_arcsec"] > settings.radius_arcsec,
    }
    columns = [np.where(np.asarray(bad, bool), name, "") for name, bad in marks.items()]
    return [",".join(filter(None, row)) for row in zip(*columns, strict=True)]


def combine(tables, settings=TableSettings(), survey=None):  # noqa: B008  (frozen)
    """Make one table of stars from several catalogues.

    Parameters
    ----------
    tables : sequence of pandas.DataFrame
        From the readers of labels.
    settings : TableSettings
    survey : pandas.DataFrame, optional
        From `cemp.catalogues.read_lamost`: stars that it observed get their spectrum.

    Returns
    -------
    Combined

    Raises
    ------
    BadInputError
        If there is no label in any table.

    Notes
    -----
    Rules: several entries of one source become their median, label by label (carbon: of the
    detections; if there are none the lowest upper limit, which stays a limit). An offset between
    two sources is taken off the less trusted one if it rests on enough stars, is significant and
    not extrapolated (`cemp.sources.MergeSettings`). Then the most trusted source that has a value.
    Evolutionary corrections of carbon stand in a column of their own and are in no label.
    """
    entries = positions_by_name(join_entries(tables), settings.radius_arcsec)
    counts = {"entries": len(entries), "position found by name": entries.attrs.pop("by_name"),
              "dropped for want of a position": int(entries["ra"].isna().sum())}  # fmt: skip
    entries, stars = identify(entries[entries["ra"].notna()].reset_index(drop=True),
                              settings.radius_arcsec)
    merging = MergeSettings(priority=settings.priority)
    labelled = entries[entries["source"].isin(settings.priority)]
    comparison, moved = compare_sources(combine_entries(labelled, merging), merging)
    table = merge_sources(moved, merging).drop(columns="sep_arcsec")
    place = ["ra", "dec", "coord_arcsec", "epoch", "pmra", "pmdec", "gaia_source_id"]
    table = table.join(stars.set_index("star_id")[place], on="star_id")
    table = table.join(_scatter(labelled), on="star_id").join(_about(entries), on="star_id")
    table["c_fe"] = table["c_h"] - table["fe_h"]
    table["quality"] = _quality(table, merging, settings)
    counts["stars"] = len(table)
    if survey is not None:
        table = add_spectra(table, survey)
        counts["stars with a spectrum"] = int((table["obsid"] > 0).sum())
    labelled = labelled.assign(star=labelled["source"] + ":" + labelled["star_id"])
    return Combined(table, comparison, repeatability(labelled), counts)


def add_spectra(table, survey, settings=MatchSettings()):  # noqa: B008  (frozen)
    """Find the stars of a table in the survey.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a star: ra, dec [deg], epoch, pmra, pmdec, gaia_source_id.
    survey : pandas.DataFrame
        From `cemp.catalogues.read_lamost`.
    settings : MatchSettings

    Returns
    -------
    pandas.DataFrame
        With obsid (the star's spectrum of the best S/N in g, 0 if it has none), snrg, n_spectra
        and sep_arcsec.
    """
    good = survey[usable(survey)]
    good = good.assign(star_id=assign_star_id(good))
    observed = star_table(good)
    found = match(observed, table, settings)
    best = good.sort_values("snrg", ascending=False, kind="stable", na_position="last")
    best = best.drop_duplicates("star_id").set_index("star_id")
    ids = observed["star_id"].to_numpy()[found["left"]]
    out = table.assign(obsid=0, snrg=np.nan, n_spectra=0, sep_arcsec=np.nan)
    rows = out.index[found["right"]]
    out.loc[rows, "obsid"] = best.loc[ids, "obsid"].to_numpy()
    out.loc[rows, "snrg"] = best.loc[ids, "snrg"].to_numpy()
    out.loc[rows, "n_spectra"] = observed["n_rows"].to_numpy()[found["left"]]
    out.loc[rows, "sep_arcsec"] = found["sep_arcsec"].to_numpy()
    return out
