"""A data set's charts: differences to the best, score against cost, curves, 1-D densities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

import numpy as np

from bench.report import text
from bench.report.svg import Drawing, Scale, x_axis, y_axis
from bench.report.views import Row, View

WIDTH = 430
Point = tuple[float, float, Row]  #: time, score, row
SERIES = 4  #: lines with a colour of their own


def css(row: Row) -> str:
    """Class of a row's marks: a in-house, b elsewhere; h hollow where a check failed."""
    who = "a" if row.cell.implementation == "in-house" else "b"
    return f"k{who}" if row.place else f"k{who} h"


def shape(row: Row) -> str:
    """Circle in-house, square elsewhere: colour never carries meaning alone."""
    return "o" if row.cell.implementation == "in-house" else "s"


def window(values: Sequence[float], good_high: bool) -> tuple[float, float]:
    """Scale limits that show the good half: the bad end is cut at four times its distance."""
    sign = 1 if good_high else -1
    signed = sorted(sign * v for v in values)
    top, bottom = signed[-1], signed[0]
    cut = top - 4 * (top - median(signed))
    bottom = max(bottom, cut) if top > cut else bottom
    pad = 0.08 * (top - bottom) or max(abs(top) * 0.05, 1e-3)
    low, high = sorted((sign * (bottom - pad), sign * (top + pad)))
    return low, high


def forest(view: View) -> str:
    """Paired difference to the best row, bar 2 s.e.; '' with fewer than two rows."""
    rows = [r for r in view.rows if r.behind and r.place]
    if len(rows) < 2:
        return ""
    behind = [r.behind for r in rows if r.behind]
    at = [(d.mean * view.per_unit, 2 * d.se * abs(view.per_unit)) for d in behind]
    good_high = not view.data.discrete
    low, high = window([d for d, _ in at] + [0.0], good_high)
    drawing = Drawing(WIDTH, 52 + 19 * len(rows), forest_finding(view))
    x = Scale(low, high, 160, WIDTH - 12)
    bottom = 10 + 19 * len(rows)
    better = "right" if good_high else "left"
    x_axis(drawing, x, 4, bottom, f"minus the best row, {view.unit} ({better} is better)")
    drawing.line(x(0), 4, x(0), bottom, "z")
    for i, (row, (d, width)) in enumerate(zip(rows, at, strict=True)):
        y = 16 + 19 * i
        rank = row.place.rank if row.place else text.NONE
        drawing.text(150, y + 4, f"{text.shorten(row.cell.model, 20)} {rank}", "n", "e")
        outside = d < low or d > high
        if not outside:
            drawing.line(x(d - width), y, x(d + width), y, f"e{css(row)[1]}")
        drawing.mark(x(d), y, css(row), "v" if outside else shape(row))
    return drawing.render()


def forest_finding(view: View) -> str:
    """What the chart shows, in words."""
    tied = f"{len(view.best)} of {text.count(len(view.ranked), 'ranked row')}"
    return f"{view.name}: {tied} not separable from the best, {view.best[0].cell.model}"


def score_cost(view: View) -> str:
    """Score against the time of log_prob, with the front of ranked rows; '' below two rows."""
    at = timed(view, view.rows)
    if len(at) < 2:
        return ""
    shown = [s for _, s, row in at if row.place] or [s for _, s, _ in at]
    low, high = window(shown, not view.data.discrete)
    drawing = Drawing(WIDTH, 330, front_finding(view, at), left=52)
    times = [t for t, _, _ in at]
    x = Scale(min(times) / 1.6, max(times) * 1.6, 52, WIDTH - 12, log=True)
    y = Scale(low, high, 286, 24) if not view.data.discrete else Scale(low, high, 24, 286)
    x_axis(drawing, x, 24, 286, "log_prob, µs per point (left is faster)")
    y_axis(drawing, y, 52, WIDTH - 12)
    drawing.text(52, 14, f"score, {view.unit} (up is better)", "t")
    _front(drawing, x, y, at, view)
    for t, s, row in at:
        hover = f"{row.cell.model}: {text.fixed(s, 4)} {view.unit}, {text.significant(t)} µs"
        drawing.mark(x(t), y(s), css(row), shape(row) if low <= s <= high else "v", hover)
    for t, s, row in at:
        drawing.name(x(t), y(s), row.cell.model)
    return drawing.render()


def timed(view: View, rows: Iterable[Row]) -> list[Point]:
    """Time of log_prob (microseconds) and score (the view's unit) of the rows that have both."""
    at = ((r.cell.log_prob_us, view.score(r.cell.nats), r) for r in rows)
    return [(t, s, r) for t, s, r in at if t is not None and s is not None]


