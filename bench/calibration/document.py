"""results/calibration.md and results/calibration.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.atomic import write_text
from bench.calibration.table import Calibration, Row
from bench.report.markdown import escape, grid

SCHEMA = 1
INTRODUCTION = (
    "Every check of the battery, run on models that cheat in one known way and on honest ones, "
    "all fitted on the audit's known truths. Written by `bench check --calibrate --write`. "
    "A share is of seeds where it is not stated otherwise; intervals are Wilson's, 95 %."
)
CHEAT = ("cheat", "base", "truth", "seeds", "seen", "failing checks", "by", "silent")
CHECKS = (
    "*cheats*: of the different cheats that a check applies to, those it fails at least once; "
    "*caught*: share of its verdicts on cheats that are `fail` (no check sees every cheat); "
    "*silent*: `inconclusive` or `error`, of the verdicts where the check applies."
)


def write(result: Calibration, runs: pd.DataFrame, results: Path) -> list[Path]:
    """Write both files into `results`; returns them. Raises BenchError where they cannot be."""
    files = [results / "calibration.md", results / "calibration.json"]
    write_text(files[0], markdown(result))
    write_text(files[1], as_json(result, runs) + "\n")
    return files


def as_json(result: Calibration, runs: pd.DataFrame) -> str:
    """The tables, and every verdict that is no pass."""
    columns = ["case", "seed", "check", "verdict", "statistic", "threshold"]
    told = runs[~runs.verdict.isin(["n/a", "pass"])]
    verdicts = json.loads(told[columns].to_json(orient="records"))
    tables = {
        "schema": SCHEMA,
        "kept": result.kept,
        "checks": result.checks,
        "cheats": result.cheats,
        "honest": result.honest,
        "alarms": result.alarms,
        "verdicts": verdicts,
    }
    return json.dumps(tables, indent=1, allow_nan=False)


def sentence(result: Calibration) -> str:
    """What it comes to."""
    named = [r for r in result.cheats if r["named"]]
    seen = sum(r["seen"] == 1 for r in named)
    twice = sum(r["failing checks"] >= 2 for r in named)
    others = [r for r in result.cheats if not r["named"]]
    caught = sum(r["seen"] > 0 for r in others)
    runs = sum(r["seeds"] for r in result.honest)
    wronged = len({(r["model"], r["truth"], r["seed"]) for r in result.alarms})
    return (
        f"Of {len(named)} plantings of the named cheats {seen} fail a check at every seed, "
        f"{twice} fail two or more; of {len(others)} further ones {caught} fail. "
        f"{wronged} of {runs} honest runs fail a check."
    )


def markdown(result: Calibration) -> str:
    """The whole document."""
    named = [r for r in result.cheats if r["named"]]
    others = [r for r in result.cheats if not r["named"]]
    blocks = ["# Calibration of the checks", INTRODUCTION, f"**{sentence(result)}**"]
    blocks += _section("Per check", result.checks, note=CHECKS)
    blocks += _section("The named cheats", named, CHEAT)
    blocks += _section("Further cheats", others, CHEAT)
    blocks += _section("Blind spots", result.blind, CHEAT[:3], "Seen by no check at any seed.")
    blocks += _section("Honest models", result.honest)
    blocks += _section("False alarms", result.alarms)
    return "\n\n".join(blocks) + "\n"


def _section(
    title: str, rows: Sequence[Row], columns: Sequence[str] | None = None, note: str = ""
) -> list[str]:
    """A heading, a note and a table; nothing where there are no rows."""
    if not rows:
        return []
    names = list(columns or rows[0])
    align = "".join("r" if isinstance(rows[0][n], (int, float)) else "l" for n in names)
    table = grid(names, [[escape(_text(row, n)) for n in names] for row in rows], align)
    return [f"## {title}", *([note] if note else []), table]


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if name == "seen":
        return f"{value:.0%}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
