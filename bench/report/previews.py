"""A few training points as one small picture, from what their report keeps."""

from __future__ import annotations

import base64
import zlib
from html import escape

import numpy as np
from numpy.typing import NDArray

from bench.leaks.report import Preview
from bench.report.pictures import GREYS, strip
from bench.report.raster import palette, uri
from bench.report.svg import Drawing, Scale, x_axis, y_axis

WIDTH, TOP, BOTTOM = 300, 6.0, 130.0  #: of a drawing, pixels
CAPTIONS = {
    "greys": "training points",
    "colours": "training points",
    "symbols": "training points, one a row",
    "curves": "training points",
    "bars": "histogram of the training points",
    "plane": "histogram of the training points",
    "correlations": "correlations of the columns in training: red 1, white 0, blue −1",
}
#: forms that are wider than high
WIDE = ("greys", "colours", "symbols")


def picture(preview: Preview, name: str) -> tuple[str, str, str]:
    """HTML of a data set's picture, its caption, and "strip", "map" or "line" for the layout."""
    values = _values(preview)
    caption = CAPTIONS[preview.form]
    alt = f"{name}: {caption}"
    if preview.form in ("bars", "curves"):
        draw = _bars if preview.form == "bars" else _curves
        return draw(values, preview.ranges, alt), caption, "line"
    source = uri(*_indexed(preview.form, values))
    if preview.ranges:
        (x1, x2), (y1, y2) = preview.ranges
        caption += f", {x1:.3g} to {x2:.3g} by {y1:.3g} to {y2:.3g}".replace("-", "−")
    layout = "strip" if preview.form in WIDE else "map"
    return f'<img alt="{escape(alt)}" src="{source}">', caption, layout


def _values(preview: Preview) -> NDArray[np.uint8]:
    raw = zlib.decompress(base64.b64decode(preview.values))
    return np.frombuffer(raw, np.uint8).reshape(preview.shape)


def _indexed(form: str, values: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Colour indices [H, W] and the palette."""
    if form == "plane":
        return values[::-1], palette("viridis", 64)
    if form == "correlations":
        return values, palette("RdBu_r", 31)
    flat = strip(values.astype(np.float64)).astype(np.uint8) if values.ndim == 3 else values
    if form == "colours":
        return flat, (np.indices((6, 6, 6)).reshape(3, -1).T * 51).astype(np.uint8)
    return flat, palette("gray", GREYS)


def _bars(values: NDArray[np.uint8], ranges: list[tuple[float, float]], alt: str) -> str:
    drawing, x = _frame(ranges[0], 8, alt)
    tops = BOTTOM - values / 255 * (BOTTOM - TOP)
    edges = np.linspace(*ranges[0], len(values) + 1)
    corners = [(x(e), t) for t, *sides in zip(tops, edges, edges[1:], strict=False) for e in sides]
    drawing.path([(x.start, BOTTOM), *corners, (x.end, BOTTOM)], "fill", close=True)
    return drawing.render()


def _curves(values: NDArray[np.uint8], ranges: list[tuple[float, float]], alt: str) -> str:
    drawing, x = _frame((0, values.shape[1] - 1), 42, alt)
    low, high = ranges[0]
    y = Scale(low, high, BOTTOM, TOP)
    y_axis(drawing, y, x.start, x.end)
    for i, curve in enumerate(low + values / 255 * (high - low)):
        drawing.path(((x(t), y(v)) for t, v in enumerate(curve)), f"c{i}")
    return drawing.render()


def _frame(extent: tuple[float, float], left: float, alt: str) -> tuple[Drawing, Scale]:
    """A drawing with its horizontal axis."""
    drawing, x = Drawing(WIDTH, BOTTOM + 20, alt), Scale(*extent, left, WIDTH - 12)
    x_axis(drawing, x, TOP, BOTTOM)
    return drawing, x
