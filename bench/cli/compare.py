"""`bench compare`: what changed between two result folders."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import output


def command(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Results folder.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Results folder.")],
    json: output.Json = False,
    wide: output.Wide = False,
) -> None:
    """Compare two result folders cell by cell.

    Same, better, worse or unclear, by interval.
    """
    from bench import report

    rows = report.compare(old, new)
    output.emit(rows, json, wide)
    counted = Counter(row["score"] for row in rows)
    output.note(f"{len(rows)} cells: " + ", ".join(f"{n} {s}" for s, n in counted.most_common()))
