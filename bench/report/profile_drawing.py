"""What the profile's pictures share: marks, small texts, legends, encoding."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.profile.reading import label
from bench.profile.rows import Row
from bench.report import raster
from bench.report.figures import ELSEWHERE, IN_HOUSE

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

INK, GREY, FAINT, JOIN = "#1a1f26", "#56606b", "#ebeff2", "#c3cad1"
MARKS = {"eager": "o", "fused": "D", "triton": "D", "compiled": "^", "graph": "v"}
#: ticks of what a log-determinant adds, 1 is the time of the map
SHARES = (0, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100)
COLOURS = 256


def look(row: Row) -> dict[str, Any]:
    """Shape by mode, colour by who: colour never carries meaning alone."""
    if row.baseline:
        return {"color": ELSEWHERE, "marker": "s"}
    return {"color": IN_HOUSE, "marker": MARKS[row.mode]}


def key(rows: Iterable[Row]) -> list[Any]:
    """A legend's marks: the baseline, and every mode of this package."""
    from matplotlib import pyplot as plt

    looks = {label(row): look(row) for row in rows}
    return [plt.Line2D([], [], label=t, ls="", ms=4.5, **looks[t]) for t in sorted(looks)]


def write(axis: Any, text: str, at: tuple[float, float], by: tuple[float, float], **kw: Any) -> Any:
    """A small text, `by` points from a place."""
    kw = {"fontsize": 6.5, "color": GREY, "annotation_clip": False} | kw
    return axis.annotate(text, at, xytext=by, textcoords="offset points", **kw)


def spread(values: list[float], gap: float) -> list[float]:
    """The positive values, moved apart to ratios of at least `gap` by least squares of the logs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    step = math.log(gap)
    pools: list[list[float]] = []  # neighbours that would overlap share their mean
    for i, at in enumerate(order):
        pools.append([math.log(values[at]) - i * step])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    level = [fmean(pool) for pool in pools for _ in pool]
    out = list(values)
    for i, at in enumerate(order):
        out[at] = math.exp(level[i] + i * step)
    return out


def microseconds(value: float, _: object = None) -> str:
    """A tick of a time axis: 10 µs, 1 ms, 10 s."""
    for unit, suffix in ((1e6, "s"), (1e3, "ms")):
        if value >= unit:
            return f"{value / unit:g} {suffix}"
    return f"{value:g} µs"


def png(canvas: FigureCanvasAgg) -> bytes:
    """Encode a figure in its most frequent colours: a third of the bytes of true colour."""
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(np.int64)
    code, index, counts = np.unique(
        pixels @ np.array([65536, 256, 1]), return_inverse=True, return_counts=True
    )
    colours = np.stack((code >> 16, code >> 8 & 255, code & 255), 1)
    kept = colours[np.sort(np.argsort(-counts, kind="stable")[:COLOURS])]
    nearest = np.array([np.square(kept - c).sum(1).argmin() for c in colours], dtype=np.uint8)
    return raster.png(nearest[index].reshape(pixels.shape[:2]), kept.astype(np.uint8))
