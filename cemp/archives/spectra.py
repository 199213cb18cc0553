"""Spectra by obsid: some at a time, each checked before it is kept, what is there left alone."""

import csv
import queue
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from cemp.archives.failures import (
    ArchiveError,
    DiskError,
    TokenError,
    UnavailableError,
    WebPageError,
)
from cemp.archives.secret import VARIABLE
from cemp.archives.sinks import MemorySink
from cemp.archives.there import FileOnDiskError, spectrum_there
from cemp.archives.verify import check_spectrum, refuse_web_page
from cemp.atomic import atomic_path
from cemp.errors import BadInputError

#: Web pages in a row that mean that the archive wants a login.
PAGES_IN_A_ROW = 3
FAILED_COLUMNS = ("obsid", "path", "kind", "reason")


class _Unplaced(ArchiveError):
    kind = "no path"


@dataclass
class Tally:
    """How a download went.

    Attributes
    ----------
    kept, fetched, failed : int
        Spectra that were there, came, and could not be had.
    bytes : int
        Size of those that came.
    kinds : collections.Counter
        Failures by kind.
    """

    kept: int = 0
    fetched: int = 0
    failed: int = 0
    bytes: int = 0
    kinds: Counter = field(default_factory=Counter)
    _in_a_row: int = 0
    _pages: int = 0
    _last: str = ""

    def add(self, size, failure):
        """Count one spectrum; `failure` is None if it came."""
        if failure is None:
            self.fetched, self.bytes = self.fetched + 1, self.bytes + size
            self._in_a_row = self._pages = 0
            return
        self.failed += 1
        self.kinds[failure.kind] += 1
        # these say nothing of the health of the archive
        answered = failure.kind in ("not in the archive", "no path", FileOnDiskError.kind)
        self._in_a_row = 0 if answered else self._in_a_row + 1
        self._last = str(failure)
        self._pages = self._pages + 1 if isinstance(failure, WebPageError) else 0

    def check(self, limit):
        """Raise if the archive has failed too often in a row."""
        if self._pages >= PAGES_IN_A_ROW:
            raise TokenError(f"the archive answers with web pages: the token in {VARIABLE} is "
                             "probably not valid; get a new one and run again")
        if self._in_a_row >= limit:
            raise UnavailableError(f"{limit} spectra in a row failed, the last one so: "
                                   f"{self._last}; what is there is kept")


def spectrum_file(folder, path):
    """Place of a spectrum below a folder.

    Parameters
    ----------
    folder : pathlib.Path
    path : str
        Relative, as in the table of observations.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ArchiveError
        If the path is empty, leaves the folder or cannot be a file's.
    """
    parts = PurePosixPath(path).parts
    long = any(len(part.encode()) > 255 for part in parts)
    if not parts or parts[0] == "/" or ".." in parts or "\0" in path or long:
        raise _Unplaced(f"'{path[:99]}' is no path below {folder}: correct spectrum_pattern")
    return Path(folder).joinpath(*parts)


def fetch_one(obsid, path, fetcher, source):
    """Fetch and check one spectrum; it appears whole and right, or not at all.

    Parameters
    ----------
    obsid : int
    path : pathlib.Path
        Where it goes.
    fetcher : cemp.archives.http.Fetcher
    source : cemp.archives.registry.SpectraSource

    Returns
    -------
    int
        Its size [bytes].

    Raises
    ------
    ArchiveError
    """
    sink = MemorySink()
    url = source.url.format(obsid=int(obsid))
    fetcher.fetch(url, sink, source.token)
    data = sink.data
    refuse_web_page(data[:2000], url, source.token)
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
            check_spectrum(temporary, path, int(obsid))
    except ArchiveError:
        raise
    except BadInputError as error:  # the disk: atomic_path says what is wrong with it
        raise DiskError(str(error)) from None
    except OSError as error:
        raise DiskError(f"cannot write {path}: {error.strerror or error}; correct spectra_dir in "
                        "the profile, or the permissions, and run again") from None
    return len(data)


