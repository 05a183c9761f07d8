"""The static import closure: what it follows, what it leaves out, what its digest sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.pipeline import closure
from bench.registry import discover

Files = Callable[..., Path]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """Write files of a clone and return the first one's path."""
    monkeypatch.setattr(closure, "CLONE", tmp_path)
    forget()

    def write(**sources: str) -> Path:
        for name, text in sources.items():
            file = tmp_path / f"{name.replace('__', '/').replace('/init', '/__init__')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        forget()
        return tmp_path / f"{next(iter(sources)).replace('__', '/')}.py"

    yield write
    forget()


def forget() -> None:
    for cached in (
        closure.closure,
        closure.scoring_files,
        closure._imports,
        closure._code_digest,
    ):
        cached.cache_clear()


def names(file: Path) -> set[str]:
    return {closure.relative(f) for f in closure.closure(file).files}


FOLLOWED = {
    "module": "import lib.one",
    "name": "from lib import one",
    "symbol": "from lib.one import x",
    "inside a function": "def f():\n    from lib import one",
    "inside a try": "try:\n    import lib.one\nexcept ImportError: ...",
    "else of TYPE_CHECKING": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING: ...\nelse:\n    import lib.one"
    ),
}
LEFT_OUT = {
    "type checking": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lib import one"
    ),
    "lazy attribute": "def __getattr__(name):\n    from lib import one",
    "text": "'import lib.one'",
}


@pytest.mark.parametrize("case", FOLLOWED)
def test_imports_are_followed(files: Files, case: str) -> None:
    start = files(start=FOLLOWED[case], lib__init="", lib__one="import lib.two", lib__two="")
    assert names(start) == {"start.py", "lib/__init__.py", "lib/one.py", "lib/two.py"}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_does_not_run_is_left_out(files: Files, case: str) -> None:
    assert names(files(start=LEFT_OUT[case], lib__init="", lib__one="")) == {"start.py"}


def test_relative_imports_and_cycles(files: Files) -> None:
    start = files(
        lib__a="from . import b\nfrom .sub import c",
        lib__b="from .a import x",
        lib__init="",
        lib__sub__init="",
        lib__sub__c="from ..d import y",
        lib__d="",
    )
    assert names(start) == {
        *("lib/__init__.py", "lib/a.py", "lib/b.py", "lib/d.py"),
        *("lib/sub/__init__.py", "lib/sub/c.py"),
    }


def test_packages_outside_are_named_not_followed(files: Files) -> None:
    start = files(start="import torch.nn\nfrom nflows.flows import Flow\nimport lib", lib="")
    assert closure.closure(start).packages == {"torch", "nflows"}


SAME = {
    "comment": "# why\ndef f(x):\n    return x + 1  # here\n",
    "docstring": '"""What."""\ndef f(x):\n    """Shape [N]."""\n    return x + 1\n',
    "layout": "def f(x):\n\n    return (x\n      + 1)\n",
}


@pytest.mark.parametrize("case", SAME)
def test_comments_docstrings_and_layout_do_not_retrain(files: Files, case: str) -> None:
    start = files(start="def f(x):\n    return x + 1\n")
    before = closure._code_digest(start)
    assert closure._code_digest(files(start=SAME[case])) == before


def test_code_does(files: Files) -> None:
    before = closure._code_digest(files(start="def f(x):\n    return x + 1\n"))
    assert closure._code_digest(files(start="def f(x):\n    return x + 2\n")) != before


def test_a_folder_that_belongs_as_a_whole_stands_for_its_files(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closure, "PACKAGE", tmp_path / "lib")
    files(lib__a="", lib__whole__b="", lib__whole__c="", lib__part__d="", lib__part__e="")
    chosen = {"a", "whole/b", "whole/c", "part/d"}
    folded = closure.folded(frozenset(tmp_path / "lib" / f"{name}.py" for name in chosen))
    assert [closure.relative(f) for f in folded] == ["lib/a.py", "lib/part/d.py", "lib/whole"]


def of_package(files: frozenset[Path]) -> set[str]:
    return {closure.relative(f) for f in files if f.is_relative_to(closure.PACKAGE)}


def test_scoring_reaches_the_cell_and_no_plugin() -> None:
    forget()
    found = of_package(closure.scoring_files())
    assert {"bench/cell.py", "bench/scoring.py", "bench/training.py", "bench/timing.py"} <= found
    assert not [f for f in found if f.startswith(("bench/models/", "bench/pipeline/"))]
    assert "bench/api.py" not in found


def test_training_reads_neither_scoring_nor_timing() -> None:
    forget()
    registry = discover()
    found = of_package(
        closure.training_files(registry.models["gaussian"], registry.datasets["digits"])
    )
    assert {"bench/training.py", "bench/fitting.py", "bench/models/gaussian.py"} <= found
    assert not found & {
        "bench/cell.py", "bench/scoring.py", "bench/timing.py", "bench/records.py", "bench/api.py",
    }  # fmt: skip


def test_adapters_only_where_the_model_needs_them() -> None:
    forget()
    models = discover().models
    theirs = of_package(closure.model_files(models["maf-nflows"]))
    assert "bench/adapters/nflows.py" in theirs
    assert "bench/adapters/nflows.py" not in of_package(closure.model_files(models["gaussian"]))
