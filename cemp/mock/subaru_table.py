"""The mock's LAMOST-Subaru sample as a CDS folder, modelled on VizieR J/ApJ/931/147."""

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path
from cemp.constants import rng
from cemp.mock import astrometry
from cemp.mock.labels import Errors, add_neighbours, limit_carbon, measure

#: Errors of high-resolution spectra analysed alike (Li et al. 2022 give about these).
ERRORS = Errors(60.0, 0.12, 0.07, 0.14, (20.0, -0.02, -0.03, 0.02))
#: Neighbours within 3 arcsec; rows without a Gaia identifier.
NEIGHBOURS, NO_GAIA = 0.015, 0.1

#: Tables: (label, width, decimals or None for text, unit, explanation). A label that starts
#: with ``?`` may be blank.
TABLES = {
    "table1.dat": ("Programme stars (mock)", [
        ("Name", 26, None, "---", "LAMOST designation"),
        ("RAdeg", 10, 6, "deg", "Right ascension (ICRS) at Epoch"),
        ("DEdeg", 10, 6, "deg", "Declination (ICRS) at Epoch"),
        ("Epoch", 6, 1, "yr", "Epoch of the position"),
        ("?GaiaEDR3", 19, 0, "---", "Gaia EDR3 identifier"),
        ("?pmRA", 8, 2, "mas/yr", "Proper motion along RA, times cos(DE)"),
        ("?pmDE", 8, 2, "mas/yr", "Proper motion along DE"),
        ("S/N", 3, 0, "---", "Signal-to-noise ratio a pixel at 4500 Angstrom"),
    ]),
    "table2.dat": ("Parameters and abundances (mock)", [
        ("Name", 26, None, "---", "LAMOST designation"),
        ("Teff", 4, 0, "K", "Effective temperature"),
        ("e_Teff", 3, 0, "K", "Uncertainty in Teff"),
        ("log(g)", 5, 2, "[cm/s2]", "Surface gravity"),
        ("e_log(g)", 4, 2, "[cm/s2]", "Uncertainty in log(g)"),
        ("[Fe/H]", 5, 2, "[-]", "Metallicity"),
        ("e_[Fe/H]", 4, 2, "[-]", "Uncertainty in [Fe/H]"),
        ("?l_[C/Fe]", 1, None, "---", "Limit flag on [C/Fe]"),
        ("?[C/Fe]", 5, 2, "[-]", "Abundance ratio, Asplund+ 2009 solar scale"),
        ("?e_[C/Fe]", 4, 2, "[-]", "Uncertainty in [C/Fe]; blank for a limit"),
        ("[Mg/Fe]", 5, 2, "[-]", "Abundance ratio"),
        ("e_[Mg/Fe]", 4, 2, "[-]", "Uncertainty in [Mg/Fe]"),
    ]),
}  # fmt: skip


def subaru_table(stars, seed=0):
    """Build the sample.

    Parameters
    ----------
    stars : pandas.DataFrame
        All stars with in_subaru, in_lamost and positions.
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row a star, columns of both `TABLES`, in order of name. Positions are Gaia's, at
        epoch 2016; carbon is missing for a tenth of the limits, as where nobody tried.
    """
    generator = rng("subaru", seed)
    members = stars[stars["in_subaru"]].reset_index(drop=True)
    members = add_neighbours(members, stars, NEIGHBOURS, generator)
    n = len(members)
    got = measure(members, ERRORS, generator)
    snr = np.clip(60 * np.exp(generator.normal(0, 0.4, n)), 15, 250).round()
    c_h, limit = limit_carbon(members, got, snr, generator)
    carbon = np.where(limit & (generator.random(n) < 0.1), np.nan, c_h - got["fe_h"])
    ra, dec = astrometry.scatter(members["ra"], members["dec"], 0.02, generator)
    known = generator.random(n) >= NO_GAIA
    mg = members["alpha_fe"].to_numpy() + generator.normal(0, 0.1, n)
    return pd.DataFrame({
        "Name": designations(members), "RAdeg": ra, "DEdeg": dec, "Epoch": 2016.0,
        "GaiaEDR3": members["gaia_source_id"].where(known).astype("Int64"),
        "pmRA": members["pmra"].where(known), "pmDE": members["pmdec"].where(known),
        "S/N": snr, "Teff": got["teff"], "e_Teff": ERRORS.teff, "log(g)": got["logg"],
        "e_log(g)": ERRORS.logg, "[Fe/H]": got["fe_h"], "e_[Fe/H]": ERRORS.fe_h,
        "l_[C/Fe]": np.where(limit & np.isfinite(carbon), "<", ""), "[C/Fe]": carbon,
        "e_[C/Fe]": np.where(limit | np.isnan(carbon), np.nan, ERRORS.c_h),
        "[Mg/Fe]": mg, "e_[Mg/Fe]": 0.1,
    }).sort_values("Name", ignore_index=True)  # fmt: skip


