"""The plan: which models meet which data sets under a suite, with which settings and space.

Imports no torch: listing and planning stay fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from bench.cellspec import CellSpec
from bench.errors import UsageError, unknown
from bench.pipeline.closure import training_digest
from bench.registry import NAME, DatasetEntry, ModelEntry, Registry
from bench.settings import (
    CONTINUOUS_SPACES,
    SPACES,
    VARIATIONAL,
    DatasetPlan,
    Params,
    Suite,
    budget_for,
    space_parts,
)

DEFAULT_SPACE = "marginals"


def plan(
    params: Params,
    registry: Registry,
    suite: str | None = None,
    models_glob: str | None = None,
    datasets_glob: str | None = None,
) -> list[CellSpec]:
    """All cells of a suite (default: the active one), data sets in the suite's order, audits last.

    The globs choose among them. Raises UsageError for misspelt names in params.yaml, settings that
    a model does not have, and globs that match nothing.
    """
    name = suite or params.suite
    if name not in params.suites:
        raise unknown("suite", name, params.suites, "bench list suites")
    chosen = params.suites[name]
    validate(params, registry)
    models = [m for m in _suite_models(chosen, registry) if _matches(m.name, models_glob)]
    datasets = [d for d in _suite_datasets(chosen, registry) if _matches(d.name, datasets_glob)]
    audits = _audits(params, registry, chosen, datasets_glob)
    _refuse_empty("model", models_glob, models, registry.models)
    _refuse_empty("data set", datasets_glob, [*datasets, *audits], chosen.datasets)
    cells = _cells(params, name, datasets, models)
    if chosen.audit is not None:
        cells += [replace(c, audit=True) for c in _cells(params, chosen.audit, audits, models)]
    return cells


def _cells(
    params: Params, suite: str, datasets: list[DatasetEntry], models: list[ModelEntry]
) -> list[CellSpec]:
    return [
        _cell(params, suite, dataset, model, kind)
        for dataset in datasets
        for model in models
        if (kind := meets(model, dataset)) is not None
        and not (params.suites[suite].native and kind == "continuous" and dataset.integral)
    ]


def _audits(
    params: Params, registry: Registry, suite: Suite, datasets_glob: str | None
) -> list[DatasetEntry]:
    """The audit suite's data sets that the suite does not hold itself."""
    if suite.audit is None:
        return []
    found = _suite_datasets(params.suites[suite.audit], registry)
    return [d for d in found if d.name not in suite.datasets and _matches(d.name, datasets_glob)]


def meets(model: ModelEntry, dataset: DatasetEntry) -> str | None:
    """The kind of data that the model meets on this data set, or None where it does not apply.

    A model takes the kinds it accepts as they are; one of continuous data also meets discrete data,
    dequantized by the harness. A sequence of symbols is discrete data to models that know of no
    time, one of real values continuous data. Conditional models meet data with a context, and no
    others do.
    """
    if dataset.dim < model.min_dim or dataset.dim > (model.max_dim or dataset.dim):
        return None
    if model.conditional != (dataset.context_dim > 0):
        return None
    if (model.labelled and not dataset.classes) or (model.images and len(dataset.shape) < 2):
        return None
    ways = {
        "discrete": ("discrete", "continuous"),
        "sequence": ("sequence", "discrete" if dataset.integral else "continuous", "continuous"),
    }
    return next((k for k in ways.get(dataset.kind, (dataset.kind,)) if k in model.accepts), None)


def unfair(specs: list[CellSpec]) -> list[str]:
    """One warning for each pair of twins that differs in space or in a setting both have."""
    by_name = {s.name: s for s in specs}
    warnings = []
    for spec in specs:
        twin = by_name.get(f"{spec.dataset.name}/{spec.model.twin}")
        if twin is None or (twin.model.twin == spec.model.name and twin.name < spec.name):
            continue
        shared = sorted(spec.settings.keys() & twin.settings.keys())
        budgets = (s.budget.model_dump(exclude_unset=True) for s in (spec, twin))
        pairs = [("space", spec.space, twin.space), ("budget", *budgets)]
        pairs += [(k, spec.settings[k], twin.settings[k]) for k in shared]
        for key, mine, other in pairs:
            if mine != other:
                warnings.append(
                    f"{spec.dataset.name}: twins {spec.model.name} and {twin.model.name} differ in "
                    f"{key} ({mine!r} and {other!r}), so their comparison is not of the same model"
                )
    return warnings


