"""`bench leaderboard`: tables and page from the records at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import output


def command(
    results: Annotated[
        Path | None,
        typer.Argument(metavar="RESULTS", help="Folder that holds records/. Default: results/."),
    ] = None,
) -> None:
    """Write the tables and the page from records."""
    from bench import paths
    from bench.report.build import build

    root = paths.root() if results is None else Path.cwd()
    summary = build(root, results or root / "results")
    for file in summary.files:
        print(file)
    counted = ", ".join(f"{n} {status}" for status, n in summary.statuses.items() if n)
    output.note(f"{summary.cells} cells: {counted}; {summary.ranked} ranked")
