"""What the three stages of the root dvc.yaml run, and the one cell of a generated stage."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench import paths, records
from bench.atomic import write_text
from bench.cellspec import CellSpec
from bench.errors import BenchError, UsageError
from bench.leaks.refresh import refresh
from bench.pipeline import cells, dvc, execute
from bench.pipeline.pool import FINAL
from bench.pipeline.progress import summary
from bench.pipeline.project import Project, open_project, read_index
from bench.pipeline.stages import Stage

INTERRUPTED = 130
STRICT = ("failed-check", "missing")  # failures only where asked for


def cells_stage() -> int:
    """Plan, write the stage files, bring every stale cell up to date, write results/records.json.

    With BENCH_JOBS=N the stale cells run side by side and are committed; without it DVC runs them
    one by one. Returns 0 even where cells failed (the last stage says so), 130 after Ctrl-C.
    """
    jobs = jobs_wanted()
    project = open_project()
    dvc.require(project.root)
    stages, removed = project.write_stages()
    if removed:
        say(f"no longer planned, removed: {', '.join(removed)}")
    for warning in [*project.problems, *cells.unfair([s.spec for s in stages])]:
        say(f"warning: {warning}")
    workspace = project.workspace()
    waiting = workspace.stale(stages)
    stale = execute.runnable(waiting, project.results)
    interrupted = False
    if stale:
        others = [s for s in waiting if s not in stale]
        if jobs is None:
            interrupted = _nested(project, stale, others)
        else:
            interrupted = execute.in_pool(project, stale, others, jobs).interrupted
    elif not waiting:
        say(f"all {len(stages)} cells are up to date")
    write_index(project, stages)
    (project.results / "data").mkdir(exist_ok=True)  # an output of DVC, reports or not
    if not interrupted:
        specs = [s.spec for s in stages]
        for line in refresh(specs, project.root, removing=not project.problems):
            say(line)
    return INTERRUPTED if interrupted else 0


def check_stage(strict: bool = False) -> int:
    """0 if every planned cell has a current record that is no error; else name the others, 1.

    `strict` counts failed checks and missing packages, data or GPUs as well.
    """
    root = paths.root()
    index = read_index(root)
    statuses = [c["status"] for c in index["cells"]]
    bad = [c for c in index["cells"] if is_failure(c["status"], strict)]
    for cell in bad:
        say(f"{cell['status']}: {cell['dataset']}/{cell['model']}: {_reason(root, cell)}")
    for problem in index["problems"]:
        say(f"problem: {problem}")
    say(f"{summary(statuses)}. Page: results/leaderboard.html")
    return 1 if bad or index["problems"] else 0


def is_failure(status: str, strict: bool) -> bool:
    """Whether a cell of this status makes the whole fail."""
    return status not in (*FINAL, *STRICT) or (strict and status in STRICT)


def run_one(dataset: str, model: str, suite: str | None = None) -> int:
    """One cell in a process of its own, under its time limit: what a generated stage runs.

    Returns 0 for a final status (ok, failed-check, diverged), 1 for one that may pass another time.
    Raises UsageError for a pair that is not planned.
    """
    project = open_project()
    name = suite or project.params.suite
    spec = planned(project, name, dataset, model)
    results = results_of(project, name)
    run = execute.pool_of([spec], project, results, jobs=1)
    if run.interrupted:
        return INTERRUPTED
    return 0 if run.outcomes[0].status in FINAL else 1


def planned(project: Project, suite: str, dataset: str, model: str) -> CellSpec:
    """The one cell of this pair. Raises UsageError, saying why it does not exist."""
    entry, data = project.registry.model(model), project.registry.dataset(dataset)
    specs = {s.name: s for s in project.plan(suite)}
    if (name := f"{dataset}/{model}") in specs:
        return specs[name]
    if cells.meets(entry, data) is None:
        raise UsageError(
            f"model '{model}' does not meet data set '{dataset}': it accepts "
            f"{', '.join(entry.accepts)} in {entry.min_dim} to {entry.max_dim or 'any number of'} "
            f"dimensions, the data are {data.kind} in {data.dim}. See: bench list cells"
        )
    raise UsageError(
        f"suite '{suite}' does not plan {name}. Add it in params.yaml, or see: bench list cells"
    )


def results_of(project: Project, suite: str, device: str | None = None) -> Path:
    """results/ for the active suite as it stands, results/suites/<name>/ for any other."""
    changed = device is not None and device != project.params.suites[suite].device
    if suite == project.params.suite and not changed:
        return project.results
    return project.results / "suites" / (f"{suite}-{device}" if changed else suite)


def write_index(project: Project, stages: list[Stage]) -> dict[str, Any]:
    """Write results/records.json: of each planned cell the status and digests of its files.

    `digest` is of the record, `rest` of the cost record, curve and pictures. Status `absent`: no
    record; `stale`: one that the present code, data and settings did not make; `damaged`. `audit`
    marks the cells of another suite that audit this one's models.
    """
    workspace = project.workspace()
    rows = [_row(project.root, stage, workspace.fresh(stage)) for stage in stages]
    index = {
        "schema": 1,
        "suite": project.params.suite,
        "cells": rows,
        "problems": project.problems,
    }
    text = json.dumps(index, indent=1) + "\n"
    write_text(project.results / "records.json", text)
    return index


def jobs_wanted() -> int | None:
    """BENCH_JOBS, or None where it is not set. Raises UsageError for anything but a number >= 1."""
    text = os.environ.get("BENCH_JOBS", "")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"BENCH_JOBS is '{text}'; expected a whole number from 1 up, or nothing")
    return int(text)


def say(line: str) -> None:
    """One line to stderr."""
    print(line, file=sys.stderr, flush=True)


def _nested(project: Project, stale: list[Stage], others: list[Stage]) -> bool:
    try:
        code = dvc.repro(project.root, dvc.targets(stale, others))
    except KeyboardInterrupt:
        say("interrupted: cells that had ended are kept. Go on with: dvc repro")
        return True
    if code:
        say("some cells did not come to a record; they are named at the end")
    return False


def _row(root: Path, stage: Stage, fresh: bool) -> dict[str, Any]:
    dataset, model = stage.spec.dataset.name, stage.spec.model.name
    file = records.record_path(root / "results", dataset, model)
    rest = [root / out for out in stage.outs if root / out != file and "checkpoints" not in out]
    return {
        "dataset": dataset,
        "model": model,
        "digest": _digest([file]),
        "rest": _digest(rest),
        "status": _status(file, fresh),
        **({"audit": True} if stage.spec.audit else {}),
    }


def _status(file: Path, fresh: bool) -> str:
    if not file.is_file():
        return "absent"
    try:
        status = records.read(file).status
    except BenchError:
        return "damaged"
    return "stale" if status in FINAL and not fresh else status


def _digest(files: list[Path]) -> str | None:
    """sha256 over the files that exist, 16 hexadecimal digits; None where there is none."""
    held = [f.read_bytes() for f in files if f.is_file()]
    return hashlib.sha256(b"\0".join(held)).hexdigest()[:16] if held else None


def _reason(root: Path, cell: dict[str, Any]) -> str:
    remedies = {
        "absent": "no record was written. Run: dvc repro",
        "stale": "its inputs changed while it ran, or its run did not end. Run: dvc repro",
        "damaged": "its record cannot be read. Delete it and run: dvc repro",
    }
    if cell["status"] in remedies:
        return remedies[cell["status"]]
    file = records.record_path(root / "results", cell["dataset"], cell["model"])
    return records.read(file).reason or "no reason given"
