"""The one table as a file: columns with units and meaning, and in the header what went in."""

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table

from cemp.atomic import atomic_path
from cemp.catalogues.combine import TableSettings
from cemp.constants import LABELS, SOLAR_A
from cemp.errors import BadInputError
from cemp.sources import MergeSettings

_LABEL_TEXT = {"teff": ("K", "effective temperature"), "logg": ("dex(cm/s2)", "surface gravity"),
               "fe_h": ("dex", "[Fe/H], A(Fe)sun = 7.50"),
               "c_h": ("dex", "[C/H], A(C)sun = 8.43, as in the spectrum")}  # fmt: skip

#: Column -> unit and meaning, in the order of the file.
COLUMNS = {
    "star_id": ("", "G<Gaia identifier>, or J<ra><dec> of a star without one"),
    "name": ("", "a name that a paper uses"),
    "ra": ("deg", "right ascension, ICRS"), "dec": ("deg", "declination, ICRS"),
    "coord_arcsec": ("arcsec", "size of the position's last digit"),
    "epoch": ("yr", "epoch of the position"),
    "pmra": ("mas/yr", "proper motion in ra, times cos(dec)"),
    "pmdec": ("mas/yr", "proper motion in dec"),
    "gaia_source_id": ("", "Gaia DR3 identifier, 0 if none is known"),
    **{label: text for label, text in _LABEL_TEXT.items()},
    **{f"e_{label}": (unit, f"error of {label}") for label, (unit, _) in _LABEL_TEXT.items()},
    **{f"s_{label}": (unit, f"scatter between entries of {label}, NaN if there is one")
       for label, (unit, _) in _LABEL_TEXT.items()},
    "c_h_limit": ("", "c_h is an upper limit"),
    "c_fe": ("dex", "[C/Fe] = c_h - fe_h; an upper limit where c_h_limit"),
    "c_fe_correction": ("dex", "evolutionary correction (Placco 2014) to add to c_fe for the "
                               "carbon at birth; in no label"),
    "group": ("", "CEMP class and Yoon-Beers group, as the literature gives them"),
    "source": ("", "catalogue of the first label"), "c_source": ("", "catalogue of the carbon"),
    "reference": ("", "papers"), "recommended": ("", "paper that JINAbase recommends"),
    "n_entries": ("", "entries combined"), "n_sources": ("", "catalogues that have the star"),
    "quality": ("", "remarks, separated by commas"),
    "obsid": ("", "LAMOST spectrum of best S/N in g, 0 if none"),
    "snrg": ("", "its S/N in g"), "n_spectra": ("", "LAMOST spectra of the star"),
    "sep_arcsec": ("arcsec", "from LAMOST's position, at the common epoch"),
}  # fmt: skip

#: Suffix -> astropy's format; parquet goes through pandas.
FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".csv": "ascii.csv", ".parquet": ""}


