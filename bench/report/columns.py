"""The tables' columns: what each prints and what its heading means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.report import text
from bench.report.audit import GLYPHS
from bench.report.sentences import score_text
from bench.report.views import Row, View

MARKS = {"fail": "✗", "inconclusive": "?", "error": "!"}  #: of verdicts other than a pass

#: a cell's text: the value, and what stands smaller beside it
Printed = tuple[str, str]
Show = Callable[[View, Row], Printed]


@dataclass(frozen=True)
class Column:
    """`shown`: visible before anyone opens the column menu."""

    key: str
    title: str
    hint: str
    show: Show
    shown: bool = True
    number: bool = True


def _rank(view: View, row: Row) -> Printed:
    return (str(row.place.rank) if row.place else text.NONE), ""


def _score(view: View, row: Row) -> Printed:
    value, _, errors = score_text(view, row, seeds=True).partition(" ")
    return value, errors


def _behind(view: View, row: Row) -> Printed:
    d = row.behind
    if d is None:
        return text.NONE, ""
    if d.mean == 0 and d.se == 0:
        return ("0" if d.paired else text.NONE), ""
    decimals = text.decimals_for(view.error(d.se))
    error = text.plus_minus(view.error(d.se), decimals) + ("" if d.paired else " unpaired")
    return text.fixed(view.score(d.mean), decimals, sign=True), error


def _gap(view: View, row: Row) -> Printed:
    score = row.cell.record.score if row.cell.record else None
    gap = score.gap_nats if score else None
    if gap is None or gap.mean is None:
        return text.NONE, ""
    decimals = text.decimals_for(gap.se)
    return text.fixed(gap.mean, decimals), text.plus_minus(gap.se, decimals)


def tally(row: Row) -> Printed:
    """Checks passed, and what else became of them: ('9', '1 ✗ 2 ?')."""
    if not row.cell.record or not row.cell.record.checks:
        return text.NONE, ""
    counted = ((row.cell.verdicts(verdict), mark) for verdict, mark in MARKS.items())
    return str(row.cell.verdicts("pass")), " ".join(f"{n} {mark}" for n, mark in counted if n)


def marked(counts: Printed) -> str:
    """A tally on its own: '9 ✓ 1 ✗ 2 ?', or nothing without checks."""
    passed, rest = counts
    return "" if passed == text.NONE else f"{passed} ✓ {rest}".strip()


def _tally(view: View, row: Row) -> Printed:
    return tally(row)


def _audit(view: View, row: Row) -> Printed:
    return (f"{GLYPHS[row.audit.verdict]} {row.audit.verdict}" if row.audit else text.NONE), ""


def _status(view: View, row: Row) -> Printed:
    status = row.group if row.group == "failed-audit" else row.cell.status
    glyph = {"ok": "✓", "failed-check": "✗", "failed-audit": "✗", "missing": "○"}.get(status, "!")
    return f"{glyph} {status}", row.note


def _cost(field: str, style: Callable[[float | None], str]) -> Show:
    def show(view: View, row: Row) -> Printed:
        value = getattr(row.cell.cost.cost, field)
        return style(value.p50 if hasattr(value, "p50") else value), ""

    return show


def _fact(field: str) -> Show:
    return lambda view, row: (getattr(row.cell, field) or text.NONE, "")


def _column(key: str, title: str, hint: str, show: Show, options: str = "") -> Column:
    """`options`: 'hidden' until chosen in the menu, 'text' where the values are no numbers."""
    return Column(key, title, hint, show, "hidden" not in options, "text" not in options)


_SIG = text.significant
_TABLE: tuple[tuple[str, str, str, Show, str], ...] = (
    ("rank", "#", "equal ranks: not separable by 2 s.e. of the paired difference", _rank, ""),
    ("model", "model", "press a name for checks, digests, environment", _fact("model"), "text"),
    ("implementation", "implementation", "who wrote it", _fact("implementation"), "text hidden"),
    ("family", "family", "the literature's family", _fact("family"), "text hidden"),
    (
        "kind",
        "kind",
        "of likelihood: no bound beats an exact row for best",
        _fact("likelihood"),
        "text",
    ),
    ("score", "score", "test score ± s.e. over test points ± s.e. over seeds", _score, ""),
    ("behind", "vs best", "score minus the best row's, same test points, ± s.e.", _behind, ""),
    ("gap", "gap to truth", "mean of log p* − log q, nats: an estimate of KL(p*‖q)", _gap, ""),
    ("checks", "checks", "passed; ✗ failed, ? inconclusive, ! the check raised", _tally, ""),
    ("audit", "audit", "of the model, on known truths", _audit, "text"),
    (
        "log_prob",
        "log_prob µs",
        "per point, median; lower is faster",
        _cost("log_prob_us", _SIG),
        "",
    ),
    (
        "samples",
        "samples/s",
        "at the best batch; higher is faster",
        _cost("samples_per_second", _SIG),
        "",
    ),
    ("train", "train s", "training time per seed, seconds", _cost("train_seconds", _SIG), ""),
    ("parameters", "parameters", "trainable", _cost("parameters", text.whole), "hidden"),
    (
        "logdet",
        "log-det µs",
        "what the log-determinant adds per point",
        _cost("logdet_us", _SIG),
        "hidden",
    ),
    (
        "share",
        "log-det share",
        "its share of log_prob",
        _cost("logdet_share", text.percent),
        "hidden",
    ),
    (
        "speedup",
        "log-det speed-up",
        "over slogdet of the Jacobian",
        _cost("logdet_speedup", _SIG),
        "hidden",
    ),
    (
        "accuracy",
        "log-det error",
        "largest, in float64, nats",
        _cost("logdet_error", _SIG),
        "hidden",
    ),
    ("status", "status", "why a row has no rank", _status, "text"),
)
COLUMNS = tuple(_column(*line) for line in _TABLE)
BY_KEY = {column.key: column for column in COLUMNS}


def columns(audited: bool, everything: bool = True) -> tuple[Column, ...]:
    """Those of a suite with or without an audit; all of them, or those shown by default."""
    kept = (c for c in COLUMNS if audited or c.key != "audit")
    return tuple(c for c in kept if everything or c.shown)
