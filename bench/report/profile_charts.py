"""Charts of the section on log-det kernels: time against D, the log-determinant, the ratios."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench.profile.reading import (
    Line,
    added,
    best,
    by_kernel,
    exponent,
    extra,
    face,
    label,
    lines_of,
    own,
    reference,
    untimed,
    us,
)
from bench.profile.rows import BRUTE, WAYS, Profile, Row
from bench.report import text
from bench.report.charts import WIDTH
from bench.report.profile_drawing import SHARES, microseconds, spread
from bench.report.svg import LINE, Drawing, Scale, x_axis

PANEL = (190.0, 150.0)  #: width and height of a panel of `latency`
HALF = 0.5  #: of the map's time
BEND = 0.1  #: shares are linear below it, logarithmic above
LINES = 19  #: pixels for each
WORDS = {"forward": "Forward", "inverse": "Inverse", "backward": "Forward and backward"}
NAMES = 140  #: pixels for the kernels' names


def latency(profile: Profile) -> Iterator[str]:
    """A panel per kernel: device time of a forward call against D, all on the same scales."""
    panels = {k: lines for k, rows in by_kernel(profile).items() if (lines := lines_of(rows))}
    rows = [r for lines in panels.values() for line in lines for r in line]
    times = [us(r) for r in rows if r.implementation != BRUTE] or [us(r) for r in rows]
    for name, lines in panels.items():
        width, height = PANEL
        x = Scale(min(r.dim for r in rows), max(r.dim for r in rows), 50, width - 26, log=True)
        y = Scale(min(times) / 2, 4 * max(times), height - 20, 20, log=True, hold=False)
        drawing = Drawing(width, height, _said(name, lines))
        drawing.text(0, 11, name, "n")
        _axes(drawing, x, y, sorted({r.dim for r in rows}))
        _lines(drawing, x, y, profile, lines)
        yield drawing.render()


def _said(name: str, lines: Sequence[Line]) -> str:
    """The finding: the times at the largest common size."""
    ends = [f"{_who(face(line))} {_time(line[-1])} at D = {line[-1].dim}" for line in lines]
    return f"{name}, time of a forward call: {', '.join(ends)}"


def _who(row: Row) -> str:
    if row.implementation == BRUTE:
        return "brute force"
    return f"baseline {row.implementation}" if row.baseline else label(row)


def _time(row: Row) -> str:
    return microseconds(float(f"{us(row):.3g}"))


def _axes(drawing: Drawing, x: Scale, y: Scale, dims: Sequence[int]) -> None:
    shown = dims[::-2][::-1]
    drawing.lines([(x(d), y.end, x(d), y.start) for d in shown], "g")
    for d in shown:
        drawing.text(x(d), y.start + 14, f"{d:,}", "t", "m")
    ticks = y.ticks()
    drawing.lines([(x.start, y(t), x.end, y(t)) for t in ticks], "g")
    for t in ticks:
        drawing.text(x.start - 8, y(t) + 4, microseconds(t), "t", "e")


def _lines(drawing: Drawing, x: Scale, y: Scale, profile: Profile, lines: Sequence[Line]) -> None:
    inner = drawing.clip(x.start - 5, y.end - 2, drawing.width, y.start + 2)
    ends: list[tuple[float, float, str]] = []
    for line in lines:
        shown = face(line)
        brute = shown.implementation == BRUTE
        who = "b" if shown.baseline else "a"
        dashed = "" if shown.mode == "eager" else " fu"
        inner.path([(x(r.dim), y(us(r))) for r in line], "br" if brute else f"e{who}{dashed}")
        for row in line if not brute else ():
            hover = f"{_who(shown)}: {_time(row)} at D = {row.dim}"
            inner.mark(x(row.dim), y(us(row)), f"k{who}", "os"[who == "b"], hover, r=2.5)
        fit, inside = exponent(profile, line[0]), [r for r in line if y(us(r)) >= y.end]
        if fit and inside and not brute:
            ends.append((us(inside[-1]), x(inside[-1].dim), text.fixed(fit.last, 1)))
    drawing.insert(inner)
    gap = (y.high / y.low) ** (LINE / (y.start - y.end))
    for (_, at, value), place in zip(ends, spread([e[0] for e in ends], gap), strict=True):
        drawing.text(at + 6, y(place) + 4, value, "n")


def overall(profile: Profile) -> Iterator[str]:
    """The log-determinant's price, then the ratio to the baseline in every pass."""
    kernels = by_kernel(profile)
    pairs = {k: pair for k, rows in kernels.items() if (pair := added(rows))}
    if pairs:
        yield _share(pairs)
    for way in WAYS:
        fast = {
            k: r for k, rows in kernels.items() if (r := best(reference(rows, way))) and r.ratio
        }
        if fast:
            yield _ratios(way, fast, kernels)


