"""`bench check`: does this model's likelihood stand up?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import options, output

if TYPE_CHECKING:
    from bench.pipeline.checking import Checked
    from bench.records import Check


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", autocompletion=options.model_names)],
    dataset: Annotated[
        str | None,
        typer.Option(
            "-d",
            "--dataset",
            help="Default: the known truths of the audit.",
            autocompletion=options.dataset_names,
        ),
    ] = None,
    suite: options.SuiteName = None,
    fast: Annotated[bool, typer.Option("--fast", help="Fewer points, cheap checks only.")] = False,
    json: output.Json = False,
) -> None:
    """Train a model briefly and check its likelihood.

    Exit code 1 when a check fails. No record is written.
    """
    from bench.pipeline.checking import check_model
    from bench.registry import discover

    known, results = discover().checks, []
    for checked in check_model(model, dataset, suite, fast):
        results.append(checked)
        if not json:
            output.emit([row(c) for c in checked.checks], json)
            for check in checked.checks:
                if check.verdict in ("fail", "inconclusive", "error") and check.detail:
                    output.note(f"{check.name}: {check.detail}")
                if check.verdict == "fail":
                    output.note(f"  look at: {known[check.name].remedy}")
            output.note(summary(checked))
    if json:
        rows = [{"dataset": r.spec.dataset.name, **row(c)} for r in results for c in r.checks]
        output.emit(rows, json)
    if any(r.failed for r in results):
        raise typer.Exit(1)


def summary(checked: Checked) -> str:
    """`audit-continuous-2/maf: 8 of 12 checks passed, 0 failed`."""
    verdicts = [c.verdict for c in checked.checks]
    passed, failed = verdicts.count("pass"), verdicts.count("fail")
    return f"{checked.spec.name}: {passed} of {len(verdicts)} checks passed, {failed} failed"


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
