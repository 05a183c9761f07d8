"""`bench check --calibrate`: the battery's own error rates."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import typer

from bench.cli import output

if TYPE_CHECKING:
    from bench.calibration.table import Calibration

SEEDS = 3  #: of honest models: some eight minutes on two cores
CHEATS = 4  #: honest seeds for one of a cheat
INTERVAL = 10.0  #: seconds between lines of progress


def calibrate(seeds: int = SEEDS, jobs: int = 1, json: bool = False, write: bool = False) -> None:
    """Run planted cheats and honest models through the battery and print what it says of them.

    Exit code 1 when an honest model fails a check, or a named cheat fails none.

    Args:
        seeds: of every honest model; cheats get a quarter as many, at least one.
        jobs: processes, one thread each.
        json: print one JSON object with all tables.
        write: write results/calibration.md and results/calibration.json too.
    """
    from bench import paths
    from bench.calibration import document, run
    from bench.calibration.table import summarise

    todo = run.tasks(seeds, max(1, seeds // CHEATS))
    runs = run.measure(todo, jobs, _Progress(json))
    result = summarise(runs)
    if json:
        print(document.as_json(result, runs))
    else:
        _print(result)
    if write:
        for file in document.write(result, runs, paths.root() / "results"):
            output.note(f"wrote {file}")
    output.note(document.sentence(result))
    if not result.kept:
        raise typer.Exit(1)


def _print(result: Calibration) -> None:
    """The tables one after the other; titles go to stderr."""
    tables = {
        "Checks": result.checks,
        "Cheats": result.cheats,
        "Honest models": result.honest,
        "False alarms": result.alarms,
    }
    for title, rows in tables.items():
        if rows:
            output.note(f"\n{title}")
            output.emit(rows)


class _Progress:
    """A line on stderr every ten seconds, and the last one."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.started, self.said = quiet, monotonic(), monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        now = monotonic()
        if self.quiet or (done < total and now - self.said < INTERVAL):
            return
        self.said = now
        output.note(f"{done} of {total} in {now - self.started:.0f} s: {what}")
