"""One rhythm for all requests: so many a second, and silence when the archive asks for it."""

import threading
import time
from email.utils import parsedate_to_datetime


class Pace:
    """Give out the moments at which requests may start; safe between threads.

    Parameters
    ----------
    per_second : float
        Requests a second, at most.
    """

    def __init__(self, per_second):
        self.step = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, stop):
        """Wait for the next free moment.

        Parameters
        ----------
        stop : threading.Event
            Ends the wait.

        Returns
        -------
        bool
            False if the wait was ended.
        """
        while not stop.is_set():
            with self._lock:
                now = time.monotonic()
                if now >= self._next:
                    self._next = now + self.step
                    return True
                pause = self._next - now
            stop.wait(min(pause, 0.5))
        return False

    def pause(self, seconds):
        """Let nobody ask for so long: the archive said that it is busy."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


def retry_after(value, now=None):
    """Read a ``Retry-After`` header.

    Parameters
    ----------
    value : str or None
        Seconds, or a date.
    now : float, optional
        Present time [s since 1970].

    Returns
    -------
    float or None
        Seconds to wait; None if there is no header or it makes no sense.

    Examples
    --------
    >>> retry_after("7"), retry_after("soon")
    (7.0, None)
    >>> retry_after("Thu, 01 Jan 1970 00:02:00 GMT", now=60.0)
    60.0
    """
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        pass
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))
