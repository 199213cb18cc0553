"""From the selected stars to the final catalogue: rank, positions, inspection, model."""

import json

import numpy as np
import pandas as pd
from astropy import units
from astropy.coordinates import Angle

from cemp.candidates.catalogue import file_hash
from cemp.catalogue_out.columns import LINES, columns_of, conform
from cemp.errors import BadInputError
from cemp.inspect import apply_decisions


def sexagesimal(ra, dec, digits=(4, 3)):
    """Write positions in hours and degrees, rounded.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        ICRS [deg].
    digits : tuple of int
        Decimals of the seconds: of 1.5 mas each, as fine as degrees with six decimals.

    Returns
    -------
    hms, dms : list of str
        ``hh:mm:ss.ssss`` and ``+dd:mm:ss.sss``.

    Examples
    --------
    >>> sexagesimal([10.0], [-0.5])
    (['00:40:00.0000'], ['-00:30:00.000'])
    """
    about = {"sep": ":", "pad": True}
    hours = Angle(np.asarray(ra, float) % 360, "deg").to_string(
        units.hourangle, precision=digits[0], **about)
    degrees = Angle(np.asarray(dec, float), "deg").to_string(
        units.deg, precision=digits[1], alwayssign=True, **about)
    # 359.9999999 deg rounds to 24 hours, which is 0
    hours = ["00" + text[2:] if text.startswith("24") else text for text in hours.tolist()]
    return hours, degrees.tolist()


def rank_order(table):
    """Order candidates for observers.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns gband_grade, p_cemp, snrg, obsid; ``inspection`` if there is one.

    Returns
    -------
    ndarray of int, shape (n,)
        Rank, from 1: rejected by eye last; then G band confirmed before the others, P(CEMP) to two
        decimals, S/N, and obsid, which only makes the order unique.
    """
    inspection = table.get("inspection", pd.Series("", index=table.index))
    keys = pd.DataFrame({
        "kept": inspection != "reject", "sure": table["gband_grade"] == "confirmed",
        "level": table["p_cemp"].round(2), "snrg": table["snrg"], "obsid": table["obsid"],
    }).reset_index(drop=True)
    order = keys.sort_values(list(keys), ascending=False).index
    rank = np.empty(len(keys), dtype=np.int64)
    rank[order] = np.arange(1, len(keys) + 1)
    return rank


def model_of(weights):
    """Name the network behind the labels.

    Parameters
    ----------
    weights : pathlib.Path
        ``macrn.pt``; ``macrn.json`` beside it says what it was trained on.

    Returns
    -------
    name, digest : str
        ``"MACRN (mock survey)"`` and 16 digits of SHA-256.

    Raises
    ------
    BadInputError
        If a file is missing.
    """
    about = weights.with_suffix(".json")
    if not (weights.is_file() and about.is_file()):
        raise BadInputError(f"{weights} or its .json is missing: run notebook 03")
    trained = json.loads(about.read_text()).get("trained_on", "")
    name = weights.stem.upper()
    return f"{name} ({trained})" if trained else name, file_hash(weights)


def final_catalogue(candidates, decisions, model, lines=None, about_lines=LINES):
    """Make the final catalogue.

    Parameters
    ----------
    candidates : pandas.DataFrame
        From `cemp.candidates.catalogue.read_fits`.
    decisions : pandas.DataFrame
        From `cemp.inspect.read_decisions`.
    model : tuple of str
        From `model_of`.
    lines : pandas.DataFrame, optional
        Line measurements with star_id and obsid, one row a spectrum (or star).
    about_lines : dict of str to (unit, description)
        The columns of `lines` that enter.

    Returns
    -------
    table : pandas.DataFrame
        In order of rank; `cemp.catalogue_out.columns.conform` was applied.
    columns : list of cemp.catalogue_out.columns.Column
    """
    table, about = apply_decisions(candidates.reset_index(drop=True), decisions), {}
    if lines is not None:
        about = {name: text for name, text in about_lines.items() if name in lines}
        one = lines.drop_duplicates("obsid")[["obsid", *about]]
        table = table.merge(one, on="obsid", how="left", validate="one_to_one")
    hms, dms = sexagesimal(table["ra"], table["dec"])
    table = table.assign(ra_hms=hms, dec_dms=dms, model=model[0], model_sha=model[1],
                         rank=rank_order(table)).sort_values("rank", ignore_index=True)
    columns = columns_of(table, about)
    return conform(table, columns), columns
