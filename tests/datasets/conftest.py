"""Fetched files go to a folder of the test's own, and no test waits before it tries again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fetch_cases import Server, file, running

from bench.datasets.fetch import SETS, File, download


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as made:
        yield made


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the data set `toy` in an empty cache; no mirror, no proxy."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("BENCH_DATA_MIRROR", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "BACKOFF", 0.0)
    return tmp_path / "data" / "toy"


@pytest.fixture
def toy(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., File]:
    """Make `toy` a data set of one file with these addresses."""

    def make(*urls: str, made: File | None = None) -> File:
        one = made or file(*urls)
        monkeypatch.setitem(SETS, "toy", (one,))
        return one

    return make


@pytest.fixture
def mirror(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `toy` in an empty mirror."""
    folder = tmp_path / "mirror" / "toy"
    folder.mkdir(parents=True)
    monkeypatch.setenv("BENCH_DATA_MIRROR", str(folder.parent))
    return folder
