"""The mock's SAGA export: several papers, each with its own habits, several rows a star."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path
from cemp.constants import SOLAR_A, rng
from cemp.mock import astrometry
from cemp.mock.labels import Errors, add_neighbours, limit_carbon, measure

#: A(C), A(Fe) of the solar scales in use (photospheric values of the papers named).
SCALES = {"Asplund 2009": (8.43, 7.50), "Grevesse 1996": (8.55, 7.50),
          "Grevesse 1998": (8.52, 7.50), "Asplund 2005": (8.39, 7.45)}  # fmt: skip


@dataclass(frozen=True)
class Paper:
    """One paper of the literature, and how it writes.

    Attributes
    ----------
    name : str
        Reference; says "mock" so that nobody looks for it.
    scale : str
        Its solar scale.
    errors : Errors
    weight : float
        How many stars it covers, relative to the others.
    carbon : str
        Column in which it gives carbon: ``"[C/Fe]"`` or ``"logeps(C)"``.
    iron : str
        Column in which it gives iron.
    decimals : int
        Decimals of its positions in degrees: with 2 a star may stand 18 arcsec off. -1: it
        writes sexagesimal positions in the column of degrees.
    epoch : float
        Of its positions; the table does not say.
    """

    name: str
    scale: str
    errors: Errors
    weight: float = 1.0
    carbon: str = "[C/Fe]"
    iron: str = "[Fe/H]"
    decimals: int = 5
    epoch: float = 2000.0


def _errors(teff, logg, fe_h, c_h):
    """Literature repeatability (pairs of JINAbase entries, 842 in carbon), with a zero point."""
    return Errors(73.0, 0.18, 0.10, 0.21, (teff, logg, fe_h, c_h), outliers=0.08)


PAPERS = (
    Paper("MockA+2004", "Grevesse 1996", _errors(-40, -0.10, -0.06, 0.05), 1.2, "logeps(C)"),
    Paper("MockB+2005", "Grevesse 1998", _errors(35, 0.05, 0.04, -0.06), 1.5),
    Paper("MockC+2007", "Grevesse 1996", _errors(0, 0.04, 0.00, 0.00), 0.8, iron="[Fe I/H]"),
    Paper("MockD+2010", "Asplund 2005", _errors(-25, 0.00, -0.03, -0.04), 0.8, decimals=2),
    Paper("MockE+2013", "Asplund 2009", _errors(50, 0.08, 0.05, 0.07), 2.0),
    Paper("MockF+2014", "Asplund 2009", _errors(0, -0.06, -0.04, -0.03), 1.5, decimals=4),
    Paper("MockG+2016", "Asplund 2009", _errors(-15, 0.02, 0.02, 0.03), 1.0, decimals=-1),
    Paper("MockH+2020", "Asplund 2009", _errors(20, 0.00, 0.01, -0.02), 1.0, "logeps(C)",
          epoch=2016.0),
)  # fmt: skip

COLUMNS = ("Object", "RAdeg", "DECdeg", "pmRA", "pmDE", "Teff", "logg", "[Fe/H]", "[Fe I/H]",
           "[Fe II/H]", "[M/H]", "[C/Fe]", "logeps(C)", "Reference", "solar_scale")  # fmt: skip
#: Rows (papers) a star: shares of 1, 2, 3 and 4.
ENTRIES = (0.55, 0.25, 0.13, 0.07)
NEIGHBOURS, WITH_MOTION = 0.015, 0.6


def assign_papers(n, generator):
    """Decide which papers observed each star.

    Parameters
    ----------
    n : int
        Stars.
    generator : numpy.random.Generator

    Returns
    -------
    rows, papers : ndarray of int, shape (n_entry,)
        Star and paper of each entry; no paper has a star twice.
    """
    weight = np.array([paper.weight for paper in PAPERS])
    # exponential races: the k smallest are a weighted draw without replacement
    order = np.argsort(generator.exponential(1.0, (n, len(PAPERS))) / weight, axis=1)
    times = generator.choice([1, 2, 3, 4], n, p=ENTRIES)
    taken = np.arange(len(PAPERS)) < times[:, None]
    return np.repeat(np.arange(n), times), order[taken]


def write_position(ra, dec, decimals):
    """Write a position as a paper does.

    Parameters
    ----------
    ra, dec : float
        [degree]
    decimals : int
        Of degrees; -1 for sexagesimal.

    Returns
    -------
    ra, dec : str

    Examples
    --------
    >>> write_position(138.080956, 27.893459, 2)
    ('138.08', '27.89')
    >>> write_position(138.080956, 27.893459, -1)
    ('09:12:19.42', '+27:53:36.4')
    """
    if decimals >= 0:
        return f"{ra:.{decimals}f}", f"{dec:.{decimals}f}"
    text = astrometry.sexagesimal(ra, dec)[1:]
    cut = max(text.find("+"), text.find("-"))
    ra_text, dec_text = text[:cut], text[cut:]
    return (f"{ra_text[:2]}:{ra_text[2:4]}:{ra_text[4:]}",
            f"{dec_text[:3]}:{dec_text[3:5]}:{dec_text[5:]}")  # fmt: skip


def paper_rows(stars, paper, generator):
    """Write the entries of one paper.

    Parameters
    ----------
    stars : pandas.DataFrame, n rows
        Stars in it, with Object, pm_known.
    paper : Paper
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, all text, on the paper's own solar scale.
    """
    n = len(stars)
    got = measure(stars, paper.errors, generator)
    c_h, limit = limit_carbon(stars, got, generator.uniform(30, 200, n), generator)
    sun_c, sun_fe = SCALES[paper.scale]
    a_c = c_h + SOLAR_A["C"]
    fe_h = got["fe_h"].to_numpy() + SOLAR_A["Fe"] - sun_fe
    carbon = a_c if paper.carbon == "logeps(C)" else a_c - sun_c - fe_h
    ra, dec = astrometry.at_epoch(stars, paper.epoch)
    places = [write_position(*p, paper.decimals)
              for p in zip(*astrometry.scatter(ra, dec, 0.15, generator), strict=True)]  # fmt: skip
    rows = pd.DataFrame("", index=range(n), columns=list(COLUMNS))
    rows["Object"], rows["Reference"] = stars["Object"].to_numpy(), paper.name
    rows["RAdeg"], rows["DECdeg"] = zip(*places, strict=True)
    for name, motion in (("pmRA", "pmra"), ("pmDE", "pmdec")):
        rows[name] = [f"{v:.1f}" if k else "" for v, k in
                      zip(stars[motion], stars["pm_known"], strict=True)]  # fmt: skip
    rows["Teff"] = [f"{v:.0f}" for v in got["teff"]]
    rows["logg"] = [f"{v:.2f}" for v in got["logg"]]
    rows[paper.iron] = [f"{v:.2f}" for v in fe_h]
    rows["[Fe II/H]"] = [f"{v:.2f}" for v in fe_h + generator.normal(0.02, 0.07, n)]
    rows["[M/H]"] = [f"{np.round(2 * v) / 2:.1f}" for v in fe_h]
    rows[paper.carbon] = [f"{'<' if u else ''}{v:.2f}" for v, u in zip(carbon, limit, strict=True)]
    rows["solar_scale"] = paper.scale
    return rows


def saga_table(stars, seed=0):
    """Build the export.

    Parameters
    ----------
    stars : pandas.DataFrame
        All stars with in_saga, in_lamost and positions.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, all text, in order of object and reference. A twelfth of the entries
        gives no carbon; a few stars have [Fe/H] as an upper limit.
    """
    generator = rng("saga", seed)
    members = stars[stars["in_saga"]].reset_index(drop=True)
    members = add_neighbours(members, stars, NEIGHBOURS, generator)
    number = generator.choice(np.arange(1000, 9999), len(members), replace=False)
    members["Object"] = [f"MOCK {k:04d}-{k * 7 % 90:02d}" for k in number]
    members["pm_known"] = generator.random(len(members)) < WITH_MOTION
    star, paper = assign_papers(len(members), generator)
    parts = [paper_rows(members.iloc[star[paper == k]], PAPERS[k], generator)
             for k in range(len(PAPERS)) if np.any(paper == k)]  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    table.loc[generator.random(len(table)) < 1 / 12, ["[C/Fe]", "logeps(C)"]] = ""
    limited = (generator.random(len(table)) < 0.005) & (table["[Fe/H]"] != "")
    table.loc[limited, "[Fe/H]"] = "<" + table.loc[limited, "[Fe/H]"]
    table.loc[limited, "[Fe II/H]"] = ""
    return table.sort_values(["Object", "Reference"], kind="stable", ignore_index=True)


def write_saga(table, path):
    """Write the export: text separated by tabs.

    Parameters
    ----------
    table : pandas.DataFrame
        From `saga_table`.
    path : pathlib.Path
        ``saga.tsv``.
    """
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False)
