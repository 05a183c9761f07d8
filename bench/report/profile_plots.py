"""Pictures over all kernels at their reference size: roofline, log-determinants, ratios."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bench.profile.reading import (
    added,
    baseline,
    best,
    by_kernel,
    extra,
    machine,
    reference,
    sizes,
    untimed,
    us,
)
from bench.profile.rows import WAYS, Ceilings, Profile, Row
from bench.report.profile_drawing import FAINT, GREY, INK, JOIN, SHARES, key, look, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = 6  #: names by distance from the baseline, as many by nearness to the ceiling
#: where a name may stand beside its mark: points, alignment
PLACES: tuple[tuple[float, float, Any, Any], ...] = (
    (6, 0, "left", "center"), (-6, 0, "right", "center"), (0, 6, "center", "bottom"),
    (0, -6, "center", "top"), (5, 5, "left", "bottom"), (-5, 5, "right", "bottom"),
)  # fmt: skip
TITLES = {
    "forward": "forward",
    "inverse": "inverse",
    "backward": "forward and backward",
}


def roofline(profile: Profile) -> Figure | None:
    """Achieved FLOP/s against intensity below the measured ceilings: forward, reference size."""
    from matplotlib import pyplot as plt

    pairs = {}
    for name, rows in by_kernel(profile).items():
        at = reference(rows, "forward")
        shown = [r for r in (best(at), baseline(at)) if r and r.must_flops and r.must_bytes]
        if shown:
            pairs[name] = shown
    if not pairs or profile.ceilings is None:
        return None
    figure, axis = plt.subplots(figsize=(7.4, 4.7), layout="constrained")
    rows = [r for shown in pairs.values() for r in shown]
    _ceilings(axis, profile.ceilings, [point(r) for r in rows])
    marks = []
    for shown in pairs.values():
        places = [point(r) for r in shown]
        axis.plot(*zip(*places, strict=True), color=JOIN, lw=0.8, zorder=1)
        for row, place in reversed(list(zip(shown, places, strict=True))):
            marks += axis.plot(*place, ls="", ms=4.5, zorder=3, **look(row))
    axis.set_xlabel("FLOP per byte, of what the kernel has to compute, read and write")
    axis.set_ylabel("GFLOP/s of what it has to compute (up is faster)")
    axis.set_title(
        f"Roofline: forward pass, {sizes(rows)}; line: from the baseline to the fastest in-house "
        f"path.\n{machine(profile)}", fontsize=8, color=GREY,
    )  # fmt: skip
    figure.legend(handles=key(rows), loc="outside lower center", ncols=5, frameon=False)
    _names(figure, axis, pairs, marks)
    return figure


def point(row: Row) -> tuple[float, float]:
    """FLOP per byte and FLOP per second, of the work that the kernel cannot avoid."""
    assert row.must_flops
    assert row.must_bytes
    return row.must_flops / row.must_bytes, row.must_flops / us(row) * 1e6


def _ceilings(axis: Any, top: Ceilings, points: Sequence[tuple[float, float]]) -> None:
    """Both measured ceilings, named, and the axes around them and the points."""
    flops, ridge = top.flops_per_second, top.flops_per_second / top.bytes_per_second
    left, right = min(x for x, _ in points) / 2, 3 * max(ridge, *(x for x, _ in points))
    low = min(y for _, y in points) / 2
    xs = [left, ridge, right]
    axis.plot(xs, [min(1, x / ridge) * flops for x in xs], color=GREY, lw=1)
    axis.set(xscale="log", yscale="log", xlim=(left, right), ylim=(low, flops * 2.5))
    axis.grid(color=FAINT, lw=0.6)
    axis.minorticks_off()
    axis.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axis.yaxis.set_major_formatter(lambda v, _: f"{v / 1e9:g}")
    write(axis, f"matrix product: {flops / 1e9:.3g} GFLOP/s", (right, flops), (-4, 3), ha="right")
    copy = f"copy: {top.bytes_per_second / 1e9:.3g} GB/s (a cache gives more)"
    write(axis, copy, (ridge, flops), (-6, 1), ha="right")


def _names(figure: Figure, axis: Any, pairs: dict[str, list[Row]], marks: Iterable[Any]) -> None:
    """Name what is furthest from its baseline or nearest to the ceiling, where there is room."""
    figure.canvas.draw()
    figure.set_layout_engine("none")
    taken = [t.get_window_extent() for t in axis.texts] + [m.get_window_extent() for m in marks]
    gains = sorted(pairs, key=lambda k: -abs(math.log(us(pairs[k][0]) / us(pairs[k][-1]))))
    shares = sorted(pairs, key=lambda k: -(pairs[k][0].share or 0))
    for name in dict.fromkeys([*shares[:LABELS], *gains[:LABELS]]):
        for dx, dy, ha, va in PLACES:
            at = point(pairs[name][0])
            text = write(axis, name, at, (dx, dy), color=INK, fontsize=7, ha=ha, va=va)
            box = text.get_window_extent()
            inside = axis.bbox.x0 < box.x0 and box.x1 < axis.bbox.x1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def logdet_share(profile: Profile) -> Figure | None:
    """What the log-determinant adds to the time of the map, per kernel; forward, reference size."""
    from matplotlib import pyplot as plt

    found = {k: pair for k, rows in by_kernel(profile).items() if (pair := added(rows))}
    if not found:
        return None
    names = sorted(found, key=lambda k: (extra(found[k][0]), k))
    figure, axis = plt.subplots(figsize=(6.8, 1.3 + 0.2 * len(names)), layout="constrained")
    axis.axvline(0.5, color=GREY, lw=0.9, ls="--", zorder=1)
    rows = [r for pair in found.values() for r in pair]
    for i, name in enumerate(names):
        places = [extra(r) for r in found[name]]
        axis.plot(places, [i] * len(places), color=JOIN, lw=1.2, zorder=2)
        for row, x in reversed(list(zip(found[name], places, strict=True))):
            axis.plot(x, i, ls="", ms=4.5, clip_on=False, zorder=3, **look(row))
    _kernels(axis, names)
    axis.set_xscale("symlog", linthresh=0.1, linscale=0.6)
    top = 1.15 * max(1.0, *map(extra, rows))
    axis.set_xlim(0, top)
    ticks = [t for t in SHARES if t < top]
    axis.set_xticks(ticks, [f"{100 * t:.0f} %" for t in ticks])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("added by the log-determinant to the time of the map alone (left is cheaper)")
    axis.set_title(
        f"The price of the log-determinant: forward pass, {sizes(rows)}; dashed: half of the map"
        f"\n{machine(profile)}", fontsize=8, color=GREY,
    )  # fmt: skip
    figure.legend(handles=key(rows), loc="outside lower center", ncols=5, frameon=False)
    return figure


def _kernels(axis: Any, names: Sequence[str]) -> None:
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_ylim(-0.7, len(names) - 0.3)
    axis.grid(axis="x", color=FAINT, lw=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)


def speedup(profile: Profile) -> Figure | None:
    """How many times faster the best path of this package is, by kernel and pass."""
    from matplotlib import pyplot as plt

    kernels = by_kernel(profile)
    at = {(k, w): reference(rows, w) for k, rows in kernels.items() for w in WAYS}
    fast = {where: row for where, rows in at.items() if (row := best(rows)) and row.ratio}
    if not fast:
        return None
    names = sorted({k for k, _ in fast}, key=lambda k: (_value(fast.get((k, "forward"))), k))
    figure, axes = plt.subplots(
        1, 3, figsize=(8.8, 1.3 + 0.2 * len(names)), sharex=True, sharey=True, layout="constrained"
    )
    for axis, way in zip(axes, WAYS, strict=True):
        axis.axvline(1, color=GREY, lw=0.9, zorder=1)
        for i, name in enumerate(names):
            row = fast.get((name, way))
            if row is None:
                write(axis, untimed(kernels[name], way), (1, i), (5, 0), va="center")
                continue
            _ratio(axis, row, i)
            names_of = [b.implementation for w in (way, "forward") if (b := baseline(at[name, w]))]
            if len(set(names_of)) > 1:
                high = (row.ratio and row.ratio.high) or _value(row)
                write(axis, f"over {names_of[0]}", (high, i), (6, 0), va="center")
        axis.set_title(TITLES[way], fontsize=8)
    _ratio_scale(axes, fast.values())
    firsts = [baseline(at[name, "forward"]) for name in names]
    labels = [f"{n} / {b.implementation}" if b else n for n, b in zip(names, firsts, strict=True)]
    for axis in axes:
        _kernels(axis, labels)
    axes[1].set_xlabel("times as fast as the baseline (right is faster), with its 95 % interval")
    figure.suptitle(
        f"The fastest in-house path against the baseline (after /), {sizes(fast.values())}; "
        f"hollow: no clear difference.\n{machine(profile)}", fontsize=8, color=GREY,
    )  # fmt: skip
    legend = [h for h in key(fast.values()) if h.get_label() != "baseline"]
    figure.legend(handles=legend, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _value(row: Row | None) -> float:
    return row.ratio.value if row and row.ratio else 1.0


def _ratio(axis: Any, row: Row, i: int) -> None:
    assert row.ratio
    style = look(row)
    low, high = row.ratio.low, row.ratio.high
    if low is not None and high is not None:
        axis.plot([low, high], [i, i], color=style["color"], lw=1.2, zorder=2)
    unclear = row.ratio.verdict in ("same", "unclear")
    axis.plot(
        row.ratio.value, i, ls="", ms=4.5, zorder=3, mfc="white" if unclear else None, **style
    )


def _ratio_scale(axes: Any, rows: Iterable[Row]) -> None:
    ends = [v for r in rows if r.ratio for v in (r.ratio.value, r.ratio.low, r.ratio.high) if v]
    low, high = min(0.5, *ends) / 1.2, max(2.0, *ends) * 1.2
    axes[0].set(xscale="log", xlim=(low, high))
    axes[0].minorticks_off()
    steps = (0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100, 300, 1000, 3000, 10000)
    wide = [t for t in steps if low < t < high]
    axes[0].set_xticks(wide, [f"{t:g}×" for t in wide])
