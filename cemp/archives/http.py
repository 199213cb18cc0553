"""Ask an archive for a file: patiently, politely, and never with the token in a message."""

import threading
import time
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from cemp import __version__
from cemp.archives.failures import (
    ArchiveError,
    NotInArchiveError,
    TokenError,
    UnavailableError,
)
from cemp.archives.pace import Pace, retry_after
from cemp.archives.secret import VARIABLE, guard_logs, without
from cemp.archives.settings import FetchSettings

#: Bytes read at a time.
CHUNK = 1 << 16
#: A connection slower than this is as good as hung [byte/s].
SLOWEST = 500
REDIRECTS = (301, 302, 303, 307, 308)
LOCAL = ("127.0.0.1", "localhost", "::1")


class _Again(Exception):
    """An attempt failed; a later one may not. `wait` is what the archive asks for [s]."""

    def __init__(self, reason, wait=None):
        super().__init__(reason)
        self.wait = wait


class Fetcher:
    """Ask for files in one rhythm, from as many threads as one likes.

    Parameters
    ----------
    settings : FetchSettings
    secret : cemp.archives.secret.Secret, optional
        Token for requests that are said to need one.

    Attributes
    ----------
    accepted : dict of str to int
        Hosts that answered a request with the token otherwise than by refusing it: status.
    refused : dict of str to str
        Hosts that refused the token, and what to do; they are not asked with it again.
    """

    def __init__(self, settings=FetchSettings(), secret=None):  # noqa: B008  (frozen)
        self.settings, self.secret = settings, secret
        self.pace = Pace(settings.per_second)
        self.stop = threading.Event()
        self.accepted, self.refused = {}, {}
        self._local = threading.local()
        guard_logs()

    def fetch(self, url, sink, with_token=False):
        """Get one file, trying again as the settings allow.

        Parameters
        ----------
        url : str
            Address without token.
        sink : MemorySink or PartSink
            Takes the bytes.
        with_token : bool
            Whether the archive wants the token.

        Raises
        ------
        ArchiveError
            Of the kind that happened; the message names the address and says what to do.
        """
        url = without(url)
        if with_token:
            self._check_token(url)
        reason, longest = "", self.settings.longest_wait_s
        for attempt in range(self.settings.attempts):
            failure = self._attempt(url, sink, with_token)
            if failure is None:
                return
            reason = str(failure)
            wait = failure.wait
            if wait is not None and wait > longest:
                raise UnavailableError(f"{url}: {reason}; it asks to wait {wait:.0f} s: "
                                       "run again then")
            if wait is not None:
                self.pace.pause(wait)
            if attempt + 1 < self.settings.attempts:
                self.stop.wait(wait or min(self.settings.first_wait_s * 2**attempt, longest))
            if self.stop.is_set():
                raise UnavailableError(f"{url}: stopped")
        raise UnavailableError(f"{url}: {reason} ({self.settings.attempts} attempts); "
                               "run again later: what is there is kept")

    def _check_token(self, url):
        """Refuse to ask without a token, or to send one where others can read it."""
        if self.secret is None:
            raise TokenError(f"{VARIABLE} is not set, and {urlsplit(url).hostname} wants a token: "
                             f"get yours there and `export {VARIABLE}=...`")
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOCAL:
            raise TokenError(f"{url}: a token is sent by https only; correct the address")
        if parts.netloc in self.refused:
            raise TokenError(f"{url}: not asked for; {self.refused[parts.netloc]}")

    def _attempt(self, url, sink, with_token):
        """Try once; give None, or the failure that another attempt may mend."""
        if not self.pace.wait(self.stop):
            return _Again("stopped")
        # the libraries' own errors quote addresses, token and all: none of them leaves this block
        try:
            self._once(url, sink, with_token)
            return None
        except _Again as failure:
            return failure
        except ArchiveError:
            raise
        except requests.exceptions.SSLError:
            text = "no secure connection (check the machine's date and certificates)"
        except (requests.exceptions.Timeout, TimeoutError):
            text = f"no answer within {self.settings.timeout_s:g} s"
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            text = "no valid address"
        except requests.RequestException:
            text = "no connection"
        except HTTPError as error:
            silent = "timed out" in str(error).lower()
            text = f"silence for {self.settings.timeout_s:g} s" if silent else "connection cut"
        finally:
            sink.end()
        return _Again(text)

    def _once(self, url, sink, with_token):
        """One request, its redirects followed, its bytes written."""
        have, mark = sink.offset(url)
        headers = {"Accept-Encoding": "identity", "User-Agent": f"cemp/{__version__}"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": mark}
        answer = self._ask(url, headers, with_token)
        try:
            self._check_status(url, answer, sink, with_token)
            goes_on = answer.status_code == 206 and _range_start(answer) == have
            if answer.status_code == 206 and not goes_on:
                sink.begin(0, None, None, url)
                raise _Again("another part came than the one asked for")
            start = have if goes_on else 0
            length = answer.headers.get("Content-Length", "")
            total = start + int(length) if length.isdigit() else None
            sink.begin(start, total, _mark(answer), url)
            self._copy(answer, sink, start, total)
        finally:
            answer.close()

    def _ask(self, url, headers, with_token):
        """Send the request; a redirect is followed, the token only within the same host."""
        home = urlsplit(url)
        for _ in range(6):
            here = urlsplit(url)
            safe = (here.scheme, here.netloc) == (home.scheme, home.netloc)
            address = self.secret.add_to(url) if with_token and safe else url
            answer = self._session.get(address, headers=headers, stream=True, allow_redirects=False,
                                       timeout=self.settings.timeout_s)
            if answer.status_code not in REDIRECTS or "Location" not in answer.headers:
                return answer
            url = without(urljoin(url, answer.headers["Location"]))
            answer.close()
        raise UnavailableError(f"{home.geturl()}: redirected in circles; check the address")

    def _check_status(self, url, answer, sink, with_token):
        """Turn what is no success into the error that it means."""
        code, host = answer.status_code, urlsplit(url).netloc
        if code in (401, 403, 407):
            hint = (f"the token in {VARIABLE} is not, or no longer, valid: get a new one"
                    if with_token else "it wants a login: fetch the file with a browser")
            if with_token:
                self.refused[host] = hint
            raise TokenError(f"{url}: refused (HTTP {code}); {hint}")
        if with_token:
            self.accepted[host] = code
        if code in (200, 206):
            return
        if code in (404, 410):
            raise NotInArchiveError(f"{url}: not there (HTTP {code}); check the address, "
                                    "or leave the file out")
        if code == 416:  # the part is as long as the file, or longer: it cannot be continued
            sink.begin(0, None, None, url)
            raise _Again("the part on disk is no part of the file")
        if code in (408, 425, 429) or code >= 500:
            asked = retry_after(answer.headers.get("Retry-After"))
            raise _Again(f"the archive is busy or failed (HTTP {code})", asked)
        raise UnavailableError(f"{url}: unexpected answer (HTTP {code}); check the address")

    def _copy(self, answer, sink, start, total):
        """Write the body as it comes, undecoded; notice a hang, a trickle and an early end."""
        done, since, then = start, start, time.monotonic()
        while chunk := answer.raw.read1(CHUNK, decode_content=False):
            sink.write(chunk)
            done += len(chunk)
            now = time.monotonic()
            if self.stop.is_set():
                raise _Again("stopped")
            if now - then > self.settings.timeout_s:
                if done - since < SLOWEST * (now - then):
                    raise _Again(f"under {SLOWEST} bytes a second")
                since, then = done, now
        if total is not None and done != total:
            raise _Again(f"ended after {done:,} of {total:,} bytes")

    @property
    def _session(self):
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        return self._local.session


def _mark(answer):
    """Version of the archive's file, for going on later: a strong ETag, or the date."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")


def _range_start(answer):
    """First byte of a partial answer; None if it does not say."""
    text = answer.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
    return int(text) if text.isdigit() else None
