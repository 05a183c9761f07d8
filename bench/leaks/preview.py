"""A few training points, small enough to be kept in a report: what its picture is drawn from."""

from __future__ import annotations

import base64
import zlib

import numpy as np
from numpy.typing import NDArray

from bench.contract import Splits
from bench.leaks.report import Preview
from bench.registry import DatasetEntry

Array = NDArray[np.float64]

TILES, PIXELS = 10, 10_240  #: images shown, and the pixels of all of them
GREYS, CUBE = 16, 6  #: greys of an image; values of each of its three colours
BARS, SIDE = 60, 56  #: bins of a histogram on the line, and of each side on the plane
COLUMNS = 64  #: of a matrix of correlations, spread over all columns
ROWS, LONGEST = 24, 512  #: rows of symbols, and coordinates of them
TRACES = 3
TAIL = 0.002  #: mass beyond each end of a histogram
SYMBOLS = 64  #: levels from which a sequence is a curve, not symbols


def preview(entry: DatasetEntry, splits: Splits) -> Preview:
    """Images as tiles, the line and the plane as histograms, else symbols, curves or correlations.

    Of one coordinate given one of context, the histogram is on the plane of both.
    """
    x = splits.train
    flat = x.reshape(len(x), -1).numpy()
    if len(entry.shape) >= 2:
        return _tiles(_few(flat, entry.shape), entry.levels)
    if entry.integral and (entry.kind != "sequence" or (entry.levels or 2) < SYMBOLS):
        return _symbols(flat, (entry.levels or 2) - 1)
    if entry.kind == "sequence":
        return _curves(flat.astype(np.float64))
    if splits.train_context is not None and entry.context_dim == entry.dim == 1:
        flat = np.concatenate([splits.train_context.numpy(), flat], 1)
    if flat.shape[1] <= 2:
        return _histogram(flat)
    return _correlations(flat)


def _few(flat: NDArray[np.generic], shape: tuple[int, ...]) -> Array:
    """Evenly spaced images [n, C, H, W], as many as the pixels allow."""
    *channels, height, width = shape
    count = min(TILES, len(flat), max(2, PIXELS // (height * width)))
    chosen = flat[np.arange(count) * len(flat) // count].astype(np.float64)
    return chosen.reshape(count, -1, height, width)[:, : 3 if channels and channels[0] >= 3 else 1]


def _tiles(images: Array, levels: int | None) -> Preview:
    """Greys 0..15, or colours 36 r + 6 g + b of six values each."""
    low, high = (0.0, levels - 1.0) if levels else np.quantile(images, (0.005, 0.995))
    share = np.clip((images - low) / max(high - low, 1e-12), 0, 1)
    if images.shape[1] == 3:
        cube = np.round(share * (CUBE - 1))
        index, form = 36 * cube[:, 0] + 6 * cube[:, 1] + cube[:, 2], "colours"
    else:
        index, form = np.round(share[:, 0] * (GREYS - 1)), "greys"
    return _packed(form, index)


def _symbols(flat: NDArray[np.int64], top: int) -> Preview:
    """Rows evenly spaced, levels as greys 0..15."""
    chosen = flat[np.arange(min(ROWS, len(flat))) * len(flat) // min(ROWS, len(flat)), :LONGEST]
    return _packed("symbols", np.round(chosen / top * (GREYS - 1)))


def _curves(flat: Array) -> Preview:
    chosen = flat[np.arange(TRACES) * len(flat) // TRACES, :LONGEST]
    low, high = float(chosen.min()), float(chosen.max())
    return _packed("curves", (chosen - low) / max(high - low, 1e-12) * 255, [(low, high)])


def _histogram(flat: Array) -> Preview:
    """Counts up to 255 on the box that holds all but the tails; of the plane, y upwards."""
    ranges = []
    for column in flat.T:
        low, high = (float(v) for v in np.quantile(column, (TAIL, 1 - TAIL)))
        pad = 0.04 * (high - low) or 0.5
        ranges.append((low - pad, high + pad))
    if len(ranges) == 1:
        counts = np.histogram(flat[:, 0], BARS, ranges[0])[0].astype(np.float64)
        return _packed("bars", counts / counts.max() * 255, ranges)
    counts = np.histogram2d(flat[:, 1], flat[:, 0], SIDE, ranges[::-1])[0]
    top = float(np.quantile(counts[counts > 0], 0.99))
    return _packed("plane", np.clip(counts / top, 0, 1) * 63, ranges)


def _correlations(flat: Array) -> Preview:
    """From -1 (0) by 0 (15) to 1 (30); of constant columns 0."""
    dim = flat.shape[1]
    kept = np.unique(np.linspace(0, dim - 1, min(dim, COLUMNS)).round().astype(int))
    z = flat[:, kept] - flat[:, kept].mean(0)
    sd = np.sqrt((z**2).mean(0))
    z = z / np.where(sd > 0, sd, 1)
    return _packed("correlations", np.clip(z.T @ z / len(z), -1, 1) * 15 + 15)


def _packed(
    form: str, index: NDArray[np.float64], ranges: list[tuple[float, float]] | None = None
) -> Preview:
    values = np.round(index).astype(np.uint8)
    packed = base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii")
    return Preview.model_validate(
        {"form": form, "shape": list(values.shape), "values": packed, "ranges": ranges or []}
    )
