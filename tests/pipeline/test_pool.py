"""Whatever a cell does to itself, its row says so and the others go on."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench import records
from bench.cellspec import CellSpec
from bench.pipeline import pool
from bench.pipeline.progress import Outcome, Reporter
from bench.registry import DatasetEntry, ModelEntry
from bench.settings import Budget, Suite

RUNNERS = """
import os, signal, subprocess, sys, time
from pathlib import Path
from bench import records

def record(spec, status="ok", reason=None):
    key = records.CellKey(dataset=spec.dataset.name, model=spec.model.name, suite=spec.suite_name)
    return records.Record(cell=key, status=status, reason=reason)

def run(spec, root, results, report):
    what = spec.model.name
    report({"phase": "train", "seed": 0, "seeds": 1, "step": 1, "steps": 2})
    (root / f"{what}.pid").write_text(str(os.getpid()))
    if what == "raise":
        raise RuntimeError("went wrong")
    if what == "exit":
        os._exit(3)
    if what == "sysexit":
        sys.exit(4)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "endless":
        while True:
            (root / "beat").write_text(str(time.time()))
            time.sleep(0.05)
    if what == "family":
        child = subprocess.Popen(["sleep", "600"])
        (root / "child.pid").write_text(str(child.pid))
        os._exit(5)
    if what == "lingers":
        import threading
        threading.Thread(target=time.sleep, args=(600,)).start()
    if what == "prints":
        print("to the log")
    made = record(spec, {"diverges": "diverged"}.get(what, "ok"))
    records.write(records.record_path(results, spec.dataset.name, what), made)
    return made
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds the toy runners and receives the records."""
    (tmp_path / "toy_runners.py").write_text(RUNNERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def a_spec(name: str, limit: float = 30.0) -> CellSpec:
    suite = Suite.model_validate({"datasets": {"rings": {}}, "time_limit": limit})
    file = Path(__file__)
    return CellSpec(
        dataset=DatasetEntry("rings", file, "f", "continuous", (2,)),
        model=ModelEntry(name, file, "build"),
        suite_name="s",
        suite=suite,
        budget=Budget(),
        settings={},
        space="standard",
        kind="continuous",
    )


def run(specs: list[CellSpec], here: Path, **kwargs: Any) -> dict[str, Outcome]:
    reporter = Reporter(len(specs), quiet=True)
    done = pool.run(
        specs, here, here / "results", reporter=reporter, runner="toy_runners:run", **kwargs
    )
    return {o.spec.model.name: o for o in done.outcomes}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def gone(pid: int, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


ENDS = {
    "fine": ("ok", ""),
    "prints": ("ok", ""),
    "diverges": ("diverged", ""),
    "raise": ("error", "RuntimeError: went wrong"),
    "exit": ("error", "ended itself with exit code 3"),
    "sysexit": ("error", "ended itself with exit code 4"),
    "killed": ("error", "was killed by SIGKILL"),
    "endless": ("timeout", "stopped after 2 s"),
    "family": ("error", "ended itself with exit code 5"),
}


def test_every_end_has_its_row(here: Path) -> None:
    specs = [a_spec(name, 2.0 if name == "endless" else 60.0) for name in ENDS]
    outcomes = run(specs, here, jobs=3)
    for name, (status, words) in ENDS.items():
        assert outcomes[name].status == status, name
        assert words in (outcomes[name].reason or ""), name
        written = records.read(records.record_path(here / "results", "rings", name))
        assert (written.status, written.reason) == (status, outcomes[name].reason)
    assert (here / ".bench/logs/rings/prints.log").read_text() == "to the log\n"
    assert "RuntimeError" in (here / ".bench/logs/rings/raise.log").read_text()
    assert gone(int((here / "endless.pid").read_text()))
    assert gone(int((here / "child.pid").read_text())), "what a cell started ends with it"


def test_a_thread_that_lingers_does_not_hold_the_pool(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "GRACE", 0.5)
    outcomes = run([a_spec("lingers"), a_spec("fine")], here, jobs=1)
    assert {o.status for o in outcomes.values()} == {"ok"}


def test_one_cell_alone_is_spawned(here: Path) -> None:
    assert run([a_spec("fine")], here)["fine"].status == "ok"


def test_abandoned_stops_everything(here: Path) -> None:
    specs = [a_spec("endless"), a_spec("fine")]
    reporter = Reporter(2, quiet=True)
    done = pool.run(
        specs,
        here,
        here / "results",
        reporter=reporter,
        runner="toy_runners:run",
        abandoned=lambda: (here / "beat").exists(),
    )
    assert done.interrupted
    assert gone(int((here / "endless.pid").read_text()))


# a shell's background job inherits an ignored SIGINT, and hands it on to all that it starts
PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = {path!r}
from pathlib import Path
from test_pool import a_spec, run
from bench.pipeline import pool
from bench.pipeline.progress import Reporter
here = Path({here!r})
specs = [a_spec("fine"), a_spec("endless")]
done = pool.run(specs, here, here / "results", reporter=Reporter(2), runner="toy_runners:run")
print(done.interrupted, [o.spec.model.name for o in done.outcomes])
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_orphan_outlives_the_parent(here: Path, how: signal.Signals) -> None:
    path = [str(here), str(Path(__file__).parent), *sys.path]
    code = PARENT.format(path=path, here=str(here))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (here / "beat").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(parent.pid, how)
    output = parent.communicate(timeout=60)[0]
    assert gone(int((here / "endless.pid").read_text()))
    if how is signal.SIGINT:
        assert output == "True ['fine']\n"
    assert not records.record_path(here / "results", "rings", "endless").exists()


def test_a_gpu_per_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    suite = Suite.model_validate({"datasets": {"rings": {}}, "device": "cuda"})
    spec = CellSpec(**{**vars(a_spec("fine")), "suite": suite})
    seen = [pool._environment(spec, slot).get("CUDA_VISIBLE_DEVICES") for slot in range(3)]
    assert seen == ["2", "5", "2"]
    assert "CUDA_VISIBLE_DEVICES" not in pool._environment(a_spec("fine"), 0)


def test_plain_lines_without_escapes(here: Path) -> None:
    stream = io.StringIO()
    reporter = Reporter(2, expected={"rings/raise": 5.0}, stream=stream)
    specs = [a_spec("raise"), a_spec("fine")]
    pool.run(specs, here, here / "results", reporter=reporter, runner="toy_runners:run")
    lines = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    assert [line.split()[:3] for line in lines] == [
        ["ok", "rings", "fine"],  # unknown time first
        ["error", "rings", "raise"],
    ]
    assert lines[1].endswith("RuntimeError: went wrong")
