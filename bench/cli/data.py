"""`bench data`: data sets, their cards, their files, and what they give away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import data_add, data_anchors, data_card, data_files, listing, options, output

if TYPE_CHECKING:
    from bench.leaks.refresh import Job
    from bench.leaks.report import DataReport
    from bench.pipeline.project import Project
    from bench.registry import DatasetEntry

app = typer.Typer(
    help="Data sets: list, show, fetch, verify, audit them for leaks.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("get")(data_files.get_command)
app.command("verify")(data_files.verify_command)
app.command("where")(data_files.where_command)
app.command("add")(data_add.add_command)
app.command("anchors")(data_anchors.command)

Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=options.dataset_names)]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", autocompletion=options.dataset_names)
]


@app.command("list")
def list_command(json: output.Json = False, wide: output.Wide = False) -> None:
    """List the data sets, with the sizes, entropy and warnings of their reports.

    Rows, entropy and warnings are empty where `results/data/` has no report.
    """
    from bench import paths
    from bench.datasets import PARTS
    from bench.leaks.report import read_all
    from bench.registry import discover

    root = paths.find_root()
    reports = {} if root is None else read_all(root / "results")
    rows = []
    for row in listing.datasets(discover()):
        report = reports.get(row["name"])
        held = {
            "rows": None if report is None else "/".join(str(report.sizes[p]) for p in PARTS),
            "entropy": None if report is None else report.entropy,
            "warnings": None if report is None else len(warnings(report)),
        }
        front = ("name", "kind", "shape", "levels", "truth")
        rows.append({k: row[k] for k in front} | held | {k: row[k] for k in row if k not in front})
    output.emit(rows, json, wide)


@app.command("show")
def show_command(name: Name, json: output.Json = False) -> None:
    """Show a data set's card: origin, splits, faults, anchors, files, and its report.

    The report is made on the spot, and not kept, where `results/data/` has no current one; where
    the data are not on this machine the card is shown without.
    """
    from bench.pipeline.project import open_project

    project = open_project()
    entry = project.registry.dataset(name)
    report, lacking = data_card.found(project, entry, _job(project, entry))
    (data_card.as_json if json else data_card.show)(entry, report, lacking)


@app.command("audit")
def audit_command(names: Names = None) -> None:
    """Look for leaks, ties and near-atoms; write `results/data/NAME.json`.

    Default: all data sets of the active suite, those with a current report left out. Of others the
    report is shown and not kept.
    """
    from bench.leaks import refresh
    from bench.leaks.report import read_all
    from bench.pipeline.project import open_project

    project = open_project()
    chosen = [project.registry.dataset(n) for n in names or ()]
    planned = refresh.jobs(project.plan())
    kept = [j for j in planned if not names or j.entry.name in names]
    others = [e for e in chosen if e.name not in {j.entry.name for j in kept}]
    made = refresh.make(kept, project.root, project.results)
    for line in refresh.sentences(made):
        output.note(line)
    reports = read_all(project.results)
    rows = [row for j in kept if (r := reports.get(j.entry.name)) for row in _found(r)]
    for entry in others:
        from bench.leaks.audit import audit

        rows += _found(audit(entry, _job(project, entry).sizes))
        output.note(f"{entry.name}: not of suite {project.params.suite}, so not kept")
    output.emit(rows)
    if any(wrong is not None for wrong in made.values()):
        raise typer.Exit(1)


def warnings(report: DataReport) -> list[str]:
    """The sentences of a report's warnings."""
    return [f.text for f in report.findings if f.severity == "warning"]


def _job(project: Project, entry: DatasetEntry) -> Job:
    """At the sizes of the active suite, else of the first suite that holds the data set."""
    from bench.leaks.refresh import job, jobs
    from bench.settings import Sizes

    for planned in jobs(project.plan()):
        if planned.entry.name == entry.name:
            return planned
    holding = [s for s in project.params.suites.values() if entry.name in s.datasets]
    return job(entry, holding[0].sizes if holding else Sizes(), 0.0)


def _found(report: DataReport) -> list[dict[str, Any]]:
    found = [{"severity": f.severity, "finding": f.text} for f in report.findings]
    return [{"dataset": report.dataset, **f} for f in found or [{"severity": "ok", "finding": ""}]]
