"""Run tasks in processes that leave nothing behind, whichever of them is stopped."""

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process

from cemp.errors import BadInputError

#: One thread a process: the matrices are small, and the processes fill the cores.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_tasks(function, tasks, n_jobs, tell):
    """Call a function on every task, in processes if there is more than one task and core.

    Parameters
    ----------
    function : callable
        Importable by name; gets one task.
    tasks : list
        Picklable.
    n_jobs : int
        Processes.
    tell : callable
        Called with each result as it comes.

    Raises
    ------
    BadInputError
        If a process dies (killed, out of memory); finished tasks stay finished.
    """
    if n_jobs <= 1 or len(tasks) <= 1:
        for task in tasks:
            tell(function(task))
        return
    with _one_thread():
        pool = ProcessPoolExecutor(
            min(n_jobs, len(tasks)), mp_context=get_context("spawn"), initializer=_start_worker
        )
        try:
            for future in as_completed([pool.submit(function, task) for task in tasks]):
                tell(future.result())
        except BrokenProcessPool as error:
            raise BadInputError(
                "a worker process died (killed, or out of memory: lower n_jobs); run again, "
                "finished parts are kept"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker():
    """Leave Ctrl-C to the parent, and end when the parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """Wait for the parent's end, even by kill -9: an orphan would wait for work for ever."""
    connection.wait([parent_process().sentinel])
    os._exit(1)


@contextmanager
def _one_thread():
    """Let processes started in this block use one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
