"""Time and memory of a stage and of everything it starts."""

import threading
import time

import psutil


def tree_memory(process):
    """Resident memory of a process and of all its descendants.

    Parameters
    ----------
    process : psutil.Process
        Top of the tree.

    Returns
    -------
    int
        Sum of resident sizes [byte]. Pages that processes share count once each, so the sum is
        an upper limit.
    """
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue  # it ended between the listing and the look
    return total


class Meter:
    """Measure a block: wall-clock time and peak memory of this process and its descendants.

    Parameters
    ----------
    interval : float
        Seconds between looks at the memory.

    Attributes
    ----------
    seconds : float
        Wall-clock time of the block.
    peak_bytes : int
        Largest memory seen.
    """

    def __init__(self, interval=0.5):
        self.interval = interval
        self.seconds = 0.0
        self.peak_bytes = 0

    def __enter__(self):
        self._end = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._start = time.perf_counter()
        self._watch.start()
        return self

    def __exit__(self, *exception):
        self._end.set()
        self._watch.join()
        self.seconds = time.perf_counter() - self._start

    def _look(self):
        process = psutil.Process()
        while True:
            self.peak_bytes = max(self.peak_bytes, tree_memory(process))
            if self._end.wait(self.interval):
                return
