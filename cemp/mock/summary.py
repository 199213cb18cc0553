"""Counts and checks of a written mock survey, for the notebook that shows it."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from cemp.catalogues.apogee import read_apogee
from cemp.catalogues.lamost import read_lamost
from cemp.catalogues.saga import read_saga
from cemp.catalogues.subaru import read_subaru
from cemp.mock import survey
from cemp.mock.carbon import cumulative_fraction, natural_fraction
from cemp.results import Value
from cemp.synthesis.grid import load_grid

#: Groups in the order in which tables and figures show them.
GROUPS = ("apogee", "subaru", "saga", "search", "contaminant")


def group_table(stars, observations):
    """Count the stars and spectra of each group.

    Parameters
    ----------
    stars, observations : pandas.DataFrame
        The truth.

    Returns
    -------
    pandas.DataFrame
        One row a group and one for all: stars, spectra, of [Fe/H] < -2, CEMP.
    """
    n_spectra = stars["star_key"].map(observations.groupby("star_key").size())
    table = stars.assign(spectra=n_spectra, poor=stars["fe_h"] < -2).groupby("group").agg(
        stars=("star_key", "size"), spectra=("spectra", "sum"), metal_poor=("poor", "sum"),
        cemp=("is_cemp", "sum")).reindex(GROUPS)  # fmt: skip
    table.loc["all"] = table.sum()
    return table.astype(int)


def catalogue_table(paths):
    """Count the rows of the survey's tables as the paper's own readers see them.

    Parameters
    ----------
    paths : cemp.paths.Paths

    Returns
    -------
    pandas.DataFrame
        One row a table: rows in the file, rows kept, with carbon, upper limits, and CEMP by
        the table's own labels (the last three missing for LAMOST, which gives no carbon).
    """
    folder = paths.survey
    lamost = read_lamost(folder / survey.LAMOST)
    rows = {"LAMOST": [lamost.attrs["n_read"], len(lamost), pd.NA, pd.NA, pd.NA]}
    tables = {"APOGEE": read_apogee(folder / survey.APOGEE),
              "LAMOST-Subaru": read_subaru(folder / survey.SUBARU),
              "SAGA": read_saga(folder / survey.SAGA)}  # fmt: skip
    for name, table in tables.items():
        measured = table["c_h"].notna() & ~table["c_h_limit"]
        rich = measured & (table["c_h"] - table["fe_h"] > 0.7) & (table["fe_h"] < -2)
        rows[name] = [table.attrs["n_read"], len(table), measured.sum(),
                      table["c_h_limit"].sum(), rich.sum()]  # fmt: skip
    columns = ["rows", "kept", "carbon", "upper_limits", "cemp_rows"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype("Int64")


def fraction_table(stars, edges=(-4.0, -3.5, -3.0, -2.5, -2.0)):
    """Compare the search group's CEMP fraction with that of an unselected halo.

    Parameters
    ----------
    stars : pandas.DataFrame
        The truth.
    edges : sequence of float
        Bins of [Fe/H].

    Returns
    -------
    pandas.DataFrame
        One row a bin and one for all: stars, mock (fraction in the mock), natural (literature).
    """
    poor = stars[(stars["group"] == "search") & (stars["fe_h"] < edges[-1])]
    bins = pd.cut(poor["fe_h"], list(edges))
    table = poor.groupby(bins, observed=False)["is_cemp"].agg(stars="size", mock="mean")
    table["natural"] = [float(natural_fraction(b.mid)) for b in table.index]
    table.index = [f"{b.left:.1f} to {b.right:.1f}" for b in table.index]
    table.loc["all"] = [len(poor), poor["is_cemp"].mean(), cumulative_fraction(edges[-1])]
    return table.astype({"stars": int})


def leak_table(paths, stars, observations):
    """Rank-correlate what must say nothing about a star with its labels.

    Parameters
    ----------
    paths : cemp.paths.Paths
    stars, observations : pandas.DataFrame
        The truth.

    Returns
    -------
    pandas.DataFrame
        Spearman coefficients; one row a column of the LAMOST catalogue, one column a label;
        first observation of each star. ``attrs["bound"]`` is four standard errors.
    """
    lamost = read_lamost(paths.survey / survey.LAMOST)[
        ["obsid", "lmjd", "planid", "spid", "fiberid", "ra", "dec", "gaia_source_id"]]  # fmt: skip
    labels = stars.loc[stars["kind"] == "star", ["star_key", "teff", "fe_h", "c_fe", "is_cemp"]]
    truth = observations[["obsid", "star_key", "snr_true"]].merge(labels, on="star_key")
    one = lamost.merge(truth, on="obsid").drop_duplicates("star_key")
    one["planid"] = one["planid"].rank()
    one["gaia_source_id"] = one["gaia_source_id"].astype(float)
    what = [*lamost.columns, "snr_true"]
    ranks = {
        label: [spearmanr(one[w], one[label], nan_policy="omit").statistic for w in what]
        for label in labels.columns[1:]
    }
    table = pd.DataFrame(ranks, index=what)
    table.attrs["bound"] = 4 / np.sqrt(len(one))
    return table


def grid_halves():
    """Count the synthetic spectra that the mock is made of, and those left to methods.

    Returns
    -------
    dict of str to int
        mock, library, shared.
    """
    mock, library = (load_grid(half).index for half in ("mock", "library"))
    shared = len(np.intersect1d(mock, library))
    return {"mock": len(mock), "library": len(library), "shared": shared}


def distinct_labels(stars):
    """Count stars and different label vectors among them.

    Parameters
    ----------
    stars : pandas.DataFrame
        The truth.

    Returns
    -------
    dict of str to int
        stars, distinct.
    """
    names = ["teff", "logg", "fe_h", "c_fe", "alpha_fe", "n_fe"]
    labels = stars.loc[stars["kind"] == "star", names]
    return {"stars": len(labels), "distinct": len(labels.drop_duplicates())}


def headline(groups, fractions):
    """Collect the numbers that the paper quotes.

    Parameters
    ----------
    groups, fractions : pandas.DataFrame
        From `group_table` and `fraction_table`.

    Returns
    -------
    dict of str to cemp.results.Value
    """
    n, cemp = groups["stars"], groups["cemp"]
    share = 100 * fractions.loc["all"]
    return {
        "MockStars": Value(int(n["all"]), ",d", "objects in the mock", True),
        "MockSpectra": Value(int(groups.loc["all", "spectra"]), ",d", "spectra in the mock", True),
        "MockApogeeStars": Value(int(n["apogee"]), ",d", "stars of the APOGEE group"),
        "MockSubaruStars": Value(int(n["subaru"]), ",d", "stars of the Subaru group"),
        "MockSagaStars": Value(int(n["saga"]), ",d", "stars of the SAGA group"),
        "MockSearchStars": Value(int(n["search"]), ",d", "stars in no label table"),
        "MockLabelledCemp": Value(int(cemp["subaru"] + cemp["saga"]), ",d",
                                  "CEMP stars with a label", True),
        "MockSearchCemp": Value(int(cemp["search"]), ",d", "CEMP, search group", True),
        "MockCempFraction": Value(float(share["mock"]), ".0f",
                                  "per cent CEMP, search group, [Fe/H] < -2"),
        "MockNaturalFraction": Value(float(share["natural"]), ".0f",
                                     "per cent CEMP, unselected halo, [Fe/H] < -2"),
        "MockGridSpectra": Value(grid_halves()["mock"], "d", "synthetic spectra behind the mock"),
    }  # fmt: skip
