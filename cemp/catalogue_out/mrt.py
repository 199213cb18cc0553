"""The AAS machine-readable table: astropy's writer, and what it leaves to do.

Met in astropy 8.0.2 and worked round here: it leaves title, authors and caption empty and names
the file ``table.dat``; it writes positions of -1 to 0 deg without their sign; it refuses an empty
table; a description that begins with ``[`` is read back as limits; and of a text column that is
empty throughout it writes the description but no byte, so that all later columns are misread.
The standard: https://journals.aas.org/mrt-standards.
"""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from astropy import units
from astropy.io import ascii as text_tables
from astropy.table import MaskedColumn, Table

from cemp import __version__
from cemp.atomic import atomic_path
from cemp.catalogues.table_file import plain_text

#: Names that CDS gives to positions in degrees.
_NAMES = {"ra": "RAdeg", "dec": "DEdeg"}
#: Parts of a sexagesimal position: unit, format, meaning.
_PARTS = {
    "RAh": ("h", "02d", "Hour of right ascension (ICRS)"),
    "RAm": ("min", "02d", "Minute of right ascension (ICRS)"),
    "RAs": ("s", "07.4f", "Second of right ascension (ICRS)"),
    "DEd": ("deg", None, "Degree of declination (ICRS)"),
    "DEm": ("arcmin", "02d", "Arcminute of declination (ICRS)"),
    "DEs": ("arcsec", "06.3f", "Arcsecond of declination (ICRS)"),
}


def ascii_text(text):
    """Write a text in ASCII; a character that has no such form becomes a question mark.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> ascii_text("Skúladóttir: 混合?")
    'Skuladottir: ???'
    """
    return "".join(plain_text(c) or "?" for c in text)


def cds_unit(unit):
    """Give a unit as machine-readable tables write it.

    Parameters
    ----------
    unit : str
        Of `cemp.catalogue_out.columns.Column`.

    Returns
    -------
    astropy.units.UnitBase or None
        Logarithms are ``[-]``; the Angstrom, which the standard gives up, is 0.1 nm.
    """
    if unit == "dex":
        return units.dex(units.dimensionless_unscaled)
    return units.Unit("0.1nm") if unit == "Angstrom" else units.Unit(unit) if unit else None


def _column(values, column):
    """One column as the writer needs it: formatted, missing values masked."""
    about = {"name": _NAMES.get(column.name, column.name), "description": column.what,
             "unit": cds_unit(column.unit)}
    if column.kind == "str":
        # a blank, not a mask: of a column that is empty throughout astropy writes no byte
        values, lost = np.array([ascii_text(text) or " " for text in values]), np.zeros(1, bool)
        if (values == " ").any():
            about["description"] = f"? {column.what}"
    elif column.kind == "float":
        lost, about["format"] = np.isnan(values), column.fmt
        values = np.where(lost, 0.0, values)
    else:
        values, lost, about["format"] = values.astype(np.int64), np.zeros(len(values), bool), "d"
    if lost.any():
        return MaskedColumn(values, mask=lost, **about)
    return Table.Column(values, **about)


def _positions(table):
    """Sexagesimal positions as columns; degrees are text, so that -00 keeps its sign."""
    ra, dec = (table[name].str.split(":", expand=True) for name in ("ra_hms", "dec_dms"))
    values = {"RAh": ra[0].astype(int), "RAm": ra[1].astype(int), "RAs": ra[2].astype(float),
              "DEd": dec[0].astype(str), "DEm": dec[1].astype(int), "DEs": dec[2].astype(float)}
    kinds = {"DEd": str}
    return [Table.Column(values[name].to_numpy().astype(kinds.get(name, values[name].dtype)),
                         name=name, unit=unit, format=fmt, description=what)
            for name, (unit, fmt, what) in _PARTS.items()]


def write_mrt(table, columns, path, provenance, title="Candidates", authors="Authors"):
    """Write the catalogue as a machine-readable table.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.catalogue_out.columns.conform`; ``ra_hms`` and ``dec_dms`` become the columns
        RAh to DEs.
    columns : list of cemp.catalogue_out.columns.Column
    path : str or pathlib.Path
    provenance : dict of str to (value, comment)
        One note each.
    title, authors : str
        Of the paper.

    Notes
    -----
    A table without a row is not to be said in this format: then title, authors and provenance are
    written, and a line says that there is no candidate. `read_mrt` refuses that file.
    """
    lines = [f" {k} = {v}: {what}" for k, (v, what) in
             {"CEMPVERS": (__version__, "version of the package cemp"), **provenance}.items()]
    body = "".join(line[:80] + "\n" for line in lines)
    heads = [f"{word}: {ascii_text(text)}\n" for word, text in
             (("Title", title), ("Authors", authors),
              ("Table", "Candidate CEMP stars, one row a star"))]
    text = _with_rows(table, columns, Path(path).name, heads, body) if len(table) else (
        "".join(heads) + "=" * 80 + "\nThere is no candidate, so that this table has no row.\n"
        + body)
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def _with_rows(table, columns, name, heads, body):
    """Text of a table of a file's name, with lines of heading and the body of its notes."""
    parts = []
    for column in columns:
        if column.name == "ra_hms":
            parts += _positions(table)
        elif column.name != "dec_dms":
            parts.append(_column(table[column.name].to_numpy(), column))
    stream = io.StringIO()
    text_tables.write(Table(parts), stream, format="mrt")
    text = stream.getvalue().replace("table.dat", name)
    for line in heads:
        text = text.replace(line.partition(":")[0] + ":\n", line)
    notes = "Notes:\n" + "-" * 80 + "\n"
    head, data = text.split(notes)
    return head + "Notes:\n" + body + "-" * 80 + "\n" + data


def read_mrt(path):
    """Read what `write_mrt` wrote.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    pandas.DataFrame
        With ``ra_hms``, ``dec_dms``, ``ra`` and ``dec`` again; missing numbers NaN.
    """
    table = text_tables.read(str(path), format="mrt")
    back = {cds: name for name, cds in _NAMES.items()}
    out = {back.get(name, name): unmasked(table[name]) for name in table.colnames}
    out["ra_hms"] = [f"{h:02d}:{m:02d}:{s:07.4f}" for h, m, s in
                     zip(out["RAh"], out["RAm"], out["RAs"], strict=True)]
    out["dec_dms"] = [f"{sign}{d:02d}:{m:02d}:{s:06.3f}" for sign, d, m, s in
                      zip(out["DE-"], out["DEd"], out["DEm"], out["DEs"], strict=True)]
    return pd.DataFrame(out)


def unmasked(column):
    """Turn a column into an array without mask.

    Parameters
    ----------
    column : astropy.table.Column or MaskedColumn

    Returns
    -------
    ndarray
        Missing values are NaN, ``""`` or 0.
    """
    fill = {"f": np.nan, "U": "", "O": ""}.get(column.dtype.kind, 0)
    return np.asarray(column.filled(fill) if hasattr(column, "filled") else column)
