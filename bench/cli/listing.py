"""`bench list`: what there is, read from source and params.yaml alone."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import options, output

if TYPE_CHECKING:
    from bench.registry import Registry


class What(StrEnum):
    """What can be listed."""

    models = "models"
    datasets = "datasets"
    cells = "cells"
    checks = "checks"
    kernels = "kernels"
    suites = "suites"


def command(
    what: Annotated[What, typer.Argument(metavar="models|datasets|cells|checks|kernels|suites")],
    model: options.ModelGlobs = None,
    dataset: options.DatasetGlobs = None,
    suite: options.SuiteName = None,
    json: output.Json = False,
    wide: output.Wide = False,
) -> None:
    """List models, data sets, cells, checks, kernels or suites.

    On a pipe: one line each, tab-separated, no heading.
    """
    if what is What.suites:
        output.emit(suites(), json, wide)
        return
    from bench import registry

    found = registry.discover()
    for problem in found.problems:
        output.note(f"warning: {problem.reason}")
    if what is What.cells:
        rows = cells(found, suite, model, dataset)
    elif what is What.checks:
        rows = checks(found)
    elif what is What.kernels:
        rows = kernels(found)
    elif what is What.models:
        rows = [r for r in models(found) if options.matches(r["name"], model)]
    else:
        rows = [r for r in datasets(found) if options.matches(r["name"], dataset)]
    output.emit(rows, json, wide)


def cells(
    found: Registry, suite: str | None, model: list[str] | None, dataset: list[str] | None
) -> list[dict[str, Any]]:
    """One row per planned cell of a suite."""
    from bench import paths, settings
    from bench.pipeline.cells import plan

    params = settings.read_params(paths.root() / "params.yaml")
    specs = plan(params, found, suite, options.joined(model), options.joined(dataset))
    return [
        {
            "dataset": s.dataset.name,
            "model": s.model.name,
            "suite": s.suite_name,
            "space": s.space,
            "seeds": s.seeds,
            "steps": s.budget.steps,
            "settings": " ".join(f"{k}={v}" for k, v in s.settings.items()),
        }
        for s in specs
    ]


def models(found: Registry) -> list[dict[str, Any]]:
    """One row per model, as its source declares it."""
    from bench.registry import shown

    return [
        {
            "name": m.name,
            "implementation": m.implementation,
            "likelihood": m.likelihood,
            "accepts": m.accepts,
            "family": m.family,
            "twin": m.twin,
            "requires": m.requires,
            "paper": m.paper,
            "file": shown(m.file),
        }
        for m in sorted(found.models.values(), key=lambda m: m.name)
    ]


def datasets(found: Registry) -> list[dict[str, Any]]:
    """One row per data set, as its source declares it."""
    from bench.registry import shown

    return [
        {
            "name": d.name,
            "kind": d.kind,
            "shape": d.shape,
            "levels": d.levels,
            "truth": d.truth,
            "licence": d.licence,
            "source": d.source,
            "file": shown(d.file),
        }
        for d in sorted(found.datasets.values(), key=lambda d: d.name)
    ]


def checks(found: Registry) -> list[dict[str, Any]]:
    """One row per check, as its source declares it."""
    from bench.registry import shown

    return [
        {"name": c.name, "question": c.question, "fast": c.fast, "file": shown(c.file)}
        for c in sorted(found.checks.values(), key=lambda c: c.name)
    ]


def kernels(found: Registry) -> list[dict[str, Any]]:
    """One row per log-det kernel, with who implements it."""
    from bench.registry import shown

    return [
        {
            "name": k.name,
            "logdet": k.logdet,
            "baseline": k.baseline,
            "implementations": sorted(
                i.name for i in found.implementations.values() if i.kernel == k.name
            ),
            "file": shown(k.file),
        }
        for k in sorted(found.kernels.values(), key=lambda k: k.name)
    ]


def suites() -> list[dict[str, Any]]:
    """One row per suite of params.yaml."""
    from bench import paths, settings

    params = settings.read_params(paths.root() / "params.yaml")
    return [
        {
            "name": name,
            "default": name == params.suite,
            "datasets": len(suite.datasets),
            "seeds": suite.seeds,
            "steps": suite.train.steps,
            "device": suite.device,
            "models": suite.models,
            "description": suite.description,
        }
        for name, suite in params.suites.items()
    ]
