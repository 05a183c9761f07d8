"""`bench check`: does this model's likelihood stand up?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import options, output

if TYPE_CHECKING:
    from bench.records import Check


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", autocompletion=options.model_names)],
    dataset: Annotated[
        str | None,
        typer.Option(
            "-d",
            "--dataset",
            help="Default: one that the model accepts.",
            autocompletion=options.dataset_names,
        ),
    ] = None,
    suite: options.SuiteName = None,
    json: output.Json = False,
) -> None:
    """Train a model briefly and check its likelihood.

    Exit code 1 when a check fails. Nothing is written.
    """
    from bench.pipeline.checking import check_model

    spec, checks = check_model(model, dataset, suite)
    output.emit([row(c) for c in checks], json)
    if not json:
        for check in checks:
            if check.verdict in ("fail", "inconclusive") and check.detail:
                output.note(f"{check.name}: {check.detail}")
    failed = [c.name for c in checks if c.verdict == "fail"]
    passed = sum(c.verdict == "pass" for c in checks)
    output.note(f"{spec.name}: {passed} of {len(checks)} checks passed, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


def row(check: Check) -> dict[str, Any]:
    """A check's outcome as a row."""
    return {
        "check": check.name,
        "verdict": check.verdict,
        "statistic": check.statistic,
        "threshold": check.threshold,
        "n": check.n,
        "detail": check.detail,
    }
