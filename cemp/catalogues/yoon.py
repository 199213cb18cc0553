"""A list of 257 CEMP stars with their class and Yoon-Beers group (of D. Gudin's cemp_clustering).

Only position, motion, iron, class and group are read. The carbon of that list, ``c[C/Fe]``, is
the corrected one, of the star's birth (`cemp.catalogues.placco`): it is no label.
"""

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
from cemp.catalogues.names import star_key
from cemp.catalogues.sanity import check_labels, check_positions, read_cells

NEEDED = ("Name", "ID", "RA", "DEC", "pmRA (mas/yr)", "pmDEC (mas/yr)", "[Fe/H]", "ul[Fe/H]",
          "c[C/Fe]", "CEMP class", "CEMP group", "Abundance reference")  # fmt: skip
#: Columns beside `cemp.catalogues.common.LABEL_TABLE`.
EXTRA = ("name", "group")


def read_yoon(path):
    """Read the list of CEMP stars with Yoon-Beers groups.

    Parameters
    ----------
    path : path_like
        Csv with the columns `NEEDED`.

    Returns
    -------
    pandas.DataFrame
        Columns `cemp.catalogues.common.LABEL_TABLE`, one row a star, carbon and temperature
        missing, and `EXTRA`: name and group (class and Yoon-Beers group, ``"CEMP-no II"``).

    Raises
    ------
    BadInputError
        If the file is missing, empty or another table.

    Notes
    -----
    The identifiers are those of Gaia DR2, which must not meet those of DR3. Positions are of
    epoch 2000 (BD+44 493 stands where it stood then, 1.8 arcsec from its place in Gaia DR2), and
    proper motions those of Gaia DR2 [mas/yr].
    """
    raw = read_cells(path, "the list of CEMP stars")
    need_columns(raw, NEEDED, path, "the list of CEMP stars with Yoon-Beers groups")
    ra, ra_step = parse_angles(raw["RA"], hours=True)
    dec, dec_step = parse_angles(raw["DEC"], hours=False)
    check_positions(ra, dec, path)
    fe_h, limit, _ = parse_numbers(raw["[Fe/H]"])
    limit = limit | raw["ul[Fe/H]"].str.strip().ne("").to_numpy()
    group = (raw["CEMP class"].str.strip() + " " + raw["CEMP group"].str.strip()).str.strip()
    columns = pd.DataFrame({
        "star": [star_key(name) for name in raw["Name"]], "ra": ra, "dec": dec,
        "coord_arcsec": np.fmax(ra_step * np.cos(np.radians(dec)), dec_step), "epoch": 2000.0,
        "pmra": parse_numbers(raw["pmRA (mas/yr)"])[0],
        "pmdec": parse_numbers(raw["pmDEC (mas/yr)"])[0],
        "gaia_source_id": gaia_ids(np.zeros(len(raw), np.int64)),
        "fe_h": np.where(limit, np.nan, fe_h), "c_h_limit": False, "source": "yoon",
        "reference": raw["Abundance reference"], "name": raw["Name"], "group": group,
    })  # fmt: skip
    check_labels(columns, path)
    dropped, noted = {}, {"[Fe/H] is a limit": int(limit.sum())}
    columns = drop_rows(columns, bad_position(columns["ra"], columns["dec"]), "no position",
                        dropped)  # fmt: skip
    out = label_table(columns, path, len(raw), dropped, noted)
    return out.assign(**{name: columns[name] for name in EXTRA})
