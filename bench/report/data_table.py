"""What the data sets give away, as lines of a table: findings, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.leaks.report import DataReport
from bench.report import text
from bench.report.board import Board


@dataclass(frozen=True)
class Line:
    """A data set's findings, warnings first, with two numbers: rows seen, the worst column."""

    name: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    seen: str  #: test rows that are training rows
    tied: str  #: the largest share of a column's test values that training holds too


def lines(board: Board) -> Iterator[Line]:
    """Every data set that has a report, in the order of the tables."""
    for view in board.views:
        if (report := board.reports.get(view.name)) is not None:
            yield _line(report)


def warnings(board: Board, name: str) -> int:
    """How many warnings there are on a data set."""
    report = board.reports.get(name)
    return sum(f.severity == "warning" for f in report.findings) if report else 0


def _line(report: DataReport) -> Line:
    said = [(f.severity == "warning", f.text[:1].upper() + f.text[1:]) for f in report.findings]
    seen = report.rows.test_in_train
    worst = max(report.columns.each, key=lambda c: c.tied_test, default=None)
    return Line(
        name=report.dataset,
        warnings=tuple(sentence for warning, sentence in said if warning),
        notes=tuple(sentence for warning, sentence in said if not warning),
        seen=f"{seen.count:,} of {seen.n:,}",
        tied=f"{text.percent(worst.tied_test)} in column {worst.index}" if worst else text.NONE,
    )
