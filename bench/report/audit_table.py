"""The audit as a table: models down, the known truths that they met across."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.report import text
from bench.report.audit import GLYPHS, Audit
from bench.report.board import Board
from bench.report.columns import BY_KEY, Printed, marked, tally
from bench.report.views import Row, View

ORDER = ("failed", "inconclusive", "not audited", "audited")  #: what needs a look comes first


@dataclass(frozen=True)
class Cell:
    """A model on a truth: its checks and its gap, or the status that left it without."""

    row: Row | None  #: None: the model does not meet this kind of data
    tally: Printed = (text.NONE, "")
    gap: str = ""  #: nats ± s.e.

    @property
    def words(self) -> str:
        """'9 ✓ 1 ✗ 2 ?', the status, or nothing."""
        if self.row is None:
            return ""
        return marked(self.tally) or self.row.cell.status


@dataclass(frozen=True)
class Line:
    """A model's line, its cells in the order of the truths."""

    model: str
    audit: Audit
    cells: tuple[Cell, ...]

    @property
    def words(self) -> str:
        """Glyph, verdict and reason."""
        return f"{GLYPHS[self.audit.verdict]} {self.audit.words}"


def lines(board: Board) -> Iterator[Line]:
    """Every model that was to be audited, those that failed first, then by name."""
    rows = [(view, {row.cell.model: row for row in view.rows}) for view in board.audits]
    verdicts = board.verdicts
    for model in sorted(verdicts, key=lambda m: (ORDER.index(verdicts[m].verdict), m)):
        cells = tuple(_cell(view, held.get(model)) for view, held in rows)
        yield Line(model, verdicts[model], cells)


def _cell(view: View, row: Row | None) -> Cell:
    if row is None:
        return Cell(None)
    if row.cell.record is None or not row.cell.record.checks:
        return Cell(row)
    value, error = BY_KEY["gap"].show(view, row)
    return Cell(row, tally(row), "" if value == text.NONE else f"{value} {error}")


def named(board: Board) -> dict[str, list[str]]:
    """The models of each verdict, names sorted."""
    verdicts = board.verdicts
    return {v: sorted(m for m in verdicts if verdicts[m].verdict == v) for v in ORDER}


def sentence(board: Board) -> str:
    """'18 of 20 models audited; 1 failed: maf; 1 not audited: vae.'"""
    names = named(board)
    audited = names.pop("audited")
    parts = [f"{len(audited)} of {text.count(len(board.verdicts), 'model')} audited"]
    parts += [f"{len(n)} {verdict}: {text.listing(n)}" for verdict, n in names.items() if n]
    return "; ".join(parts) + "."
