"""How well the literature repeats itself: differences between entries of one star."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS

#: Standard deviation over median absolute deviation of a Gaussian.
MAD_TO_SIGMA = 1.4826
#: A pair of entries of carbon farther apart than this is an outlier [dex].
FAR = 0.5


def entry_pairs(star):
    """List all pairs of entries that belong to one star.

    Parameters
    ----------
    star : array_like of str, shape (n,)

    Returns
    -------
    i, j : ndarray of int, shape (n_pair,)
        Row positions, i < j. A star of k entries has k (k - 1) / 2 pairs.

    Examples
    --------
    >>> [rows.tolist() for rows in entry_pairs(["a", "b", "a", "a"])]
    [[0, 0, 2], [2, 3, 3]]
    """
    codes = pd.factorize(np.asarray(star, dtype=object))[0]
    order = np.argsort(codes, kind="stable")  # a star's entries stand together, in their order
    codes, firsts, seconds = codes[order], [], []
    for step in range(1, int(np.bincount(codes).max(initial=0))):
        same = np.flatnonzero(codes[step:] == codes[:-step])
        firsts.append(order[same])
        seconds.append(order[same + step])
    if not firsts:
        return np.zeros(0, int), np.zeros(0, int)
    i, j = np.concatenate(firsts), np.concatenate(seconds)
    sort = np.lexsort((j, i))
    return i[sort], j[sort]


def detections(entries):
    """Values that may be compared: limits on carbon are none.

    Parameters
    ----------
    entries : pandas.DataFrame
        Columns `LABELS` and c_h_limit.

    Returns
    -------
    pandas.DataFrame
        Columns `LABELS`, NaN where a value is missing or a limit.
    """
    values = entries[list(LABELS)].astype(float)
    values["c_h"] = values["c_h"].mask(entries["c_h_limit"].astype(bool))
    return values


def repeatability(entries, star="star", carbon_only=False):
    """Measure the scatter between entries of one star.

    Parameters
    ----------
    entries : pandas.DataFrame
        Column `star`, `LABELS` and c_h_limit; one row an entry.
    star : str
        Column that tells the stars apart.
    carbon_only : bool
        Whether to take only entries that detect carbon: the same pairs for all labels.

    Returns
    -------
    pandas.DataFrame
        By label: n_pairs, n_stars, sigma (robust scatter of one entry [units of the label]),
        e_sigma (as if pairs were independent; too small where a star has many) and far, the
        share of pairs that differ by more than `FAR` (of labels in dex).

    Notes
    -----
    sigma = 1.4826 median|difference| / sqrt(2), over all pairs in which both entries give the
    label: differences have no mean, as either entry may come first. Errors of 1.166 sigma /
    sqrt(n), as of any median absolute deviation. Papers share line lists, and some quote each
    other's values: this is a lower limit of the error of an entry.
    """
    values = detections(entries).reset_index(drop=True)
    i, j = entry_pairs(entries[star])
    if carbon_only:
        both = values["c_h"].notna().to_numpy()
        keep = both[i] & both[j]
        i, j = i[keep], j[keep]
    names, rows = entries[star].to_numpy(), {}
    for label in LABELS:
        column = values[label].to_numpy()
        difference = column[i] - column[j]
        known = np.isfinite(difference)
        size = np.abs(difference[known])
        sigma = MAD_TO_SIGMA * float(np.median(size)) / 2**0.5 if size.size else np.nan
        rows[label] = {
            "n_pairs": int(size.size), "n_stars": len(set(names[i[known]])), "sigma": sigma,
            "e_sigma": 1.166 * sigma / max(size.size, 1) ** 0.5,
            "far": float(np.mean(size > FAR)) if size.size and label != "teff" else np.nan,
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("label")


def star_scatter(entries, star="star_id"):
    """Give the scatter between the entries of each star.

    Parameters
    ----------
    entries : pandas.DataFrame
        As for `repeatability`.
    star : str
        Column that tells the stars apart.

    Returns
    -------
    pandas.DataFrame
        By star: ``s_teff`` ... ``s_c_h``, the robust scatter of one entry from the pairs of that
        star; NaN where fewer than two entries give the label.
    """
    values, names = detections(entries).reset_index(drop=True), entries[star].to_numpy()
    i, j = entry_pairs(names)
    sizes = pd.DataFrame(np.abs(values.to_numpy()[i] - values.to_numpy()[j]), columns=list(LABELS))
    middle = sizes.groupby(names[i]).median() * MAD_TO_SIGMA / 2**0.5
    middle.columns = [f"s_{label}" for label in LABELS]
    return middle.reindex(pd.unique(names)).rename_axis(star)
