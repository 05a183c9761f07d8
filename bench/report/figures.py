"""results/figures/*.png: three pictures for the README, by matplotlib, the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report import charts, text, twin_chart
from bench.report.artifacts import Grid
from bench.report.views import Row, View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IN_HOUSE, ELSEWHERE = "#0060a0", "#b34a00"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a949e",
    "axes.linewidth": 0.6,
    "xtick.color": "#56606b",
    "ytick.color": "#56606b",
    "axes.titlesize": 9,
}


def figures(views: Sequence[View]) -> dict[str, bytes]:
    """PNG bytes by file name; a figure without data is left out."""
    makers: dict[str, Callable[[Sequence[View]], Figure | None]] = {
        "densities.png": densities,
        "score-against-cost.png": score_against_cost,
        "twins.png": twins,
    }
    import matplotlib
    from matplotlib import pyplot as plt

    out = {}
    with matplotlib.rc_context(STYLE), plt.ioff():
        matplotlib.use("agg")
        for name, maker in makers.items():
            figure = maker(views)
            if figure is not None:
                stream = io.BytesIO()
                figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
                plt.close(figure)
                out[name] = stream.getvalue()
    return out


def densities(views: Sequence[View], most: int = 3, models: int = 4) -> Figure | None:
    """Up to three 2-D data sets: the truth, then the best rows with the gap of each."""
    from matplotlib import pyplot as plt

    sets = [(v, rows) for v in views if (rows := _mapped(v)[:models])][:most]
    if not sets:
        return None
    columns = 1 + max(len(rows) for _, rows in sets)
    figure, axes = plt.subplots(
        len(sets), columns, figsize=(1.5 * columns, 1.66 * len(sets)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis in axes.flat:
        axis.set_axis_off()
    for line, (view, rows) in zip(axes, sets, strict=True):
        first = rows[0][1]
        assert first.truth is not None
        top = float(np.quantile(first.truth, 0.999))
        _map(line[0], first.truth, top, f"{view.name}\ntruth")
        for axis, (row, grid) in zip(line[1:], rows, strict=False):
            _map(axis, grid.model, top, f"{row.cell.model}\n{_gap(row)}")
    return figure


def _mapped(view: View) -> list[tuple[Row, Grid]]:
    """Rows with a 2-D grid and its truth, best first; a twin's reference would show it twice."""
    return [
        (r, g)
        for r in view.rows
        if not (r.cell.twin and r.cell.implementation != "in-house")
        and (g := r.artifact.grid) is not None
        and g.y is not None
        and g.truth is not None
    ]


def _gap(row: Row) -> str:
    score = row.cell.record.score if row.cell.record else None
    gap = score.gap_nats if score else None
    return f"gap {text.fixed(gap.mean, 3)} nats" if gap and gap.mean is not None else ""


def _map(axis: Any, density: Any, top: float, title: str) -> None:
    axis.imshow(density, origin="lower", vmin=0, vmax=top, cmap="viridis", interpolation="nearest")
    axis.set_title(title, fontsize=7.5)


def score_against_cost(views: Sequence[View], most: int = 9) -> Figure | None:
    """Score against the time of log_prob, one panel per data set; up is better, left is faster."""
    from matplotlib import pyplot as plt

    shown = [v for v in views if len(charts.timed(v, v.ranked)) > 1][:most]
    if not shown:
        return None
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3.1 * columns, 2.25 * lines), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(shown) :]:
        axis.set_axis_off()
    for axis, view in zip(axes.flat, shown, strict=False):
        _cost_panel(axis, view)
    handles = [
        plt.Line2D([], [], color=IN_HOUSE, marker="o", ls="", ms=4, label="in-house"),
        plt.Line2D([], [], color=ELSEWHERE, marker="s", ls="", ms=4, label="other implementations"),
        plt.Line2D([], [], color="#56606b", ls=":", label="front"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _cost_panel(axis: Any, view: View) -> None:
    at = charts.timed(view, view.ranked)
    good_high = not view.data.discrete
    low, high = charts.window([s for _, s, _ in at], good_high)
    for t, s, row in at:
        own = row.cell.implementation == "in-house"
        marker, colour = ("o", IN_HOUSE) if own else ("s", ELSEWHERE)
        axis.plot(t, min(max(s, low), high), marker, ms=4, color=colour, clip_on=False)
    line = charts.front(at, good_high)
    steps = [(t, s) for t, s, _ in line]
    axis.step(*zip(*steps, strict=True), where="post", color="#56606b", lw=1, ls=":")
    axis.annotate(
        line[-1][2].cell.model, steps[-1], xytext=(0, 6), textcoords="offset points",
        ha="center", fontsize=7,
    )  # fmt: skip
    axis.set(xscale="log", ylim=(low, high) if good_high else (high, low))
    axis.set_title(view.name, pad=11)
    times = [t for t, _, _ in at]
    axis.set_xlim(min(times) / 2, max(max(times), 5 * min(times)) * 2)
    axis.set_xlabel("log_prob, µs per point", fontsize=7)
    axis.set_ylabel(f"{view.unit}, up is better", fontsize=7)


def twins(views: Sequence[View], most: int = 24) -> Figure | None:
    """How many times faster the in-house model is than its reference: log_prob and sampling."""
    from matplotlib import pyplot as plt

    pairs = [p for v in views for p in v.pairs if any(twin_chart.speed(p))][:most]
    if not pairs:
        return None
    figure, axis = plt.subplots(figsize=(6.4, 0.9 + 0.2 * len(pairs)), layout="constrained")
    for i, pair in enumerate(pairs):
        for ratio, marker, colour in zip(
            twin_chart.speed(pair), "os", (IN_HOUSE, ELSEWHERE), strict=True
        ):
            if ratio:
                axis.plot(ratio, i, marker, ms=5, color=colour)
    axis.set_yticks(range(len(pairs)), [f"{p.dataset} · {p.model}" for p in pairs], fontsize=7)
    axis.invert_yaxis()
    axis.axvline(1, color="#56606b", lw=0.8)
    axis.grid(axis="x", color="#ebeff2", lw=0.6)
    axis.set(
        xscale="log", xlabel="times as fast as the reference (circle: log_prob, square: sampling)"
    )
    low, high = axis.get_xlim()
    axis.set_xticks([t for t in (0.1, 0.3, 1, 2, 5, 10, 20, 50, 100, 300, 1000) if low < t < high])
    axis.xaxis.set_major_formatter("{x:g}×")
    axis.xaxis.set_minor_formatter("")
    return figure