def _share(pairs: dict[str, list[Row]]) -> str:
    names = sorted(pairs, key=lambda k: (-extra(pairs[k][0]), k))
    shares = [extra(pair[0]) for pair in pairs.values() if own(pair[0])]
    cheap = f"{sum(s < HALF for s in shares)} of {len(shares)} kernels"
    finding = f"The log-determinant adds less than half of the map's time on {cheap}, in-house"
    drawing = Drawing(WIDTH, 74 + LINES * len(names), finding)
    drawing.text(0, 14, "What the log-determinant adds to the map's time", "n")
    top = 1.15 * max(1.0, *(extra(r) for pair in pairs.values() for r in pair))
    bend = Scale(0, _bent(top), NAMES + 8, WIDTH - 16)
    bottom = 26 + LINES * len(names)
    ticks = [t for t in SHARES if t < top]
    drawing.lines([(bend(_bent(t)), 24, bend(_bent(t)), bottom) for t in ticks], "g")
    for t in ticks:
        drawing.text(bend(_bent(t)), bottom + 14, f"{100 * t:.0f}", "t", "m")
    drawing.text(
        (bend.start + bend.end) / 2, bottom + 31, "percent (left is cheaper), line: half", "t", "m"
    )
    drawing.line(bend(_bent(HALF)), 24, bend(_bent(HALF)), bottom, "z")
    for i, name in enumerate(names):
        y = 34 + LINES * i
        drawing.text(NAMES, y + 4, text.shorten(name, 22), "n", "e")
        at = [bend(_bent(extra(r))) for r in pairs[name]]
        drawing.line(min(at), y, max(at), y, "cx")
        for row, x in reversed(list(zip(pairs[name], at, strict=True))):
            style, form = ("kb", "s") if row.baseline else ("ka", "o")
            hover = f"{_who(row)}: {text.percent(extra(row))}"
            drawing.mark(x, y, style, form, hover)
    return drawing.render()


def _bent(share: float) -> float:
    """Linear up to BEND, then by decades."""
    return 0.6 * share / BEND if share <= BEND else 0.6 + math.log10(share / BEND)


def _ratios(way: str, fast: dict[str, Row], kernels: dict[str, list[Row]]) -> str:
    """Dots with intervals, fastest first; a kernel without a ratio says why."""
    names = sorted(fast, key=lambda k: (-_value(fast[k]), k))
    names += [k for k, rows in kernels.items() if k not in fast and untimed(rows, way)]
    won = sum(r.ratio is not None and r.ratio.verdict == "faster" for r in fast.values())
    finding = f"{WORDS[way]}: in-house is faster than the baseline on {won} of {len(fast)} kernels"
    drawing = Drawing(WIDTH, 74 + LINES * len(names), finding)
    drawing.text(0, 14, f"{WORDS[way]}: fastest in-house path against the baseline", "n")
    ends = [
        v for r in fast.values() if r.ratio for v in (r.ratio.low, _value(r), r.ratio.high) if v
    ]
    x = Scale(min(0.7, *ends) / 1.1, max(1.5, *ends) * 1.1, NAMES + 8, WIDTH - 12, log=True)
    bottom = 26 + LINES * len(names)
    x_axis(drawing, x, 24, bottom, "times as fast (right is faster); bar: 95 %")
    drawing.line(x(1), 24, x(1), bottom, "z")
    for i, name in enumerate(names):
        y = 34 + LINES * i
        drawing.text(NAMES, y + 4, text.shorten(name, 22), "n", "e")
        row = fast.get(name)
        if row is None or row.ratio is None:
            drawing.text(x(1) + 8, y + 4, untimed(kernels[name], way), "t")
            continue
        if row.ratio.low is not None and row.ratio.high is not None:
            drawing.line(x(row.ratio.low), y, x(row.ratio.high), y, "ea")
        clear = row.ratio.verdict in ("faster", "slower")
        hover = f"{label(row)}: {text.significant(_value(row))} times as fast"
        drawing.mark(x(_value(row)), y, "ka" if clear else "ka h", "o", hover)
    return drawing.render()


def _value(row: Row) -> float:
    return row.ratio.value if row.ratio else 1.0
