"""Label sources matched to the survey, compared on their overlaps, then merged."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cemp.constants import LABELS
from cemp.crossmatch import MATCHING, match
from cemp.errors import BadInputError
from cemp.identity import assign_star_id, star_table


@dataclass(frozen=True)
class MergeSettings:
    """How several entries and several sources of a star become one row.

    Parameters
    ----------
    priority : tuple of str
        Sources, the most trusted first.
    default_error : dict of str to float
        Error of an entry that states none [units of the label].
    min_common : int
        Fewest stars in common for an offset to be applied.
    min_sigma : float
        Least significance of an offset that is applied.
    min_span : float
        Least share of the source's own [Fe/H] range (5th to 95th percentile) that the stars in
        common cover, for an offset to be applied.
    """

    # Subaru is one homogeneous analysis; SAGA many papers; APOGEE stops at [Fe/H] = -2.5 and
    # [C/M] = +1 and measures CO and CN, which fade in warm metal-poor stars
    priority: tuple = ("subaru", "saga", "apogee")
    # robust scatter per literature entry, from repeated pairs in JINAbase: 842 in carbon, some
    # 8,000 in the others (cemp.catalogues.scatter)
    default_error: dict = field(
        default_factory=lambda: {"teff": 73.0, "logg": 0.18, "fe_h": 0.10, "c_h": 0.21}
    )
    # below this the robust scatter itself is known to no better than a quarter
    min_common: int = 20
    # a shift of all labels of a source needs more than a chance
    min_sigma: float = 3.0
    # an offset measured on metal-poor stars says nothing of the near-solar ones
    min_span: float = 0.5


#: All sources of labels, the most trusted first. JINAbase and Placco et al. (2014) compile papers
#: that SAGA has as well; most of Placco's values are JINAbase's own.
TRUST = ("subaru", "saga", "jinabase", "placco", "apogee")

#: Entries of different names this close are one star under two names [arcsec].
NAME_RADIUS = 1.0

#: The paper's choice.
MERGING = MergeSettings()


def merging_of(sources):
    """Make settings for the sources that there are.

    Parameters
    ----------
    sources : iterable of str
        Names of `TRUST`.

    Returns
    -------
    MergeSettings
        The paper's choice, with these sources in the order of `TRUST`.

    Examples
    --------
    >>> merging_of(["apogee", "jinabase"]).priority
    ('jinabase', 'apogee')
    """
    have = set(sources)
    return MergeSettings(priority=tuple(source for source in TRUST if source in have))


def match_labels(stars, labels, settings=MATCHING, epoch=2000.0):
    """Find the survey's stars in one label table.

    Parameters
    ----------
    stars : pandas.DataFrame
        One row a star of the survey (`cemp.identity.star_table`).
    labels : pandas.DataFrame
        Entries as the catalogue readers return them; a star may have several.
    settings : MatchSettings
        Radii.
    epoch : float
        Epoch of the survey's positions [yr].

    Returns
    -------
    pandas.DataFrame
        The entries of matched stars with star_id, sep_arcsec and decided_by in front.
        ``attrs`` counts entries, label_stars, matched_stars, by_gaia, by_position,
        unmatched_coarse (their positions are coarser than the radius) and the refusals.
    """
    entries = labels.copy()
    entries["star_id"] = assign_star_id(entries.rename(columns={"star": "uid"}), NAME_RADIUS)
    sources = star_table(entries)
    found = match(stars, sources, settings, left_epoch=epoch)
    ids = pd.DataFrame({
        "label_star": sources["star_id"].to_numpy()[found["right"]],
        "star_id": stars["star_id"].to_numpy()[found["left"]],
        "sep_arcsec": found["sep_arcsec"], "decided_by": found["decided_by"],
    })  # fmt: skip
    entries = entries.rename(columns={"star_id": "label_star"})
    out = ids.merge(entries, on="label_star", how="inner", validate="1:m")
    coarse = sources["coord_arcsec"].to_numpy() > settings.radius_arcsec
    coarse[found["right"]] = False
    by_gaia = int((found["decided_by"] == "gaia").sum())
    out.attrs = {
        "entries": len(entries), "label_stars": len(sources), "matched_stars": len(found),
        "by_gaia": by_gaia, "by_position": len(found) - by_gaia,
        "unmatched_coarse": int(coarse.sum()), **found.attrs,
    }  # fmt: skip
    return out.drop(columns="label_star")


def _fill_errors(entries, settings):
    """Entries in which a missing error is the default one."""
    entries = entries.copy()
    for label in LABELS:
        known = entries[label].notna()
        error = entries[f"e_{label}"].fillna(settings.default_error[label])
        entries[f"e_{label}"] = error.where(known)
    return entries


def _median_and_error(groups, label, entries):
    """Median of the entries of each star, and its error."""
    value, n = groups[label].median(), groups[label].count()
    square = (entries[f"e_{label}"] ** 2).groupby([entries["star_id"], entries["source"]])
    # the median of three or more normal values is 1.2533 times less exact than their mean
    factor = np.where(n > 2, 1.2533, 1.0)
    return value, factor * np.sqrt(square.mean() / n.where(n > 0))


def combine_entries(entries, settings=MERGING):
    """Combine the entries that one source has of one star.

    Parameters
    ----------
    entries : pandas.DataFrame
        From `match_labels`, several sources in one table.
    settings : MergeSettings

    Returns
    -------
    pandas.DataFrame
        One row a star and source: star_id, source, labels and errors, c_h_limit, n_entries,
        sep_arcsec, reference (all, separated by ``; ``).

    Raises
    ------
    BadInputError
        If there is no entry.

    Notes
    -----
    The median of the entries, label by label: one literature pair in five differs by more than
    0.5 dex in carbon, so a mean would follow the outliers. Carbon: detections only; if there
    is none, the lowest upper limit, marked as a limit.
    """
    if entries.empty:
        raise BadInputError(
            "no star of the survey is in any label table: check that the catalogues named in "
            "the profile belong together"
        )
    entries = _fill_errors(entries, settings)
    limit = entries["c_h_limit"].to_numpy(bool)
    bound = entries["c_h"].where(limit)
    entries["c_h"] = entries["c_h"].mask(limit)
    entries["e_c_h"] = entries["e_c_h"].mask(limit)
    keys = [entries["star_id"], entries["source"]]
    groups = entries.groupby(keys)
    out = {}
    for label in LABELS:
        out[label], out[f"e_{label}"] = _median_and_error(groups, label, entries)
    table = pd.DataFrame(out)
    lowest = bound.groupby(keys).min()
    table["c_h_limit"] = table["c_h"].isna() & lowest.notna()
    table["c_h"] = table["c_h"].fillna(lowest)
    table["n_entries"] = groups.size()
    table["sep_arcsec"] = groups["sep_arcsec"].first()
    table["reference"] = groups["reference"].agg(lambda r: "; ".join(sorted({*map(str, r)})))
    return table.reset_index()


def robust_sigma(values):
    """Scatter from the median absolute deviation.

    Parameters
    ----------
    values : array_like, shape (n,)

    Returns
    -------
    float
        1.4826 MAD; NaN of nothing.
    """
    values = np.asarray(values, float)
    if not values.size:
        return float("nan")
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _detected(table, source, label):
    """Values of one label of one source by star, limits left out."""
    rows = table[table["source"] == source].set_index("star_id")
    values = rows[label].mask(rows["c_h_limit"]) if label == "c_h" else rows[label]
    return values.dropna()


def _compare(table, source, reference, label, settings):
    """One row of the comparison: source minus reference."""
    a, b = _detected(table, source, label), _detected(table, reference, label)
    common = a.index.intersection(b.index)
    difference = (a[common] - b[common]).to_numpy()
    n = len(common)
    sigma = robust_sigma(difference) if n > 2 else float("nan")  # two values have no scatter
    offset = float(np.median(difference)) if n else float("nan")
    own = _detected(table, source, "fe_h")
    span = _span(own.reindex(common).dropna()) / _span(own) if n else 0.0
    error = 1.2533 * sigma / n**0.5 if n else float("nan")
    applied = (
        n >= settings.min_common
        and abs(offset) > settings.min_sigma * error
        and span >= settings.min_span
    )
    return {
        "source": source, "reference": reference, "label": label, "n": n, "offset": offset,
        "e_offset": error, "scatter": sigma, "e_scatter": 1.166 * sigma / max(n, 1) ** 0.5,
        "span": span, "applied": bool(applied),
    }  # fmt: skip


#: Columns of a comparison, for one that has no row: a single source.
_COMPARISON = ("source", "reference", "label", "n", "offset", "e_offset", "scatter", "e_scatter",
               "span", "applied")  # fmt: skip


def _span(values):
    """Range from the 5th to the 95th percentile."""
    return max(float(np.ptp(np.percentile(values, [5, 95]))), 1e-9) if len(values) else 0.0


def compare_sources(table, settings=MERGING):
    """Compare label sources on the stars they have in common.

    Parameters
    ----------
    table : pandas.DataFrame
        From `combine_entries`.
    settings : MergeSettings
        Order of the sources and the rule for applying an offset.

    Returns
    -------
    comparison : pandas.DataFrame
        One row a pair of sources and label: n stars in common, offset (median of source minus
        reference) and e_offset, scatter (robust) and e_scatter, span and applied.
    moved : pandas.DataFrame
        `table` with the applied offsets taken off.

    Notes
    -----
    An offset is applied if it rests on enough stars, is significant, and its stars cover
    enough of the source's own [Fe/H] range: it is not extrapolated. A source is moved by the
    first such offset against the sources above it, which have been moved before. Errors: of a
    median 1.2533 sigma / sqrt(n), of a robust sigma 1.166 sigma / sqrt(n).
    """
    moved, rows = table.copy(), []
    for k, source in enumerate(settings.priority):
        shifts = {}
        for label in LABELS:
            for reference in settings.priority[:k]:
                row = _compare(moved, source, reference, label, settings)
                row["applied"] = row["applied"] and label not in shifts
                if row["applied"]:
                    shifts[label] = row["offset"]
                rows.append(row)
        for label, offset in shifts.items():
            moved.loc[moved["source"] == source, label] -= offset
    return pd.DataFrame(rows, columns=_COMPARISON), moved


def merge_sources(table, settings=MERGING):
    """Adopt one row a star.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a star and source, from `combine_entries` or `compare_sources`.
    settings : MergeSettings
        Order of trust.

    Returns
    -------
    pandas.DataFrame
        star_id, source, teff [K], logg, fe_h, c_h [dex], their errors, c_h_limit, c_source,
        n_entries, n_sources, sep_arcsec, reference; sorted by star_id.

    Notes
    -----
    Label by label the most trusted source that has a value. For carbon a detection by any
    source goes before an upper limit by any; if there are limits only, the lowest one is
    adopted and marked. A star without carbon keeps NaN: it is masked in the loss, not dropped.
    """
    rank = {source: k for k, source in enumerate(settings.priority)}
    table = table.assign(rank=table["source"].map(rank).fillna(len(rank)))
    table = table.sort_values(["star_id", "rank"], kind="stable")
    groups = table.groupby("star_id", sort=True)
    out = groups[["source"]].first()
    for label in LABELS[:3]:
        rows = table[table[label].notna()].groupby("star_id")
        out[label], out[f"e_{label}"] = rows[label].first(), rows[f"e_{label}"].first()
    carbon = table[table["c_h"].notna()].sort_values(["c_h_limit", "rank"], kind="stable")
    limits = carbon["c_h_limit"]
    carbon = pd.concat([carbon[~limits], carbon[limits].sort_values("c_h", kind="stable")])
    carbon = carbon.drop_duplicates("star_id").set_index("star_id")
    out[["c_h", "e_c_h"]] = carbon[["c_h", "e_c_h"]]
    out["c_h_limit"] = carbon["c_h_limit"].reindex(out.index).eq(True)
    out["c_source"] = carbon["source"].reindex(out.index).fillna("")
    out["n_entries"], out["n_sources"] = groups["n_entries"].sum(), groups.size()
    out["sep_arcsec"] = groups["sep_arcsec"].first()
    out["reference"] = groups["reference"].agg("; ".join)
    return out.reset_index()
