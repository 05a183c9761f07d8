"""Runs another library's test suite in a subprocess with shims in place, and tables what ran."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import flows
from bench.flows import images

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NAMES = {*flows.__all__, *images.__all__, "Continuous"} - {"Bijection"}
HEADER = ("test", "runs", "ours", "not ours", "why")


def checkout(variable: str, what: str, needs: Sequence[str] = ()) -> Path:
    """The folder that an environment variable names; the test is skipped where it cannot run."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} names no checkout of {what}")
    for module in needs:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"the tests of {what} need {module}: pip install {module}")
    path = Path(folder).resolve()
    if not (path / "tests").is_dir():
        pytest.fail(f"{variable}={folder} has no folder tests: name the root of a git clone")
    return path


@dataclass(frozen=True)
class Reasons:
    """Why code of the library ran, by function or by class, of which the function counts first."""

    own: dict[str, str]  #: what the tests test that is no module of ours
    around: dict[str, str]  #: what only surrounds ours

    def find(self, name: str, where: dict[str, str]) -> str | None:
        """The key that covers a qualified name."""
        function = name.split(".<locals>")[0]
        return next((key for key in (function, function.split(".")[0]) if key in where), None)


@dataclass(frozen=True)
class Run:
    """What a suite gave: outcomes and calls by test id."""

    outcomes: dict[str, str]
    calls: dict[str, dict[str, dict[str, int]]]

    @property
    def failed(self) -> list[str]:
        """Ids of the tests that did not pass."""
        return sorted(test for test, outcome in self.outcomes.items() if outcome != "passed")

    def total(self, kind: str) -> Counter[str]:
        """Calls over all tests, of "ours", "shims" or the "library"."""
        total: Counter[str] = Counter()
        for calls in self.calls.values():
            total.update(calls[kind])
        return total

    def table(self, reasons: Reasons) -> list[tuple[str, ...]]:
        """One row per test: its id, whose code it tested, which classes, and why not ours."""
        return [_row(test, self.calls[test], reasons) for test in sorted(self.calls)]


def run(
    folder: Path,
    library: str,
    shims: str,
    output: Path,
    tests: Sequence[str] = ("tests",),
    seed: int = 0,
    leave_out: Sequence[str] = (),
) -> Run:
    """Run tests of a checkout; `shims` is the module whose `install` comes first ("": none).

    Raises AssertionError where the suite could not be run at all.
    """
    junit, calls = output / "junit.xml", output / "calls.json"
    command = [sys.executable, "-m", "pytest", "-q", *tests, "-c", os.devnull]
    command += [f"--rootdir={folder}", "-p", "no:cacheprovider", "-p", "conformance_plugin"]
    command += ["-W", "ignore", f"--shims={shims}", f"--library={folder / library}"]
    command += [f"--calls={calls}", f"--seed={seed}", f"--junitxml={junit}"]
    command += [f"--deselect={test}" for test in leave_out]
    paths = [str(ROOT), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode in (0, 1), ended.stdout[-3000:] + ended.stderr[-3000:]
    return Run(_outcomes(junit), json.loads(calls.read_text()))


def _outcomes(junit: Path) -> dict[str, str]:
    """Test id -> passed, failure, error or skipped."""
    outcomes: dict[str, str] = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        outcomes[f"{case.get('classname')}::{case.get('name')}"] = bad[0] if bad else "passed"
    return outcomes


def junit_id(test: str) -> str:
    """pytest's id of a test as the report has it."""
    file, *names = test.split("::")
    return f"{'.'.join([file.removesuffix('.py').replace('/', '.'), *names[:-1]])}::{names[-1]}"


def _row(test: str, calls: dict[str, dict[str, int]], reasons: Reasons) -> tuple[str, ...]:
    own = sorted({key for name in calls["library"] if (key := reasons.find(name, reasons.own))})
    built = {name for name in calls["ours"] if name.endswith(".__init__")}
    used = calls["ours"].keys() - built
    if not used and not own:  # a test of what a constructor makes, such as masks
        used = built
    ours = sorted({name.split(".")[0] for name in used} & NAMES)
    why = [reasons.own[key] for key in own]
    if not ours and not own:
        keys = {reasons.find(name, reasons.around) for name in calls["library"]}
        why = [reasons.around[key] for key in sorted(filter(None, keys))]
    runs = "both" if ours and own else "ours" if ours else "library"
    return test, runs, " ".join(ours), " ".join(own), "; ".join(dict.fromkeys(why))


def unexplained(run: Run, reasons: Reasons) -> list[str]:
    """Code of the library that ran although no reason is known."""
    names = run.total("library")
    known = {**reasons.own, **reasons.around}
    return sorted(name for name in names if reasons.find(name, known) is None)


def same_table(rows: list[tuple[str, ...]], committed: Path, output: Path) -> None:
    """Fail, saying what to do, where the table is not the committed one."""
    text = "".join("\t".join(row) + "\n" for row in [HEADER, *rows])
    fresh = output / committed.name
    fresh.write_text(text)
    if not committed.exists() or committed.read_text() != text:
        pytest.fail(f"{committed} is out of date. Compare it with {fresh}, and copy that over it")
