"""The catalogue as FITS, VOTable and CSV, read back, and compared with what was written."""

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits, votable
from astropy.io.votable.tree import CooSys, Param
from astropy.table import Table

from cemp import __version__
from cemp.atomic import atomic_path
from cemp.catalogue_out.mrt import ascii_text, cds_unit, read_mrt, unmasked, write_mrt
from cemp.errors import BadInputError
from cemp.textfile import comment_lines


def to_astropy(table, columns, ascii_only=False):
    """Make a table with units and descriptions.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.catalogue_out.columns.conform`.
    columns : list of cemp.catalogue_out.columns.Column
    ascii_only : bool
        Whether texts must be ASCII (FITS, machine-readable tables); what has no ASCII form
        becomes ``?``.

    Returns
    -------
    astropy.table.Table
        Without the unit of logarithms, which FITS and VOTable do not know: there the
        description ends in ``(dex)``.
    """
    out = Table()
    for column in columns:
        values = table[column.name].to_numpy()
        if column.kind == "str":
            values = np.array([ascii_text(v) if ascii_only else v for v in values], dtype=str)
        dex = column.unit == "dex"
        out[column.name] = values
        out[column.name].description = column.what + (" (dex)" if dex else "")
        # FITS knows the Angstrom, the Virtual Observatory has given it up for 0.1 nm
        unit = (column.unit or None) if ascii_only else cds_unit(column.unit)
        out[column.name].unit = None if dex else unit
    return out


def write_fits(table, columns, path, provenance):
    """Write the catalogue as a FITS table.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.catalogue_out.columns.conform`.
    columns : list of cemp.catalogue_out.columns.Column
    path : str or pathlib.Path
    provenance : dict of str to (value, comment)
        Header keywords, at most eight letters each.
    """
    hdu = fits.table_to_hdu(to_astropy(table, columns, ascii_only=True))
    hdu.header["EXTNAME"] = "CANDIDATES"
    for number, column in enumerate(columns, start=1):
        hdu.header[f"TCOMM{number}"] = column.what + (" (dex)" if column.unit == "dex" else "")
        hdu.header[f"TUCD{number}"] = column.ucd
    hdu.header["RADESYS"] = "ICRS"
    for key, (value, comment) in _with_version(provenance).items():
        hdu.header[key] = (value, comment)
    with atomic_path(path) as temporary:
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(temporary, overwrite=True, checksum=False)


def _with_version(provenance):
    """Put the version of the package before the rest of the provenance."""
    return {"CEMPVERS": (__version__, "version of the package cemp"), **provenance}


def write_votable(table, columns, path, provenance):
    """Write the catalogue as a VOTable 1.4 with UCDs.

    Parameters
    ----------
    table, columns, path
        As for `write_fits`.
    provenance : dict of str to (value, comment)
        One PARAM each.
    """
    tree = votable.from_table(to_astropy(table, columns), table_id="candidates")
    tree.version = "1.4"
    resource, inner = tree.resources[0], tree.get_first_table()
    resource.coordinate_systems.append(CooSys(ID="icrs", system="ICRS"))
    inner.format = "tabledata"
    for field, column in zip(inner.fields, columns, strict=True):
        field.ucd = column.ucd
        if column.name in ("ra", "dec"):
            field.ref = "icrs"
        if column.kind == "str":
            field.arraysize = "*"  # a column of empty texts would state a length of one
    for key, (value, comment) in _with_version(provenance).items():
        kind = {bool: "boolean", int: "long", float: "double"}.get(type(value), "char")
        size = {"arraysize": "*"} if kind == "char" else {}
        ucd = {"ucd": "meta.version"} if key in ("CEMPVERS", "MODEL") else {"ucd": "meta"}
        param = Param(tree, ID=key, name=key, value=value, datatype=kind, **size, **ucd)
        param.description = comment
        inner.params.append(param)
    with atomic_path(path) as temporary:
        tree.to_xml(str(temporary))


