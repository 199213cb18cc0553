"""Open a small FITS file with astropy, and say in one line what is wrong where it cannot be."""

import gzip
import warnings
import zlib
from io import BytesIO
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from cemp.errors import BadInputError

AGAIN = "fetch the file again, or delete it to have it counted as missing"


def read_bytes(path):
    """Read a file whole, unpacking it if its first bytes say gzip (whatever its name says).

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    bytes

    Raises
    ------
    BadInputError
        If it is missing, a folder, empty, or a damaged gzip file.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: no such file; check the folder of the spectra") from error
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}; give the path of one spectrum") from error
    if not data:
        raise BadInputError(f"{path}: the file is empty; {AGAIN}")
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise BadInputError(f"{path}: damaged gzip file ({error}); {AGAIN}") from error


def open_fits(path):
    """Open a FITS file, whole and in memory.

    Parameters
    ----------
    path : str or pathlib.Path
        Plain or gzip-compressed; millions of small files are read, so no file stays open.

    Returns
    -------
    astropy.io.fits.HDUList

    Raises
    ------
    BadInputError
        If it cannot be read, is no FITS file, or is cut off.
    """
    data = read_bytes(path)
    if data[:9] != b"SIMPLE  =":
        what = "a web page (is the token valid?)" if b"<html" in data[:2000].lower() else "not FITS"
        raise BadInputError(f"{path}: the content is {what}; {AGAIN}")
    with warnings.catch_warnings():
        # real headers carry harmless oddities (NAXIS1 where NAXIS = 0); a cut file is no such
        warnings.simplefilter("ignore", AstropyWarning)
        warnings.filterwarnings("error", message=".*(truncated|Error validating header).*")
        try:
            return fits.open(BytesIO(data), lazy_load_hdus=False, memmap=False)
        except (OSError, AstropyWarning, ValueError, TypeError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise BadInputError(f"{path}: a damaged FITS file ({reason}); {AGAIN}") from error
