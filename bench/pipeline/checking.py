"""`bench check`: train a model briefly and run the battery on it, writing no record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench import paths, records
from bench.cellspec import CellSpec
from bench.errors import DivergedError, PluginError, UsageError, unknown
from bench.pipeline.cells import meets, plan
from bench.registry import Registry, discover
from bench.settings import DatasetPlan, Params, read_params

STEPS = 200  #: of training: the checks ask whether a likelihood is honest, not whether it is good
AUDIT = "audit"  #: the suite of known truths


@dataclass(frozen=True)
class Checked:
    """The battery's outcome on one data set. `reason`: why a model came to no score."""

    spec: CellSpec
    checks: list[records.Check]
    reason: str | None = None
    audit: bool = False  #: one of the known truths of the model's audit

    @property
    def failed(self) -> bool:
        """A check failed, or there was nothing to check."""
        return self.reason is not None or any(c.verdict == "fail" for c in self.checks)


def check_model(
    model: str, dataset: str | None = None, suite: str | None = None, fast: bool = False
) -> Iterator[Checked]:
    """Run the battery on a model: its audit (all known truths that it meets), or one data set.

    Without an audit for its kind of data, on the suite's data set to which most checks apply.

    Trainings of the audit are kept in `.bench/` and shared with `dvc repro`. A model that raises or
    diverges gets its reason, and the next truth its turn (with --debug the exception goes through).
    Raises UsageError for unknown names and for data that the model does not accept, MissingError
    for a package.
    """
    params, registry = read_params(paths.root() / "params.yaml"), discover()
    chosen = suite or params.suite
    specs = _audit(params, registry, model)
    root: Path | None = paths.root()
    audit = dataset is None and suite is None and bool(specs)
    if not audit:
        dataset = dataset or _nearest(params, registry, model, chosen)
        specs, root = [_short(params, registry, model, dataset, chosen)], None
    for spec in specs:
        yield _checked(spec, root, fast, audit)


def _checked(spec: CellSpec, root: Path | None, fast: bool, audit: bool) -> Checked:
    from bench.cell import check_only

    try:
        return Checked(spec, check_only(spec, root, fast), audit=audit)
    except (PluginError, DivergedError) as error:
        if os.environ.get("BENCH_DEBUG"):
            raise
        return Checked(spec, [], str(error), audit)


def _audit(params: Params, registry: Registry, model: str) -> list[CellSpec]:
    registry.model(model)
    if AUDIT not in params.suites:
        return []
    return [s for s in plan(params, registry, AUDIT) if s.model.name == model]


def _nearest(params: Params, registry: Registry, model: str, suite: str) -> str:
    """The suite's data set to which most checks apply: a known truth, of two dimensions or few."""
    entry = registry.model(model)
    if suite not in params.suites:
        raise unknown("suite", suite, params.suites, "bench list suites")
    met = [d for n in params.suites[suite].datasets if meets(entry, d := registry.dataset(n))]
    if not met:
        raise UsageError(
            f"model '{model}' accepts {', '.join(entry.accepts)}, which no data set of suite "
            f"'{suite}' is. Name one: bench check {model} -d DATASET"
        )
    return min(met, key=lambda d: (not d.truth, abs(d.dim - 2))).name


def _short(params: Params, registry: Registry, model: str, dataset: str, suite: str) -> CellSpec:
    entry, data = registry.model(model), registry.dataset(dataset)
    if entry.conditional != (data.context_dim > 0):
        kinds = {True: "conditional", False: "unconditional"}
        raise UsageError(
            f"model '{model}' is {kinds[entry.conditional]}, data set '{dataset}' is "
            f"{kinds[data.context_dim > 0]}. Others: bench list datasets"
        )
    if meets(entry, data) is None:
        raise UsageError(
            f"model '{model}' accepts {', '.join(entry.accepts)} of {entry.min_dim} or more "
            f"dimensions; data set '{dataset}' is {data.kind} in {data.dim}. "
            "Others: bench list datasets"
        )
    chosen = params.suites[suite]
    if dataset not in chosen.datasets and dataset in _audit_sets(params):
        suite, chosen = AUDIT, params.suites[AUDIT]
    exceptions = chosen.datasets.get(dataset, DatasetPlan())
    narrowed = chosen.model_copy(
        update={"datasets": {dataset: exceptions}, "models": [model], "seeds": 1, "audit": None}
    )
    one = params.model_copy(update={"suites": {suite: narrowed}})
    spec = plan(one, registry, suite)[0]
    steps = min(STEPS, spec.budget.steps)
    return replace(spec, budget=spec.budget.model_copy(update={"steps": steps, "validations": 2}))


def _audit_sets(params: Params) -> set[str]:
    return set(params.suites[AUDIT].datasets) if AUDIT in params.suites else set()
