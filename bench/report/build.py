"""Write every leaderboard of a result set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench import registry
from bench.atomic import write_bytes, write_text
from bench.report import csv, figures, markdown, page
from bench.report.board import make_board
from bench.report.sentences import totals
from bench.report.table import frame


@dataclass(frozen=True)
class Summary:
    """What was built: cells by status, ranked rows, the files written."""

    cells: int
    statuses: dict[str, int]
    ranked: int
    files: tuple[Path, ...]


def build(root: Path, results: Path, plugins: registry.Registry | None = None) -> Summary:
    """Write leaderboard.md, .csv, .html and figures/ into `results`, each file in one step.

    Damaged or newer records become rows of status error with the reason. `plugins` (default: those
    discovered) gives the data sets' cards and the checks' questions. Raises MissingError where
    there are no records, UsageError for a damaged index, BenchError where a file cannot be written.
    """
    board = make_board(results, plugins if plugins is not None else registry.discover())
    table = csv.render(frame(board.everything, board.suite))
    texts = {
        "leaderboard.csv": table,
        "leaderboard.md": markdown.render(board),
        "leaderboard.html": page.render(board, table),
    }
    for name, content in texts.items():
        write_text(results / name, content)
    pictures = figures.figures(board.views)
    (results / "figures").mkdir(parents=True, exist_ok=True)  # an output of DVC, pictures or not
    for name, data in pictures.items():
        write_bytes(results / "figures" / name, data)
    t = totals(board.everything)
    written = [results / n for n in texts] + [results / "figures" / n for n in pictures]
    shown = tuple(f.relative_to(root) if f.is_relative_to(root) else f for f in written)
    return Summary(t.cells, t.statuses, sum(len(v.ranked) for v in board.views), shown)
