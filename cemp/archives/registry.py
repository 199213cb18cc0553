"""Which files a profile needs, where they come from and where they go."""

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
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise BadInputError(f"{path} is no list of archives ({' '.join(str(error).split())}); "
                            "see cemp/data/archives.yaml") from error
    addresses = [s.url for s in sources if s.url] + [spectra.url]
    wrong = [url for url in addresses if urlsplit(url).scheme not in ("http", "https")]
    if wrong:
        raise BadInputError(f"{path}: {wrong[0]} is no http(s) address; correct it")
    return sources, spectra


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
    """
    out = []
    for parameter in dict.fromkeys(source.parameter for source in sources):
        if parameter not in section:
            continue
        path = paths.resolve(section[parameter])
        known = [s for s in sources if s.parameter == parameter and s.name == path.name]
        made = paths.root / "build" in path.parents  # notebook 00 writes it: a mock
        out.append(Wanted(parameter, path, known[0] if known else None, made))
    return out
