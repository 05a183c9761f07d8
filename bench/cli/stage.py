"""`bench stage`: what the stages of the root dvc.yaml run."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from bench.cli import leaderboard


class Stage(StrEnum):
    """The stages of the root dvc.yaml, in their order."""

    cells = "cells"
    leaderboard = "leaderboard"
    check = "check"


def command(
    name: Stage,
    strict: Annotated[
        bool, typer.Option("--strict", help="With check: failed checks and missing packages too.")
    ] = False,
) -> None:
    """Run one stage of the root dvc.yaml; `dvc repro` does."""
    from bench.pipeline import repro

    if name is Stage.leaderboard:
        leaderboard.command()
        return
    code = repro.cells_stage() if name is Stage.cells else repro.check_stage(strict)
    raise typer.Exit(code)
