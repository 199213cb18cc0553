"""SAGA: literature abundances of metal-poor stars, several rows a star, one a paper."""

import numpy as np
import pandas as pd

from cemp.catalogues.common import (
    bad_position,
    drop_rows,
    gaia_ids,
    label_table,
    need_columns,
    parse_angles,
    parse_numbers,
)
from cemp.catalogues.sanity import check_labels, check_positions, read_cells
from cemp.catalogues.solar import to_asplund
from cemp.constants import SOLAR_A

#: Names under which exports give a quantity; the first one present is used.
NAMES = {
    "star": ("object", "star", "name", "star_name", "objname"),
    "ra": ("radeg", "ra_deg", "ra"),
    "dec": ("decdeg", "dedeg", "dec_deg", "dec", "de"),
    "pmra": ("pmra",),
    "pmdec": ("pmdec", "pmde"),
    "epoch": ("epoch",),
    "gaia": ("gaia_source_id", "gaia_dr3_id", "gaiadr3", "gaia"),
    "teff": ("teff", "t_eff"),
    "logg": ("logg", "log_g", "log(g)"),
    "e_teff": ("e_teff", "teff_err", "sigma_teff"),
    "e_logg": ("e_logg", "logg_err"),
    "e_fe_h": ("e_[fe/h]", "[fe/h]_err", "e_fe_h", "sigma_[fe/h]"),
    "e_c_fe": ("e_[c/fe]", "[c/fe]_err", "e_c_fe", "sigma_[c/fe]"),
    "e_c_h": ("e_[c/h]", "[c/h]_err", "e_c_h", "sigma_[c/h]"),
    "c_h": ("[c/h]", "c_h"),
    "a_c": ("a(c)", "logeps(c)", "log_eps(c)"),
    "c_fe": ("[c/fe]", "c_fe", "cfe"),
    "fe_flag": ("feh_flag", "fe_h_flag", "[fe/h]_flag", "l_[fe/h]"),
    "c_flag": ("c_flag", "[c/fe]_flag", "l_[c/fe]", "l_[c/h]"),
    "reference": ("reference", "ref", "refs"),
    "scale": ("solar_scale", "solarscale", "solar"),
}

#: How a column of flags says "upper limit".
UPPER_FLAGS = ("uplim", "upper", "ul", "<", "<=", "{<=}")
#: And "lower limit".
LOWER_FLAGS = ("lolim", "lower", "ll", ">", ">=", "{>=}")

#: Iron, best first: the adopted value, then neutral, then ionised iron. [M/H] is not iron.
IRON = ("[fe/h]", "fe_h", "feh", "[fe_i/h]", "[fe_ii/h]")


def _read_text(path):
    """Read every cell as text."""
    table = read_cells(path, "saga_table", comment="#")
    table.columns = [c.strip().strip('"').lower().replace(" ", "_") for c in table.columns]
    return table.apply(lambda column: column.str.strip())


def _pick(table, quantity):
    """Text of a quantity, empty where the table does not give it."""
    for name in NAMES[quantity]:
        if name in table:
            return table[name]
    return pd.Series([""] * len(table), index=table.index)


def _number(table, quantity):
    """Value of a quantity; limits on it count as missing."""
    value, upper, lower = parse_numbers(_pick(table, quantity))
    return np.where(upper | lower, np.nan, value)


def _iron(table):
    """[Fe/H] from the best column that gives a value; a limit is no value."""
    fe_h = np.full(len(table), np.nan)
    for name in IRON:
        if name in table:
            value, upper, lower = parse_numbers(table[name])
            fe_h = np.where(np.isnan(fe_h) & ~upper & ~lower, value, fe_h)
    return np.where(_flagged(table, "fe_flag", UPPER_FLAGS + LOWER_FLAGS), np.nan, fe_h)


def _flagged(table, quantity, flags):
    """Whether the column of flags of a quantity says one of these."""
    return _pick(table, quantity).str.lower().isin(flags).to_numpy()


def _carbon(table, fe_h):
    """[C/H] from the best column that gives it, and what kind of value it is.

    Returns
    -------
    c_h, e_c_h : ndarray
        On the row's own scale, except where `absolute`.
    limit : ndarray of bool
        Upper limits. A lower limit cannot be used either way and counts as missing.
    absolute : ndarray of bool
        From log eps(C), which does not depend on the Sun: no change of scale.
    """
    c_h = np.full(len(table), np.nan)
    limit, absolute = np.zeros(len(table), bool), np.zeros(len(table), bool)
    for quantity, zero in (("c_h", 0.0), ("c_fe", fe_h), ("a_c", -SOLAR_A["C"])):
        value, upper, lower = parse_numbers(_pick(table, quantity))
        use = np.isnan(c_h) & np.isfinite(value + zero) & ~lower
        c_h = np.where(use, value + zero, c_h)
        limit = np.where(use, upper, limit)
        absolute |= use & (quantity == "a_c")
    limit |= _flagged(table, "c_flag", UPPER_FLAGS)
    c_h = np.where(_flagged(table, "c_flag", LOWER_FLAGS), np.nan, c_h)
    quadratic = np.hypot(_number(table, "e_c_fe"), _number(table, "e_fe_h"))
    e_c_h = _number(table, "e_c_h")
    return c_h, np.where(np.isnan(e_c_h), quadratic, e_c_h), limit & np.isfinite(c_h), absolute


