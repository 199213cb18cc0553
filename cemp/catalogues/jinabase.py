"""JINAbase (Abohalima & Frebel 2018, ApJS 238, 36): literature abundances, an entry a paper."""

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
from cemp.constants import SOLAR_A
from cemp.errors import BadInputError

#: Columns without which a csv is not JINAbase.
NEEDED = ("JINA_ID", "I/O", "Reference", "Name", "Simbad_Identifier", "RA_deg", "DEC_deg", "Teff",
          "logg", "M/H", "C-H", "Fe I")  # fmt: skip
#: Columns beside `cemp.catalogues.common.LABEL_TABLE`.
EXTRA = ("name", "recommended")

#: Size of the fourth decimal of a degree [arcsec].
DIGIT = 0.36
#: Largest median difference of Fe I - 7.50 and M/H for Fe I to be log eps [dex].
SAME_SCALE = 0.3


def _read_text(path):
    """Read every cell as text."""
    table = read_cells(path, "jinabase_table")
    table.columns = [c.strip() for c in table.columns]
    need_columns(table, NEEDED, path, "JINAbase")
    return table.apply(lambda column: column.str.strip())


def _positions(table, path):
    """Positions [deg] and the size of their last digit [arcsec].

    The sexagesimal columns are computed from the decimal ones and show digits that were never
    measured, so the decimal ones count. They have four decimals, but a trailing zero is not
    written: the longer of the two counts, and a row in which both end with one zero (one in a
    hundred by chance) is not taken for a coarser one.
    """
    ra, ra_step = parse_angles(table["RA_deg"], hours=True)
    dec, dec_step = parse_angles(table["DEC_deg"], hours=False)
    check_positions(ra, dec, path)
    step = np.fmin(ra_step, dec_step)
    return ra, dec, np.where(np.isclose(step, 10 * DIGIT), DIGIT, step)


def _abundances(table, path):
    """[Fe/H], [C/H] and whether each is an upper limit, from log eps."""
    iron, iron_limit, _ = parse_numbers(table["Fe I"])
    carbon, carbon_limit, lower = parse_numbers(table["C-H"])
    fe_h, c_h = iron - SOLAR_A["Fe"], np.where(lower, np.nan, carbon) - SOLAR_A["C"]
    differ = np.abs(fe_h - parse_numbers(table["M/H"])[0])
    if np.isfinite(differ).any() and np.nanmedian(differ) > SAME_SCALE:
        raise BadInputError(
            f"{path}: column 'Fe I' is not log eps(Fe): its median differs from M/H + 7.50 by "
            f"{np.nanmedian(differ):.2f} dex; export absolute abundances (log eps)"
        )
    return np.where(iron_limit, np.nan, fe_h), c_h, carbon_limit & np.isfinite(c_h)


def read_jinabase(path):
    """Read JINAbase.

    Parameters
    ----------
    path : path_like
        JINAbase as csv.

    Returns
    -------
    pandas.DataFrame
        Columns `cemp.catalogues.common.LABEL_TABLE`, one row an entry, and `EXTRA`: name (the
        paper's own; ``star`` is SIMBAD's, one a star) and recommended (I/O = 1: exactly one
        entry of a star). On the solar scale of Asplund et al. (2009).

    Raises
    ------
    BadInputError
        If the file is missing, empty, another table, or on another scale.

    Notes
    -----
    Abundances are log eps, which does not depend on the Sun. Carbon is column ``C-H`` (from CH);
    ``C-N`` is *nitrogen*, from CN, and is not read. Iron is ``Fe I``: ``M/H`` is often the
    metallicity of the model atmosphere and differs from it by up to 3 dex, and ``Fe II`` mixes
    log eps with [Fe/H]. An entry whose iron is an upper limit is dropped and counted. No errors
    are given: what repeated entries say of them, `cemp.catalogues.scatter` tells.
    """
    raw = _read_text(path)
    dropped, noted = {}, {}
    table = drop_rows(raw, raw.drop(columns="JINA_ID").duplicated(), "row repeated", dropped)
    ra, dec, step = _positions(table, path)
    fe_h, c_h, limit = _abundances(table, path)
    star = table["Simbad_Identifier"].where(table["Simbad_Identifier"] != "", table["Name"])
    columns = pd.DataFrame({
        "star": star, "ra": ra, "dec": dec, "coord_arcsec": step, "epoch": 2000.0,
        "gaia_source_id": gaia_ids(np.zeros(len(table), np.int64)),
        "teff": parse_numbers(table["Teff"])[0], "logg": parse_numbers(table["logg"])[0],
        "fe_h": fe_h, "c_h": c_h, "c_h_limit": limit, "source": "jinabase",
        "reference": table["Reference"], "name": table["Name"],
        "recommended": table["I/O"] == "1",
    })  # fmt: skip
    check_labels(columns, path)
    columns = drop_rows(columns, bad_position(columns["ra"], columns["dec"]), "no position",
                        dropped)  # fmt: skip
    columns = drop_rows(columns, columns["fe_h"].isna(), "no [Fe/H], or a limit", dropped)
    noted["recommended (I/O = 1)"] = int(columns["recommended"].sum())
    out = label_table(columns, path, len(raw), dropped, noted)
    return out.assign(**{name: columns[name] for name in EXTRA})