def designations(stars):
    """Name stars by their positions at epoch 2000, as LAMOST does.

    Parameters
    ----------
    stars : pandas.DataFrame

    Returns
    -------
    list of str
    """
    ra, dec = astrometry.at_epoch(stars, astrometry.SURVEY_EPOCH)
    return [astrometry.sexagesimal(a, d, "LAMOST ") for a, d in zip(ra, dec, strict=True)]


def fixed_width(table, columns):
    """Write rows in fixed-width columns with a blank between.

    Parameters
    ----------
    table : pandas.DataFrame, n rows
    columns : list of tuple
        As in `TABLES`.

    Returns
    -------
    list of str, length n
    """
    cells = []
    for label, width, decimals, *_ in columns:
        values = table[label.lstrip("?")]
        if decimals is None:
            cells.append([f"{v:<{width}}" for v in values])
        elif pd.api.types.is_integer_dtype(values.dtype):
            cells.append([" " * width if v is pd.NA else f"{v:{width}d}" for v in values])
        else:
            cells.append([" " * width if np.isnan(v) else f"{v:{width}.{decimals}f}"
                          for v in values])  # fmt: skip
    return [" ".join(row) for row in zip(*cells, strict=True)]


def byte_by_byte(name, columns):
    """Describe a table in the CDS manner.

    Parameters
    ----------
    name : str
        File name.
    columns : list of tuple
        As in `TABLES`.

    Returns
    -------
    list of str
    """
    rule = "-" * 80
    lines = [f"Byte-by-byte Description of file: {name}", rule,
             "   Bytes Format Units   Label     Explanations", rule]  # fmt: skip
    start = 1
    for label, width, decimals, unit, text in columns:
        form = f"A{width}" if decimals is None else f"F{width}.{decimals}"
        form = f"I{width}" if decimals == 0 else form
        where = f"{start:4d}-{start + width - 1:3d}" if width > 1 else f"{start:8d}"
        mark = "? " if label.startswith("?") and decimals is not None else ""
        lines.append(f"{where} {form:6s} {unit:7s} {label.lstrip('?'):9s} {mark}{text}")
        start += width + 1
    return [*lines, rule, ""]


def readme(tables):
    """Write the ReadMe of the folder.

    Parameters
    ----------
    tables : dict of str to list of str
        File name to its lines.

    Returns
    -------
    str
    """
    rule = "-" * 80
    lines = ["J/ApJ/931/147   MOCK of: LAMOST/Subaru very metal-poor stars. II.  (Li+, 2022)",
             "=" * 80, "A mock of the table's form; no line describes a real star.", "",
             "File Summary:", rule, " FileName    Lrecl    Records    Explanations", rule,
             "ReadMe            80        .   This file"]  # fmt: skip
    for name, rows in tables.items():
        lines.append(f"{name:12s} {len(rows[0]):5d} {len(rows):8d}   {TABLES[name][0]}")
    lines += [rule, ""]
    for name in tables:
        lines += byte_by_byte(name, TABLES[name][1])
    return "\n".join([*lines, "=" * 80, "(End)", ""])


def write_subaru(table, folder):
    """Write ReadMe, table1.dat and table2.dat.

    Parameters
    ----------
    table : pandas.DataFrame
        From `subaru_table`.
    folder : pathlib.Path
        Made if need be; readable with ``astropy.io.ascii.cds``.
    """
    tables = {name: fixed_width(table, columns) for name, (_, columns) in TABLES.items()}
    for name, rows in tables.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text("\n".join(rows) + "\n")
    with atomic_path(folder / "ReadMe") as temporary:
        temporary.write_text(readme(tables))