def check_out(path):
    """Refuse a name from whose suffix no format follows.

    Parameters
    ----------
    path : path_like

    Returns
    -------
    pathlib.Path

    Raises
    ------
    BadInputError
        If the suffix is none of `FORMATS`, or the folder a file.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise BadInputError(f"{path}: the name must end in one of {', '.join(FORMATS)}")
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise BadInputError(f"{path}: {there} is a file, not a folder; choose another place")
    return path


def rules(settings):
    """Say in words how the table was made.

    Parameters
    ----------
    settings : cemp.catalogues.combine.TableSettings

    Returns
    -------
    dict of str to str
    """
    merging = MergeSettings(priority=settings.priority)
    errors = ", ".join(f"{merging.default_error[label]:g} ({label})" for label in LABELS)
    return {
        "scale": f"A(C)sun = {SOLAR_A['C']}, A(Fe)sun = {SOLAR_A['Fe']}; APOGEE as calibrated",
        "stars": f"Gaia identifier, name within a source, position within "
                 f"{settings.radius_arcsec:g} arcsec",
        "entries": "median of a source's entries; carbon of detections, else the lowest limit",
        "sources": f"label by label the first of {', '.join(settings.priority)}",
        "offsets": f"taken off if on {merging.min_common} stars or more, over "
                   f"{merging.min_sigma:g} sigma, and over {merging.min_span:g} of the range",
        "errors": f"as stated, else {errors}, each over the root of the number of entries",
    }  # fmt: skip


def plain_text(text):
    """Write a text in ASCII, all that FITS can hold.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> plain_text("O’Malley, Skúladóttir, J1016−2955")
    "O'Malley, Skuladottir, J1016-2955"
    """
    text = str(text).translate({0x2019: "'", 0x2212: "-", 0x2013: "-", 0x2010: "-"})
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def as_astropy(table, meta, ascii_only=False):
    """Give columns their units, meaning and order.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.catalogues.combine.combine`.
    meta : dict
        For the header.
    ascii_only : bool
        Whether texts must be ASCII (FITS).

    Returns
    -------
    astropy.table.Table
    """
    out = Table(meta=meta)
    for name, (unit, what) in COLUMNS.items():
        if name not in table:
            continue
        values = table[name]
        if name == "gaia_source_id":
            values = values.fillna(0).astype(np.int64)
        elif not pd.api.types.is_numeric_dtype(values.dtype):
            values = values.fillna("").astype(str)
            values = values.map(plain_text) if ascii_only else values
            values = values.to_numpy(dtype=str)
        out[name] = np.asarray(values)
        out[name].description = what
        if unit and not (ascii_only and "dex" in unit):  # FITS knows no logarithmic units
            out[name].unit = unit
    return out


def _short_meta(meta):
    """One line of text a value: what a FITS header can hold."""
    out = {}
    for key, value in meta.items():
        if isinstance(value, dict):
            value = "; ".join(f"{name}: {part}" for name, part in value.items())
        elif isinstance(value, list):
            value = " | ".join(map(str, value))
        text = plain_text(value)
        out.setdefault("comments", []).extend(
            f"{key}: {text}"[k : k + 70] for k in range(0, len(key) + 2 + len(text), 70)
        )
    return out


def write_table(combined, path, inputs=(), settings=TableSettings()):  # noqa: B008  (frozen)
    """Write the one table; it appears whole or not at all, twice the same from the same files.

    Parameters
    ----------
    combined : cemp.catalogues.combine.Combined
    path : path_like
        Suffix of `FORMATS`.
    inputs : sequence of str
        What was read, one line a file, for the header.
    settings : cemp.catalogues.combine.TableSettings
        Rules, for the header.

    Raises
    ------
    BadInputError
        If the suffix is unknown or the file cannot be written.
    """
    path = check_out(path)
    offsets = combined.comparison[combined.comparison["n"] > 0].round(3)
    meta = {
        "content": "literature and survey labels of stars on one scale", **rules(settings),
        "inputs": list(inputs), "counts": {k: int(v) for k, v in combined.counts.items()},
        "offsets found": [_offset_text(row) for row in offsets.itertuples()],
        "scatter of one entry": {label: round(float(row["sigma"]), 4)
                                 for label, row in combined.scatter.iterrows()},
    }  # fmt: skip
    table = as_astropy(combined.table, meta, ascii_only=path.suffix == ".fits")
    with atomic_path(path) as temporary:
        if path.suffix == ".parquet":
            frame = table.to_pandas()
            frame.attrs = {key: str(value) for key, value in meta.items()}
            frame.to_parquet(temporary, index=False)
        elif path.suffix == ".ecsv":
            table.write(temporary, format="ascii.ecsv", delimiter=",")
        else:
            table.meta = _short_meta(meta) if path.suffix == ".fits" else {}
            table.write(temporary, format=FORMATS[path.suffix])


def _offset_text(row):
    """One comparison of two sources as a line."""
    return (f"{row.source} - {row.reference}, {row.label}: {row.offset:g} +- {row.e_offset:g}, "
            f"scatter {row.scatter:g}, {row.n} stars{', taken off' if row.applied else ''}")
