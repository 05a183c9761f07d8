"""Leaderboards from records: Markdown, CSV, one self-contained HTML page, and pictures.

Nothing here imports torch, and nothing reads a record twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write(results: Path) -> tuple[Path, ...]:
    """Write leaderboard.md, .csv, .html and figures/ into `results`; returns the files."""
    from bench.report.build import build

    return build(results.parent, results).files


def compare(old: Path, new: Path) -> list[dict[str, Any]]:
    """What changed between two result folders, one row per cell (bench.report.comparison)."""
    from bench.report.comparison import compare as compared

    return [row.as_dict() for row in compared(old, new).rows]