def share_positions(table):
    """Give all rows of one star its finest position, motion and Gaia identifier.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns star, ra, dec, coord_arcsec, pmra, pmdec, epoch, gaia_source_id; rows of one
        star bear one name.

    Returns
    -------
    pandas.DataFrame
        Same rows; papers that round to 0.01 deg take the position of those that do not, if it
        lies within their rounding; ``attrs["refined"]`` counts the rows changed.
    """
    table = table.copy()
    finest = table.sort_values("coord_arcsec", kind="stable").groupby("star", sort=False)
    best = finest[["ra", "dec", "coord_arcsec", "epoch"]].first().loc[table["star"]]
    away = np.hypot(
        (best["ra"].to_numpy() - table["ra"]) * np.cos(np.radians(table["dec"])),
        best["dec"].to_numpy() - table["dec"],
    )
    coarse = table["coord_arcsec"].to_numpy() > best["coord_arcsec"].to_numpy()
    change = coarse & (away * 3600 <= table["coord_arcsec"] + 1.0).to_numpy()
    for column in best:
        table.loc[change, column] = best[column].to_numpy()[change]
    one = table.groupby("star")["gaia_source_id"].transform(
        lambda ids: ids.dropna().iloc[0] if ids.nunique() == 1 else pd.NA
    )
    table["gaia_source_id"] = table["gaia_source_id"].fillna(one.astype("Int64"))
    table.attrs["refined"] = int(change.sum())
    return table


def _position(table):
    """Positions with the size of their last digit, motions and identifiers."""
    ra, ra_step = parse_angles(_pick(table, "ra"), hours=True)
    dec, dec_step = parse_angles(_pick(table, "dec"), hours=False)
    epoch = _number(table, "epoch")
    return pd.DataFrame({
        "star": _pick(table, "star"), "ra": ra, "dec": dec,
        "coord_arcsec": np.fmax(ra_step * np.cos(np.radians(dec)), dec_step),
        "epoch": np.where(np.isnan(epoch), 2000.0, epoch),
        "pmra": _number(table, "pmra"), "pmdec": _number(table, "pmdec"),
        "gaia_source_id": gaia_ids(_pick(table, "gaia")),
    })  # fmt: skip


def read_saga(path):
    """Read SAGA or a table exported in its manner.

    Parameters
    ----------
    path : path_like
        Text with tabs (SAGA's export) or commas; limits may stand inline as ``<6.56``.

    Returns
    -------
    pandas.DataFrame
        Columns `cemp.catalogues.common.LABEL_TABLE`, one row an entry (a star has several), on
        the solar scale of Asplund et al. (2009).

    Raises
    ------
    BadInputError
        If the file is missing, empty or another table.

    Notes
    -----
    Rows without a solar scale are taken to be on the scale of Asplund et al. (2009) and
    counted. Carbon is the one in the spectrum: evolutionary corrections (``cfe_cor``) are never
    read. ``[Fe/H]`` given as a limit is missing, and a row without iron is dropped.
    """
    raw = _read_text(path)
    have = {q: q for q in NAMES if any(n in raw for n in NAMES[q])}
    need_columns(have, ("star", "ra", "dec", "teff"), path, "a SAGA table")
    need_columns(["iron"] * any(n in raw for n in IRON), ["iron"], path, "a SAGA table")
    dropped, noted = {}, {}
    table = drop_rows(raw, raw.duplicated(), "row repeated", dropped)
    columns = _position(table)
    check_positions(columns["ra"], columns["dec"], path)
    fe_h = _iron(table)
    c_h, e_c_h, limit, absolute = _carbon(table, fe_h)
    columns["fe_h"], converted, known = to_asplund(fe_h, c_h, _pick(table, "scale"))
    columns["c_h"] = np.where(absolute, c_h, converted)
    columns["c_h_limit"], columns["e_c_h"] = limit, e_c_h
    for name in ("teff", "logg", "e_teff", "e_logg", "e_fe_h"):
        columns[name] = _number(table, name)
    columns["source"], columns["reference"] = "saga", _pick(table, "reference")
    noted["solar scale not given or unknown"] = int((~known).sum())
    check_labels(columns, path)
    bad = bad_position(columns["ra"], columns["dec"])
    columns = drop_rows(columns, bad, "no position", dropped)
    columns = drop_rows(columns, columns["fe_h"].isna(), "no [Fe/H], or a limit", dropped)
    if len(columns):
        columns = share_positions(columns)
        noted["position taken from a finer entry"] = columns.attrs.pop("refined")
        noted["position coarser than 3 arcsec"] = int((columns["coord_arcsec"] > 3).sum())
    return label_table(columns, path, len(raw), dropped, noted)
