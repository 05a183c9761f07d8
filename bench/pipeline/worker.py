"""What runs inside a cell's own process."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

from bench.cellspec import CellSpec

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SECONDS_BETWEEN_EVENTS = 0.2


@dataclass(frozen=True)
class Job:
    """One cell and where it runs; sent to the process by pickle."""

    spec: CellSpec
    root: Path
    results: Path
    runner: str  #: "module:function", called as run_cell(spec, root, results, report) -> Record
    log: Path  #: takes what the plugin prints
    environment: dict[str, str] = field(default_factory=dict)


def main(job: Job, events: Connection, lifeline: Connection) -> None:
    """Run the job; send ("started", None), ("event", dict) while it runs, then ("done", record).

    `lifeline` is a pipe whose other end the parent alone holds: when it closes, the parent is gone
    and this process group ends with it, so that no orphan writes a record.
    """
    os.setsid()
    os.environ.update(job.environment)
    _redirect(job.log)
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    events.send(("started", None))
    module, _, name = job.runner.partition(":")
    try:
        run = getattr(importlib.import_module(module), name)
        record = run(job.spec, job.root, job.results, _Sender(events))
        events.send(("done", record.model_dump(mode="json")))
    except Exception as error:
        traceback.print_exc()
        events.send(("raised", f"{type(error).__name__}: {' '.join(str(error).split())}"))
    sys.stdout.flush()
    sys.stderr.flush()


def one_thread() -> dict[str, str]:
    """Environment of a cell: one thread, without which bits depend on the machine's load."""
    return dict.fromkeys(THREAD_VARIABLES, "1")


class _Sender:
    """Sends progress at most five times a second; a change of phase at once."""

    def __init__(self, events: Connection) -> None:
        self.events, self.phase, self.last = events, None, 0.0

    def __call__(self, event: dict[str, Any]) -> None:
        now, phase = monotonic(), event.get("phase")
        if phase != self.phase or now - self.last >= SECONDS_BETWEEN_EVENTS:
            self.phase, self.last = phase, now
            self.events.send(("event", event))


def _redirect(log: Path) -> None:
    """Nothing to read; what is printed goes to the log, or nowhere on a full disk."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError:
        target = os.open(os.devnull, os.O_WRONLY)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(target, 1)
    os.dup2(target, 2)


def _die_with(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)
