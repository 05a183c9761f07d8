"""`bench check`: does this model's likelihood stand up?"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import calibrate as calibration
from bench.cli import options, output
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.pipeline.checking import Checked
    from bench.records import Check
    from bench.registry import CheckEntry

SHOWN = ("check", "verdict", "statistic", "threshold", "n", "question")  #: on a terminal
OPEN = ("fail", "inconclusive", "error")  #: verdicts that want a word of explanation
WORDS = {"fail": "failed", "inconclusive": "inconclusive", "error": "raised", "n/a": "n/a"}


def command(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", autocompletion=options.model_names)
    ] = None,
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
    wide: output.Wide = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Instead: the error rates of the checks themselves.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="With --calibrate: of every honest model. Default: 2.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("-j", "--jobs", min=1, help="With --calibrate: processes.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="With --calibrate: into results/, too.")
    ] = False,
) -> None:
    """Train a model briefly and check its likelihood.

    Exit code 1 when a check fails. No record is written. On a pipe: data set, check, verdict,
    statistic, threshold, n and detail of each check, tab-separated.
    """
    if calibrate != (model is None):
        raise UsageError("name a model, or --calibrate without one. All: bench list models")
    if not calibrate and (seeds or jobs or write):
        raise UsageError("--seeds, --jobs and --write go with --calibrate")
    if model is None:
        calibration.calibrate(seeds or calibration.SEEDS, jobs or 1, json, write)
    else:
        check(model, dataset, suite, fast, json, wide)


def check(
    model: str, dataset: str | None, suite: str | None, fast: bool, json: bool, wide: bool
) -> None:
    """Check one model, and exit with 1 where a check failed or the model raised."""
    from bench.pipeline.checking import check_model
    from bench.registry import discover

    known = discover().checks
    results: list[Checked] = []
    for checked in check_model(model, dataset, suite, fast):
        if results and not json and sys.stdout.isatty():
            print()
        results.append(checked)
        if not json:
            show(checked, known, wide)
        output.note(verdict(checked))
    if json:
        output.emit([row(r, c, known) for r in results for c in r.checks], json)
    if results[0].audit:
        output.note(overall(model, results, fast))
    if any(r.failed for r in results):
        raise typer.Exit(1)


def show(checked: Checked, known: Mapping[str, CheckEntry], wide: bool = False) -> None:
    """A data set's checks: a table with explanations for people, a line each for a pipe."""
    rows = [row(checked, check, known) for check in checked.checks]
    if not sys.stdout.isatty():
        output.emit([_without(r, "question", "remedy") for r in rows])
        return
    data = checked.spec.dataset
    print(output.paint(f"{data.name} ({data.kind}, D = {data.dim})", "1"))
    output.print_table([{key: r[key] or None for key in SHOWN} for r in rows], wide)
    for line in explanations(rows):
        print(line)
    sys.stdout.flush()  # the verdict follows on stderr


def explanations(rows: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Of each check that failed, raised or came to nothing: why, and what to look at."""
    width = shutil.get_terminal_size().columns
    for r in rows:
        if r["verdict"] not in OPEN:
            continue
        head = "If it should fail, look at" if r["verdict"] == "inconclusive" else "Look at"
        texts = [
            f"{output.marked(r['verdict'], r['check'])}: {r['question']}",
            f"  {r['detail']}",
            *([f"  {head}: {r['remedy']}"] if r["remedy"] else []),
        ]
        for text in texts:
            indent = " " * (2 + len(text) - len(text.lstrip()))
            yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent=indent)


def row(checked: Checked, check: Check, known: Mapping[str, CheckEntry]) -> dict[str, Any]:
    """A check's outcome as a row."""
    entry = known.get(check.name)
    return {
        "dataset": checked.spec.dataset.name,
        "check": check.name,
        "question": entry.question if entry else "",
        "verdict": check.verdict,
        "statistic": check.statistic,
        "threshold": check.threshold,
        "n": check.n,
        "detail": check.detail,
        "remedy": entry.remedy if entry else "",
    }


def _without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}


def verdict(checked: Checked) -> str:
    """`rings/maf: 8 of 12 checks passed, none failed, 4 n/a`, or why there are none."""
    said = checked.reason if checked.reason is not None else tally(checked.checks)
    return f"{checked.spec.name}: {said}"


def overall(model: str, results: list[Checked], fast: bool) -> str:
    """`maf: audited: 14 of 20 checks passed, none failed, 1 inconclusive, 5 n/a`."""
    from bench.report.audit import Met, judge

    audit = judge(Met(r.spec.dataset.name, r.checks, r.reason or "no checks") for r in results)
    said = f"{audit.words} (fast checks only)" if fast else audit.words
    return f"{model}: {said}: {tally([c for r in results for c in r.checks])}"


def tally(checks: Iterable[Check]) -> str:
    """How the checks ended: those that passed of all, then the others."""
    counts = Counter[str](c.verdict for c in checks)
    others = [f"{counts[v]} {word}" for v, word in WORDS.items() if counts[v] and v != "fail"]
    failed = f"{counts['fail'] or 'none'} failed"
    return ", ".join([f"{counts['pass']} of {counts.total()} checks passed", failed, *others])
