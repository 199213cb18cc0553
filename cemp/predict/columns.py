"""The columns of a table of predicted labels: name, kind, unit and meaning, stated once."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Column:
    """One column.

    Parameters
    ----------
    kind : {"text", "int", "bool", "real", "double"}
        Single precision (``real``) holds seven digits: plenty for labels, too few for positions.
    unit : str
        As CDS and astropy write it; empty if there is none.
    what : str
        Meaning, in a line.
    """

    kind: str
    unit: str
    what: str


def _label(name, unit, what):
    """Columns of a label and its error."""
    return {name: Column("real", unit, what),
            f"e_{name}": Column("real", unit, f"standard error of {name}")}


def _flag(what):
    return Column("bool", "", what)


#: Columns of the labels, in order.
COLUMNS = {
    "identifier": Column("text", "", "obsid, plate-mjd-fiber, or the file's or object's name"),
    "file": Column("text", "", "file as it was given"),
    "obsid": Column("int", "", "LAMOST obsid; missing for other surveys and for DR1, DR2"),
    "ra": Column("double", "deg", "right ascension by the file's header (ICRS)"),
    "dec": Column("double", "deg", "declination by the file's header (ICRS)"),
    "release": Column("text", "", "survey and data release by the file's own account"),
    "subclass": Column("text", "", "spectral type by the survey's pipeline"),
    **{f"snr{b}": Column("real", "", f"S/N a pixel in {b} by the file's header") for b in "ugriz"},
    "snr": Column("real", "", "median S/N a 1 Angstrom pixel, from the inverse variance"),
    "z": Column("double", "", "redshift used: radial velocity over c"),
    "shift_kms": Column("real", "km/s", "velocity left in the lines at rest; right is 0 +- 20"),
    **_label("teff", "K", "effective temperature"),
    **_label("logg", "dex", "log10 of the surface gravity in cm/s2"),
    **_label("fe_h", "dex", "[Fe/H], A(Fe)sun = 7.50"),
    **_label("c_h", "dex", "[C/H], A(C)sun = 8.43"),
    "cov_fe_h_c_h": Column("real", "", "error covariance of [Fe/H] and [C/H], dex2"),
    "c_fe": Column("real", "dex", "[C/Fe] = [C/H] - [Fe/H]"),
    "e_c_fe": Column("real", "dex", "standard error of c_fe, covariance included"),
    "p_cemp": Column("real", "", "probability of [Fe/H] < -2.0, [C/Fe] > 0.7; not if flag_carbon"),
    "p_emp": Column("real", "", "probability of [Fe/H] < -3"),
    "p_vmp": Column("real", "", "probability of -2.5 <= [Fe/H] < -1.5"),
    "cemp": _flag("Table 1: [Fe/H] < -2.0 and [C/Fe] > 0.7"),
    "emp": _flag("Table 1: [Fe/H] < -3"),
    "vmp": _flag("Table 1: -2.5 <= [Fe/H] < -1.5"),
    "unclassified_mp": _flag("-3 <= [Fe/H] < -2.5 and [C/Fe] <= 0.7, a gap of Table 1"),
    "bc05_mp": _flag("Beers & Christlieb 2005: [Fe/H] < -1"),
    "bc05_vmp": _flag("Beers & Christlieb 2005: [Fe/H] < -2"),
    "bc05_emp": _flag("Beers & Christlieb 2005: [Fe/H] < -3"),
    "bc05_ump": _flag("Beers & Christlieb 2005: [Fe/H] < -4"),
    "bc05_cemp": _flag("Beers & Christlieb 2005: [Fe/H] < -1 and [C/Fe] > 1.0"),
    "aoki07_cemp": _flag("Aoki+ 2007: CEMP by Teff, log g; luminosity of 0.8 solar masses"),
    "gband": Column("real", "Angstrom", "pseudo-equivalent width of the CH G band, 4280-4320 air"),
    "e_gband": Column("real", "Angstrom", "standard error of gband from the inverse variance"),
    "good_fraction": Column("real", "", "share of good pixels on the grid 3800-8800 Angstrom"),
    "flag_outside": _flag("outside of what the network was trained on: see reason"),
    "flag_partial": _flag("part of 3900-6800 Angstrom, or a feature of the labels, not observed"),
    "flag_no_gband": _flag("less than half of 4200-4420 Angstrom: [C/H] rests on little"),
    "flag_carbon": _flag("too little light where carbon shows: P(CEMP) is withheld, see reason"),
    "flag_velocity": _flag("lines are shifted against their place at rest: see shift_kms"),
    "flag_low_snr": _flag("low S/N in g (or median S/N where the header has none)"),
    "flag_ivar_estimated": _flag("the file has no errors: noise estimated from the spectrum"),
    "clean": _flag("no flag but flag_partial, flag_ivar_estimated: count classes of these only"),
    "candidate": _flag("P(CEMP) > 0.5 (or a recipe's own), light in the blue, nothing unlike the "
                       "training"),  # fmt: skip
    "reason": Column("text", "", "what raised a flag, in words"),
    "model": Column("text", "", "network: its name and the start of its hash"),
}  # fmt: skip

#: Columns of the table of spectra that could not be labelled.
SKIPPED = {
    "file": Column("text", "", "file as it was given"),
    "kind": Column("text", "", "class of reasons"),
    "reason": Column("text", "", "what is wrong, and what to do"),
}

#: In memory: pandas' own types, whose missing values are NaN and NA.
PANDAS = {"text": "str", "int": "Int64", "bool": "bool", "real": np.float32, "double": np.float64}


def as_table(rows, columns=None):
    """Make a table with its columns in order and of their kinds.

    Parameters
    ----------
    rows : pandas.DataFrame, list of dict or dict of arrays
        Columns that are not asked for are left out.
    columns : dict of str to Column, optional
        `COLUMNS` by default.

    Returns
    -------
    pandas.DataFrame
    """
    columns = columns or COLUMNS
    table = pd.DataFrame(rows, columns=None if len(rows) else list(columns))[list(columns)]
    return table.astype({name: PANDAS[c.kind] for name, c in columns.items()})


def describe():
    """List all columns for a reader.

    Returns
    -------
    str
        One line a column: name, unit, meaning.
    """
    return "\n".join(f"{name:20s} {c.unit or '-':9s} {c.what}" for name, c in COLUMNS.items())
