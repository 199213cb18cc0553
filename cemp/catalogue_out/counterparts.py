"""External validation: stars that catalogues know, beside what the network says of them."""

import numpy as np
import pandas as pd

from cemp.candidates.assess import fraction
from cemp.candidates.classes import table1
from cemp.candidates.probability import probabilities
from cemp.constants import LABELS
from cemp.crossmatch_tables import NAMES
from cemp.errors import BadInputError
from cemp.sources import combine_entries, robust_sigma


def star_by_star(stars, entries, folds=("test",)):
    """Put every source's values of a star beside the predicted ones.

    Parameters
    ----------
    stars : pandas.DataFrame
        One row a star: star_id, fold, the labels and errors e_..., p_cemp.
    entries : pandas.DataFrame
        Catalogue entries with star_id (``01/label_entries.parquet``).
    folds : sequence of str
        Folds judged: those that trained nothing.

    Returns
    -------
    pandas.DataFrame
        One row a star and source: the columns of `stars`, source, cat_teff, ..., cat_e_c_h,
        cat_c_fe, cat_cemp (Table 1; False where carbon is missing or only limited), c_h_limit,
        n_entries, reference, and for each label d_... (predicted minus catalogue; for carbon
        detections only).
    """
    stars = stars[stars["fold"].isin(folds)]
    known = entries[entries["star_id"].isin(stars["star_id"])]
    names = [*LABELS, *(f"e_{name}" for name in LABELS)]
    if known.empty:
        raise BadInputError("no star of the folds judged is in a catalogue: check the profile")
    sources = combine_entries(known).rename(columns={name: f"cat_{name}" for name in names})
    table = stars.merge(sources, on="star_id", validate="1:m")
    carbon = table["cat_c_h"].mask(table["c_h_limit"])
    table["cat_c_fe"] = carbon - table["cat_fe_h"]
    table["cat_cemp"] = table1(table["cat_fe_h"], table["cat_c_fe"])["cemp"]
    for name in LABELS:
        value = carbon if name == "c_h" else table[f"cat_{name}"]
        table[f"d_{name}"] = table[name] - value
    return table


def agreement(table):
    """Summarise predicted minus catalogue labels by source.

    Parameters
    ----------
    table : pandas.DataFrame
        From `star_by_star`.

    Returns
    -------
    pandas.DataFrame
        One row a source and label: source, label, n, offset (median) with e_offset (its error from
        the robust scatter), scatter (robust), pull (robust scatter in units of the errors of both
        in quadrature), beyond (fraction off by more than three of them). NaN with fewer than two.
    """
    rows = []
    for source, part in table.groupby("source", sort=True):
        for name in LABELS:
            delta = part[f"d_{name}"].dropna()
            error = np.hypot(part[f"e_{name}"], part[f"cat_e_{name}"].fillna(0.0))
            pull = (delta / error.reindex(delta.index)).dropna()
            enough = len(delta) > 1
            scatter = robust_sigma(delta) if enough else np.nan
            rows.append({
                "source": source, "label": name, "n": len(delta),
                "offset": delta.median() if enough else np.nan,
                "e_offset": 1.2533 * scatter / np.sqrt(max(len(delta), 1)), "scatter": scatter,
                "pull": robust_sigma(pull) if enough else np.nan,
                "beyond": (pull.abs() > 3).mean() if enough else np.nan,
            })  # fmt: skip
    return pd.DataFrame(rows)


def agreement_rows(table):
    """Turn `agreement` into rows of a TeX table.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    list of list of str
        One row a source: its name, then for each label n, offset with error, scatter, pull.
    """
    rows = []
    for source, part in table.groupby("source", sort=True):
        cells, part = [NAMES[source]], part.set_index("label")
        for name in LABELS:
            row, digits = part.loc[name], 0 if name == "teff" else 2
            cells.append(f"{row['n']:d}")
            if row["n"] < 2:
                cells += [r"\nodata"] * 3
                continue
            cells += [f"${row['offset']:+.{digits}f}\\pm{row['e_offset']:.{digits}f}$",
                      f"{row['scatter']:.{digits}f}", f"{row['pull']:.2f}"]
        rows.append(cells)
    return rows


