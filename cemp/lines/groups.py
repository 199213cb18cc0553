"""Groups of CEMP stars in the plane of A(C) and [Fe/H], with their overlap.

Yoon et al. (2016, ApJ 833, 20) see three groups: I, nearly all CEMP-s, at high A(C); II, whose A(C)
falls with [Fe/H]; III, at low A(C) and lowest [Fe/H]; II and III are CEMP-no. A(C) is that at
birth (`cemp.lines.depletion`). A group is taken as a Gaussian in the plane, widened by the star's
own errors. The numbers were fitted once to a list of 257 CEMP stars with groups and Ba-based
classes and are committed; the list is not. Its mix of groups is that of the literature, not of the
sky.
"""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from cemp.constants import SOLAR_A

FILE = Path(__file__).parents[1] / "data" / "lines" / "groups.json"
GROUPS = ("I", "II", "III")
#: The usual division [dex] between peaks of A(C) at 7.96 and 6.28 (Yoon et al. 2016; the division
#: was not confirmed against the paper).
DIVISION = 7.1


def read_list(path):
    """Read the list of 257 CEMP stars.

    Parameters
    ----------
    path : path_like
        ``cemp_master_257.csv`` (D. Gudin's cemp_clustering).

    Returns
    -------
    pandas.DataFrame
        fe_h, a_c (at birth, as the list's carbon is corrected), group, and no: whether the Ba-based
        class is CEMP-no (NaN for stars of no class). Limits and stars between groups are left out.
    """
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    sure = (raw["ul[Fe/H]"].str.strip() == "") & (raw["ulc[C/Fe]"].str.strip() == "")
    raw = raw[sure & raw["CEMP group"].isin(GROUPS)].reset_index(drop=True)
    fe_h = raw["[Fe/H]"].astype(float)
    kind = raw["CEMP class"].str.strip()
    return pd.DataFrame({
        "fe_h": fe_h, "a_c": raw["c[C/Fe]"].astype(float) + fe_h + SOLAR_A["C"],
        "group": raw["CEMP group"], "no": (kind == "CEMP-no").astype(float).mask(kind == "CEMP"),
    })  # fmt: skip


def fit(stars):
    """Measure the groups.

    Parameters
    ----------
    stars : pandas.DataFrame
        From `read_list`.

    Returns
    -------
    dict
        By group: ``n``, ``share``, ``mean`` ([Fe/H], A(C)), ``covariance``, and ``no``, the share
        of CEMP-no (Jeffreys' mean, so that it is never 0 or 1).
    """
    out = {}
    for name in GROUPS:
        rows = stars[stars["group"] == name]
        plane, known = rows[["fe_h", "a_c"]].to_numpy(), rows["no"].dropna()
        out[name] = {"n": len(rows), "share": len(rows) / len(stars),
                     "mean": plane.mean(axis=0).tolist(), "covariance": np.cov(plane.T).tolist(),
                     "no": float((known.sum() + 0.5) / (len(known) + 1))}
    return out


@lru_cache(maxsize=1)
def committed():
    """Read the committed fit: ``groups`` as from `fit`, ``cross_validation``, ``source``."""
    return json.loads(FILE.read_text())


def probabilities(fe_h, a_c, covariance=None, groups=None):
    """Tell the probability of each group for stars that are CEMP.

    Parameters
    ----------
    fe_h, a_c : array_like, shape (n,)
        [Fe/H] and A(C) at birth [dex].
    covariance : ndarray, shape (n, 2, 2), optional
        Of ([Fe/H], A(C)) [dex^2]; added to each group's own.
    groups : dict, optional
        From `fit`; the committed ones if left out.

    Returns
    -------
    pandas.DataFrame
        p_group1, p_group2, p_group3 (sum 1) and p_cemp_no, by the share of CEMP-no in each group;
        NaN where a label is missing.
    """
    groups = groups or committed()["groups"]
    place = np.column_stack([np.asarray(fe_h, dtype=float), np.asarray(a_c, dtype=float)])
    own = np.zeros((len(place), 2, 2)) if covariance is None else np.asarray(covariance)
    known = np.isfinite(place).all(axis=1) & np.isfinite(own).all(axis=(1, 2))
    logs = np.stack([np.log(g["share"]) + _log_density(
        place - g["mean"], np.array(g["covariance"]) + own) for g in groups.values()], axis=1)
    chance = softmax(np.where(known[:, None], logs, np.nan), axis=1)
    columns = {f"p_group{i + 1}": chance[:, i] for i in range(len(GROUPS))}
    return pd.DataFrame({**columns, "p_cemp_no": chance @ [g["no"] for g in groups.values()]})


def _log_density(off, covariance):
    """Logarithm of a Gaussian of each star's own covariance (n, 2, 2) at an offset (n, 2)."""
    (a, b), (_, d) = np.moveaxis(covariance, 0, -1)
    x, y, det = *off.T, a * d - b**2
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = (d * x**2 - 2 * b * x * y + a * y**2) / det
        return -0.5 * (distance + np.log(det)) - np.log(2 * np.pi)


def cross_validate(stars):
    """Judge the groups on stars that did not make them, one left out at a time.

    Parameters
    ----------
    stars : pandas.DataFrame
        From `read_list`.

    Returns
    -------
    dict
        ``group``: share whose group comes back (near 1 by construction, for the groups were drawn
        in this very plane); ``no``: share whose Ba-based class comes back from P(CEMP-no) > 1/2,
        which is independent of the plane; ``division``: the same from A(C) below 7.1 alone;
        ``brier``: mean squared error of P(CEMP-no); ``overlap``: mean of 1 - max(P, 1 - P), the
        share wrong that the model itself expects.
    """
    rows = [probabilities(stars["fe_h"].iloc[[i]], stars["a_c"].iloc[[i]],
                          groups=fit(stars.drop(index=stars.index[i]))) for i in range(len(stars))]
    found = pd.concat(rows, ignore_index=True)
    best = np.array(GROUPS)[found.iloc[:, :3].to_numpy().argmax(axis=1)]
    known, p = stars["no"].notna().to_numpy(), found["p_cemp_no"].to_numpy()
    no = stars["no"].to_numpy()
    return {"group": float((best == stars["group"].to_numpy()).mean()), "n": int(known.sum()),
            "no": float(((p > 0.5) == no)[known].mean()),
            "division": float(((stars["a_c"].to_numpy() < DIVISION) == no)[known].mean()),
            "brier": float(np.mean((p - no)[known] ** 2)),
            "overlap": float(np.mean(np.minimum(p, 1 - p)[known]))}
