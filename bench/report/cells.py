"""The planned cells with their records, each file read once."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from bench import paths, records
from bench.errors import BenchError, MissingError, UsageError
from bench.records import CostRecord, Record
from bench.registry import Registry

INDEX = "records.json"
STALE = "made by other code, data or settings than the present ones. Run: dvc repro"


@dataclass(frozen=True)
class Cell:
    """One planned (data set, model) pair and what is known of it.

    `record` is None where there is no readable one; `status` and `reason` then say why.
    """

    dataset: str
    model: str
    status: str
    reason: str | None
    record: Record | None
    cost: CostRecord
    artifact: Path
    curve: Path
    implementation: str = ""
    family: str = ""
    likelihood: str = ""
    twin: str | None = None
    audit: bool = False  #: planned to audit the model, on a known truth of another suite

    @property
    def nats(self) -> float | None:
        """Mean test log-likelihood per point, data units; None where there is no finite score."""
        score = self.record.score if self.record else None
        return score.nats.mean if score else None

    @property
    def log_prob_us(self) -> float | None:
        """Median time of log_prob, microseconds per point; None where it was not timed."""
        times = self.cost.cost.log_prob_us
        return times.p50 if times else None

    def verdicts(self, verdict: str) -> int:
        """How many checks ended so."""
        return sum(c.verdict == verdict for c in self.record.checks) if self.record else 0


@dataclass(frozen=True)
class DataSet:
    """A data set's card as far as it is known, and its planned cells in the plan's order."""

    name: str
    cells: tuple[Cell, ...]
    kind: str = ""
    dim: int | None = None
    levels: int | None = None
    truth: bool = False

    @property
    def discrete(self) -> bool:
        """Scores are bits/dim; otherwise nats."""
        return self.kind in ("discrete", "binary") or (
            self.kind == "sequence" and bool(self.levels)
        )


@dataclass(frozen=True)
class Results:
    """A result set: the suite's name, its data sets and its audit's truths in the plan's order."""

    suite: str
    datasets: tuple[DataSet, ...]
    problems: tuple[str, ...] = ()  #: plugin files that could not be read
    audits: tuple[DataSet, ...] = ()  #: empty for a suite without an audit


def read_results(results: Path, registry: Registry | None = None) -> Results:
    """Read the plan's index and every record once.

    Without an index the records found on disk are the plan: those of the suite that most of them
    belong to, audited by the others. Raises MissingError where there is neither, UsageError for a
    damaged index; a damaged record becomes a cell of status error.
    """
    index = _index(results)
    cells = [_cell(results, item, registry) for item in index["cells"]]
    suite = str(index["suite"])
    if not suite:
        suite, cells = _guessed_suite(cells)
    order = {name: i for i, name in enumerate(dict.fromkeys(c.dataset for c in cells))}
    cells.sort(key=lambda c: order[c.dataset])
    grouped = groupby(cells, key=lambda c: c.dataset)
    datasets = [_dataset(name, tuple(group), registry) for name, group in grouped]
    ordinary = tuple(d for d in datasets if not d.cells[0].audit)
    audits = tuple(d for d in datasets if d.cells[0].audit)
    return Results(suite, ordinary, tuple(index.get("problems", ())), audits)


def _guessed_suite(cells: list[Cell]) -> tuple[str, list[Cell]]:
    """The suite of most records, and the cells with those of other suites as its audit."""
    suites = Counter(c.record.cell.suite for c in cells if c.record)
    suite = max(sorted(suites), key=suites.__getitem__, default="")
    others = {c.dataset for c in cells if c.record and c.record.cell.suite != suite}
    return suite, [replace(c, audit=c.dataset in others) for c in cells]


def _index(results: Path) -> dict[str, Any]:
    file = results / INDEX
    if file.is_file():
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            wanted = ("dataset", "model", "digest", "status")
            cells = [
                {key: cell[key] for key in wanted} | {"audit": bool(cell.get("audit"))}
                for cell in data["cells"]
            ]
            return {**data, "suite": data["suite"], "cells": cells}
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{file} is damaged ({type(error).__name__}: {error}). Delete it and run: dvc repro"
            ) from error
    found = list(_found(results / "records"))
    if not found:
        raise MissingError(f"{results} holds no records. Run the pipeline first: dvc repro")
    return {"suite": "", "cells": found}


def _found(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*/*.json")):
        if not file.name.endswith(".cost.json"):
            yield {"dataset": file.parent.name, "model": file.stem, "digest": "", "status": None}


def _cell(results: Path, item: dict[str, Any], registry: Registry | None) -> Cell:
    dataset, model = item["dataset"], item["model"]
    record, reason = None, "no record yet. Run: dvc repro"
    status = item["status"] if item["status"] in records.STATUSES[1:] else "missing"
    if item["digest"] is not None:
        try:
            record = records.read(records.record_path(results, dataset, model))
            status = record.status
            reason = record.reason or (STALE if item["status"] == "stale" else "")
        except FileNotFoundError as error:
            reason = f"its record {Path(error.filename).name} is gone. Run: dvc repro"
        except (BenchError, OSError) as error:
            status, reason = "error", _local(str(error), results)
    cost = _cost(results, dataset, model) if record else CostRecord()
    return Cell(
        dataset=dataset,
        model=model,
        status=status,
        reason=reason or None,
        record=record,
        cost=cost,
        artifact=paths.artifact_path(results, dataset, model),
        curve=paths.curve_path(results, dataset, model),
        audit=item.get("audit", False),
        **_identity(record, registry.models.get(model) if registry else None),
    )


def _local(sentence: str, results: Path) -> str:
    """The tables are published: they name files from the results folder down."""
    return sentence.replace(f"{results}{os.sep}", "")


def _cost(results: Path, dataset: str, model: str) -> CostRecord:
    try:
        return records.read_cost(records.cost_path(results, dataset, model))
    except (BenchError, OSError):
        return CostRecord()  # times are shown as absent; the score stands on the other file


def _identity(record: Record | None, entry: Any) -> dict[str, Any]:
    source = record.cell if record else entry
    if source is None:
        return {}
    return {
        "implementation": source.implementation,
        "family": source.family or "",
        "likelihood": source.likelihood,
        "twin": source.twin,
    }


def _dataset(name: str, cells: tuple[Cell, ...], registry: Registry | None) -> DataSet:
    entry = registry.datasets.get(name) if registry else None
    if entry is None:
        return _guessed(name, cells)
    return DataSet(name, cells, entry.kind, entry.dim, entry.levels, entry.truth)


def _guessed(name: str, cells: Iterable[Cell]) -> DataSet:
    """The card of a data set whose plugin is gone, from its records."""
    scores = [c.record.score for c in cells if c.record and c.record.score]
    discrete = any(s.bits_per_dim for s in scores)
    truth = any(s.truth_nats is not None for s in scores)
    return DataSet(name, tuple(cells), "discrete" if discrete else "continuous", truth=truth)