def write_csv(table, columns, path, provenance):
    """Write the catalogue as CSV in UTF-8 after lines of comment.

    Parameters
    ----------
    table, columns, path, provenance
        As for `write_fits`.
    """
    lines = [f"# {key} = {value} ({comment})"
             for key, (value, comment) in _with_version(provenance).items()]
    lines += [f"# {c.name} [{c.unit or '-'}]: {c.what}" for c in columns]
    body = pd.DataFrame({c.name: _texts(table[c.name], c) for c in columns})
    body = body.to_csv(index=False, lineterminator="\n")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n" + body, encoding="utf-8")


def _texts(values, column):
    """Write a column as text, missing numbers empty."""
    if column.kind == "float":
        return ["" if np.isnan(v) else format(v, column.fmt) for v in values]
    return [str(v) for v in values]




def _read_csv(path):
    """Read what `write_csv` wrote; only the leading lines are comments."""
    return pd.read_csv(path, skiprows=comment_lines(path), keep_default_na=False, dtype=str)


def _read_votable(path):
    """Read what `write_votable` wrote; a value that it marks as missing is NaN."""
    table = votable.parse_single_table(str(path)).to_table(use_names_over_ids=True)
    return pd.DataFrame({name: unmasked(table[name]) for name in table.colnames})


def _read_fits(path):
    """Read what `write_fits` wrote."""
    table = Table.read(path, format="fits", hdu="CANDIDATES", unit_parse_strict="silent")
    table.convert_bytestring_to_unicode()
    return pd.DataFrame({name: np.asarray(table[name]) for name in table.colnames})


#: Suffix -> writer, reader; in the order in which the paper names the formats.
FORMATS = {".fits": (write_fits, _read_fits), ".vot": (write_votable, _read_votable),
           ".mrt": (write_mrt, read_mrt), ".csv": (write_csv, _read_csv)}


def read_back(path, columns):
    """Read the catalogue in any of its formats.

    Parameters
    ----------
    path : str or pathlib.Path
        Suffix of `FORMATS`.
    columns : list of cemp.catalogue_out.columns.Column

    Returns
    -------
    pandas.DataFrame
        Types as `cemp.catalogue_out.columns.conform` makes them.

    Raises
    ------
    BadInputError
        If the file is not this catalogue.
    """
    path, out = Path(path), {}
    try:
        raw = FORMATS[path.suffix][1](path)
        for column in columns:
            values = pd.Series(raw[column.name])
            if column.kind == "bool":
                out[column.name] = values.astype(str).isin(["True", "1"]).to_numpy()
            elif column.kind == "str":
                out[column.name] = values.fillna("").astype(str).to_numpy(dtype=object)
            else:
                kind = np.int64 if column.kind == "int" else np.float64
                out[column.name] = values.replace("", "nan").to_numpy().astype(kind)
    except (OSError, KeyError, ValueError, IndexError, StopIteration) as error:
        raise BadInputError(f"{path} is not the catalogue ({error}): rerun notebook 13") from error
    return pd.DataFrame(out)


def differences(table, back, ascii_only=False):
    """Name the columns in which two catalogues differ.

    Parameters
    ----------
    table, back : pandas.DataFrame
        What was written, and what `read_back` found.
    ascii_only : bool
        Whether the format holds ASCII only.

    Returns
    -------
    list of str
        Empty if they are the same to the last digit; ``"rows"`` if their numbers of rows differ.
    """
    if len(table) != len(back):
        return ["rows"]
    out = []
    for name in table:
        left, right = table[name].to_numpy(), back[name].to_numpy()
        if left.dtype.kind == "O" and ascii_only:
            left = np.array([ascii_text(text) for text in left], dtype=object)
        missing = left.dtype.kind == "f"
        if not np.array_equal(left, right, equal_nan=missing):
            out.append(name)
    return out
