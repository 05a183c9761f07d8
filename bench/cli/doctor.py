"""`bench doctor`: what this machine has, what is missing, how to get it."""

from __future__ import annotations

import typer

from bench.cli import output

COLUMNS = ("what", "found", "ok", "required", "remedy", "needed_for")


def command(json: output.Json = False, wide: output.Wide = False) -> None:
    """Say what this machine has, what is missing, how to get it.

    Exit code 3 where something required is missing.
    """
    from bench import environment

    found = environment.doctor()
    output.emit([{k: row[k] for k in COLUMNS} for row in found], json, wide)
    missing = environment.missing(found)
    if missing:
        output.note(f"missing: {', '.join(missing)}")
        raise typer.Exit(3)
