"""Downloads from a server that serves badly: one sentence each, no byte trusted, nothing lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fetch_cases import BODY, NAME, Handler, Resumable, Serve, Server, file, whole

from bench.datasets.fetch import File, download, obtain
from bench.errors import MissingError

FLIPPED = BODY[:5000] + bytes([BODY[5000] ^ 1]) + BODY[5001:]
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 100000\n"
)


def unmeasured(body: bytes) -> Serve:
    """Sent in chunks, without a length."""

    def serve(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(body), 3000):
            piece = body[start : start + 3000]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    return serve


@dataclass
class Dripping:
    """Sends byte after byte, at most 300."""

    pause: float
    sent: list[int] = field(default_factory=list)  #: bytes of each answer before it was given up

    def __call__(self, handler: Handler) -> None:
        handler.answer(200, b"", content_length=len(BODY))
        self.sent.append(0)
        while self.sent[-1] < 300:
            handler.wfile.write(b"x")
            self.sent[-1] += 1
            time.sleep(self.pause)


def circle(handler: Handler) -> None:
    handler.answer(302, location=handler.path)


BAD: dict[str, tuple[Serve, str]] = {
    "flipped byte": (whole(FLIPPED), "is another file: its sha256 is"),
    "truncated": (
        whole(BODY[:60_000], content_length=len(BODY)),
        "breaks off, 4 times",
    ),
    "HTML page": (
        whole(PAGE, content_type="text/html; charset=utf-8"),
        f"has {len(PAGE)} bytes of text/html, not 100000",
    ),
    "HTML page in chunks": (unmeasured(PAGE), "bytes, not 100000: an HTML page"),
    "git-LFS pointer": (whole(POINTER), f"has {len(POINTER)} bytes, not 100000"),
    "git-LFS pointer in chunks": (unmeasured(POINTER), "a git-LFS pointer, not what it points to"),
    "longer": (whole(BODY + b"x"), "has 100001 bytes, not 100000"),
    "longer in chunks": (unmeasured(BODY * 3), "sends more than 100000 bytes"),
    "not found": (whole(b"", 404), "answers 404 Not Found"),
    "forbidden": (whole(b"", 403), "answers 403 Forbidden"),
    "overloaded": (whole(b"", 503), "answers 503, 4 times"),
    "redirected in a circle": (circle, "fails (TooManyRedirects)"),
    "silent": (Dripping(0.3), "sends nothing for 0 s"),
    "slow": (Dripping(0.02), "sends less than 1024 bytes a second"),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "STALL", 0.2)
    monkeypatch.setattr(download, "WINDOW", 0.1)


def parts(cache: Path) -> list[str]:
    """What lies in the data set's folder, its lock aside."""
    return sorted(f.name for f in cache.iterdir() if f.name != ".lock")


@pytest.mark.parametrize("case", BAD)
def test_a_bad_address_is_named_and_the_next_one_is_tried(
    case: str, server: Server, toy: Callable[..., File], cache: Path
) -> None:
    serve, words = BAD[case]
    bad = server.put("/bad", serve)
    made = toy(bad)
    with pytest.raises(MissingError) as caught:
        obtain("toy", official=True)
    sentence = str(caught.value)
    assert f"127.0.0.1:{server.server_port} " in sentence
    assert words in sentence
    assert all(word in sentence for word in (NAME, made.sha256, "BENCH_DATA_MIRROR", str(cache)))
    assert "\n" not in sentence
    assert NAME not in parts(cache)
    toy(bad, server.put("/good", whole(BODY)))
    (held,) = obtain("toy", official=True)
    assert held.read_bytes() == BODY
    assert parts(cache) == [NAME]


def test_a_slow_server_is_given_up_before_it_ends(server: Server, toy: Callable[..., File]) -> None:
    serve = Dripping(0.02)
    toy(server.put("/x", serve))
    with pytest.raises(MissingError, match="sends less than 1024 bytes a second, 4 times"):
        obtain("toy", official=True)
    assert len(serve.sent) == download.ATTEMPTS
    assert max(serve.sent) < 300


def test_a_dead_server(toy: Callable[..., File], cache: Path) -> None:
    toy("http://127.0.0.1:9/toy.bin")
    with pytest.raises(MissingError, match="127.0.0.1:9 cannot be reached, 4 times"):
        obtain("toy", official=True)


