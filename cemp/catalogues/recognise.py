"""Which catalogue is this? Told from what is in a file, never from its name."""

import zlib
from pathlib import Path

from astropy.io import fits

from cemp.catalogues import apogee, jinabase, lamost, saga, subaru, yoon
from cemp.catalogues.placco import read_placco
from cemp.catalogues.sanity import check_file, is_fits, text_head
from cemp.errors import BadInputError

#: Kind -> how it is called and what reads it.
KINDS = {
    "lamost": ("LAMOST LRS stellar catalogue", lamost.read_lamost),
    "apogee": ("APOGEE allStar", apogee.read_apogee),
    "subaru": ("LAMOST-Subaru (Li et al. 2022)", subaru.read_subaru),
    "saga": ("SAGA", saga.read_saga),
    "jinabase": ("JINAbase", jinabase.read_jinabase),
    "placco": ("Placco et al. (2014)", read_placco),
    "yoon": ("CEMP stars with Yoon-Beers groups", yoon.read_yoon),
}

#: Columns (lower case) of which all must be there, the most particular table first.
_MARKS = (
    ("jinabase", {"jina_id", "c-h", "fe i"}),
    ("yoon", {"cemp group", "c[c/fe]"}),
    ("apogee", {"apogee_id", "aspcapflag", "fe_h", "c_fe"}),
    ("lamost", set(lamost.NEEDED)),
)


def _fits_columns(path):
    """Names of the columns of the first table, from headers alone."""
    try:
        with fits.open(path, memmap=True, lazy_load_hdus=True) as hdus:
            header = hdus[1].header
            return [header[f"TTYPE{k + 1}"] for k in range(header.get("TFIELDS", 0))]
    except (OSError, EOFError, IndexError, KeyError, ValueError, zlib.error) as error:
        raise BadInputError(f"{path} holds no FITS table ({error}): fetch it again") from error


def _columns(path):
    """Names of the columns of a file of any kind."""
    return _fits_columns(path) if is_fits(path) else text_head(path)[0]


def _folder_kind(folder):
    """Kind of a folder with a ReadMe of CDS."""
    readme = folder / "ReadMe"
    if not readme.is_file():
        raise BadInputError(
            f"{folder} is a folder without a ReadMe: name a table, or a folder with the ReadMe and "
            "the tables of VizieR"
        )
    text = readme.read_text(encoding="utf-8", errors="replace")
    return "placco" if "Del[C/Fe]" in text else "subaru"


def recognise(path):
    """Tell which catalogue a file or folder is.

    Parameters
    ----------
    path : path_like
        FITS table, text table, gzip-compressed or not; or a folder of CDS with its ReadMe (the
        ReadMe or a table of it will do).

    Returns
    -------
    kind : str
        Key of `KINDS`.
    path : pathlib.Path
        What its reader wants: the file, or the folder.

    Raises
    ------
    BadInputError
        If it is none of them; the message names its columns.
    """
    path = Path(path)
    if path.is_file() and (path.name == "ReadMe" or path.suffix == ".dat"):
        path = path.parent if (path.parent / "ReadMe").is_file() else path
    if path.is_dir():
        return _folder_kind(path), path
    check_file(path, "the table")
    try:
        names = _columns(path)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInputError(f"{path}: damaged ({error}): fetch it again") from error
    have = {name.lower() for name in names}
    for kind, marks in _MARKS:
        if marks <= have:
            return kind, path
    have = {name.replace(" ", "_") for name in have}
    wanted = ("star", "ra", "dec", "teff")
    if all(have & set(saga.NAMES[q]) for q in wanted) and have & set(saga.IRON):
        return "saga", path
    shown = ", ".join(repr(name) for name in names[:8])[:200]
    raise BadInputError(
        f"{path} is none of the catalogues known here ({', '.join(KINDS)}); its columns are "
        f"{shown}{' ...' if len(names) > 8 else ''}"
    )


def read(path):
    """Recognise a catalogue and read it.

    Parameters
    ----------
    path : path_like

    Returns
    -------
    kind : str
        Key of `KINDS`.
    table : pandas.DataFrame
        As its reader returns it.

    Raises
    ------
    BadInputError
        If it is no known catalogue or cannot be used.
    """
    kind, path = recognise(path)
    return kind, KINDS[kind][1](path)
