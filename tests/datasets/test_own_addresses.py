"""An own data set at an address: fetched once, pinned, and never asked for again by a cell."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fetch_cases import Server, whole
from own_cases import REALS, add, entry, loaded, refused
from own_cases import whole as points

from bench import registry
from bench.datasets import fetch
from bench.datasets.own import files
from bench.datasets.own.entries import parse
from bench.errors import MissingError


def npy(x: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, x)
    return out.getvalue()


BODY = npy(REALS)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What a test enters among the fetched files is not there for the next."""
    before = dict(fetch.SETS)
    yield
    fetch.SETS.clear()
    fetch.SETS.update(before)


@pytest.mark.parametrize("stated", [[], ["--sha256", SHA256]], ids=["at first use", "stated"])
def test_a_file_at_an_address_is_pinned_and_read_from_the_cache(
    stated: list[str], clone: Path, cache: Path, server: Server
) -> None:
    url = server.put("/data/x.npy?version=1", whole(BODY))
    assert add("mine", url, ["--split", "order", *stated]) == 0
    (file,) = parse(clone / "datasets" / "mine.toml").files.values()
    assert (file.url, file.path, file.bytes, file.sha256) == (url, None, len(BODY), SHA256)
    assert (cache.parent / "mine" / "x.npy").read_bytes() == BODY
    np.testing.assert_array_equal(points(loaded()).numpy(), REALS)
    assert entry().data == ()
    assert len(server.requests) == 1


def test_a_cell_downloads_nothing_and_says_how_to(clone: Path, cache: Path, server: Server) -> None:
    url = server.put("/x.npy", whole(BODY))
    assert add("mine", url) == 0
    (cache.parent / "mine" / "x.npy").unlink()
    with pytest.raises(MissingError, match="bench data get mine") as error:
        loaded()
    assert SHA256 in str(error.value)
    assert len(server.requests) == 1
    fetch.SETS.clear()
    assert files.entries(registry.discover().datasets.values()) == {"mine": []}
    fetch.obtain("mine", official=True)
    assert len(points(loaded())) == 40


def test_another_file_than_stated_is_refused(
    clone: Path, cache: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    url = server.put("/x.npy", whole(BODY + b"\n"))
    said = refused(capsys, url, f"--sha256 {SHA256}")
    assert "is another file: its sha256 is" in said
    assert not (clone / "datasets").exists()


def test_parts_of_one_name_lie_beside_each_other(clone: Path, cache: Path, server: Server) -> None:
    parts = {"train": REALS[:20], "valid": REALS[20:30], "test": REALS[30:]}
    urls = {part: server.put(f"/{part}/x.npy", whole(npy(x))) for part, x in parts.items()}
    assert add("mine", urls["train"], ["--valid", urls["valid"], "--test", urls["test"]]) == 0
    for part, x in parts.items():
        np.testing.assert_array_equal(getattr(loaded(), part).numpy(), x)


def test_an_address_nobody_answers_at(
    clone: Path, cache: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, f"{server.url}/x.npy")
    assert "answers 404" in said
