"""One address to one file: resumed where that is safe, retried where that may help."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench import __version__
from bench.datasets.fetch.cache import CHUNK, written

if TYPE_CHECKING:
    from requests import Response

CONNECT, STALL = 10.0, 30.0  #: seconds until an answer, and between two pieces of it
WINDOW, SLOWEST = 30.0, 1024  #: seconds over which at least so many bytes a second must come
ATTEMPTS, BACKOFF, LONGEST = 4, 1.0, 60.0  #: of an address; seconds, doubled each time, at most
PASSING = (408, 425, 429, 500, 502, 503, 504)  #: statuses that another attempt may cure


class Refused(Exception):
    """This source does not have the file; `str(error)` says why. Another source may."""


class Unreachable(Refused):
    """No connection: whatever else is asked of the same server will not come either."""


class _Passing(Exception):
    """What another attempt may cure, after `wait` seconds where the server names them."""

    def __init__(self, reason: str, wait: float = 0.0, final: type[Refused] = Refused):
        super().__init__(reason)
        self.wait, self.final = wait, final


def download(url: str, part: Path, size: int, exact: bool, progress: Callable[[int], None]) -> bool:
    """Write the bytes of `url` to `part`; True where an earlier part was continued.

    Of `size` bytes, at most so many where not `exact`. A transfer that broke off leaves `part` and
    its notes, so that a later run goes on from there: only from the same address, and only if the
    server says that its file is still the same. Raises Refused, and BenchError on a full disk.
    """
    for attempt in range(ATTEMPTS):
        try:
            return _once(url, part, size, exact, progress)
        except _Passing as passing:
            last = passing
            if attempt < ATTEMPTS - 1:
                time.sleep(min(LONGEST, max(passing.wait, BACKOFF * 2**attempt)))
        except Refused:
            if _noted(part).get("url") == url:
                discard(part)
            raise
    raise last.final(f"{last}, {ATTEMPTS} times")


def discard(part: Path) -> None:
    """Forget a part and its notes."""
    with written(part):
        part.unlink(missing_ok=True)
        _notes(part).unlink(missing_ok=True)


def _once(url: str, part: Path, size: int, exact: bool, progress: Callable[[int], None]) -> bool:
    import requests
    from urllib3.exceptions import HTTPError

    held, validator = _held(url, part)
    # without identity some servers send, and some libraries unpack, another file than the pinned
    headers = {"Accept-Encoding": "identity", "User-Agent": f"density-bench/{__version__}"}
    if held:
        headers |= {"Range": f"bytes={held}-", "If-Range": validator}
    try:
        with (
            requests.Session() as session,
            session.get(url, headers=headers, stream=True, timeout=(CONNECT, STALL)) as answer,
        ):
            start = _start(answer, held, size, exact, part)
            total = _total(answer, start, size, exact)
            if not start:
                _note(url, part, answer)
            _receive(answer, part, start, total or size, progress)
    except (requests.RequestException, HTTPError) as error:
        final = Unreachable if isinstance(error, requests.ConnectionError) else Refused
        raise _Passing(_in_words(error), final=final) from error
    return bool(start)


def _start(answer: Response, held: int, size: int, exact: bool, part: Path) -> int:
    """The byte that the answer's body starts at."""
    status = answer.status_code
    if status in PASSING:
        wait = answer.headers.get("Retry-After", "")
        raise _Passing(f"answers {status}", float(wait) if wait.isdigit() else 0.0)
    if status == 416:
        discard(part)
        raise _Passing("does not go on from where it broke off")
    if status == 206 and held:
        span, _, whole = answer.headers.get("Content-Range", "").partition("/")
        if span.startswith(f"bytes {held}-") and (not exact or whole == str(size)):
            return held
        discard(part)
        raise _Passing("goes on with another file")
    if status != 200:
        raise Refused(f"answers {status} {answer.reason or ''}".rstrip())
    return 0


def _total(answer: Response, start: int, size: int, exact: bool) -> int | None:
    """Bytes of the whole file; None where the answer does not say."""
    length = answer.headers.get("Content-Length", "")
    if not length.isdigit():
        return None
    total = start + int(length)
    if total > size or (exact and total != size):
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        of_what = f" of {kind}" if kind else ""
        raise Refused(f"has {total} bytes{of_what}, not {'' if exact else 'at most '}{size}")
    return total


def _receive(
    answer: Response, part: Path, start: int, limit: int, progress: Callable[[int], None]
) -> None:
    with written(part):
        stream = part.open("ab" if start else "wb")
    with stream:
        done = since = start
        began = time.monotonic()
        while piece := answer.raw.read1(CHUNK, decode_content=False):
            done += len(piece)
            if done > limit:
                raise Refused(f"sends more than {limit} bytes")
            with written(part):
                stream.write(piece)
            progress(done)
            if (spent := time.monotonic() - began) >= WINDOW:
                if done - since < SLOWEST * spent:
                    raise _Passing(f"sends less than {SLOWEST} bytes a second")
                since, began = done, time.monotonic()
        with written(part):
            stream.flush()
            os.fsync(stream.fileno())


def _held(url: str, part: Path) -> tuple[int, str]:
    """Bytes of an earlier transfer that may be continued, and what tells the file unchanged."""
    notes = _noted(part)
    if notes.get("url") == url and notes.get("validator") and part.is_file():
        return part.stat().st_size, notes["validator"]
    return 0, ""


def _noted(part: Path) -> dict[str, str]:
    """The notes of the transfer that `part` comes from; empty where there are none."""
    try:
        notes = json.loads(_notes(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: str(v) for k, v in notes.items()} if isinstance(notes, dict) else {}


def _note(url: str, part: Path, answer: Response) -> None:
    """A strong ETag, else the date of the last change; without one no transfer is continued."""
    tag = answer.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
    with written(part):
        part.unlink(missing_ok=True)  # never notes of one transfer beside bytes of another
        _notes(part).write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _in_words(error: Exception) -> str:
    """The kind of failure, without the nested representations of libraries."""
    kinds = {
        "ProxyError": "cannot be reached through the proxy",
        "SSLError": "has no valid certificate",
        "ConnectTimeout": f"does not answer within {CONNECT:.0f} s",
        "ReadTimeout": f"sends nothing for {STALL:.0f} s",
        "ReadTimeoutError": f"sends nothing for {STALL:.0f} s",
        "ConnectionError": "cannot be reached",
        "ProtocolError": "breaks off",
        "IncompleteRead": "breaks off",
    }
    name = type(error).__name__
    return kinds.get(name, f"fails ({name})")
