"""An archive on this machine that fails in every way a real one does."""

import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>"


class Archive(ThreadingHTTPServer):
    """Serves `files` by path; `faults` maps a path to a list of faults, one a request.

    A fault is a status, ``(429, seconds)``, ``"truncate"``, ``"hang"``, ``"stall"``, ``"page"``,
    ``"drop"``, or ``("redirect", address)``; None serves the file. The last one stays.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.faults, self.asked = {}, {}, Counter()
        self.tokens, self.ranges, self.times = [], [], []
        self.tag, self.busy, self.most = '"one"', 0, 0
        self.lock, self.release = threading.Lock(), threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self, path):
        with self.lock:
            faults = self.faults.get(path, [None])
            return faults[min(self.asked[path] - 1, len(faults) - 1)]

    def handle_error(self, request, client_address):
        """Clients that go away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Stay silent."""

    def do_GET(self):
        archive, parts = self.server, urlsplit(self.path)
        with archive.lock:
            archive.asked[parts.path] += 1
            archive.times.append(time.monotonic())
            archive.tokens.append(parse_qs(parts.query).get("token", [None])[0])
            archive.ranges.append(self.headers.get("Range"))
            archive.busy += 1
            archive.most = max(archive.most, archive.busy)
        try:
            self._answer(parts.path, archive.next_fault(parts.path))
        finally:
            with archive.lock:
                archive.busy -= 1

    def _answer(self, path, fault):
        if isinstance(fault, tuple) and fault[0] == "redirect":
            return self._send(302, b"", {"Location": fault[1]})
        if isinstance(fault, tuple):
            return self._send(fault[0], b"busy", {"Retry-After": str(fault[1])})
        if isinstance(fault, int):
            return self._send(fault, b"no")
        if fault == "page":
            return self._send(200, PAGE, {"Content-Type": "text/html"})
        if fault == "drop":
            self.close_connection = True
            return None
        if fault == "hang":
            self.server.release.wait(20)
            return None
        if path not in self.server.files:
            return self._send(404, b"no such file")
        return self._file(self.server.files[path], fault)

    def _file(self, data, fault):
        headers, code, start = {"ETag": self.server.tag}, 200, 0
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range") == self.server.tag:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(data):
                return self._send(416, b"")
            code = 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        if fault in ("truncate", "stall"):
            self._send(code, body[: len(body) // 2], headers, length=len(body))
            if fault == "stall":
                self.server.release.wait(20)
            self.close_connection = True
            return None
        return self._send(code, body, headers)

    def _send(self, code, body, headers=None, length=None):
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


@contextmanager
def running_archive():
    """Start an archive on a free port of this machine; it ends with the block."""
    archive = Archive()
    thread = threading.Thread(target=archive.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield archive
    finally:
        archive.release.set()
        archive.shutdown()
        archive.server_close()
        thread.join(5)
