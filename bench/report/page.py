"""results/leaderboard.html: one self-contained file, no network, the same bytes each time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.report import audit_table, charts, data_table, datasets, text, twin_chart
from bench.report.board import Board
from bench.report.columns import Column, columns
from bench.report.details import details
from bench.report.markdown import slug, twin_line
from bench.report.overview import matrix, winners
from bench.report.pictures import budget, pictures
from bench.report.sentences import VERDICT_WORDS, heading, machines, takeaway, totals
from bench.report.views import Row, View

if TYPE_CHECKING:
    from bench.profile.rows import Profile

#: rows up to which the page itself holds the CSV, every column and every check's detail
EMBEDDED = 3000
CHARTS = 160_000  #: bytes of charts on a page; later data sets go without
TWINS = 1000  #: pairs on a page; the Markdown has all
LINES = 8  #: 1-D densities per data set


def render(board: Board, csv: str, profile: Profile | str | None = None) -> str:
    """The page.

    Args:
        board: the result set.
        csv: the text of leaderboard.csv.
        profile: of log-det kernels, or why it cannot be read; None for a page without.
    """
    views, small = board.views, board.rows <= EMBEDDED
    shown = columns(audited=bool(board.audits), everything=small)
    style = _template("page.css").replace("%COLUMNS%", _hiding(shown))
    style = style.replace("%TEXT%", _alignment(shown))
    script = _template("page.js")
    kernels = None if profile is None else _kernels(profile)
    if kernels:
        style += _template("kernels.css")
    numbers = _numbering(board)
    twins = [(view, pair) for view in views for pair in view.pairs]
    return _environment().get_template("page.html.j2").render(
        suite=board.suite or "unnamed",
        style=Markup(style),
        script=Markup(script),
        csp=_policy(style, script),
        columns=shown,
        totals=totals(board.everything),
        verdicts=VERDICT_WORDS,
        winners=[winners(v) for v in views],
        matrix=matrix(views),
        sections=_sections(board, shown, numbers),
        audit=_audit(board, numbers) if board.audits else None,
        findings=list(data_table.lines(board)),
        twins=[(twin_line(v, p), p.verdict) for v, p in twins[:TWINS]],
        twins_left=max(0, len(twins) - TWINS),
        twins_svg=Markup(twin_chart.twins([p for _, p in twins[:40]])),
        kernels=kernels,
        machines=machines(board.everything),
        data=_packed({"csv": csv if small else None, **details(board, checks=small)}),
        rows=sum(len(v.rows) for v in views) + len(kernels["lines"] if kernels else ()),
        problems=board.problems,
    )  # fmt: skip


def _kernels(profile: Profile | str) -> dict[str, Any]:
    """What the template needs of a profile, or the sentence in place of one."""
    if isinstance(profile, str):
        return {"problem": profile, "lines": ()}
    from bench.report.kernels import section  # torch behind it

    return {"problem": "", **section(profile)}


Numbers = dict[tuple[str, str], int]


def _numbering(board: Board) -> Numbers:
    pairs = ((r.cell.dataset, r.cell.model) for v in board.everything for r in v.rows)
    return {pair: i for i, pair in enumerate(pairs)}


def _audit(board: Board, numbers: Numbers) -> dict[str, Any]:
    """The audit's sentence, its truths, and a line per model."""
    return {
        "sentence": audit_table.sentence(board),
        "counts": {v: len(n) for v, n in audit_table.named(board).items() if n or v == "audited"},
        "truths": [(view.name, heading(view)) for view in board.audits],
        "lines": [(line, list(_met(line, numbers))) for line in audit_table.lines(board)],
    }


def _met(line: audit_table.Line, numbers: Numbers) -> Iterator[dict[str, Any] | None]:
    for cell in line.cells:
        if cell.row is None:
            yield None
            continue
        key = (cell.row.cell.dataset, cell.row.cell.model)
        yield {
            "number": numbers[key],
            "name": f"{key[1]} on {key[0]}: ",
            "words": cell.words,
            "gap": cell.gap,
            "bad": cell.row.cell.verdicts("fail") > 0,
        }


def _sections(board: Board, shown: Sequence[Column], numbers: Numbers) -> list[dict[str, Any]]:
    """What the template needs of each data set, charts and pictures within their budgets."""
    share, cards = budget(board.views), datasets.cards(board)
    left, out = CHARTS, []
    for view in board.views:
        section = _section(view, share, left > 0)
        section["warnings"] = data_table.warnings(board, view.name)
        section["card"] = cards.get(view.name)
        section["rows"] = [_row(view, r, i, shown, numbers) for i, r in enumerate(view.rows)]
        left -= sum(len(svg) for svg in section["charts"])
        left -= sum(len(svg) for _, svg in section["densities"])
        out.append(section)
    return out


def _section(view: View, share: float, charted: bool) -> dict[str, Any]:
    kept, left = pictures(view, share)
    makers = (charts.forest, charts.score_cost, charts.curves) if charted else ()
    lines = [(r.cell.model, charts.density_1d(view, r)) for r in view.rows[:LINES] if charted]
    return {
        "id": slug(view.name),
        "name": view.name,
        "heading": heading(view),
        "takeaway": takeaway(view),
        "unit": view.unit,
        "gap": view.truth_nats is not None,
        "charts": [Markup(svg) for make in makers if (svg := make(view))],
        "densities": [(name, Markup(svg)) for name, svg in lines if svg],
        "pictures": kept,
        "left": left,
        "charted": charted,
        "notes": sorted({r.artifact.note for r in view.rows if r.artifact.note}),
    }


def _row(view: View, row: Row, i: int, shown: Sequence[Column], numbers: Numbers) -> dict[str, Any]:
    previous = view.rows[i - 1] if i else None
    rank = row.place.rank if row.place else None
    same = previous is not None and (previous.place.rank if previous.place else None) == rank
    classes = ([] if same else ["n"]) + ([] if rank else ["u"]) + (["w"] if rank == 1 else [])
    classes += ["f"] if row.group not in ("ranked", "unranked") else []
    return {
        "number": numbers[row.cell.dataset, row.cell.model],
        "css": " ".join(classes),
        "cells": [column.show(view, row) for column in shown],
    }


def _hiding(shown: Sequence[Column]) -> str:
    """A rule per column that the column menu switches by a class of <main>; gaps need a truth."""
    rules = [
        f".x{i} .lb :is(td,th):nth-child({i}){{display:none}}" for i in range(1, len(shown) + 1)
    ]
    gap = 1 + [column.key for column in shown].index("gap")
    return "".join(rules) + f".nogap :is(td,th):nth-child({gap}){{display:none}}"


def _alignment(shown: Sequence[Column]) -> str:
    """Selectors of the columns that hold no numbers."""
    return ",".join(f":nth-child({i})" for i, c in enumerate(shown, 1) if not c.number)


def _packed(payload: dict[str, Any]) -> str:
    """JSON, gzipped without a date, in base64."""
    raw = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(raw.encode(), 9, mtime=0)).decode("ascii")


def _policy(style: str, script: str) -> str:
    """Content security policy: this style, this script, inlined images, nothing else."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    loader = PackageLoader("bench.report", "templates")
    env = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals["NONE"] = text.NONE
    env.filters["count"] = text.count
    env.filters["slug"] = slug
    return env


def _template(name: str) -> str:
    return files("bench.report").joinpath("templates", name).read_text(encoding="utf-8")
