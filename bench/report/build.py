"""Write every leaderboard of a result set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import registry
from bench.atomic import write_bytes, write_text
from bench.errors import BenchError
from bench.report import csv, figures, markdown, page
from bench.report.board import make_board
from bench.report.sentences import totals
from bench.report.table import frame

if TYPE_CHECKING:
    from bench.profile.rows import Profile


@dataclass(frozen=True)
class Summary:
    """What was built: cells by status, ranked rows, the files written."""

    cells: int
    statuses: dict[str, int]
    ranked: int
    files: tuple[Path, ...]


def build(root: Path, results: Path, plugins: registry.Registry | None = None) -> Summary:
    """Write leaderboard.md, .csv, .html and figures/ into `results`, each file in one step.

    The page has a section on log-det kernels where profile/profile.json exists in `results`.
    Damaged or newer records become rows of status error with the reason. `plugins` (default: those
    discovered) gives the data sets' cards and the checks' questions. Raises MissingError where
    there are no records, UsageError for a damaged index, BenchError where a file cannot be written.
    """
    board = make_board(results, plugins if plugins is not None else registry.discover())
    profile = read_profile(results)
    table = csv.render(frame(board.everything, board.suite))
    texts = {
        "leaderboard.csv": table,
        "leaderboard.md": markdown.render(board, profile),
        "leaderboard.html": page.render(board, table, profile),
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


def read_profile(results: Path) -> Profile | str | None:
    """The profile of log-det kernels, None without one, a sentence for one that is no profile."""
    file = results / "profile" / "profile.json"
    if not file.is_file():
        return None
    from bench.profile import rows  # torch behind it

    try:
        return rows.read(file)
    except BenchError as error:
        return str(error).replace(str(file), str(file.relative_to(results)))