def class_agreement(table, threshold):
    """Count how the predicted class meets each source's.

    Parameters
    ----------
    table : pandas.DataFrame
        From `star_by_star`.
    threshold : float
        P(CEMP) above which a star is called CEMP.

    Returns
    -------
    pandas.DataFrame
        One row a source: stars with iron and carbon; of those both CEMP, only the catalogue, only
        the network, neither; found (the share of the catalogue's CEMP stars) with its 68% interval.
    """
    rows = {}
    for source, part in table[table["cat_c_fe"].notna()].groupby("source", sort=True):
        ours, theirs = part["p_cemp"] > threshold, part["cat_cemp"]
        share = fraction(int((ours & theirs).sum()), int(theirs.sum()))
        rows[source] = {
            "stars": len(part), "both": int((ours & theirs).sum()),
            "catalogue only": int((~ours & theirs).sum()),
            "network only": int((ours & ~theirs).sum()), "neither": int((~ours & ~theirs).sum()),
            "found": share["value"], "low": share["low"], "high": share["high"],
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")  # numbers of stars stay whole numbers


def label_probability(labels):
    """Give the probability that a label lies in the CEMP class, from the label's own errors.

    Parameters
    ----------
    labels : pandas.DataFrame
        fe_h, c_h, e_fe_h, e_c_h; errors taken as independent.

    Returns
    -------
    ndarray, shape (n,)
    """
    zero = np.zeros(len(labels))
    iron, carbon = labels["e_fe_h"].to_numpy() ** 2, labels["e_c_h"].to_numpy() ** 2
    covariance = np.stack([np.stack([iron, zero], -1), np.stack([zero, carbon], -1)], -2)
    return probabilities(labels["fe_h"].to_numpy(), (labels["c_h"] - labels["fe_h"]).to_numpy(),
                         covariance)["p_cemp"]


def known_cemp(labels, stars, folds=("test",)):
    """List the known CEMP stars of folds that trained nothing, found or not.

    Parameters
    ----------
    labels : pandas.DataFrame
        Adopted labels, one row a star (``01/labels.parquet``).
    stars : pandas.DataFrame
        Predicted, one row a star, with errors and probabilities.
    folds : sequence of str

    Returns
    -------
    pandas.DataFrame
        One row a star that is CEMP by its label (Table 1, carbon detected), in order of S/N:
        star_id, source, c_source, label_..., label_c_fe, p_label (the chance that the label's own
        error leaves it in the class), and the columns of `stars`, NaN for one without a usable
        spectrum.
    """
    carbon = labels["c_h"].mask(labels["c_h_limit"].astype(bool))
    c_fe = carbon - labels["fe_h"]
    rows = table1(labels["fe_h"], c_fe)["cemp"] & labels["fold"].isin(folds).to_numpy()
    known = labels[rows].copy()
    known["p_label"], known["c_fe"] = label_probability(known), c_fe[rows]
    names = [*LABELS, "c_fe", *(f"e_{name}" for name in LABELS)]
    known = known.rename(columns={name: f"label_{name}" for name in names})
    keep = ["star_id", "source", "c_source", "p_label", *(f"label_{name}" for name in names)]
    table = known[keep].merge(stars, on="star_id", how="left", validate="1:1")
    return table.sort_values(["snrg", "star_id"], ascending=[False, True], ignore_index=True)


#: Explanations of a miss, in the order in which they are tried: key, words.
REASONS = {
    "none": "no usable spectrum",
    "light": "too little light where carbon shows",
    "outside": "P(CEMP) high, but spectrum unlike the training",
    "limit": "within its error of the limits of Table 1",
    "both": "iron put too high and carbon too low",
    "iron": "iron put above -2",
    "carbon": "carbon put too low",
    "unsure": "in the class, but errors leave the probability low",
}


def explain(known, threshold, sure=0.84):
    """Say of every known CEMP star whether it was selected, and if not, why.

    Parameters
    ----------
    known : pandas.DataFrame
        Labels fe_h, c_fe, p_cemp (NaN without a spectrum), p_label, and the verdict of
        `cemp.selection.recipe.select`: selected and refused_...; no spectrum, no verdict.
    threshold : float
        P(CEMP) of the recipe.
    sure : float
        A star whose p_label is below this lies within about one error of the limits, where a
        miss is nobody's fault.

    Returns
    -------
    pandas.DataFrame
        A copy with found (bool), why (``"found"`` or a key of `REASONS`) and why_text.
    """
    out = known.assign(found=known["selected"].eq(True))
    dark = out[["refused_snr", "refused_carbon", "refused_gband"]].eq(True)
    iron, carbon = out["fe_h"] >= -2.0, out["c_fe"] <= 0.7
    rules = {
        "none": out["p_cemp"].isna(), "light": dark.any(axis=1),
        "outside": out["p_cemp"] > threshold, "limit": out["p_label"] < sure,
        "both": iron & carbon, "iron": iron, "carbon": carbon,
    }  # fmt: skip
    why = np.select([out["found"], *rules.values()], ["found", *rules], default="unsure")
    return out.assign(why=why, why_text=[REASONS.get(key, "found") for key in why])
