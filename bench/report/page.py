"""results/leaderboard.html: one self-contained file, no network, the same bytes each time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.report import charts, text, twin_chart
from bench.report.columns import COLUMNS
from bench.report.details import details
from bench.report.markdown import slug, twin_line
from bench.report.overview import matrix, winners
from bench.report.pictures import budget, pictures
from bench.report.sentences import heading, machines, takeaway, totals
from bench.report.views import Row, View

EMBEDDED = 3000  #: rows up to which the page itself holds the CSV and every check's detail
CHARTS = 160_000  #: bytes of charts on a page; later data sets go without
LINES = 8  #: 1-D densities per data set


def render(views: Sequence[View], suite: str, csv: str, problems: Sequence[str] = ()) -> str:
    """The page. `csv`: the text of leaderboard.csv; `problems`: plugin files not read."""
    style = _template("page.css").replace("%COLUMNS%", _hiding())
    script = _template("page.js")
    rows = sum(len(v.rows) for v in views)
    small = rows <= EMBEDDED
    numbers = _numbering(views)
    return _environment().get_template("page.html.j2").render(
        suite=suite or "unnamed",
        style=Markup(style),
        script=Markup(script),
        csp=_policy(style, script),
        columns=COLUMNS,
        totals=totals(views),
        winners=[winners(v) for v in views],
        matrix=matrix(views),
        sections=_sections(views, numbers),
        twins=[(twin_line(v, p), p.verdict) for v in views for p in v.pairs],
        twins_svg=Markup(twin_chart.twins([p for v in views for p in v.pairs][:40])),
        machines=machines(views),
        data=_packed({"csv": csv if small else None, **details(views, checks=small)}),
        rows=rows,
        problems=problems,
    )  # fmt: skip


def _numbering(views: Sequence[View]) -> dict[tuple[str, str], int]:
    pairs = ((r.cell.dataset, r.cell.model) for v in views for r in v.rows)
    return {pair: i for i, pair in enumerate(pairs)}


def _sections(views: Sequence[View], numbers: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    """What the template needs of each data set, charts and pictures within their budgets."""
    share = budget(views)
    left, out = CHARTS, []
    for view in views:
        section = _section(view, share, left > 0, numbers)
        left -= sum(len(svg) for svg in section["charts"])
        left -= sum(len(svg) for _, svg in section["densities"])
        out.append(section)
    return out


def _section(
    view: View, share: float, charted: bool, numbers: dict[tuple[str, str], int]
) -> dict[str, Any]:
    shown, left = pictures(view, share)
    makers = (charts.forest, charts.score_cost, charts.curves) if charted else ()
    lines = [(r.cell.model, charts.density_1d(view, r)) for r in view.rows[:LINES] if charted]
    return {
        "id": slug(view.name),
        "name": view.name,
        "heading": heading(view),
        "takeaway": takeaway(view),
        "unit": view.unit,
        "gap": view.truth_nats is not None,
        "rows": [_row(view, row, i, numbers) for i, row in enumerate(view.rows)],
        "charts": [Markup(svg) for make in makers if (svg := make(view))],
        "densities": [(name, Markup(svg)) for name, svg in lines if svg],
        "pictures": shown,
        "left": left,
        "charted": charted,
        "notes": sorted({r.artifact.note for r in view.rows if r.artifact.note}),
    }


def _row(view: View, row: Row, i: int, numbers: dict[tuple[str, str], int]) -> dict[str, Any]:
    previous = view.rows[i - 1] if i else None
    rank = row.place.rank if row.place else None
    same = previous is not None and (previous.place.rank if previous.place else None) == rank
    classes = ([] if same else ["n"]) + ([] if rank else ["u"]) + (["w"] if rank == 1 else [])
    classes += [] if row.cell.status == "ok" else ["f"]
    return {
        "number": numbers[row.cell.dataset, row.cell.model],
        "css": " ".join(classes),
        "cells": [column.show(view, row) for column in COLUMNS],
    }


def _hiding() -> str:
    """A rule per column that the column menu switches by a class of <main>."""
    return "".join(
        f".x{i} .lb :is(td,th):nth-child({i}){{display:none}}" for i in range(1, len(COLUMNS) + 1)
    )


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
    return env


def _template(name: str) -> str:
    return files("bench.report").joinpath("templates", name).read_text(encoding="utf-8")
