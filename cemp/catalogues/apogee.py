"""APOGEE labels from an allStar or allStarLite table (DR16, DR17)."""

import numpy as np
import pandas as pd
from astropy.io import fits

from cemp.catalogues.common import (
    bad_position,
    blank_missing,
    drop_rows,
    gaia_ids,
    label_table,
    need_columns,
)
from cemp.catalogues.sanity import check_file, check_labels, check_positions
from cemp.errors import BadInputError

#: ASPCAPFLAG bit 23, STAR_BAD: some parameter of the star must not be used.
STAR_BAD = 1 << 23
#: STARFLAG bits: BAD_PIXELS 0, VERY_BRIGHT_NEIGHBOR 3, BAD_RV_COMBINATION 18, RV_REJECT 19,
#: RV_FAIL 22: the combined spectrum itself is not to be trusted.
STARFLAG_BAD = sum(1 << bit for bit in (0, 3, 18, 19, 22))
#: EXTRATARG bit 4, DUPLICATE: not the main entry of an object observed more than once.
DUPLICATE = 1 << 4

NEEDED = (
    "APOGEE_ID", "RA", "DEC", "TEFF", "TEFF_ERR", "LOGG", "LOGG_ERR", "FE_H", "FE_H_ERR",
    "C_FE", "C_FE_ERR", "ASPCAPFLAG", "STARFLAG", "EXTRATARG", "FE_H_FLAG", "C_FE_FLAG",
)  # fmt: skip
OPTIONAL = ("SNR", "GAIAEDR3_SOURCE_ID", "GAIAEDR3_PMRA", "GAIAEDR3_PMDEC")


def _load(path):
    """Read the wanted columns of the first table."""
    path = check_file(path, "apogee_catalogue")
    try:
        with fits.open(path) as hdus:
            data = hdus[1].data
            names = {n.upper(): n for n in (data.names if data is not None else ())}
            need_columns(names, NEEDED, path, "an APOGEE allStar table")
            frame = {n: _native(data[names[n]]) for n in (*NEEDED, *OPTIONAL) if n in names}
    except (OSError, IndexError, TypeError) as error:
        raise BadInputError(f"{path} cannot be read ({error}): fetch the file again") from error
    return pd.DataFrame(frame)


def _native(values):
    """Give native byte order, and text for text."""
    values = np.asarray(values)
    if values.dtype.kind in "SU":
        return np.char.strip(values.astype(str)).astype(object)
    return values.astype(values.dtype.newbyteorder("="))


def _select(frame, dropped):
    """Drop flagged, repeated and unusable entries, in this order."""
    frame = drop_rows(
        frame, bad_position(blank_missing(frame["RA"]), blank_missing(frame["DEC"])),
        "no position", dropped,
    )  # fmt: skip
    for column, bits, reason in (
        ("EXTRATARG", DUPLICATE, "EXTRATARG duplicate"),
        ("ASPCAPFLAG", STAR_BAD, "ASPCAPFLAG STAR_BAD"),
        ("STARFLAG", STARFLAG_BAD, "STARFLAG bad spectrum"),
        ("FE_H_FLAG", -1, "FE_H_FLAG set"),
    ):
        bad = (frame[column].to_numpy(np.int64) & bits) != 0
        frame = drop_rows(frame, bad, reason, dropped)
    bad = np.isnan(blank_missing(frame["FE_H"]))
    frame = drop_rows(frame, bad, "no [Fe/H]", dropped)
    if "SNR" in frame:
        frame = frame.sort_values("SNR", ascending=False, kind="stable")
    return drop_rows(frame, frame["APOGEE_ID"].duplicated(), "APOGEE_ID repeated", dropped)


def read_apogee(path):
    """Read APOGEE labels.

    Parameters
    ----------
    path : path_like
        ``allStarLite-dr17-synspec_rev1.fits`` or a table with the same columns.

    Returns
    -------
    pandas.DataFrame
        Columns `cemp.catalogues.common.LABEL_TABLE`. Carbon is missing where C_FE_FLAG is set
        or the pipeline gives none; it is never a limit.

    Raises
    ------
    BadInputError
        If the file is missing, empty or another table.

    Notes
    -----
    [C/H] = C_FE + FE_H, its error the quadratic sum of both, which is conservative since part
    of the iron error cancels. The calibrated values are taken as they are: DR17 refers to
    Grevesse et al. (2007) with empirical zero points on top, and subtracting one without the
    other would undo the calibration. Offsets from other sources are measured on stars in
    common (`cemp.sample.compare_sources`). Positions are of 2MASS, epoch 2000; Gaia EDR3
    proper motions where the table has them. The DR2 identifiers of DR16 are not used: source
    identifiers change between Gaia releases.
    """
    raw = _load(path)
    check_positions(blank_missing(raw["RA"]), blank_missing(raw["DEC"]), path)
    dropped, noted = {}, {}
    frame = _select(raw, dropped)
    fe_h, c_fe = blank_missing(frame["FE_H"]), blank_missing(frame["C_FE"])
    flagged = frame["C_FE_FLAG"].to_numpy(np.int64) != 0
    noted["C_FE_FLAG set"] = int(flagged.sum())
    e_fe_h = blank_missing(frame["FE_H_ERR"])
    columns = pd.DataFrame({
        "star": frame["APOGEE_ID"], "ra": frame["RA"], "dec": frame["DEC"], "epoch": 2000.0,
        "pmra": _motion(frame, "GAIAEDR3_PMRA"), "pmdec": _motion(frame, "GAIAEDR3_PMDEC"),
        "coord_arcsec": 0.1, "gaia_source_id": gaia_ids(_gaia(frame)),
        "teff": blank_missing(frame["TEFF"]), "e_teff": blank_missing(frame["TEFF_ERR"]),
        "logg": blank_missing(frame["LOGG"]), "e_logg": blank_missing(frame["LOGG_ERR"]),
        "fe_h": fe_h, "e_fe_h": e_fe_h, "c_h": np.where(flagged, np.nan, fe_h + c_fe),
        "e_c_h": np.where(flagged, np.nan, np.hypot(blank_missing(frame["C_FE_ERR"]), e_fe_h)),
        "c_h_limit": False, "source": "apogee", "reference": "APOGEE",
    })  # fmt: skip
    check_labels(columns, path)
    return label_table(columns, path, len(raw), dropped, noted)


def _motion(frame, name):
    """Proper motion [mas/yr], NaN where the table has none."""
    return blank_missing(frame[name]) if name in frame else np.nan


def _gaia(frame):
    """Gaia EDR3 identifiers, zero where the table has none."""
    if "GAIAEDR3_SOURCE_ID" in frame:
        return frame["GAIAEDR3_SOURCE_ID"].to_numpy()
    return np.zeros(len(frame), np.int64)
