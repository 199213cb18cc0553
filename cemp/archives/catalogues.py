"""Catalogues fetched with pooch: once, checked, and held to the checksum of the first time."""

import re
from pathlib import Path
from urllib.parse import urljoin

import pooch

from cemp.archives.failures import ArchiveError, DiskError, WrongFileError
from cemp.archives.sinks import PartSink
from cemp.archives.there import FileOnDiskError, check_whole, file_there
from cemp.archives.verify import check_fits, refuse_web_page
from cemp.atomic import atomic_path
from cemp.errors import BadInputError

#: File beside the catalogues: "name sha256:...", a line a file, as pooch's own registries.
CHECKSUMS = "checksums.txt"


def read_checksums(folder):
    """Read what is known of the files in a folder.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    dict of str to str
        ``"sha256:..."`` by file name; empty if nothing was fetched yet.

    Raises
    ------
    BadInputError
        If a line makes no sense.
    """
    path, known = Path(folder) / CHECKSUMS, {}
    if not path.is_file():
        return known
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        raise BadInputError(f"{path} is no text: remove it; it is written anew") from None
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        name, _, value = line.rpartition(" ")
        if not name or not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
            raise BadInputError(f"{path}: '{line[:60]}' is no line 'name sha256:...': correct it")
        known[name.strip()] = value
    return known


def record_checksum(path):
    """Write down the checksum of a file that has none yet.

    Parameters
    ----------
    path : pathlib.Path
    """
    known = read_checksums(path.parent)
    known[path.name] = f"sha256:{pooch.file_hash(str(path))}"
    lines = [f"{name} {value}\n" for name, value in sorted(known.items())]
    with atomic_path(path.parent / CHECKSUMS) as temporary:
        temporary.write_text("# sha256 of each file as it first came; `make data` holds\n"
                             "# the file to it\n" + "".join(lines))


def fetch_file(url, path, fetcher, with_token=False, content="fits", check=lambda path: None):
    """Have a file at its place: the one that is there, or the archive's.

    Parameters
    ----------
    url : str
        Address without token.
    path : pathlib.Path
        Where it goes.
    fetcher : cemp.archives.http.Fetcher
    with_token : bool
        Whether the archive wants the token.
    content : str
        ``"fits"``, or ``"text"`` for anything that is no web page.
    check : callable
        Called with the path of a file that has no checksum yet, before it is recorded; raises
        `ArchiveError` if it is another file than the one wanted.

    Returns
    -------
    bool
        Whether it was fetched just now.

    Raises
    ------
    ArchiveError
        If it cannot be had, or is not what its checksum says.
    """
    path = Path(path)
    expected = read_checksums(path.parent).get(path.name)
    there = file_there(path)
    if there and not expected:
        check_whole(path, content)
        check(path)
    if there and expected and f"sha256:{pooch.file_hash(str(path))}" != expected:
        raise WrongFileError(
            f"{path} is not the file that {CHECKSUMS} beside it records (changed or damaged): "
            f"remove it to have it fetched again, or remove its line there to keep it"
        )
    if not there:
        _fetch(url, path, expected, _downloader(fetcher, path, with_token, content, check))
    if not expected:
        try:
            record_checksum(path)
        except BadInputError:
            if not there:  # a copy that somebody keeps for us may be read only: it is as good
                raise
    return not there


def _fetch(url, path, expected, downloader):
    """Let pooch fetch and check the file; its errors become ours."""
    remove_leftovers(path.parent)
    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(path=path.parent, base_url="", registry={path.name: expected},
                         urls={path.name: url})
    try:
        store.fetch(path.name, downloader=downloader)
    except ArchiveError:
        raise
    except ValueError:
        raise WrongFileError(
            f"{url}: what came is not the file that {CHECKSUMS} in {path.parent} records; it was "
            f"not kept. If the archive has a new version, remove the line of {path.name} there"
        ) from None
    except OSError as error:
        cause = error.__context__ if error.strerror is None else error  # pooch wraps it in words
        raise DiskError(f"cannot write {path}: {getattr(cause, 'strerror', None) or error}; free "
                        "space or correct the permissions and run again") from None


def _downloader(fetcher, path, with_token, content, check):
    """Make what pooch calls to download: patient, resuming, checked before pooch sees it."""

    def download(url, output_file, _store):
        sink = PartSink(path, fetcher.settings.spare_bytes)
        fetcher.fetch(url, sink, with_token)
        try:
            with open(sink.part, "rb") as stream:
                refuse_web_page(stream.read(2000), url, with_token)
            if content == "fits":
                check_fits(sink.part, url)
            _check_came(check, sink.part, url)
        except ArchiveError:
            sink.forget()  # whole, and wrong: nothing to go on from
            raise
        sink.move_to(output_file)

    return download


def _check_came(check, part, url):
    """See that what came is the file wanted; the message names its address."""
    try:
        check(part)
    except ArchiveError as error:
        reason = str(error).replace(str(part), "it")
        raise WrongFileError(f"{url}: another file came, and was not kept ({reason})") from None


def fetch_cds(url, folder, fetcher):
    """Have a CDS catalogue's folder: its ReadMe and the tables which that lists.

    Parameters
    ----------
    url : str
        Address of the folder.
    folder : pathlib.Path
    fetcher : cemp.archives.http.Fetcher

    Returns
    -------
    bool
        Whether anything was fetched just now.

    Raises
    ------
    ArchiveError
        If a file cannot be had, or the ReadMe lists none.
    """
    url, folder = url.rstrip("/") + "/", Path(folder)
    if folder.is_file():
        raise FileOnDiskError(f"{folder} is a file where a folder belongs: move it away, or "
                              "correct the profile")
    fresh = fetch_file(urljoin(url, "ReadMe"), folder / "ReadMe", fetcher, content="text")
    names = cds_tables((folder / "ReadMe").read_text(encoding="utf-8", errors="replace"))
    if not names:
        raise WrongFileError(f"{folder / 'ReadMe'} lists no table: it is no CDS ReadMe; remove it "
                             "and run again")
    for name in names:
        fresh |= fetch_file(urljoin(url, name), folder / name, fetcher, content="text")
    return fresh


def cds_tables(readme):
    r"""List the tables in the file summary of a CDS ReadMe.

    Parameters
    ----------
    readme : str
        Its text.

    Returns
    -------
    list of str
        Names of ``.dat`` files.

    Examples
    --------
    >>> cds_tables("ReadMe   80   .  This file\ntable1.dat  54  385  Stars\n")
    ['table1.dat']
    """
    return list(dict.fromkeys(re.findall(r"^ ?([\w-]+\.dat)\s+\d+\s+\d+\s", readme, re.MULTILINE)))


def remove_leftovers(folder):
    """Remove the empty temporary files that pooch leaves if a run is killed outright.

    Parameters
    ----------
    folder : pathlib.Path
    """
    for path in Path(folder).glob("tmp????????"):
        if path.is_file() and path.stat().st_size == 0:
            path.unlink()
