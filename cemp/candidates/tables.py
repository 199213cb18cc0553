"""Tables of candidates and classes on their way to the paper: cells in TeX."""

import numpy as np
import pandas as pd

from cemp.candidates.catalogue import COLUMNS

#: Flags counted in the table of classes, in its order.
COUNTED = ("cemp", "emp", "vmp", "unclassified_mp", "bc05_mp", "bc05_vmp", "bc05_emp", "bc05_ump",
           "bc05_cemp", "aoki07_cemp")


def number(value, fmt):
    r"""Write one number in TeX; NaN becomes ``\nodata``.

    >>> number(-0.123, ".2f"), number(float("nan"), ".2f")
    ('$-0.12$', '\\nodata')
    """
    return f"${value:z{fmt}}$" if np.isfinite(value) else r"\nodata"


def class_counts(stars):
    """Count the stars of every class.

    Parameters
    ----------
    stars : pandas.DataFrame
        Flags, and p_cemp, p_emp, p_vmp.

    Returns
    -------
    pandas.DataFrame
        By flag: criterion, stars, and the sum of the probabilities (NaN where there is none),
        which is the expected number of members.
    """
    return pd.DataFrame(
        {
            "criterion": [COLUMNS[name][1] for name in COUNTED],
            "stars": [int(stars[name].sum()) for name in COUNTED],
            "sum of P": [stars[f"p_{name}"].sum() if f"p_{name}" in stars else np.nan
                         for name in COUNTED],
        },
        index=COUNTED,
    )


def class_rows(counts):
    """Turn `class_counts` into rows of a TeX table.

    Parameters
    ----------
    counts : pandas.DataFrame

    Returns
    -------
    list of tuple of str
        Criterion, stars, sum of probabilities.
    """
    signs = {"<=": r"$\le$", "<": "$<$", ">": "$>$", "&": r"\&", " -": " $-$"}
    rows = []
    for _, row in counts.iterrows():
        text = row["criterion"].replace("<=", "\0")
        for sign, tex in signs.items():
            text = text.replace(sign, tex)
        text = text.replace("\0", signs["<="])
        text = f"$-${text[1:]}" if text.startswith("-") else text
        rows.append((text, f"{row['stars']:d}", number(row["sum of P"], ".0f")))
    return rows


def ranked(stars, n):
    """Rank candidates: G band confirmed first, then P(CEMP) to two digits, then S/N.

    Parameters
    ----------
    stars : pandas.DataFrame
        One row a star: selected, gband_grade, p_cemp, snrg, obsid.
    n : int
        Rows wanted at least: where there are fewer candidates, other stars follow.

    Returns
    -------
    pandas.DataFrame
        All candidates, and stars that follow them if they are fewer than `n`.
    """
    chosen = stars["selected"].to_numpy(dtype=bool)
    enough = chosen.sum() >= n
    some = stars[chosen] if enough else stars
    keys = pd.DataFrame({
        "selected": some["selected"], "sure": some["gband_grade"] == "confirmed",
        "level": some["p_cemp"].round(2), "snrg": some["snrg"], "obsid": some["obsid"],
    })  # fmt: skip
    order = keys.sort_values(list(keys), ascending=False).index
    return some.loc[order if enough else order[: max(n, chosen.sum())]]


def candidate_rows(stars):
    """Turn candidates into rows of a TeX table.

    Parameters
    ----------
    stars : pandas.DataFrame
        Rows of the candidate table.

    Returns
    -------
    list of tuple of str
        Designation, S/N, Teff, log g, [Fe/H], [C/Fe] (both with errors), P(CEMP), G-band excess.
    """
    return [
        (
            star["designation"].removeprefix("LAMOST ").replace("-", "$-$"),
            f"{star['snrg']:.0f}", f"{star['teff']:.0f}", f"{star['logg']:.1f}",
            rf"${star['fe_h']:.2f}\pm{star['e_fe_h']:.2f}$",
            rf"${star['c_fe']:.2f}\pm{star['e_c_fe']:.2f}$",
            f"{star['p_cemp']:.3f}", number(star["gband_excess"], ".1f"),
        )
        for _, star in stars.iterrows()
    ]  # fmt: skip


def spectrum_text(star):
    """Write the caption of a candidate's spectrum.

    Parameters
    ----------
    star : pandas.Series
        A row of the candidate table.

    Returns
    -------
    str
    """
    return (
        f"{star['designation']}   S/N {star['snrg']:.0f}   {star['teff']:.0f} K, "
        f"log g {star['logg']:.1f}, [Fe/H] {star['fe_h']:.2f}, [C/Fe] {star['c_fe']:.2f}, "
        f"P {star['p_cemp']:.3f}, G band {star['gband_excess']:.0f} sigma"
    )
