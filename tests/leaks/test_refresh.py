"""Reports kept current: written once, made anew with new inputs, removed with the plan."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from leak_cases import ROOT

from bench.cellspec import CellSpec
from bench.leaks import refresh
from bench.leaks.report import read_all
from bench.registry import ModelEntry, discover
from bench.settings import Budget, DatasetPlan, Sizes, Suite

Write = Callable[[str, str], Path]

TABLE = """import torch
from bench import dataset
from bench.contract import Splits
print("a plugin that prints")
@dataset("{name}", kind="continuous", shape=[2])
def make():
    {body}
    generator = torch.Generator().manual_seed(0)
    return Splits(*(torch.randn(100, 2, generator=generator).double() for _ in range(3)))
"""
LAW = """import torch
from bench import dataset
class Uniform:
    entropy = 0.0
    def sample(self, n, generator):
        return torch.rand(n, 1, generator=generator, dtype=torch.float64)
    def log_prob(self, x):
        return torch.zeros(len(x), dtype=torch.float64)
@dataset("law", kind="continuous", shape=[1], truth=True)
def law():
    return Uniform()
"""
SIZES = Sizes(train=100, valid=50, test=80)


@pytest.fixture(autouse=True)
def _this_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child runs in another clone: it takes the package from here."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called on, starting a process is an error."""

    def forbid() -> None:
        def start(*arguments: object, **options: object) -> None:
            raise AssertionError("a process was started")

        monkeypatch.setattr(refresh.subprocess, "Popen", start)

    return forbid


def cells(*names: str, sizes: Sizes = SIZES, time_limit: float = 60) -> list[CellSpec]:
    """Two cells on each data set."""
    found = discover()
    suite = Suite(
        datasets={name: DatasetPlan() for name in names}, sizes=sizes, time_limit=time_limit
    )
    return [
        CellSpec(
            dataset=found.dataset(name),
            model=ModelEntry(model, Path("model.py"), "build"),
            suite_name="tiny",
            suite=suite,
            budget=Budget(),
            settings={},
            space="standard",
            kind="continuous",
        )
        for name in names
        for model in ("a", "b")
    ]


def written(*names: str) -> list[str]:
    return [f"{name}: data report written" for name in names]


def test_reports_follow_the_plan(clone: Path, plugin: Write, idle: Callable[[], None]) -> None:
    plugin("one.py", TABLE.format(name="one", body="pass"))
    plugin("law.py", LAW)
    results = clone / "results"
    assert refresh.refresh(cells("one", "law"), clone) == written("one", "law")
    first = {f.name: f.read_bytes() for f in (results / "data").iterdir()}
    assert sorted(first) == ["law.json", "one.json"]
    assert read_all(results)["law"].sizes == {"train": 100, "valid": 50, "test": 80}

    more = SIZES.model_copy(update={"train": 120})  # says nothing to a table
    assert refresh.refresh(cells("one", "law", sizes=more), clone) == written("law")
    assert (results / "data" / "one.json").read_bytes() == first["one.json"]

    (results / "data" / "one.json").write_text("{}")
    assert refresh.refresh(cells("one", "law"), clone) == written("one", "law")
    assert {f.name: f.read_bytes() for f in (results / "data").iterdir()} == first

    idle()
    assert refresh.refresh(cells("one", "law"), clone) == []
    assert refresh.refresh(cells("law"), clone, removing=False) == []
    assert refresh.refresh(cells("law"), clone) == [
        "one: no longer planned, its data report was removed"
    ]
    assert list(read_all(results)) == ["law"]


def test_an_edit_makes_a_report_stale(clone: Path, plugin: Write) -> None:
    file = plugin("one.py", TABLE.format(name="one", body="pass"))
    before = refresh.jobs(cells("one"))[0].inputs
    refresh.closure.closure.cache_clear()
    assert refresh.jobs(cells("one"))[0].inputs == before
    file.write_text(TABLE.format(name="one", body="torch.manual_seed(1)"))
    refresh.closure.closure.cache_clear()
    assert refresh.jobs(cells("one"))[0].inputs != before


def test_one_bad_data_set_takes_none_with_it(clone: Path, plugin: Write) -> None:
    bodies = {
        "raises": "raise KeyError('no such table')",
        "leaves": "import os; os._exit(7)",
        "good": "pass",
        "also": "pass",
    }
    for name, body in bodies.items():
        plugin(f"{name}.py", TABLE.format(name=name, body=body))
    raises, leaves, *rest = refresh.refresh(cells(*bodies), clone)
    assert raises.startswith("raises: no data report: data set 'raises' (")
    assert "KeyError: 'no such table'" in raises
    assert "leaves: no data report: its audit ended with exit code 7" in leaves
    assert rest == written("good", "also")
    assert list(read_all(clone / "results")) == ["also", "good"]
    assert "a plugin that prints" in (clone / ".bench" / "logs" / "data.log").read_text()


def test_a_child_that_cannot_start_is_started_once(
    clone: Path, plugin: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        plugin(f"{name}.py", TABLE.format(name=name, body="pass"))
    (clone / "torch.py").write_text("raise ImportError('this torch is broken')\n")
    starts, start = [], refresh.subprocess.Popen

    def counted(*arguments: Any, **options: Any) -> Any:
        starts.append(arguments)
        return start(*arguments, **options)

    monkeypatch.setattr(refresh.subprocess, "Popen", counted)
    said = refresh.refresh(cells("one", "two"), clone)
    assert len(starts) == 1
    assert [s.split(": its audit")[0] for s in said] == [
        "one: no data report",
        "two: no data report",
    ]
    assert "this torch is broken" in (clone / ".bench" / "logs" / "data.log").read_text()


def test_a_hanging_data_set_is_stopped(
    clone: Path, plugin: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "START_UP", 0.1)  # less than any child needs
    started, start = [], refresh.subprocess.Popen

    def kept(*arguments: Any, **options: Any) -> Any:
        started.append(start(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(refresh.subprocess, "Popen", kept)
    plugin("slow.py", TABLE.format(name="slow", body="import time; time.sleep(600)"))
    (said,) = refresh.refresh(cells("slow", time_limit=0.1), clone)
    assert said.startswith("slow: no data report: its audit was stopped after 0.2 s")
    assert [process.returncode for process in started] == [-signal.SIGKILL]
    with pytest.raises(ProcessLookupError):
        os.killpg(started[0].pid, 0)  # nothing of its group is left


def test_a_missing_package_costs_no_process(
    clone: Path, plugin: Write, idle: Callable[[], None]
) -> None:
    marked = TABLE.replace("shape=[2]", 'shape=[2], requires=["no-such-package"]')
    plugin("needy.py", marked.format(name="needy", body="pass"))
    idle()
    (said,) = refresh.refresh(cells("needy"), clone)
    assert said == (
        "needy: no data report: 'needy' needs the package no-such-package. Install it: "
        "pip install no-such-package"
    )
