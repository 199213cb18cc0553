"""Is it the file that was asked for? Looked at before it takes its place."""

import gzip
import os
import zlib

from cemp.archives.failures import WebPageError, WrongFileError
from cemp.archives.secret import VARIABLE
from cemp.errors import BadInputError
from cemp.lamost import read_spectrum

#: FITS files come in blocks of so many bytes (FITS Standard 4.0, section 3.1).
FITS_BLOCK = 2880
_CHUNK = 1 << 20


def is_web_page(start):
    r"""Tell a web page by its first bytes.

    Parameters
    ----------
    start : bytes

    Returns
    -------
    bool

    Examples
    --------
    >>> is_web_page(b"\n<!DOCTYPE html><html>"), is_web_page(b"SIMPLE  =")
    (True, False)
    """
    start = start[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")) or (
        start.startswith(b"<") and b"<html" in start)


def refuse_web_page(start, url, with_token):
    """Raise if the content is a web page.

    Parameters
    ----------
    start : bytes
        First bytes of the content.
    url : str
        Address, for the message.
    with_token : bool
        Whether a token went along.

    Raises
    ------
    WebPageError
    """
    if is_web_page(start):
        hint = (f"is the token in {VARIABLE} valid? get a new one there" if with_token
                else "open the address in a browser and see what it says")
        raise WebPageError(f"{url}: a web page came in place of the file; {hint}")


def check_fits(path, url):
    """See that a file is a whole FITS file, gzip-compressed or not.

    Parameters
    ----------
    path : pathlib.Path
        File to look at; read through once if it is compressed.
    url : str
        Address, for the message.

    Raises
    ------
    WrongFileError
        If it is no FITS file, its gzip is damaged or cut, or its length is not one of whole blocks.
    """
    fault = fits_fault(path)
    if fault:
        raise WrongFileError(f"{url}: what came is {fault}; run again, or check the address")


def fits_fault(path):
    """Say what is wrong with a FITS file.

    Parameters
    ----------
    path : pathlib.Path
        gzip-compressed (then it is read through) or not.

    Returns
    -------
    str
        ``"cut off"`` or the like; empty if nothing is.
    """
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else open(path, "rb") as stream:
            start = stream.read(_CHUNK)
            size = len(start)
            if packed:
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
            else:
                size = os.stat(path).st_size
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return f"a damaged gzip file ({' '.join(str(error).split())})"
    if not start.startswith(b"SIMPLE  ="):
        return "not a FITS file"
    return "cut off" if size % FITS_BLOCK else ""


def check_spectrum(path, final, obsid):
    """See that a file is the low-resolution spectrum asked for.

    Parameters
    ----------
    path : pathlib.Path
        File to look at.
    final : pathlib.Path
        Its name in messages.
    obsid : int
        Identifier that it must hold (files of DR1 and DR2 hold none).

    Raises
    ------
    WrongFileError
        If it cannot be read, or is of another observation.
    """
    try:
        spectrum = read_spectrum(path)
    except BadInputError as error:
        raise WrongFileError(str(error).replace(str(path), str(final))) from None
    if spectrum.obsid not in (None, obsid):
        raise WrongFileError(f"{final}: obsid {spectrum.obsid} came where {obsid} was asked for; "
                             "it was not kept")
