"""Which files a profile needs, where they come from and where they go."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from cemp.errors import BadInputError

#: The list that ships with the package.
REGISTRY = Path(__file__).parent.parent / "data" / "archives.yaml"
#: Notebook whose parameters name the catalogues, and the one that names the folder of spectra.
CATALOGUES, SPECTRA = "01_crossmatch", "02_preprocessing"


@dataclass(frozen=True)
class Source:
    """A file of an archive.

    Attributes
    ----------
    name : str
        Last part of its path in a profile.
    parameter : str
        Parameter of notebook 01 that names it.
    url : str
        Address, without token; empty if it must be fetched by hand.
    token : bool
        Whether the archive wants the token.
    content : str
        ``"fits"`` or ``"cds"`` (a folder).
    by_hand : str
        What a person must do.
    rows : int
        As the archive says.
    about_mb : float
        Estimated size.
    """

    name: str
    parameter: str
    url: str = ""
    token: bool = False
    content: str = "fits"
    by_hand: str = ""
    rows: int = 0
    about_mb: float = 0.0


@dataclass(frozen=True)
class Wanted:
    """A file of a profile: its place, and where it comes from (None if nobody knows)."""

    parameter: str
    path: Path
    source: Source | None
    made: bool

    @property
    def there(self):
        """Whether the file, or a folder with something in it, is in its place."""
        if self.path.is_dir():
            return any(not entry.name.startswith(".") for entry in self.path.iterdir())
        return self.path.is_file() and self.path.stat().st_size > 0


@dataclass(frozen=True)
class SpectraSource:
    """Address of spectra by obsid, and the mean size of a file [bytes]."""

    url: str
    token: bool
    bytes: float


def read_registry(path=REGISTRY):
    """Read the list of archives.

    Parameters
    ----------
    path : path_like

    Returns
    -------
    sources : list of Source
    spectra : SpectraSource

    Raises
    ------
    BadInputError
        If it is missing or not such a list.
    """
    try:
        text = yaml.safe_load(Path(path).read_text())
        sources = [Source(**entry) for entry in text["files"]]
        spectra = SpectraSource(**text["spectra"])
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}; give the list of archives") from error
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path} is no list of archives ({' '.join(str(error).split())}); "
                            "see cemp/data/archives.yaml") from error
    _check_registry(path, sources, spectra)
    return sources, spectra


def _check_registry(path, sources, spectra):
    """Refuse entries that make no sense before anything is asked for."""
    addresses = [s.url for s in sources if not s.by_hand] + [spectra.url]
    wrong = [u for u in addresses if not _is_address(u)]
    if wrong:
        raise BadInputError(f"{path}: {wrong[0]!r} is no http(s) address; correct it")
    odd = [s.name for s in sources if s.content not in ("fits", "cds")
           or not _is_size(s.rows) or not _is_size(s.about_mb)]
    if odd:
        raise BadInputError(f"{path}: entry {odd[0]}: content must be fits or cds, rows and "
                            "about_mb numbers; correct it")
    if spectra.url.count("{obsid}") != 1 or re.search(r"[{}]", spectra.url.replace("{obsid}", "")):
        raise BadInputError(f"{path}: the address of spectra must hold {{obsid}} once; correct it")
    if not _is_size(spectra.bytes) or not spectra.bytes:
        raise BadInputError(f"{path}: bytes of a spectrum must be a number; correct it")


def _is_address(url):
    """Whether it is text that begins as an address does."""
    return isinstance(url, str) and urlsplit(url).scheme in ("http", "https")


def _is_size(value):
    """Whether it is a number from zero on."""
    return isinstance(value, int | float) and value >= 0


def wanted_files(paths, section, sources):
    """List the catalogues that a profile names.

    Parameters
    ----------
    paths : cemp.paths.Paths
    section : dict
        Parameters of notebook 01 in the profile.
    sources : list of Source

    Returns
    -------
    list of Wanted
        Without those that the profile leaves out by ``""``.

    Raises
    ------
    BadInputError
        If one is no path, or a profile of real files is silent about one: the notebook would take
        the demo's mock in its place.
    """
    out, silent = [], []
    for parameter in dict.fromkeys(source.parameter for source in sources):
        if parameter not in section:
            silent.append(parameter)
            continue
        value = section[parameter]
        if not isinstance(value, str) or (not value and parameter == "lamost_catalogue"):
            raise BadInputError(f"{paths.parameters}: {parameter} is no path; correct it")
        if not value:
            continue
        path = paths.resolve(value)
        known = [s for s in sources if s.parameter == parameter and s.name == path.name]
        made = paths.root / "build" in path.parents  # notebook 00 writes it: a mock
        out.append(Wanted(parameter, path, known[0] if known else None, made))
    if silent and not all(file.made for file in out):
        raise BadInputError(f"{paths.parameters}: {CATALOGUES} does not name {', '.join(silent)}: "
                            'write where it is (or "" to leave a source of labels out)')
    return out
