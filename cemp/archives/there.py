"""Is what lies on disk what the profile says? Looked at before it is kept."""

import re
import zlib

from cemp.archives.failures import DiskError, WrongFileError
from cemp.archives.verify import fits_fault, is_web_page
from cemp.catalogues.recognise import KINDS, recognise
from cemp.errors import BadInputError

#: Parameter of notebook 01 -> kind of catalogue that belongs there.
BELONGS = {"lamost_catalogue": "lamost", "apogee_catalogue": "apogee", "subaru_folder": "subaru",
           "saga_table": "saga"}  # fmt: skip


class FileOnDiskError(WrongFileError):
    """A file that was there already is no use; it is left for its owner to remove."""

    kind = "wrong file on disk"


def check_catalogue(parameter, path):
    """See that a file is the catalogue that its parameter names, from its head alone.

    Parameters
    ----------
    parameter : str
        Parameter of notebook 01; one that is not in `BELONGS` may be anything.
    path : pathlib.Path

    Raises
    ------
    FileOnDiskError
        If it is another catalogue, or none.
    """
    if parameter not in BELONGS:
        return
    try:
        kind, found = recognise(path)
    except BadInputError as error:
        raise FileOnDiskError(f"{error}; replace it, or correct {parameter} in the profile"
                              ) from None
    if kind != BELONGS[parameter]:
        raise FileOnDiskError(f"{path} holds {KINDS[kind][0]} where {KINDS[BELONGS[parameter]][0]} "
                              f"belongs: correct {parameter} in the profile")
    if found != path:
        raise FileOnDiskError(f"{path} is a table of {found}: name the folder in {parameter}")


def check_whole(path, content):
    """Read a file that was there before the first download through, once.

    Parameters
    ----------
    path : pathlib.Path
    content : str
        ``"fits"``, or ``"text"`` for anything that is no web page.

    Raises
    ------
    FileOnDiskError
        If it is a web page, damaged or cut off.
    """
    with open(path, "rb") as stream:
        page = is_web_page(stream.read(2000))
    fault = "a web page" if page else fits_fault(path) if content == "fits" else ""
    if fault:
        raise FileOnDiskError(f"{path} is {fault}: remove it to have it fetched")


def file_there(path):
    """Tell whether a file is in its place; an empty one, as a failed copy leaves, is removed.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    bool

    Raises
    ------
    FileOnDiskError
        If a folder is there.
    """
    if path.is_dir():
        raise FileOnDiskError(f"{path} is a folder where a file belongs: move it away, or correct "
                              "the profile")
    if path.is_file() and path.stat().st_size == 0:
        path.unlink()
    return path.is_file()


def spectrum_there(path, obsid):
    """Tell whether a spectrum is in its place, by its first bytes: millions may be there.

    Parameters
    ----------
    path : pathlib.Path
    obsid : int
        Identifier that its header must hold, if it holds one (DR1 and DR2 do not).

    Returns
    -------
    bool
        False for an empty file.

    Raises
    ------
    FileOnDiskError
        If it is a web page, neither FITS nor gzip, or of another observation.
    DiskError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            start = stream.read(8000)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except IsADirectoryError:
        raise FileOnDiskError(f"{path} is a folder where a spectrum belongs: correct "
                              "spectrum_pattern in the profile") from None
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror}; correct the permissions and run again"
                        ) from None
    fault = _spectrum_fault(start, obsid) if start else ""
    if fault:
        raise FileOnDiskError(f"{path} is {fault}: remove it to have it fetched")
    return bool(start)


def _spectrum_fault(start, obsid):
    """Say what the first bytes tell against a spectrum."""
    if start.startswith(b"\x1f\x8b"):
        try:
            start = zlib.decompressobj(wbits=31).decompress(start)
        except zlib.error:
            return "a damaged gzip file"
    if is_web_page(start):
        return "a web page"
    if not start.startswith(b"SIMPLE  ="):
        return "no FITS file"
    found = re.search(rb"OBSID   = +'?(\d+)", start)
    return f"of obsid {int(found[1])}, not {obsid}" if found and int(found[1]) != obsid else ""
