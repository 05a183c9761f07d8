"""Keeps `results/data/` current with the plan. Imports no torch: the work is a child's."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.cellspec import CellSpec
from bench.errors import MissingError
from bench.leaks.report import SCHEMA, read, report_path
from bench.pipeline import closure
from bench.registry import DatasetEntry, check_requires
from bench.settings import Sizes

START_UP = 60.0  #: seconds for the child to import what it needs
AUDIT = closure.PACKAGE / "leaks" / "audit.py"


@dataclass(frozen=True)
class Job:
    """One data set to be reported on."""

    entry: DatasetEntry
    sizes: Sizes
    seconds: float  #: time limit
    inputs: str  #: sha256 of what the report is made of

    def current(self, results: Path) -> bool:
        """The report that is there was made of the same."""
        report = read(report_path(results, self.entry.name))
        return report is not None and report.inputs == self.inputs


def refresh(specs: Iterable[CellSpec], root: Path, removing: bool = True) -> list[str]:
    """Write the reports that are absent or out of date, remove those no longer planned.

    `removing=False` while a plugin file does not parse: what it plans is then unknown.

    Returns one sentence for each change and each data set whose report could not be made; the
    latter is tried again the next time.
    """
    results, planned = root / "results", jobs(specs)
    removed = remove(planned, results) if removing else []
    return [
        *(f"{name}: no longer planned, its data report was removed" for name in removed),
        *sentences(make(planned, root, results)),
    ]


def sentences(made: dict[str, str | None]) -> list[str]:
    """What `make` did, in words."""
    return [
        f"{name}: data report written" if wrong is None else f"{name}: no data report: {wrong}"
        for name, wrong in made.items()
    ]


def jobs(specs: Iterable[CellSpec]) -> list[Job]:
    """One job for each data set of the cells, in their order."""
    chosen = {s.dataset.name: s for s in specs}
    return [job(s.dataset, s.suite.sizes, s.suite.time_limit) for s in chosen.values()]


def job(entry: DatasetEntry, sizes: Sizes, seconds: float) -> Job:
    """The job of one data set, with the digest of its inputs."""
    return Job(entry, sizes, seconds, inputs(entry, sizes))


def inputs(entry: DatasetEntry, sizes: Sizes) -> str:
    """sha256 (hex) of a data set's source, its sizes, and the code of the reports."""
    sha = hashlib.sha256(f"{SCHEMA} {entry.name} {sizes if entry.truth else ''}\n".encode())
    files = closure.closure(entry.file).files | closure.closure(AUDIT).files
    for file in sorted(files - {closure.PACKAGE / name for name in closure.NOT_TRAINING}):
        sha.update(f"{file.name}\n".encode())
        sha.update(file.read_bytes())
    return sha.hexdigest()


def remove(planned: list[Job], results: Path) -> list[str]:
    """Remove the reports of data sets without a job; return their names."""
    kept = {report_path(results, j.entry.name) for j in planned}
    gone = sorted(set((results / "data").glob("*.json")) - kept)
    for file in gone:
        file.unlink()
    return [file.stem for file in gone]


def make(planned: list[Job], root: Path, results: Path) -> dict[str, str | None]:
    """Write the reports that are not current, in a child process.

    Returns, for each of them, None or why there is no report.
    """
    made: dict[str, str | None] = {}
    todo = []
    for job in planned:
        if job.current(results):
            continue
        try:
            check_requires(job.entry)
            todo.append(job)
        except MissingError as error:
            made[job.entry.name] = str(error)
    while todo:
        answers, ready, end = _child(todo, root, results)
        if len(answers) < len(todo):
            # the one after the last answer ended the process, and the others are asked for again;
            # a process that did not start will not start for them either
            guilty = todo[len(answers) :][: 1 if ready else None]
            answers |= {j.entry.name: f"its audit {end}" for j in guilty}
        made |= answers
        todo = [j for j in todo if j.entry.name not in answers]
    return made


def _child(todo: list[Job], root: Path, results: Path) -> tuple[dict[str, str | None], bool, str]:
    """What the child answered, in the order asked, whether it got to work, and how it ended."""
    log = root / ".bench" / "logs" / "data.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    request = {
        "results": str(results),
        "jobs": [
            {"dataset": j.entry.name, "sizes": j.sizes.model_dump(), "inputs": j.inputs}
            for j in todo
        ],
    }
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.leaks.audit"],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    limit, end = START_UP + sum(j.seconds for j in todo), ""
    try:
        output, _ = process.communicate(json.dumps(request), timeout=limit)
    except subprocess.TimeoutExpired as late:
        _kill(process)
        output, _ = process.communicate()
        end = f"was stopped after {late.timeout:g} s, the suite's time_limit for all of them"
    finally:
        _kill(process)
    ready, *answers = [json.loads(line) for line in output.splitlines()] or [None]
    shown = log.relative_to(root)
    end = end or f"ended with exit code {process.returncode}. What it printed: {shown}"
    return dict(answers), ready is not None, end


def _kill(process: subprocess.Popen[str]) -> None:
    """End the child and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
