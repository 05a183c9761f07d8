"""Heat maps beside the truth, and samples beside the nearest training rows, as page figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.report import text
from bench.report.artifacts import Array, Grid
from bench.report.raster import data_uri, palette
from bench.report.views import Row, View

COLOURS = 64
GREYS = 16
PAGE, ROW = 620_000, 600  #: bytes of a page for pictures, less these for each row of its tables
LEAST = 185_000  #: bytes of pictures whatever the number of rows


@dataclass(frozen=True)
class Picture:
    """Panels side by side with one caption. Each panel: (data URI, alternative text)."""

    title: str
    caption: str
    panels: tuple[tuple[str, str], ...]
    strip: bool = False  #: samples in a line, not maps

    @property
    def size(self) -> int:
        """Bytes in the page."""
        return sum(len(uri) for uri, _ in self.panels)


def budget(views: Sequence[View]) -> float:
    """Bytes of pictures for each data set that has some."""
    rows = sum(len(v.rows) for v in views)
    return max(LEAST, PAGE - ROW * rows) / max(1, sum(map(has_pictures, views)))


def has_pictures(view: View) -> bool:
    """Some row has a 2-D density or image samples."""
    return any(_flat(r) is not None or r.artifact.samples is not None for r in view.rows)


def pictures(view: View, budget: float) -> tuple[list[Picture], int]:
    """The pictures of a data set in the order of its rows, and how many the budget left out."""
    kept: list[Picture] = []
    left = 0
    for picture in (*heat_maps(view), *sample_grids(view)):
        if left or picture.size > budget:
            left += 1
        else:
            budget -= picture.size
            kept.append(picture)
    return kept, left


def _flat(row: Row) -> Grid | None:
    grid = row.artifact.grid
    return grid if grid is not None and grid.y is not None else None


def divergence(p: Array, q: Array) -> Array:
    """p log(p/q) - p + q per cell: never negative, zero where q = p; its integral is KL(p||q).

    Shows missing peaks and leaked rims alike; the masses of both grids must be (near) one.
    """
    q = np.maximum(q, 1e-300)
    log = np.log(np.maximum(p, 1e-300) / q)
    return np.asarray(np.where(p > 0, p * log, 0.0) - p + q)


def heat_maps(view: View) -> Iterator[Picture]:
    """The truth, then each row's density on the same scale with its divergence from the truth."""
    grids = [(r, g) for r in view.rows if (g := _flat(r)) is not None]
    if not grids:
        return
    truth = next((g.truth for _, g in grids if g.truth is not None), None)
    top = float(np.quantile(truth if truth is not None else grids[0][1].model, 0.999))
    density, excess = palette("viridis", COLOURS), palette("inferno", COLOURS)
    if truth is not None:
        uri = data_uri(truth[::-1], top, density)
        yield Picture("truth", "", ((uri, f"true density of {view.name}"),))
    scale = _scale(truth, (g for _, g in grids))
    for row, grid in grids:
        uri = data_uri(grid.model[::-1], top, density)
        panels = [(uri, f"density of {row.cell.model} on {view.name}")]
        caption = ""
        if grid.truth is not None:
            excess_map = divergence(grid.truth, grid.model)
            total = text.significant(float(excess_map.sum() * grid.cell))
            alt = f"divergence of {row.cell.model} from the truth, {total} nats in all"
            panels.append((data_uri(excess_map[::-1], scale, excess), alt))
            caption = f"{total} nats"
        yield Picture(row.cell.model, caption, tuple(panels))


def _scale(truth: Array | None, grids: Iterable[Grid]) -> float:
    """One scale for the divergences of a data set: the median of their upper ends."""
    if truth is None:
        return 1.0
    tops = [
        float(np.quantile(divergence(g.truth, g.model), 0.995))
        for g in grids
        if g.truth is not None
    ]
    return float(np.median(tops)) or 1.0


def sample_grids(view: View) -> Iterator[Picture]:
    """Samples in the upper line, the training row nearest to each in the lower one."""
    high = (view.data.levels or 256) - 1
    greys = palette("gray", min(GREYS, max(2, view.data.levels or GREYS)))
    for row in view.rows:
        samples, nearest = row.artifact.samples, row.artifact.nearest
        if samples is None:
            continue
        lines = [strip(samples)] + ([strip(nearest)] if nearest is not None else [])
        below = "; below each its nearest training row" if nearest is not None else ""
        uri = data_uri(np.concatenate(lines), high + 1, greys)
        alt = f"samples of {row.cell.model} on {view.name}{below}"
        yield Picture(row.cell.model, "", ((uri, alt),), strip=True)


def strip(images: Array) -> Array:
    """Images [n, H, W] side by side with a pixel between them, [H + 1, n (W + 1)]."""
    padded = np.pad(images, ((0, 0), (0, 1), (0, 1)))
    return np.concatenate(list(padded), axis=1)
