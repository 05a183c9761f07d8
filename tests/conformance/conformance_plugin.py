"""The pytest plugin that puts shims in place of a library's classes and records whose code ran.

Loaded with `-p conformance_plugin` in the subprocess that `suites.run` starts. The record comes
from Python's profiler and not from the shims: what is not called cannot be counted.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import pytest
import torch

import bench.flows

HERE = Path(__file__).resolve().parent
OURS = Path(bench.flows.__file__).resolve().parent
METHODS = frozenset(
    ("__init__", "forward", "inverse", "map_only", "log_prob", "sample", "sample_and_log_prob")
)
CALLS = pytest.StashKey["Calls"]()


class Calls:
    """How often each test called ours ("LULinear.forward"), a shim, and the library's own code."""

    def __init__(self, library: Path) -> None:
        self.library = library
        self.tests: dict[str, dict[str, Counter[str]]] = {}
        self._owners: dict[CodeType, str] = {}

    @contextmanager
    def recorded(self, test: str) -> Iterator[None]:
        """Count what runs inside."""
        counts: dict[str, Counter[str]] = {k: Counter() for k in ("ours", "shims", "library")}
        self.tests[test] = counts

        def count(frame: FrameType, event: str, _: object) -> None:
            if event != "call":
                return
            code = frame.f_code
            owner = self._owners.get(code)
            if owner is None:
                owner = self._owners[code] = self._owner(Path(code.co_filename))
            if not owner:
                return
            if owner == "library":
                counts[owner][code.co_qualname] += 1
            elif code.co_name in METHODS and "self" in frame.f_locals:
                kind = type(frame.f_locals["self"])
                if owner == "ours":
                    for name in {_nearest(kind), code.co_qualname.split(".")[0]} - {"Bijection"}:
                        counts[owner][f"{name}.{code.co_name}"] += 1
                if kind.__module__.endswith("shims"):
                    counts["shims"][f"{kind.__name__}.{code.co_name}"] += 1
            elif owner == "shims":
                counts[owner][code.co_qualname] += 1

        sys.setprofile(count)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _owner(self, file: Path) -> str:
        if file.is_relative_to(OURS):
            return "ours"
        if file.is_relative_to(self.library):
            return "library"
        return "shims" if file.parent == HERE and file.stem.endswith("shims") else ""


def _nearest(kind: type) -> str:
    """The nearest of our classes that an object is of, whatever class the code stands in."""
    return next(c.__name__ for c in kind.__mro__ if c.__module__.startswith("bench.flows"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shims", default="", help="module whose install() replaces classes")
    parser.addoption("--library", help="folder of the library's own code")
    parser.addoption("--calls", help="where to write who was called")
    parser.addoption("--seed", type=int, default=0, help="of each test")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CALLS] = Calls(Path(config.getoption("--library")).resolve())
    if name := config.getoption("--shims"):
        importlib.import_module(name).install()  # before the tests import the library


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    torch.manual_seed(item.config.getoption("--seed"))
    with item.config.stash[CALLS].recorded(item.nodeid):
        return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if path := session.config.getoption("--calls"):
        Path(path).write_text(json.dumps(session.config.stash[CALLS].tests, indent=1))
