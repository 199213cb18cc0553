"""The mock's APOGEE DR17 allStarLite extract: real column names, flags and reach."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from astropy.table import Table

from cemp.atomic import atomic_path
from cemp.constants import rng
from cemp.mock import astrometry
from cemp.mock.labels import Errors, add_neighbours, measure

#: Columns with their FITS types, in the order of allStar.
COLUMNS = {
    "APOGEE_ID": "S18", "TELESCOPE": "S8", "RA": "f8", "DEC": "f8", "NVISITS": "i4",
    "SNR": "f4", "STARFLAG": "i8", "VHELIO_AVG": "f4", "VSCATTER": "f4", "EXTRATARG": "i4",
    "TEFF": "f4", "TEFF_ERR": "f4", "LOGG": "f4", "LOGG_ERR": "f4", "M_H": "f4",
    "M_H_ERR": "f4", "ALPHA_M": "f4", "ALPHA_M_ERR": "f4", "ASPCAPFLAG": "i8", "C_FE": "f4",
    "N_FE": "f4", "FE_H": "f4", "C_FE_ERR": "f4", "N_FE_ERR": "f4", "FE_H_ERR": "f4",
    "C_FE_FLAG": "i4", "N_FE_FLAG": "i4", "FE_H_FLAG": "i4", "GAIAEDR3_SOURCE_ID": "i8",
    "GAIAEDR3_PMRA": "f4", "GAIAEDR3_PMDEC": "f4", "GAIAEDR3_PHOT_G_MEAN_MAG": "f4",
}  # fmt: skip
#: Limits of APOGEE's model grid in [M/H] and [C/M].
METAL_FLOOR, CARBON_CEILING = -2.5, 1.0
#: Flag bits: ASPCAPFLAG STAR_WARN, STAR_BAD; element flags GRIDEDGE_BAD, TEFF_CUT;
#: STARFLAG VERY_BRIGHT_NEIGHBOR, LOW_SNR (harmless); EXTRATARG DUPLICATE.
STAR_WARN, STAR_BAD = 1 << 7, 1 << 23
GRIDEDGE_BAD, TEFF_CUT = 1 << 0, 1 << 6
BRIGHT_NEIGHBOUR, LOW_SNR = 1 << 3, 1 << 4
DUPLICATE = 1 << 4
#: Hottest stars with carbon by [Fe/H]: CO and CN vanish in warm metal-poor atmospheres.
CARBON_TEFF = ([-2.5, -1.5, -0.5, 0.0], [4500.0, 4900.0, 5700.0, 6200.0])


@dataclass(frozen=True)
class ApogeeSettings:
    """What is wrong with a real table, and how often.

    Attributes
    ----------
    errors : Errors
        DR17's repeatability with its zero points; carbon's comes from CO and CN, not from CH.
    bad, bright, iron_flag, carbon_flag, no_iron : float
        Shares of rows with STAR_BAD (their labels are wrong), a very bright neighbour, flagged
        iron, flagged carbon, and iron missing altogether.
    duplicates : float
        Second entries of a star (EXTRATARG bit 4).
    neighbours : float
        Other stars within 3 arcsec of a LAMOST target.
    """

    errors: Errors = field(default_factory=lambda: Errors(
        28.0, 0.05, 0.025, 0.04, (-15.0, 0.03, 0.01, 0.03), 0.02, 0.3))
    bad: float = 0.02
    bright: float = 0.01
    iron_flag: float = 0.005
    carbon_flag: float = 0.015
    no_iron: float = 0.004
    duplicates: float = 0.04
    neighbours: float = 0.015


def base_columns(stars, settings, generator):
    """Build the columns before anything goes wrong.

    Parameters
    ----------
    stars : pandas.DataFrame, n rows
    settings : ApogeeSettings
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`; positions of 2MASS: epoch 2000, 0.1 arcsec.
    """
    n = len(stars)
    ra, dec = astrometry.at_epoch(stars, astrometry.SURVEY_EPOCH)
    ra, dec = astrometry.scatter(ra, dec, 0.08, generator)
    got = measure(stars, settings.errors, generator)
    snr = np.clip(110 * np.exp(generator.normal(0, 0.5, n)), 20, 900)
    error = {k: getattr(settings.errors, k) * np.sqrt(110 / snr) * 0.8 for k in got}
    name = [astrometry.sexagesimal(a, d) for a, d in zip(ra, dec, strict=True)]
    alpha = stars["alpha_fe"].to_numpy() + generator.normal(0, 0.02, n)
    return pd.DataFrame({
        "APOGEE_ID": ["2M" + x[1:].replace(".", "")[:16] for x in name],
        "TELESCOPE": "apo25m", "RA": ra.round(6), "DEC": dec.round(6),
        "NVISITS": generator.integers(1, 6, n), "SNR": snr,
        "STARFLAG": np.where(snr < 30, LOW_SNR, 0),
        "VHELIO_AVG": stars["rv"].to_numpy() + generator.normal(0, 0.1, n),
        "VSCATTER": generator.exponential(0.1, n), "EXTRATARG": 0,
        "TEFF": got["teff"], "TEFF_ERR": error["teff"], "LOGG": got["logg"],
        "LOGG_ERR": error["logg"], "M_H": got["fe_h"], "M_H_ERR": error["fe_h"] * 0.8,
        "ALPHA_M": alpha, "ALPHA_M_ERR": 0.02,
        "ASPCAPFLAG": np.where(generator.random(n) < 0.08, STAR_WARN, 0),
        "C_FE": got["c_h"] - got["fe_h"],
        "N_FE": stars["n_fe"].to_numpy() + generator.normal(0, 0.05, n), "FE_H": got["fe_h"],
        "C_FE_ERR": np.hypot(error["c_h"], error["fe_h"]), "N_FE_ERR": 0.04,
        "FE_H_ERR": error["fe_h"], "C_FE_FLAG": 0, "N_FE_FLAG": 0, "FE_H_FLAG": 0,
        "GAIAEDR3_SOURCE_ID": stars["gaia_source_id"].to_numpy(),
        "GAIAEDR3_PMRA": stars["pmra"].to_numpy() + generator.normal(0, 0.05, n),
        "GAIAEDR3_PMDEC": stars["pmdec"].to_numpy() + generator.normal(0, 0.05, n),
        "GAIAEDR3_PHOT_G_MEAN_MAG": stars["gmag"].to_numpy() - 0.4,
    })  # fmt: skip


def apply_reach(table):
    """Take away what APOGEE's models cannot give.

    Parameters
    ----------
    table : pandas.DataFrame
        From `base_columns`; changed in place.
    """
    poor = table["FE_H"] < METAL_FLOOR
    table.loc[poor, "ASPCAPFLAG"] |= STAR_BAD
    table.loc[poor, ["FE_H_FLAG", "C_FE_FLAG", "N_FE_FLAG"]] |= GRIDEDGE_BAD
    table.loc[poor, ["FE_H", "FE_H_ERR"]] = np.nan
    table.loc[poor, "M_H"] = METAL_FLOOR
    rich = table["C_FE"] > CARBON_CEILING
    table.loc[rich, "C_FE_FLAG"] |= GRIDEDGE_BAD
    warm = table["TEFF"] > np.interp(table["M_H"], *CARBON_TEFF)
    table.loc[warm, ["C_FE_FLAG", "N_FE_FLAG"]] |= TEFF_CUT
    table.loc[poor | rich | warm, ["C_FE", "C_FE_ERR"]] = np.nan
    table.loc[poor | warm, ["N_FE", "N_FE_ERR"]] = np.nan


def apply_faults(table, settings, generator):
    """Spoil and flag some rows.

    Parameters
    ----------
    table : pandas.DataFrame
        Changed in place.
    settings : ApogeeSettings
    generator : numpy.random.Generator
    """

    def some(share):
        return generator.random(len(table)) < share

    bad = some(settings.bad)
    table.loc[bad, "ASPCAPFLAG"] |= STAR_BAD
    table.loc[bad, "TEFF"] += generator.normal(0, 500, bad.sum())
    table.loc[bad, "FE_H"] += generator.normal(0, 0.5, bad.sum())
    table.loc[some(settings.bright), "STARFLAG"] |= BRIGHT_NEIGHBOUR
    table.loc[some(settings.iron_flag), "FE_H_FLAG"] |= GRIDEDGE_BAD
    table.loc[some(settings.carbon_flag), "C_FE_FLAG"] |= GRIDEDGE_BAD
    table.loc[some(settings.no_iron), ["FE_H", "FE_H_ERR"]] = np.nan


def apogee_table(stars, settings=None, seed=0):
    """Build the mock's allStarLite.

    Parameters
    ----------
    stars : pandas.DataFrame
        All stars with in_apogee, in_lamost and positions.
    settings : ApogeeSettings, optional
    seed : int

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS` in order of APOGEE_ID, duplicates and neighbours included.
    """
    settings = settings or ApogeeSettings()
    generator = rng("apogee", seed)
    members = stars[stars["in_apogee"]].reset_index(drop=True)
    members = add_neighbours(members, stars, settings.neighbours, generator)
    table = base_columns(members, settings, generator)
    second = members.sample(frac=settings.duplicates, random_state=generator)
    again = base_columns(second, settings, generator)
    again.index = second.index
    again = again.assign(EXTRATARG=DUPLICATE, TELESCOPE="lco25m", SNR=again["SNR"] * 0.6,
                         APOGEE_ID=table["APOGEE_ID"].loc[second.index])  # fmt: skip
    table = pd.concat([table, again], ignore_index=True)
    apply_reach(table)
    apply_faults(table, settings, generator)
    return table.sort_values("APOGEE_ID", kind="stable", ignore_index=True)[list(COLUMNS)]


def write_apogee(table, path):
    """Write the table as FITS.

    Parameters
    ----------
    table : pandas.DataFrame
        From `apogee_table`.
    path : pathlib.Path
        ``allStarLite-dr17-synspec_rev1.fits``.
    """
    columns = {name: np.asarray(table[name]).astype(kind) for name, kind in COLUMNS.items()}
    with atomic_path(path) as temporary:
        Table(columns).write(temporary, format="fits")
