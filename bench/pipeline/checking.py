"""`bench check`: train a model briefly on one data set and run the battery, writing nothing."""

from __future__ import annotations

from dataclasses import replace

from bench import paths, records
from bench.cellspec import CellSpec
from bench.errors import UsageError
from bench.pipeline.cells import meets, plan
from bench.registry import DatasetEntry, Registry, discover
from bench.settings import DatasetPlan, Params, read_params

STEPS = 200  #: of training: the checks ask whether a likelihood is honest, not whether it is good


def check_model(
    model: str, dataset: str | None = None, suite: str | None = None
) -> tuple[CellSpec, list[records.Check]]:
    """Run the battery on a model, by default on the smallest data set of the suite that it meets.

    Raises UsageError for unknown names and for a data set that the model does not accept, and what
    a broken plugin raises.
    """
    from bench import cell

    params, registry = read_params(paths.root() / "params.yaml"), discover()
    spec = _cell(params, registry, model, dataset, suite or params.suite)
    return spec, cell.execute(spec, root=None).record.checks


def _cell(
    params: Params, registry: Registry, model: str, dataset: str | None, suite: str
) -> CellSpec:
    entry = registry.model(model)
    if dataset is None:
        near = [d for name in params.suites[suite].datasets if (d := registry.dataset(name))]
        met = [d for d in near if meets(entry, d) is not None]
        if not met:
            raise UsageError(
                f"model '{model}' accepts {', '.join(entry.accepts)}, which no data set of suite "
                f"'{suite}' is. Name one: bench check {model} -d DATASET"
            )
        dataset = min(met, key=_preference).name
    if meets(entry, registry.dataset(dataset)) is None:
        raise UsageError(
            f"model '{model}' accepts {', '.join(entry.accepts)} of {entry.min_dim} or more "
            f"dimensions; data set '{dataset}' is {registry.dataset(dataset).kind}. "
            "Others: bench list datasets"
        )
    chosen = params.suites[suite]
    exceptions = chosen.datasets.get(dataset, DatasetPlan())
    narrowed = chosen.model_copy(
        update={"datasets": {dataset: exceptions}, "models": [model], "seeds": 1}
    )
    one = params.model_copy(update={"suites": {suite: narrowed}})
    spec = plan(one, registry, suite)[0]
    steps = min(STEPS, spec.budget.steps)
    return replace(spec, budget=spec.budget.model_copy(update={"steps": steps, "validations": 2}))


def _preference(dataset: DatasetEntry) -> tuple[bool, int]:
    """A known truth before others: most checks apply to it. Then two dimensions before one."""
    return (not dataset.truth, abs(dataset.dim - 2))
