"""Where downloaded bytes go: a part file that a later run continues, or memory."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from cemp.archives.failures import DiskError, WrongFileError
from cemp.atomic import hold


class MemorySink:
    """Keep a small file in memory; it is asked for again from its start if it fails.

    Parameters
    ----------
    limit : int
        Bytes that a spectrum never has.
    """

    def __init__(self, limit=20_000_000):
        self.limit, self._chunks, self._size = limit, [], 0

    def offset(self, url):
        """Bytes that are here already, and the mark of the version they are of."""
        return 0, None

    def begin(self, start, total, mark, url):
        """Start again; `total` is the length that the archive announces, if any."""
        self._chunks, self._size = [], 0
        if total is not None and total > self.limit:
            raise WrongFileError(f"{total / 1e6:.0f} MB were announced where a spectrum was asked")

    def write(self, chunk):
        """Take some bytes."""
        self._size += len(chunk)
        if self._size > self.limit:
            raise WrongFileError(f"over {self.limit / 1e6:.0f} MB came where a spectrum was asked")
        self._chunks.append(chunk)

    def end(self):
        """Nothing is to be closed."""

    @property
    def data(self):
        """The bytes received."""
        return b"".join(self._chunks)


class PartSink:
    """Keep a large file beside its place until it is whole; what came stays for the next run.

    Parameters
    ----------
    path : str or pathlib.Path
        Final file. The part is ``.<name>.part`` beside it, with a ``.json`` that says of which
        version of the archive's file it is.
    spare_bytes : float
        Disk to leave free.
    """

    def __init__(self, path, spare_bytes=0.0):
        path = Path(path)
        self.path, self.spare = path, spare_bytes
        self.part = path.with_name(f".{path.name}.part")
        self.note = path.with_name(f".{path.name}.part.json")
        self._stream = None

    def offset(self, url):
        """Bytes that are here already, and the mark of the version they are of."""
        try:
            note = json.loads(self.note.read_text())
            have = self.part.stat().st_size
            known, mark = note["url"], note["mark"]
        except (OSError, ValueError, TypeError, KeyError):
            return 0, None
        return (have, mark) if known == url and mark and isinstance(mark, str) else (0, None)

    def begin(self, start, total, mark, url):
        """Open the part where the archive goes on; refuse a file that the disk has no room for."""
        try:
            self.part.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.part.parent).free
            if total is not None and total - start > free - self.spare:
                raise DiskError(
                    f"{self.path}: {(total - start) / 1e6:,.1f} MB are still to come and "
                    f"{free / 1e6:,.1f} MB of disk are free, of which {self.spare / 1e6:,.0f} stay "
                    "so: free space and run again"
                )
            self._stream = open(self.part, "ab")  # noqa: SIM115
            with suppress(ImportError, OSError):  # not every system and disk knows locks
                hold(self._stream)  # two runs at once would mix their bytes
            if not start:
                self._stream.truncate(0)
            self.note.write_text(json.dumps({"url": url, "mark": mark}))
        except OSError as error:
            raise self._disk(error) from None

    def write(self, chunk):
        """Append some bytes."""
        try:
            self._stream.write(chunk)
        except OSError as error:
            raise self._disk(error) from None

    def end(self):
        """Close the part."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            try:
                stream.close()
            except OSError as error:
                raise self._disk(error) from None

    def forget(self):
        """Remove the part: what it holds is no use."""
        for path in (self.part, self.note):
            path.unlink(missing_ok=True)

    def move_to(self, target):
        """Put the whole file at its place."""
        try:
            os.replace(self.part, target)
        except OSError as error:
            raise self._disk(error) from None
        self.note.unlink(missing_ok=True)

    def _disk(self, error):
        return DiskError(f"cannot write {error.filename or self.path}: {error.strerror or error}; "
                         "free space or correct the permissions and run again: what came is kept")