def fetch_spectra(rows, folder, fetcher, source, failed_csv, tell=lambda tally: None):
    """Fetch what is missing of a list of spectra.

    Parameters
    ----------
    rows : iterable of (int, str)
        obsid and path below the folder; may be longer than memory.
    folder : pathlib.Path
    fetcher : cemp.archives.http.Fetcher
        Its settings say how many are asked for at a time and how often.
    source : cemp.archives.registry.SpectraSource
    failed_csv : pathlib.Path
        Table of those that could not be had and why (`FAILED_COLUMNS`), also of a run that ended
        early.
    tell : callable
        Called with the `Tally` now and then.

    Returns
    -------
    Tally

    Raises
    ------
    ArchiveError
        If it is pointless to go on: token refused, disk full, archive down. What came is kept.
    """
    tally, ending = Tally(), None
    with atomic_path(failed_csv) as report, open(report, "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(FAILED_COLUMNS)
        with _crew(fetcher, source) as crew:
            try:
                for obsid, path in rows:
                    try:
                        place = spectrum_file(folder, path)
                        there = spectrum_there(place, obsid)
                    except (_Unplaced, FileOnDiskError) as error:
                        _count(tally, writer, (obsid, path, 0, error))
                        continue
                    if there:
                        tally.kept += 1
                        tell(tally)
                        continue
                    while crew.full:
                        crew.next_result(tally, writer, tell)
                    crew.ask(obsid, path, place)
                while crew.waiting:
                    crew.next_result(tally, writer, tell)
            except (ArchiveError, KeyboardInterrupt) as error:
                ending = error
    if ending is not None:
        raise ending
    return tally


def _count(tally, writer, result, limit=None):
    """Count one result, write down a failure, and raise if the run should end."""
    obsid, path, size, failure = result
    if failure is not None:
        writer.writerow((obsid, path, failure.kind, str(failure)))
    tally.add(size, failure)
    if failure is not None and failure.ends_run:
        raise failure
    if limit:
        tally.check(limit)


class _Crew:
    """Threads that fetch; the main thread hands out and counts.

    They are daemons and hold a spectrum in memory until it is checked, so that Ctrl-C need not
    wait for an archive that hangs, and leaves nothing behind.
    """

    def __init__(self, fetcher, source):
        self.fetcher, self.source = fetcher, source
        self.todo, self.done = queue.SimpleQueue(), queue.SimpleQueue()
        self.places, self.host = set(), urlsplit(source.url).netloc
        self.threads = [threading.Thread(target=self._work, daemon=True)
                        for _ in range(fetcher.settings.in_flight)]
        for thread in self.threads:
            thread.start()

    @property
    def waiting(self):
        return len(self.places)

    @property
    def full(self):
        if self.source.token and self.host not in self.fetcher.accepted:
            return self.waiting >= 1  # one is enough to learn that the token is refused
        return self.waiting >= 2 * len(self.threads)

    def ask(self, obsid, path, place):
        """Hand out one spectrum, unless it is being fetched already."""
        if place not in self.places:
            self.places.add(place)
            self.todo.put((obsid, path, place))

    def next_result(self, tally, writer, tell):
        """Wait for one spectrum and count it."""
        obsid, path, place, size, failure = self.done.get()
        self.places.discard(place)
        _count(tally, writer, (obsid, path, size, failure), self.fetcher.settings.give_up_after)
        tell(tally)

    def _work(self):
        while (task := self.todo.get()) is not None and not self.fetcher.stop.is_set():
            obsid, path, place = task
            try:
                size, failure = fetch_one(obsid, place, self.fetcher, self.source), None
            except ArchiveError as error:
                size, failure = 0, error
            except Exception as error:  # one odd file must not end the run: it is reported
                size, failure = 0, ArchiveError(f"{path}: unexpected {type(error).__name__}")
            self.done.put((obsid, path, place, size, failure))


@contextmanager
def _crew(fetcher, source):
    crew = _Crew(fetcher, source)
    try:
        yield crew
    finally:
        fetcher.stop.set()
        for _ in crew.threads:
            crew.todo.put(None)
        # long enough for a file being written, not for an archive that hangs
        deadline = time.monotonic() + 2.0
        for thread in crew.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
