"""LAMOST-Subaru (Li, Aoki et al. 2022, ApJ 931, 147): a CDS ReadMe with its tables."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import ascii as astropy_ascii
from astropy.table import Table

from cemp.catalogues.common import (
    bad_position,
    drop_rows,
    gaia_ids,
    label_table,
    need_columns,
    parse_numbers,
)
from cemp.catalogues.sanity import check_labels, check_positions
from cemp.constants import SOLAR_A
from cemp.errors import BadInputError

#: Labels under which CDS tables give a quantity; the first present is used.
NAMES = {
    "star": ("Name", "Star", "LAMOST", "ID", "Object"),
    "teff": ("Teff",),
    "logg": ("log(g)", "logg", "log_g"),
    "fe_h": ("[Fe/H]", "Fe/H"),
    "e_teff": ("e_Teff",),
    "e_logg": ("e_log(g)", "e_logg"),
    "e_fe_h": ("e_[Fe/H]", "e_Fe/H"),
    "c_fe": ("[C/Fe]", "C/Fe"),
    "c_h": ("[C/H]", "C/H"),
    "a_c": ("A(C)", "logeC", "log(C)"),
    "pmra": ("pmRA",),
    "pmdec": ("pmDE",),
    "gaia": ("Gaia", "GaiaDR3", "GaiaEDR3", "Source"),
    "epoch": ("Epoch",),
}

#: In a table of one row an element: its column, and values by the quantity they give.
ELEMENT = ("El", "Elem", "Element", "Ion", "Species")
LONG = {"c_h": ("[X/H]", "X/H"), "c_fe": ("[X/Fe]", "X/Fe"), "a_c": ("logeps", "log(e)", "A(X)")}
CARBON = ("C", "C I", "C(CH)", "CH", "C-CH")


def _read(folder):
    """Read every table of the folder that its ReadMe describes."""
    folder = Path(folder)
    readme = folder / "ReadMe"
    if not readme.is_file():
        raise BadInputError(
            f"{folder} holds no ReadMe: fetch J/ApJ/931/147 from VizieR (ReadMe and tables) "
            "and set subaru_folder in the profile"
        )
    described, tables = readme.read_text(encoding="utf-8", errors="replace"), {}
    for path in sorted(folder.glob("*.dat")):
        if f"file: {path.name}" not in described:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # units that astropy does not know
                table = Table.read(path, format="ascii.cds", readme=str(readme))
        except (ValueError, OSError, IndexError, astropy_ascii.InconsistentTableError) as error:
            raise BadInputError(f"{path} does not fit its ReadMe ({error}): fetch both") from error
        tables[path.name] = pd.DataFrame({n: _plain(table[n]) for n in table.colnames})
    if not tables:
        raise BadInputError(f"{folder}: no table of its ReadMe is there; fetch the .dat files")
    return tables


def _plain(column):
    """Give numbers with NaN, or text with empty strings, where CDS has blanks."""
    column = np.ma.asarray(column)
    if column.dtype.kind in "iu":
        if not np.ma.is_masked(column):
            return column.data
        # identifiers of 19 digits do not survive as floating point: zero is "none" for them
        if np.ma.max(np.ma.abs(column)) > 2**53:
            return column.filled(0)
    if column.dtype.kind in "iuf":
        return column.astype(float).filled(np.nan)
    return np.char.strip(column.filled("").astype(str)).astype(object)


def _name(table, quantity, names=NAMES):
    """Label under which a table gives a quantity, or None."""
    return next((n for n in names[quantity] if n in table), None)


def _value(table, quantity, names=NAMES):
    """Value of a quantity and whether it is an upper limit (inline, or in its l_ column)."""
    name = _name(table, quantity, names)
    if name is None:
        return np.full(len(table), np.nan), np.zeros(len(table), bool)
    value, upper, lower = parse_numbers(table[name].astype(str))
    if f"l_{name}" in table:
        flag = table[f"l_{name}"].astype(str)
        upper |= flag.str.contains("<|≤", regex=True).to_numpy()
        lower |= flag.str.contains(">|≥", regex=True).to_numpy()
    return np.where(lower, np.nan, value), upper & np.isfinite(value) & ~lower


def _degrees(table):
    """Right ascension and declination [deg] and the size of their last digit [arcsec]."""
    if "RAdeg" in table:
        return table["RAdeg"].to_numpy(float), table["DEdeg"].to_numpy(float), 0.1
    ra = 15 * (table["RAh"] + table["RAm"] / 60 + table["RAs"] / 3600)
    sign = np.where(table["DE-"].astype(str) == "-", -1.0, 1.0)
    dec = sign * (table["DEd"] + table["DEm"] / 60 + table["DEs"] / 3600)
    return ra.to_numpy(float), dec.to_numpy(float), 1.0


def _find(tables, test, what, folder):
    """First table that passes a test."""
    for table in tables.values():
        if test(table):
            return table
    raise BadInputError(
        f"{folder} is not the LAMOST-Subaru catalogue: no table with {what}; "
        "fetch J/ApJ/931/147 from VizieR"
    )


def _carbon(tables, folder):
    """One row a star: [C/H], [C/Fe] or A(C) as given, and whether each is an upper limit."""

    def has_carbon(table):
        return any(_name(table, q) for q in ("c_fe", "c_h", "a_c"))

    def is_long(table):
        return any(n in table for n in ELEMENT) and any(_name(table, q, LONG) for q in LONG)

    table = _find(tables, lambda t: has_carbon(t) or is_long(t), "carbon", folder)
    names = NAMES
    if not has_carbon(table):
        element = table[next(n for n in ELEMENT if n in table)].astype(str).str.strip()
        table, names = table[element.isin(CARBON)].reset_index(drop=True), LONG
    out = pd.DataFrame({"star": table[_name(table, "star")].astype(str)})
    for quantity in ("c_h", "c_fe", "a_c"):
        out[quantity], out[f"l_{quantity}"] = _value(table, quantity, names)
        error = next((f"e_{n}" for n in names[quantity] if f"e_{n}" in table), None)
        out[f"e_{quantity}"] = table[error].to_numpy(float) if error else np.nan
    return out.drop_duplicates("star")


def _add_carbon(columns, carbon):
    """Join carbon by the star's name and bring every form of it to [C/H]."""
    merged = columns[["star", "fe_h"]].merge(carbon, on="star", how="left", validate="m:1")
    forms = {
        "c_h": merged["c_h"],
        "a_c": merged["a_c"] - SOLAR_A["C"],
        "c_fe": merged["c_fe"] + merged["fe_h"],
    }
    c_h = pd.Series(np.nan, index=merged.index)
    limit, error = pd.Series(False, index=c_h.index), pd.Series(np.nan, index=c_h.index)
    for quantity, value in forms.items():
        use = c_h.isna() & value.notna()
        c_h = c_h.where(~use, value)
        limit = limit.where(~use, merged[f"l_{quantity}"].fillna(False).astype(bool))
        error = error.where(~use, merged[f"e_{quantity}"])
    return columns.assign(
        c_h=c_h.to_numpy(), c_h_limit=limit.to_numpy(bool), e_c_h=error.to_numpy()
    )