def front(rows: Iterable[Point], good_high: bool) -> list[Point]:
    """Ranked rows that no ranked row beats in both score and time, fastest first."""
    best, out = -math.inf, []
    for t, s, row in sorted(rows, key=lambda p: (p[0], -p[1] if good_high else p[1])):
        value = s if good_high else -s
        if row.place and value > best:
            best = value
            out.append((t, s, row))
    return out


def _front(drawing: Drawing, x: Scale, y: Scale, rows: list[Point], view: View) -> None:
    steps: list[tuple[float, float]] = []
    for t, s, _ in front(rows, not view.data.discrete):
        if steps:
            steps.append((x(t), steps[-1][1]))
        steps.append((x(t), y(s)))
    if steps:
        drawing.path([*steps, (x.end, steps[-1][1])], "f")


def front_finding(view: View, at: Iterable[Point]) -> str:
    """Which rows are on the front, in words."""
    names = [r.cell.model for _, _, r in front(at, not view.data.discrete)]
    on = text.listing(names) if names else "no row"
    return f"{view.name}, score against time of log_prob: the front is {on}"


def curves(view: View) -> str:
    """Validation score in training: first rows in colour, others grey; '' without curves."""
    rows = [r for r in view.ranked if r.curve]
    if not rows:
        return ""
    series = [(r, [view.score(v) or 0.0 for v in r.curve.nats]) for r in rows if r.curve]
    low, high = window(
        [s[-1] for _, s in series] + [median(s) for _, s in series], not view.data.discrete
    )
    last = max(float(r.curve.steps[-1]) for r in rows if r.curve)
    drawing = Drawing(
        WIDTH, 330, f"{view.name}: validation score of {text.count(len(rows), 'model')}"
    )
    x = Scale(0, last, 52, WIDTH - 146)
    bottom, top = (286, 24) if not view.data.discrete else (24, 286)
    y = Scale(low, high, bottom, top, hold=False)
    x_axis(drawing, x, 24, 286, "training step (dot: the one kept)")
    y_axis(drawing, y, 52, WIDTH - 146)
    drawing.text(52, 14, f"validation score, {view.unit} (up is better)", "t")
    inner = drawing.clip(52, 20, WIDTH - 142, 286)
    for i, (row, values) in reversed(list(enumerate(series))):
        _curve(inner, x, y, row, values, f"c{i}" if i < SERIES else "cx")
    drawing.insert(inner)
    for i, (row, values) in enumerate(series):
        _end(drawing, x, y, row, values, i)
    return drawing.render()


def _curve(drawing: Drawing, x: Scale, y: Scale, row: Row, values: list[float], style: str) -> None:
    assert row.curve is not None
    drawing.path([(x(s), y(v)) for s, v in zip(row.curve.steps, values, strict=True)], style)
    kept = row.curve.kept
    if kept is not None and kept in row.curve.steps:
        v = values[int(np.flatnonzero(row.curve.steps == kept)[0])]
        drawing.mark(x(kept), y(v), f"d{style}", r=3)


def _end(drawing: Drawing, x: Scale, y: Scale, row: Row, values: list[float], i: int) -> None:
    """Name the line at its end, moved down to the next free place."""
    assert row.curve is not None
    at = y(values[-1]) + 4
    while any(abs(at - b[1]) < LINE_STEP for b in drawing.taken if b[0] == -1) and at < 290:
        at += 2
    if at < 290:
        drawing.taken.append((-1, at, -1, at))
        drawing.line(WIDTH - 138, at - 4, WIDTH - 124, at - 4, f"c{i}" if i < SERIES else "cx")
        drawing.text(WIDTH - 120, at, text.shorten(row.cell.model, 19), "n" if i < SERIES else "t")


LINE_STEP = 13


def density_1d(view: View, row: Row) -> str:
    """A model's density as a line over the truth filled; '' without a 1-D grid."""
    grid = row.artifact.grid
    if grid is None or grid.y is not None:
        return ""
    top = 1.08 * float(max((grid.truth if grid.truth is not None else grid.model).max(), 1e-9))
    drawing = Drawing(280, 150, f"{row.cell.model} on {view.name}: density over the truth")
    x, y = Scale(grid.x[0], grid.x[-1], 4, 276), Scale(0, top, 132, 4)
    for value in x.ticks(6):
        drawing.text(
            x(value), 146, text.fixed(value, 0) if value % 1 == 0 else f"{value:g}", "t", "m"
        )
    thin = max(1, len(grid.x) // 600)
    if grid.truth is not None:
        at = zip(grid.x[:: 2 * thin], grid.truth[:: 2 * thin], strict=True)
        outline = [(x(a), y(b)) for a, b in at]
        drawing.path([(x.start, 132), *outline, (x.end, 132)], "fill", close=True)
    line = zip(grid.x[::thin], grid.model[::thin], strict=True)
    drawing.path([(x(a), y(b)) for a, b in line], "c0")
    drawing.line(4, 132, 276, 132, "g")
    return drawing.render()
