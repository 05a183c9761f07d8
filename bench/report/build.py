"""Write every leaderboard of a result set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench import registry
from bench.atomic import write_bytes, write_text
from bench.report import csv, figures, markdown, page
from bench.report.cells import read_results
from bench.report.sentences import totals
from bench.report.table import frame
from bench.report.views import make_view


@dataclass(frozen=True)
class Summary:
    """What was built: cells by status, ranked rows, checks, the files written."""

    cells: int
    statuses: dict[str, int]
    ranked: int
    checks_failed: int
    files: tuple[Path, ...]


def build(root: Path, results: Path, plugins: registry.Registry | None = None) -> Summary:
    """Write leaderboard.md, .csv, .html and figures/ into `results`, each file in one step.

    Damaged or newer records become rows of status error with the reason. `plugins` (default: those
    discovered) gives the data sets' cards. Raises MissingError where there are no records,
    UsageError for a damaged index, BenchError where a file cannot be written.
    """
    found = read_results(results, plugins if plugins is not None else registry.discover())
    views = [make_view(data) for data in found.datasets]
    table = csv.render(frame(views, found.suite))
    texts = {
        "leaderboard.csv": table,
        "leaderboard.md": markdown.render(views, found.suite, found.problems),
        "leaderboard.html": page.render(views, found.suite, table, found.problems),
    }
    for name, content in texts.items():
        write_text(results / name, content)
    pictures = figures.figures(views)
    (results / "figures").mkdir(parents=True, exist_ok=True)  # an output of DVC, pictures or not
    for name, data in pictures.items():
        write_bytes(results / "figures" / name, data)
    t = totals(views)
    written = [results / n for n in texts] + [results / "figures" / n for n in pictures]
    shown = tuple(f.relative_to(root) if f.is_relative_to(root) else f for f in written)
    return Summary(t.cells, t.statuses, sum(len(v.ranked) for v in views), t.failed, shown)
