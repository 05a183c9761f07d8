"""`bench cell`: one pair, now, whether it is up to date or not."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from bench.cli import options


def command(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", autocompletion=options.dataset_names)
    ],
    model: Annotated[str, typer.Argument(metavar="MODEL", autocompletion=options.model_names)],
    suite: options.SuiteName = None,
) -> None:
    """Run one cell now, and write its record.

    With --debug in this very process and without time limit, so that tracebacks are shown.
    """
    from bench.pipeline import repro

    if os.environ.get("BENCH_DEBUG") and "DVC_STAGE" not in os.environ:
        _here(dataset, model, suite)
    else:
        raise typer.Exit(repro.run_one(dataset, model, suite))


def _here(dataset: str, model: str, suite: str | None) -> None:
    """In this process and without a time limit, so that a traceback or a debugger is at hand."""
    from bench.cell import run_cell
    from bench.pipeline import repro
    from bench.pipeline.project import open_project

    project = open_project()
    name = suite or project.params.suite
    spec = repro.planned(project, name, dataset, model)
    run_cell(spec, project.root, repro.results_of(project, name), debug=True)