def validate(params: Params, registry: Registry) -> None:
    """Raise UsageError for a name in params.yaml that no plugin has, with the nearest ones.

    While a plugin file does not parse, its name is not known: the error then says so.
    """
    for name, settings in params.models.items():
        if name in registry.models:
            _overrides(registry.models[name], settings, f"params.yaml, models.{name}")
        elif not registry.problems:
            raise _misspelt("model", name, registry.models, "models", "bench list models")
    for label, suite in params.suites.items():
        if not re.fullmatch(NAME, label):
            raise UsageError(
                f"params.yaml, suites: '{label}' must be lower-case letters, digits and hyphens"
            )
        for name in suite.datasets:
            if name not in registry.datasets and not registry.problems:
                where = f"suites.{label}.datasets"
                raise _misspelt("data set", name, registry.datasets, where, "bench list datasets")
        for glob in suite.models:
            literal = not any(c in glob for c in "*?[")
            if literal and glob not in registry.models and not registry.problems:
                where = f"suites.{label}.models"
                raise _misspelt("model", glob, registry.models, where, "bench list models")


def _misspelt(what: str, name: str, known: Iterable[str], where: str, listing: str) -> UsageError:
    return UsageError(f"params.yaml, {where}: {unknown(what, name, known, listing)}")


def _suite_models(suite: Suite, registry: Registry) -> list[ModelEntry]:
    return [
        m for m in registry.models.values() if any(fnmatchcase(m.name, g) for g in suite.models)
    ]


def _suite_datasets(suite: Suite, registry: Registry) -> list[DatasetEntry]:
    return [registry.datasets[d] for d in suite.datasets if d in registry.datasets]


def _matches(name: str, glob: str | None) -> bool:
    return glob is None or any(fnmatchcase(name, part) for part in glob.split(","))


def _refuse_empty(what: str, glob: str | None, found: list[Any], known: Iterable[str]) -> None:
    if glob is not None and not found:
        raise unknown(what, glob, known, f"bench list {what.replace(' ', '')}s")


def _cell(
    params: Params, suite_name: str, dataset: DatasetEntry, model: ModelEntry, kind: str
) -> CellSpec:
    suite = params.suites[suite_name]
    exceptions = suite.datasets[dataset.name]
    own = params.models.get(model.name, {})
    space = _space(dataset, kind, exceptions, own)
    if space == VARIATIONAL:  # with its noise the model is one of levels, and gives a bound
        model, kind = replace(model, likelihood="lower-bound"), dataset.kind
    return CellSpec(
        dataset=dataset,
        model=model,
        suite_name=suite_name,
        suite=suite,
        budget=budget_for(suite, dataset.name, model.name),
        settings=_settings(model, exceptions, own),
        space=space,
        kind=kind,
        training_digest=training_digest(model, dataset),
    )


def _settings(model: ModelEntry, exceptions: DatasetPlan, own: dict[str, Any]) -> dict[str, Any]:
    """The model's defaults, then the data set's exceptions, then the model's own settings."""
    shared = {k: v for k, v in exceptions.settings.items() if k in model.settings}
    where = f"params.yaml, models.{model.name}"
    return {
        **model.settings,
        **_overrides(model, shared, "params.yaml, datasets.*.settings"),
        **_overrides(model, own, where),
    }


def _overrides(model: ModelEntry, own: dict[str, Any], where: str) -> dict[str, Any]:
    settings = {k: v for k, v in own.items() if k != "space"}
    for key, value in settings.items():
        if key not in model.settings:
            listing = f"{', '.join(sorted([*model.settings, 'space']))} (build's parameters)"
            raise UsageError(f"{where}: {unknown('setting', key, model.settings, listing)}")
        default = model.settings[key]
        if not _same_type(default, value):
            raise UsageError(
                f"{where}: {key} is {value!r}; expected {type(default).__name__}, like its default "
                f"{default!r}"
            )
    return settings


def _same_type(default: Any, value: Any) -> bool:
    """A whole number may stand for a float, a list for a tuple, anything for None."""
    if default is None or value is None:
        return True
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, list | tuple):
        return isinstance(value, list | tuple)
    return type(default) is type(value)


def _space(dataset: DatasetEntry, kind: str, exceptions: DatasetPlan, own: dict[str, Any]) -> str:
    if dataset.integral and kind != "continuous":
        return "levels"
    if not dataset.integral:
        space = exceptions.space or dataset.space or "standard"
        known = frozenset(CONTINUOUS_SPACES)
    else:
        space = own.get("space") or exceptions.space or dataset.space or DEFAULT_SPACE
        known = frozenset((*SPACES, VARIATIONAL))
    if space_parts(str(space))[0] not in known:
        raise unknown("space", str(space), known, ", ".join(sorted(known)))
    return str(space)
