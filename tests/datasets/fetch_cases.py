"""A server on loopback that serves well or badly, and a data set of one file to fetch from it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.datasets.fetch import File

BODY = bytes((i * i + i // 256) % 251 for i in range(100_000))
FLIPPED = b"x" + BODY[1:]
NAME = "toy.bin"
TAG = '"one"'


def file(*urls: str, body: bytes = BODY, name: str = NAME) -> File:
    return File("toy", name, len(body), hashlib.sha256(body).hexdigest(), "CC0", urls)


def listing(folder: Path) -> list[str]:
    """What lies in a folder, its lock aside."""
    return sorted(f.name for f in folder.iterdir() if f.name != ".lock")


class Handler(BaseHTTPRequestHandler):
    """Answers a path with what the test has put there."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        serve = self.server.routes.get(self.path)
        self.close_connection = True
        if serve is None:
            self.answer(404, b"not found")
        else:
            serve(self)

    def answer(self, status: int, body: bytes = b"", **headers: object) -> None:
        """Headers as keywords (etag=...); Content-Length is that of the body if not given."""
        self.send_response(status)
        given = {k.replace("_", "-").title(): str(v) for k, v in headers.items() if v is not None}
        given.setdefault("Content-Length", str(len(body)))
        given["Connection"] = "close"
        for key, value in given.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


Serve = Callable[[Handler], None]


class Server(ThreadingHTTPServer):
    """Routes are path -> what serves it; requests are (path, headers) in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Serve] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that gives up is what the tests want

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, serve: Serve) -> str:
        """Serve a path; its address."""
        self.routes[path] = serve
        return self.url + path


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def whole(body: bytes, status: int = 200, **headers: object) -> Serve:
    return lambda handler: handler.answer(status, body, **headers)


@dataclass
class Resumable:
    """Serves BODY in ranges, breaking off after `cuts` bytes, one number for each request."""

    cuts: list[int]
    body: bytes = BODY
    tag: str | None = TAG
    date: str | None = None
    sent: list[int] = field(default_factory=list)  #: first byte of each answer

    def __call__(self, handler: Handler) -> None:
        wanted = handler.headers.get("Range", "")
        start = int(wanted[6:-1]) if wanted else 0
        if wanted and handler.headers["If-Range"] not in (self.tag, self.date):
            start, wanted = 0, ""
        self.sent.append(start)
        rest = self.body[start:]
        end = self.cuts.pop(0) if self.cuts else len(rest)
        span = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}" if wanted else None
        handler.answer(
            206 if wanted else 200,
            rest[:end],
            content_length=len(rest),
            content_range=span,
            etag=self.tag,
            last_modified=self.date,
        )
