"""The top of the page: who wins where, at which cost, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.report import text
from bench.report.columns import BY_KEY
from bench.report.markdown import slug
from bench.report.sentences import cheapest, score_text
from bench.report.views import Row, View

GLYPHS = {"unranked": "·", "failed-check": "✗", "missing": "○"}


@dataclass(frozen=True)
class Winner:
    """One line of the overview."""

    id: str
    name: str
    kind: str
    best: str
    ties: tuple[str, ...]
    bounds: int  #: rows that score higher as bounds
    score: tuple[str, str]
    gap: tuple[str, str]
    cheapest: str
    log_prob: str
    samples: str
    train: str
    ranked: int
    rows: int
    passed: int
    failed: int


def winners(view: View) -> Winner:
    """The overview's line of a data set: best rows, score, cost of the cheapest of them, checks."""
    best = view.best[0] if view.best else None
    cheap = cheapest(view.best) or best
    score = score_text(view, best) if best else text.NONE
    value, _, error = score.partition(" ")
    return Winner(
        id=slug(view.name),
        name=view.name,
        kind=f"{view.data.kind}, D = {view.data.dim:,}" if view.data.dim else view.data.kind,
        best=best.cell.model if best else text.NONE,
        ties=tuple(r.cell.model for r in view.best[1:]),
        bounds=sum(bool(r.place and r.place.above_exact) for r in view.rows),
        score=(value, f"{error} {view.unit}" if best else ""),
        gap=_show("gap", view, best),
        cheapest=cheap.cell.model if cheap else "",
        log_prob=_show("log_prob", view, cheap)[0],
        samples=_show("samples", view, cheap)[0],
        train=_show("train", view, cheap)[0],
        ranked=len(view.ranked),
        rows=len(view.rows),
        passed=sum(r.cell.verdicts("pass") for r in view.rows),
        failed=sum(r.cell.verdicts("fail") for r in view.rows),
    )


def _show(key: str, view: View, row: Row | None) -> tuple[str, str]:
    return BY_KEY[key].show(view, row) if row else (text.NONE, "")


@dataclass(frozen=True)
class Matrix:
    """Ranks, data sets down and models across; never averaged. Cells: (text, class, words)."""

    models: tuple[str, ...]
    lines: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...]


def matrix(views: Sequence[View]) -> Matrix | None:
    """Ranks of all models on all data sets; models by the number of first places, then by name."""
    if len(views) < 2:
        return None
    models = _by_wins(views)
    lines = []
    for view in views:
        row_of = {r.cell.model: r for r in view.rows}
        cells = tuple(_cell(row_of.get(m)) for m in models)
        lines.append((slug(view.name), view.name, cells))
    return Matrix(models, tuple(lines))


def _by_wins(views: Iterable[View]) -> tuple[str, ...]:
    ranks: dict[str, list[int]] = {}
    for view in views:
        for row in view.rows:
            ranks.setdefault(row.cell.model, []).extend([row.place.rank] if row.place else [])
    return tuple(sorted(ranks, key=lambda m: (-ranks[m].count(1), -len(ranks[m]), m)))


def _cell(row: Row | None) -> tuple[str, str, str]:
    if row is None:
        return "", "", ""
    if row.place:
        return str(row.place.rank), f"r{min(row.place.rank, 6)}", ""
    return GLYPHS.get(row.group, "!"), "u", f"{row.group}: {row.note}"