def test_the_bytes_come_unchanged_by_any_encoding(server: Server, toy: Callable[..., File]) -> None:
    """A .gz that a server declares as an encoding is kept as it is."""
    toy(server.put("/x", whole(BODY, content_encoding="gzip")))
    (held,) = obtain("toy", official=True)
    assert held.read_bytes() == BODY
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_the_wait_that_a_server_asks_for(
    server: Server, toy: Callable[..., File], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(download, "BACKOFF", 1.0)
    toy(server.put("/x", whole(b"", 429, retry_after="7")))
    with pytest.raises(MissingError, match="answers 429"):
        obtain("toy", official=True)
    assert waits == [7.0, 7.0, 7.0]
    waits.clear()
    toy(server.put("/x", whole(b"", 503)))
    with pytest.raises(MissingError):
        obtain("toy", official=True)
    assert waits == [1.0, 2.0, 4.0]


def test_a_proxy_is_used(
    server: Server, toy: Callable[..., File], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy")
    toy("http://data.invalid/toy.bin")
    server.put("http://data.invalid/toy.bin", whole(BODY))
    assert obtain("toy", official=True)[0].read_bytes() == BODY


RESUMED = {
    "ETag": (Resumable([40_000, 30_000]), [0, 40_000, 70_000]),
    "date": (Resumable([40_000], tag=None, date="Sat, 01 Jan 2000 00:00:00 GMT"), [0, 40_000]),
    "weak ETag": (Resumable([40_000], tag='W/"one"'), [0, 0]),
    "nothing": (Resumable([40_000], tag=None), [0, 0]),
}


@pytest.mark.parametrize("case", RESUMED)
def test_goes_on_where_it_broke_off_if_the_file_is_known_to_be_the_same(
    case: str, server: Server, toy: Callable[..., File], cache: Path
) -> None:
    serve, starts = RESUMED[case]
    toy(server.put("/x", serve))
    assert obtain("toy", official=True)[0].read_bytes() == BODY
    assert serve.sent == starts
    assert parts(cache) == [NAME]


def interrupted(server: Server, toy: Callable[..., File], cache: Path, cut: int = 40_000) -> str:
    """An address whose first transfer has broken off; its part lies there."""
    url = server.put("/x", Resumable([cut, 0, 0, 0]))
    toy(url)
    with pytest.raises(MissingError, match="breaks off"):
        obtain("toy", official=True)
    assert (cache / f"{NAME}.part").stat().st_size == cut
    return url


def test_a_later_run_goes_on(server: Server, toy: Callable[..., File], cache: Path) -> None:
    interrupted(server, toy, cache)
    again = Resumable([])
    server.put("/x", again)
    assert obtain("toy", official=True)[0].read_bytes() == BODY
    assert again.sent == [40_000]


@pytest.mark.parametrize("body", [BODY, FLIPPED], ids=["same", "another"])
def test_a_file_that_has_changed_is_fetched_anew(
    body: bytes, server: Server, toy: Callable[..., File], cache: Path
) -> None:
    url = interrupted(server, toy, cache)
    changed = Resumable([], body=body, tag='"two"')
    server.put("/x", changed)
    if body == FLIPPED:
        with pytest.raises(MissingError, match="another file"):
            obtain("toy", official=True)
        server.put("/x", whole(BODY))
    assert obtain("toy", official=True)[0].read_bytes() == BODY
    assert changed.sent[0] == 0
    assert url.endswith("/x")


def test_another_address_begins_anew(server: Server, toy: Callable[..., File], cache: Path) -> None:
    interrupted(server, toy, cache)
    other = Resumable([])
    toy(server.put("/y", other))
    assert obtain("toy", official=True)[0].read_bytes() == BODY
    assert other.sent == [0]


def test_a_damaged_part_is_found_by_the_hash_and_fetched_anew(
    server: Server, toy: Callable[..., File], cache: Path
) -> None:
    interrupted(server, toy, cache)
    (cache / f"{NAME}.part").write_bytes(b"x" * 40_000)
    again = Resumable([])
    server.put("/x", again)
    assert obtain("toy", official=True)[0].read_bytes() == BODY
    assert again.sent == [40_000, 0]


@pytest.mark.parametrize("status", [206, 416])
def test_a_range_that_is_not_honoured(
    status: int, server: Server, toy: Callable[..., File], cache: Path
) -> None:
    interrupted(server, toy, cache)
    seen: list[bool] = []

    def serve(handler: Handler) -> None:
        seen.append("Range" in handler.headers)
        if seen[-1]:
            handler.answer(status, BODY, content_range="bytes 0-99999/100000")
        else:
            handler.answer(200, BODY)

    server.put("/x", serve)
    assert obtain("toy", official=True)[0].read_bytes() == BODY
    assert seen == [True, False]


def test_interrupted_by_hand_it_keeps_what_has_come(
    server: Server, toy: Callable[..., File], cache: Path
) -> None:
    class Impatient:
        def progress(self, file: File, done: int) -> None:
            raise KeyboardInterrupt

        def fetched(self, file: File, source: str) -> None: ...

        def damaged(self, text: str) -> None: ...

    serve = Resumable([])
    toy(server.put("/x", serve))
    with pytest.raises(KeyboardInterrupt):
        obtain("toy", official=True, listener=Impatient())
    assert parts(cache) == [f"{NAME}.part", f"{NAME}.part.json"]
    assert obtain("toy", official=True)[0].read_bytes() == BODY
    assert serve.sent[1] > 0 or len(serve.sent) == 1


def test_what_was_put_there_by_hand_needs_no_network(toy: Callable[..., File], cache: Path) -> None:
    toy("http://127.0.0.1:9/toy.bin")
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(BODY)
    assert obtain("toy") == [cache / NAME]
    assert parts(cache) == [NAME]
    assert file().size == len(BODY)
