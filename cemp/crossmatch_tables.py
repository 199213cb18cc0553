"""Tidy tables of what the crossmatch did, for the notebook and for the paper."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS
from cemp.identity import stars_by_fold

#: How sources are written.
NAMES = {"apogee": "APOGEE", "subaru": "LAMOST-Subaru", "saga": "SAGA", "jinabase": "JINAbase"}
#: The paper's sources: tables show them even where they have no star.
PAPER = ("apogee", "subaru", "saga")


def count_table(tables):
    """Say what the readers read, dropped and remarked.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        Tables with ``attrs`` n_read, dropped and noted, by name.

    Returns
    -------
    pandas.DataFrame
        One row a reason (kind, reason), one column a table; blank where a reason does not
        apply. Reasons that no row met are left out.
    """
    counts = {}
    for name, table in tables.items():
        counts[name] = {("", "rows read"): table.attrs["n_read"], ("", "rows kept"): len(table)}
        for kind in ("dropped", "noted"):
            counts[name] |= {(kind, k): n for k, n in table.attrs[kind].items() if n}
    table = pd.DataFrame(counts).astype("Int64")
    table.index.names = ["", "reason"]
    return table.sort_index(level=0, kind="stable", sort_remaining=False)


def match_table(matches, chance):
    """Say how each label source was matched.

    Parameters
    ----------
    matches : dict of str to pandas.DataFrame
        From `cemp.sources.match_labels`, by source.
    chance : dict of str to pandas.DataFrame
        From `cemp.crossmatch.false_match_rate`, by source.

    Returns
    -------
    pandas.DataFrame
        One column a source: stars and entries, how they were decided, what was refused,
        separations [arcsec] and chance matches by position alone.
    """
    out = {}
    for source, found in matches.items():
        a, sep = found.attrs, found.drop_duplicates("star_id")["sep_arcsec"]
        out[NAMES[source]] = {
            "stars in the source": a["label_stars"], "stars matched": a["matched_stars"],
            "entries matched": len(found), "decided by Gaia": a["by_gaia"],
            "decided by position": a["by_position"],
            "pairs refused: identifiers disagree": a["id_disagrees"],
            "stars lost: position too coarse": a["unmatched_coarse"],
            "median separation": round(float(sep.median()), 2),
            "matched beyond 1 arcsec": int((sep > 1).sum()),
            "chance matches expected": round(chance[source].attrs["expected"], 2),
            "its error": round(chance[source].attrs["error"], 2),
        }  # fmt: skip
    return pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in out.items()})


def overlap_arrays(table, comparison):
    """Collect the arrays behind the figure of source overlaps.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a star and source (`cemp.sources.combine_entries`).
    comparison : pandas.DataFrame
        From `cemp.sources.compare_sources`.

    Returns
    -------
    dict of str to ndarray
        As `cemp.plots.crossmatch.draw_overlaps` wants them.
    """
    pairs = comparison[["source", "reference"]].drop_duplicates()
    data = {"pairs": np.array([f"{p.source} - {p.reference}" for p in pairs.itertuples()])}
    for label in LABELS:
        values = table[label].mask(table["c_h_limit"]) if label == "c_h" else table[label]
        wide = table.assign(value=values).pivot(index="star_id", columns="source", values="value")
        wide = wide.reindex(columns=list(NAMES))
        parts = [(np.zeros(0), np.zeros(0), np.full(0, ""))]  # a single source has no pair
        for pair in data["pairs"]:
            first, second = pair.split(" - ")
            both = wide[[first, second]].dropna()
            parts.append((both[second], both[first] - both[second], np.full(len(both), pair)))
        columns = (np.concatenate(column) for column in zip(*parts, strict=True))
        names = ("value", "difference", "pair")
        data |= {f"{label}_{n}": c for n, c in zip(names, columns, strict=True)}
        rows = comparison[comparison["label"] == label]
        # a line through fewer stars would say more than they do
        data[f"{label}_offset"] = rows["offset"].where(rows["n"] >= 5).to_numpy(float)
        data[f"{label}_e_offset"] = rows["e_offset"].to_numpy(float)
    return data


def overlap_rows(comparison):
    """Write the comparison of sources as rows of a TeX table.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From `cemp.sources.compare_sources`.

    Returns
    -------
    list of list of str
        A row a pair of sources: names, then for each label n, offset with error, scatter.
    """
    rows = []
    for (first, second), part in comparison.groupby(["source", "reference"], sort=False):
        cells = [f"{NAMES[first]} $-$ {NAMES[second]}"]
        for label in LABELS:
            row = part[part["label"] == label].iloc[0]
            digits = 0 if label == "teff" else 2
            cells += [str(row["n"]), *_offset_cells(row, digits)]
        rows.append(cells)
    return rows


def _offset_cells(row, digits):
    """Offset with its error and scatter, or dots where there are too few stars."""
    if not np.isfinite(row["e_offset"]):
        return [r"\nodata", r"\nodata"]
    mark = r"\tablenotemark{a}" if row["applied"] else ""
    offset = f"${row['offset']:+.{digits}f}\\pm{row['e_offset']:.{digits}f}${mark}"
    return [offset, f"{row['scatter']:.{digits}f}"]


def is_cemp(labels):
    """Mark stars whose labels put them in this paper's CEMP class.

    Parameters
    ----------
    labels : pandas.DataFrame
        Columns fe_h, c_h [dex], c_h_limit.

    Returns
    -------
    pandas.Series of bool
        [Fe/H] < -2.0 and [C/Fe] > 0.7, carbon detected.
    """
    rich = labels["c_h"] - labels["fe_h"] > 0.7
    return (labels["fe_h"] < -2.0) & rich & ~labels["c_h_limit"]


def fold_table(labels, observations):
    """Count stars and spectra by fold.

    Parameters
    ----------
    labels : pandas.DataFrame
        Columns source, fe_h, c_h, c_h_limit, fold.
    observations : pandas.DataFrame
        Columns star_id, fold.

    Returns
    -------
    pandas.DataFrame
        One row a fold: spectra, stars, stars by source, with [Fe/H] < -2, CEMP, and without
        carbon or with a limit only.
    """
    out = pd.DataFrame({"spectra": observations["fold"].value_counts(),
                        "stars": stars_by_fold(observations).sum()})
    out = out.sort_index().rename_axis("fold")
    by = labels.groupby("fold")
    for source, name in NAMES.items():
        mine = labels[labels["source"] == source]
        if len(mine) or source in PAPER:
            out[name] = mine.groupby("fold").size()
    out["[Fe/H] < -2"] = labels[labels["fe_h"] < -2].groupby("fold").size()
    out["CEMP"] = labels[is_cemp(labels)].groupby("fold").size()
    masked = labels["c_h"].isna() | labels["c_h_limit"]
    out["carbon masked"] = masked.groupby(labels["fold"]).sum() if len(by) else 0
    order = [f for f in ("train", "validation", "test", "search", "reject") if f in out.index]
    return out.loc[order].fillna(0).astype(int)
