"""Runs cells side by side, each in a process group of its own, and outlives whatever they do.

A cell may raise, call os._exit, be killed, or run for ever: its row then says so, and the others
go on. Processes are forked from a server that has imported torch once; a GPU needs fresh ones.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import Any

from bench import records
from bench.cellspec import CellSpec
from bench.errors import BenchError
from bench.pipeline import worker
from bench.pipeline.progress import Outcome, Reporter

RUNNER = "bench.cell:run_cell"
SLOW_IMPORTS = ("torch", "sklearn.datasets", "sklearn.mixture", "nflows.flows")  # seconds each
FINAL = ("ok", "failed-check", "diverged")  # another run would give the same
START_UP = 60.0  #: seconds that a process may take before its first word, on a busy machine
GRACE = 5.0  #: seconds between a cell's last word and its end


@dataclass
class Run:
    """What a pool has done; `interrupted` by Ctrl-C or by the end of who asked for it."""

    outcomes: list[Outcome] = field(default_factory=list)
    interrupted: bool = False


@dataclass
class _Child:
    spec: CellSpec
    process: BaseProcess
    events: Connection
    slot: int
    started: float
    deadline: float
    said: tuple[str, Any] | None = None  #: its last word: done or raised
    listening: bool = True  #: its end of the pipe is open


def run(
    specs: list[CellSpec],
    root: Path,
    results: Path,
    *,
    jobs: int = 1,
    reporter: Reporter,
    runner: str = RUNNER,
    abandoned: Callable[[], bool] = lambda: False,
) -> Run:
    """Run cells, those expected to take longest first; return their outcomes in order of ending.

    Args:
        specs: what to run; each under its suite's time limit (seconds).
        root, results: the clone, and where records go.
        jobs: processes at once.
        reporter: is told of starts, progress and ends.
        runner: "module:function" with the signature of bench.cell.run_cell.
        abandoned: asked every second; True stops everything.
    """
    return _Pool(root, results, jobs, reporter, runner, abandoned).run(specs)


class _Pool:
    def __init__(
        self,
        root: Path,
        results: Path,
        jobs: int,
        reporter: Reporter,
        runner: str,
        abandoned: Callable[[], bool],
    ) -> None:
        self.root, self.results, self.runner = root, results, runner
        self.reporter, self.abandoned = reporter, abandoned
        self.slots = list(range(max(1, jobs)))
        self.children: list[_Child] = []
        self.done = Run()
        self.pipe = multiprocessing.Pipe(duplex=False)  # lifeline: read end, write end

    def run(self, specs: list[CellSpec]) -> Run:
        todo = deque(self.reporter.longest_first(specs))
        context = _context(specs, self.runner)
        try:
            while (todo or self.children) and not self.done.interrupted:
                while todo and self.slots:
                    self._start(context, todo.popleft())
                self._listen()
                self.reporter.tick()
                self.done.interrupted = self.abandoned()
        except KeyboardInterrupt:
            self.done.interrupted = True
        finally:
            for child in self.children:
                _kill(child.process)
            self.pipe[0].close()
            self.pipe[1].close()
            self.reporter.close()
        return self.done

    def _start(self, context: Any, spec: CellSpec) -> None:
        receive, send = context.Pipe(duplex=False)
        slot = self.slots.pop(0)
        job = worker.Job(
            spec, self.root, self.results, self.runner, self._log(spec), _environment(spec, slot)
        )
        process = context.Process(target=worker.main, args=(job, send, self.pipe[0]))
        process.start()
        send.close()
        now = monotonic()
        deadline = now + START_UP + spec.suite.time_limit
        self.children.append(_Child(spec, process, receive, slot, now, deadline))
        self.reporter.started(spec)

    def _listen(self) -> None:
        """Wait up to a second for a word, an end or a deadline."""
        now = monotonic()
        nearest = min(c.deadline for c in self.children)
        sources: list[Any] = [c.process.sentinel for c in self.children]
        sources += [c.events for c in self.children if c.listening]
        ready = wait(sources, timeout=max(0.0, min(1.0, nearest - now)))
        for child in list(self.children):
            if child.events in ready or child.process.sentinel in ready:
                self._hear(child)
            ended = child.process.sentinel in ready
            if ended or monotonic() >= child.deadline:
                self._end(child, ended)

    def _hear(self, child: _Child) -> None:
        try:
            while child.events.poll():
                kind, data = child.events.recv()
                if kind == "started":
                    child.deadline = monotonic() + child.spec.suite.time_limit
                elif kind == "event":
                    self.reporter.event(child.spec, data)
                else:
                    child.said = (kind, data)
                    child.deadline = min(child.deadline, monotonic() + GRACE)
        except (EOFError, OSError):
            child.listening = False

    def _end(self, child: _Child, ended: bool) -> None:
        _kill(child.process)
        self.children.remove(child)
        self.slots.append(child.slot)
        outcome = self._outcome(child, ended)
        child.events.close()
        self.done.outcomes.append(outcome)
        self.reporter.finished(outcome)

    def _outcome(self, child: _Child, ended: bool) -> Outcome:
        seconds = monotonic() - child.started
        if child.said is not None and child.said[0] == "done":
            record = records.Record.model_validate(child.said[1])
            return Outcome(child.spec, record.status, record.reason, seconds, record)
        limit = child.spec.suite.time_limit
        if not ended:
            reason = (
                f"stopped after {limit:g} s, the suite's time limit. Raise time_limit in "
                "params.yaml, or make the model or its budget smaller"
            )
            return self._failed(child.spec, "timeout", reason, seconds)
        if child.said is not None:
            return self._failed(child.spec, "error", str(child.said[1]), seconds)
        return self._failed(child.spec, "error", self._death(child), seconds)

    def _death(self, child: _Child) -> str:
        code = child.process.exitcode or 0
        log = self._log(child.spec)
        shown = log.relative_to(self.root) if log.is_relative_to(self.root) else log
        if code < 0:
            how = f"was killed by {signal.Signals(-code).name}, often for want of memory"
        else:
            how = f"ended itself with exit code {code}"
        return f"the cell's process {how}, before it had a record. What it printed: {shown}"

    def _failed(
        self, spec: CellSpec, status: records.Status, reason: str, seconds: float
    ) -> Outcome:
        record = write_failure(spec, status, reason, self.results)
        return Outcome(spec, status, reason, seconds, record)

    def _log(self, spec: CellSpec) -> Path:
        return self.root / ".bench" / "logs" / spec.dataset.name / f"{spec.model.name}.log"


def write_failure(
    spec: CellSpec, status: records.Status, reason: str, results: Path
) -> records.Record | None:
    """The record of a cell that could not write its own, unless it stands there already.

    None where the disk refuses it: the outcome then lives in this process alone.
    """
    file = records.record_path(results, spec.dataset.name, spec.model.name)
    with contextlib.suppress(BenchError, FileNotFoundError):
        old = records.read(file)
        if (old.status, old.reason) == (status, reason):
            return old
    from bench.cell import failed

    record = failed(spec, status, reason)
    with contextlib.suppress(BenchError):
        records.write(records.cost_path(results, spec.dataset.name, spec.model.name), _NO_COST)
        records.write(file, record)
        return record
    return None


_NO_COST = records.CostRecord()


def _context(specs: list[CellSpec], runner: str) -> Any:
    """Warm for many cells on the CPU; CUDA does not survive a fork, and one cell gains nothing."""
    os.environ.update(worker.one_thread())
    if len(specs) < 2 or any(s.suite.device == "cuda" for s in specs):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([worker.__name__, runner.partition(":")[0], *SLOW_IMPORTS])
    return context


def _environment(spec: CellSpec, slot: int) -> dict[str, str]:
    """One thread; on several GPUs, the slot's own."""
    environment = worker.one_thread()
    if spec.suite.device == "cuda" and (devices := _gpus()):
        environment["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
    return environment


def _gpus() -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [d for d in named.split(",") if d]
    return [str(i) for i, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]


def _kill(process: BaseProcess) -> None:
    """End the process and all that it started."""
    pid = process.pid
    assert pid is not None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        process.kill()
    process.join(GRACE)