def read_subaru(folder):
    """Read the LAMOST-Subaru sample.

    Parameters
    ----------
    folder : path_like
        Folder with ``ReadMe`` and the ``.dat`` tables of VizieR J/ApJ/931/147. Positions,
        parameters and carbon may stand in one table or in several, joined by the star's name;
        carbon as a column ([C/Fe], [C/H], A(C)) or as rows of a table of elements.

    Returns
    -------
    pandas.DataFrame
        Columns `cemp.catalogues.common.LABEL_TABLE`; the paper uses the solar scale of Asplund
        et al. (2009) already. Upper limits (``l_`` columns or inline) have ``c_h_limit`` True.

    Raises
    ------
    BadInputError
        If the folder lacks its ReadMe or tables, or they are other tables.
    """
    tables = _read(folder)
    where = _find(tables, lambda t: "RAdeg" in t or "RAh" in t, "coordinates", folder)
    params = _find(tables, lambda t: _name(t, "teff") and _name(t, "fe_h"), "Teff, [Fe/H]", folder)
    need_columns([_name(where, "star") and "star"], ["star"], folder, "the LAMOST-Subaru catalogue")
    dropped, noted = {}, {}
    columns = pd.DataFrame({"star": params[_name(params, "star")].astype(str)})
    for quantity in ("teff", "logg", "fe_h", "e_teff", "e_logg", "e_fe_h"):
        value, limit = _value(params, quantity)
        columns[quantity] = np.where(limit, np.nan, value)
    n_read = len(columns)
    columns = drop_rows(columns, columns["star"].duplicated(), "star repeated", dropped)
    columns = _add_carbon(columns, _carbon(tables, folder))
    columns = columns.merge(_positions(where), on="star", how="left", validate="m:1")
    check_labels(columns, folder)
    check_positions(columns["ra"], columns["dec"], folder)
    bad = bad_position(columns["ra"], columns["dec"])
    columns = drop_rows(columns, bad, "no position", dropped)
    columns = drop_rows(columns, columns["fe_h"].isna(), "no [Fe/H], or a limit", dropped)
    columns["source"], columns["reference"] = "subaru", "2022ApJ...931..147L"
    return label_table(columns, folder, n_read, dropped, noted)


def _positions(table):
    """Positions, motions and identifiers by the star's name."""
    ra, dec, step = _degrees(table)
    gaia, epoch = _name(table, "gaia"), _value(table, "epoch")[0]
    return pd.DataFrame({
        "star": table[_name(table, "star")].astype(str), "ra": ra, "dec": dec,
        "coord_arcsec": step, "epoch": np.where(np.isnan(epoch), 2000.0, epoch),
        "pmra": _value(table, "pmra")[0], "pmdec": _value(table, "pmdec")[0],
        "gaia_source_id": gaia_ids(table[gaia] if gaia else np.zeros(len(table), np.int64)),
    }).drop_duplicates("star")  # fmt: skip
