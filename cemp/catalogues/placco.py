"""Placco et al. (2014, ApJ 797, 21): [C/Fe] of literature stars, and evolutionary corrections.

The correction says how much carbon the star had before it became a giant. It is kept in a column of
its own, for interpretation: a spectrum shows the carbon that is there now, so that is the label.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import ascii as astropy_ascii
from astropy.table import Table

from cemp.catalogues.common import blank_missing, drop_rows, gaia_ids, label_table, need_columns
from cemp.catalogues.names import star_key
from cemp.catalogues.sanity import check_labels
from cemp.errors import BadInputError

#: Columns of table3 that are read.
NEEDED = ("Name", "Teff", "log(g)", "[Fe/H]", "[C/Fe]", "Del[C/Fe]", "[C/Fe]c", "Class", "I/O",
          "Ref")  # fmt: skip
#: Columns beside `cemp.catalogues.common.LABEL_TABLE`.
EXTRA = ("name", "correction", "group")


def _read(folder):
    """Read table3 by its ReadMe."""
    folder = Path(folder)
    readme, data = folder / "ReadMe", folder / "table3.dat"
    missing = [path.name for path in (readme, data) if not path.is_file()]
    if missing:
        raise BadInputError(
            f"{folder} holds no {' and no '.join(missing)}: fetch J/ApJ/797/21 from VizieR "
            "(ReadMe and table3.dat in one folder)"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # units that astropy does not know
            table = Table.read(data, format="ascii.cds", readme=str(readme))
    except (ValueError, OSError, IndexError, KeyError,
            astropy_ascii.InconsistentTableError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInputError(f"{data} does not fit its ReadMe ({reason}): fetch both") from error
    need_columns(table.colnames, NEEDED, data, "table 3 of Placco et al. (2014)")
    return table


def _text(column):
    """Text without padding, empty where CDS has blanks."""
    return np.char.strip(np.ma.asarray(column).filled("").astype(str)).astype(object)


def _number(column):
    """Numbers with NaN where CDS has blanks."""
    return blank_missing(np.ma.asarray(column).astype(float).filled(np.nan))


def read_placco(folder):
    """Read table 3 of Placco et al. (2014).

    Parameters
    ----------
    folder : path_like
        Folder with ``ReadMe`` and ``table3.dat`` of VizieR J/ApJ/797/21.

    Returns
    -------
    pandas.DataFrame
        Columns `cemp.catalogues.common.LABEL_TABLE`, one row a star, and `EXTRA`: name,
        correction (to be *added* to [C/Fe] for the carbon at birth [dex]; in no label) and group
        (CEMP, CEMP-no, CEMP-s/rs or empty). ``[C/H] = [C/Fe] + [Fe/H]`` uncorrected.

    Raises
    ------
    BadInputError
        If the files are missing or do not fit each other, or the corrected carbon is not the
        sum of the uncorrected and the correction.

    Notes
    -----
    The table has no coordinates: ra and dec are NaN, and `cemp.catalogues.combine` takes them
    from the other tables by name. It names no solar scale; the values are those of the papers,
    most of them on Asplund et al. (2009). It is a compilation: its stars' entries in JINAbase are
    often the same measurements.
    """
    table = _read(folder)
    c_fe, correction = _number(table["[C/Fe]"]), _number(table["Del[C/Fe]"])
    wrong = np.abs(c_fe + correction - _number(table["[C/Fe]c"])) > 0.025  # two roundings
    if wrong.mean() > 0.02:
        raise BadInputError(
            f"{folder}: [C/Fe] plus its correction is not [C/Fe]c in {int(wrong.sum())} rows; "
            "columns are shifted: fetch the files again"
        )
    names = _text(table["Name"])
    columns = pd.DataFrame({
        "star": [star_key(name) for name in names], "epoch": 2000.0,
        "gaia_source_id": gaia_ids(np.zeros(len(table), np.int64)),
        "teff": _number(table["Teff"]), "logg": _number(table["log(g)"]),
        "fe_h": _number(table["[Fe/H]"]), "c_h": c_fe + _number(table["[Fe/H]"]),
        "c_h_limit": False, "source": "placco", "reference": _text(table["Ref"]),
        "name": names, "correction": correction, "group": _text(table["Class"]),
    })  # fmt: skip
    check_labels(columns, folder)
    dropped, noted = {}, {"position missing": len(columns)}
    n_read = len(columns)
    columns = drop_rows(columns, columns["star"].duplicated(), "star repeated", dropped)
    columns = drop_rows(columns, columns["fe_h"].isna(), "no [Fe/H], or a limit", dropped)
    noted["correction above 0.3 dex"] = int((columns["correction"] > 0.3).sum())
    out = label_table(columns, folder, n_read, dropped, noted)
    return out.assign(**{name: columns[name] for name in EXTRA})
