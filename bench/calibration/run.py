"""Runs the cases over seeds, side by side, into one table with a row per verdict."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import process_time

import pandas as pd
import torch

from bench.calibration.cases import Case, cases
from bench.checks import battery
from bench.errors import BenchError
from bench.pipeline.worker import one_thread
from bench.records import Check
from bench.scoring import point_scores

COLUMNS = (
    "case", "name", "base", "truth", "honest", "named", "seed",
    "check", "verdict", "statistic", "threshold", "detail", "seconds",
)  # fmt: skip
Report = Callable[[int, int, str], None]  #: (done, all, what was done)
Task = tuple[str, int]  #: key of a case, seed


def tasks(seeds: int, cheat_seeds: int, keys: Iterable[str] | None = None) -> list[Task]:
    """Every honest model with seeds 0..seeds-1 and every cheat with 0..cheat_seeds-1."""
    chosen = cases() if keys is None else {k: cases()[k] for k in keys}
    times = {k: seeds if c.honest else cheat_seeds for k, c in chosen.items()}
    return [(k, s) for s in range(max(times.values())) for k in chosen if s < times[k]]


def measure(todo: list[Task], jobs: int = 1, report: Report = lambda *_: None) -> pd.DataFrame:
    """Build each case, run the whole battery on it; one row per verdict, in the order of `todo`.

    Args:
        todo: pairs of case and seed.
        jobs: processes, each of one thread.
        report: told of every end.
    """
    rows: dict[Task, list[dict[str, object]]] = {}
    with _results(todo, jobs) as results:
        for done, (task, found) in enumerate(results, 1):
            rows[task] = found
            report(done, len(todo), f"{task[0]}, seed {task[1]}")
    return pd.DataFrame([row for task in todo for row in rows[task]], columns=list(COLUMNS))


@contextmanager
def _results(todo: list[Task], jobs: int) -> Iterator[Iterator[tuple[Task, list[dict]]]]:
    """The outcomes as they come."""
    if jobs < 2:
        yield map(run_task, todo)
        return
    os.environ.update(one_thread())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Pool(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield pool.imap_unordered(run_task, todo)


def run_task(task: Task) -> tuple[Task, list[dict[str, object]]]:
    """One case with one seed: a row per check, each with the battery's CPU time in `seconds`.

    A model that cannot be built has one row, of a check called `build`.
    """
    key, seed = task
    case = cases()[key]
    started = process_time()
    try:
        subject = case.make(seed)
        if subject.likelihood != "none":
            subject.scored = point_scores(subject, subject.splits.test)
        started = process_time()
        found = battery.run(subject)
    except BenchError as error:
        found = [Check(name="build", verdict="error", detail=str(error))]
    shared = {**_columns(case), "seed": seed, "seconds": round(process_time() - started, 2)}
    wanted = {"name", "verdict", "statistic", "threshold", "detail"}
    outcomes = [check.model_dump(include=wanted) for check in found]
    return task, [{**o, "check": o.pop("name"), **shared} for o in outcomes]


def _columns(case: Case) -> dict[str, object]:
    return {
        "case": case.key,
        "name": case.name,
        "base": case.base,
        "truth": case.truth,
        "honest": case.honest,
        "named": case.named,
    }
