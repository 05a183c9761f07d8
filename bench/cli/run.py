"""`bench run`: cells chosen by name, side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import options


def command(
    model: options.ModelGlobs = None,
    dataset: options.DatasetGlobs = None,
    suite: options.SuiteName = None,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, help="Cells at a time. Default: BENCH_JOBS, else 1."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="cpu or cuda instead of the suite's own."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Failed checks and missing packages fail the run too."),
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the last line.")] = False,
) -> None:
    """Run the chosen cells that are not up to date.

    All cells of a suite that is not the active one, or on another device, run without DVC and go
    to results/suites/.
    """
    from bench.pipeline import launch, repro

    raise typer.Exit(
        launch.run(
            models_glob=options.joined(model),
            datasets_glob=options.joined(dataset),
            suite=suite,
            jobs=jobs or repro.jobs_wanted() or 1,
            device=device,
            strict=strict,
            quiet=quiet,
        )
    )
