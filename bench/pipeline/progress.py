"""What a person sees while cells run: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

from bench import records
from bench.cellspec import CellSpec
from bench.errors import BenchError

HEARTBEAT = 30.0  #: seconds between plain lines while no cell ends
FRAME = 0.2  #: seconds between redrawings of the live line


@dataclass
class Outcome:
    """How one cell ended."""

    spec: CellSpec
    status: str
    reason: str | None
    seconds: float  #: of the whole process
    record: records.Record | None


class Reporter:
    """Counts, estimates and prints; to stderr, because results go to stdout."""

    def __init__(
        self,
        total: int,
        *,
        expected: dict[str, float] | None = None,
        jobs: int = 1,
        quiet: bool = False,
        stream: TextIO | None = None,
        live: bool | None = None,
    ) -> None:
        self.stream = stream or sys.stderr
        self.live = not quiet and (_terminal(self.stream) if live is None else live)
        self.total, self.jobs, self.quiet = total, max(1, jobs), quiet
        self.expected = dict(expected or {})
        self.outcomes: list[Outcome] = []
        self.running: dict[str, tuple[float, dict[str, Any]]] = {}
        self.latest = ""
        self.drawn = self.spoken = monotonic()

    def longest_first(self, specs: list[CellSpec]) -> list[CellSpec]:
        """Unknown cells, then the known ones by falling time."""
        return sorted(specs, key=lambda s: -self.expected.get(s.name, float("inf")))

    def started(self, spec: CellSpec) -> None:
        """A cell's process has been started."""
        self.running[spec.name] = (monotonic(), {})
        self.latest = spec.name

    def event(self, spec: CellSpec, event: dict[str, Any]) -> None:
        """Progress of a cell: phase, seed (from 0), seeds, step, steps; all optional."""
        if spec.name in self.running:
            self.running[spec.name] = (self.running[spec.name][0], event)
            self.latest = spec.name

    def finished(self, outcome: Outcome) -> None:
        """A cell has ended: its line stays."""
        self.running.pop(outcome.spec.name, None)
        self.outcomes.append(outcome)
        if not self.quiet:
            self._clear()
            print(describe(outcome), file=self.stream, flush=True)
            self.spoken = monotonic()

    def tick(self) -> None:
        """Redraw the live line, or say that all is well every 30 seconds."""
        now = monotonic()
        if self.live and now - self.drawn >= FRAME:
            columns = shutil.get_terminal_size().columns - 1
            self.stream.write(f"\r\x1b[2K{self.line()[:columns]}")
            self.stream.flush()
            self.drawn = now
        elif not (self.live or self.quiet) and now - self.spoken >= HEARTBEAT:
            print(self.line(), file=self.stream, flush=True)
            self.spoken = now

    def close(self) -> None:
        """Take the live line away."""
        self._clear()

    def line(self) -> str:
        """`37%  cell 14/60  power x maf  train  seed 2/3  step 4000/10000  eta 6 min`."""
        if self.latest not in self.running:
            self.latest = next(iter(self.running), "")
        done = len(self.outcomes)
        parts = [f"{100 * done // max(1, self.total)}%", f"cell {done}/{self.total}"]
        if self.latest:
            event = self.running[self.latest][1]
            parts.append(self.latest.replace("/", " x "))
            parts += [str(event["phase"])] if "phase" in event else []
            parts += [f"seed {event['seed'] + 1}/{event['seeds']}"] if "seeds" in event else []
            parts += [f"step {event['step']}/{event['steps']}"] if "steps" in event else []
        parts.append(f"eta {self._eta()}")
        return "  ".join(parts)

    def _eta(self) -> str:
        """Remaining seconds by previous runs of the same cells, else by the mean of this run's."""
        took = [o.seconds for o in self.outcomes]
        usual = sum(took) / len(took) if took else None
        ended = {o.spec.name for o in self.outcomes}
        known = {k: v for k, v in self.expected.items() if k not in ended}
        unknown = self.total - len(ended) - len(known)
        if unknown > 0 and usual is None:
            return "?"
        spent = sum(
            min(monotonic() - start, known.get(name, usual or 0.0))
            for name, (start, _) in self.running.items()
        )
        left = sum(known.values()) + max(0, unknown) * (usual or 0.0) - spent
        return duration(max(0.0, left) / self.jobs)

    def _clear(self) -> None:
        if self.live:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()


def expected_seconds(specs: list[CellSpec], results: Path) -> dict[str, float]:
    """Seconds that each cell took last time, by name; cells without a cost record are left out."""
    times = {}
    for spec in specs:
        try:
            cost = records.read_cost(records.cost_path(results, spec.dataset.name, spec.model.name))
        except BenchError:
            continue
        if cost.wall_seconds:
            times[spec.name] = cost.wall_seconds
    return times


def describe(outcome: Outcome) -> str:
    """`ok  power  maf  -0.24 ± 0.01 nats  9/9 checks  41 s`, or the reason."""
    spec, record = outcome.spec, outcome.record
    parts = [f"{outcome.status:<12}", spec.dataset.name, spec.model.name]
    if record is not None and record.score is not None:
        parts.append(_score(record.score))
    verdicts = Counter(c.verdict for c in record.checks) if record is not None else Counter()
    if told := verdicts["pass"] + verdicts["fail"]:
        parts.append(f"{verdicts['pass']}/{told} checks")
    parts.append(duration(outcome.seconds))
    if outcome.status != "ok" and outcome.reason:
        parts.append(outcome.reason)
    return "  ".join(parts)


def summary(statuses: list[str]) -> str:
    """`60 cells: 57 ok, 2 failed-check, 1 missing`."""
    counts = Counter(statuses)
    order = [*records.STATUSES, *sorted(set(counts) - set(records.STATUSES))]
    told = ", ".join(f"{counts[s]} {s}" for s in order if counts[s])
    noun = "cell" if len(statuses) == 1 else "cells"
    return f"{len(statuses)} {noun}: {told}" if told else f"{len(statuses)} {noun}"


def duration(seconds: float) -> str:
    """`8 s`, `6 min`, `1 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _score(score: records.Score) -> str:
    estimate, unit = score.nats, "nats"
    if score.bits_per_dim is not None:
        estimate, unit = score.bits_per_dim, "bits/dim"
    if estimate.mean is None:
        return "no score"
    error = "" if estimate.se_test is None else f" ± {estimate.se_test:.3f}"
    return f"{estimate.mean:.3f}{error} {unit}"


def _terminal(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM", "dumb") != "dumb"
