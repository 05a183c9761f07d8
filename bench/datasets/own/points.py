"""From what a file holds to points [N, *shape]: axes, windows, levels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bench.datasets.own.raw import Array, blocks, shape_text
from bench.errors import BenchError


def windows(x: Array, length: int) -> Array:
    """x [T, ...] cut into consecutive windows, [T // length, length, ...]; the rest is left out."""
    n = len(x) // length
    cut = x[: n * length].reshape(n, length, *x.shape[1:])
    # a series in one column is a window of numbers, not of rows of one number
    return cut[..., 0] if cut.ndim == 3 and cut.shape[2] == 1 else cut


def arranged(x: Array, shape: Sequence[int], channels: str | None) -> Array:
    """x [N, ...] as [N, *shape], a view where its memory allows; channels last become first."""
    size = math.prod(shape)
    if math.prod(x.shape[1:]) != size:
        got = f"points of {shape_text(x.shape[1:])}"
        raise BenchError(f"the file has {got}, which do not make the shape {shape_text(shape)}")
    if channels == "last":
        depth, *plane = shape
        return np.moveaxis(x.reshape(len(x), *plane, depth), -1, 1)
    return x.reshape(len(x), *shape)


def levelled(x: Array, levels: int, reduced_from: int | None) -> Array:
    """Whole numbers 0..levels-1 in the narrowest unsigned type, converted in blocks.

    With `reduced_from` k becomes k * levels // reduced_from. Raises BenchError where a value is no
    whole number or out of range.
    """
    narrow = np.min_scalar_type(levels - 1)
    bound = reduced_from or levels
    if x.dtype.kind == "b":
        return x.view(np.uint8)
    as_it_is = reduced_from in (None, levels) and x.dtype == narrow
    made = x if as_it_is else np.empty(x.shape, narrow)
    step = blocks(x)
    for i in range(0, len(x), step):
        block = x[i : i + step]
        if x.dtype.kind == "f" and not (block == np.floor(block)).all():
            raise BenchError("the file has values that are no whole numbers, so no levels")
        if block.size and (block.min() < 0 or block.max() >= bound):
            low, high = block.min(), block.max()
            raise BenchError(f"the file has values {low}..{high}, not levels 0..{bound - 1}")
        if not as_it_is:
            whole = block.astype(np.int64)
            made[i : i + step] = whole * levels // reduced_from if reduced_from else whole
    return made
