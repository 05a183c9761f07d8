"""Cost exponents: time ~ size^e, by least squares of the logarithms."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import numpy as np
from scipy.special import stdtrit  # Student's quantile, without scipy.stats and its seconds

from bench.profile.rows import Fit, Row

Key = tuple[str, str, str, str, str, int]
LEAST = 3  #: sizes; five or more are wanted


def fits(rows: Iterable[Row]) -> list[Fit]:
    """The exponents over D and over the batch of every row that was timed at enough sizes."""
    timed = [r for r in rows if r.device_us is not None and not r.control]
    return [*_over("dim", timed), *_over("batch", timed)]


def _over(axis: Literal["dim", "batch"], rows: list[Row]) -> list[Fit]:
    groups: dict[Key, list[tuple[int, float]]] = defaultdict(list)
    shared: dict[Key, tuple[Row, int]] = {}
    for row in rows:
        size, at = (row.dim, row.batch) if axis == "dim" else (row.batch, row.dim)
        key: Key = (row.kernel, row.implementation, row.mode, row.way, row.dtype, at)
        assert row.device_us is not None
        groups[key].append((size, row.device_us.p50))
        shared[key] = row, at
    found = []
    for key, points in groups.items():
        sizes = sorted({size for size, _ in points})
        if len(sizes) < LEAST:
            continue
        row, at = shared[key]
        exponent, low, high = slope(points)
        found.append(
            Fit(
                kernel=row.kernel,
                implementation=row.implementation,
                mode=row.mode,
                way=row.way,
                over=axis,
                at=at,
                dtype=row.dtype,
                sizes=sizes,
                exponent=exponent,
                low=low,
                high=high,
                last=last(points),
            )
        )
    return found


def slope(points: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Least-squares slope of log time in log size and its 95 % interval (Student's t)."""
    x, y = np.log(np.array(points, dtype=float)).T
    exponent, offset = (float(c) for c in np.polyfit(x, y, 1))
    residuals = y - exponent * x - offset
    variance = float(residuals @ residuals) / (len(x) - 2) / float(np.square(x - x.mean()).sum())
    half = float(stdtrit(len(x) - 2, 0.975)) * math.sqrt(variance)
    return exponent, exponent - half, exponent + half


def last(points: list[tuple[int, float]]) -> float:
    """Slope between the two largest sizes."""
    (small, fast), (large, slow) = sorted(points)[-2:]
    return math.log(slow / fast) / math.log(large / small)
