"""Files appear whole or not at all, and one run at a time writes a folder."""

import os
from contextlib import contextmanager
from pathlib import Path

from cemp.errors import BadInputError


@contextmanager
def atomic_path(path):
    """Give a temporary path that replaces `path` when the block ends well.

    Parameters
    ----------
    path : str or pathlib.Path
        Final file; its folder is made.

    Yields
    ------
    pathlib.Path
        File to write, in the same folder and with the same suffixes.

    Raises
    ------
    BadInputError
        If the disk is full or the folder cannot be written; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise BadInputError(
            f"cannot write {path}: {error.strerror or error}; free space or correct the "
            "permissions and run again: finished parts are kept"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def hold(lock, wait=False):
    """Hold a work folder for this process; the lock ends with the process, however it ends.

    Parameters
    ----------
    lock : file object
        Lock file of the folder, open for writing. It is held until it is closed.
    wait : bool
        Wait for a process that holds it.

    Raises
    ------
    BadInputError
        If another process holds it and we do not wait.
    """
    import fcntl  # not on every system: only who writes needs it

    if wait:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BadInputError(
            f"{Path(lock.name).parent}: another run is writing here; wait for it or stop it first"
        ) from error
