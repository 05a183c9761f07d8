"""The tables' columns: what each prints and what its heading means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.report import text
from bench.report.sentences import score_text
from bench.report.views import Row, View

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


def _checks(view: View, row: Row) -> Printed:
    if not row.cell.record or not row.cell.record.checks:
        return text.NONE, ""
    failed = row.cell.verdicts("fail")
    return str(row.cell.verdicts("pass")), f"{failed} failed" if failed else ""


def _status(view: View, row: Row) -> Printed:
    glyph = {"ok": "✓", "failed-check": "✗", "missing": "○"}.get(row.cell.status, "!")
    return f"{glyph} {row.cell.status}", row.note


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
    ("checks", "checks", "checks passed", _checks, ""),
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
