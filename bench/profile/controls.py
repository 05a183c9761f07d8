"""What the A/A controls say of the intervals: they are widened until 95 % of these hold 1.

Rounds that follow each other are not independent on a busy machine, and the bootstrap takes them to
be; the controls show by how much that matters in this run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bench.profile.rows import Row, Versus
from bench.timing import decide

LEAST = 20  #: controls, below which nothing is widened
COVERED = 0.95


def widen(rows: Sequence[Row]) -> float:
    """Widen all intervals in place; returns the factor, 1 where they are wide enough."""
    ratios = [r.ratio for r in rows if r.control and r.ratio is not None]
    misses = [m for r in ratios if (m := miss(r)) is not None]
    if len(misses) < LEAST:
        return 1.0
    factor = float(np.quantile(misses, COVERED))
    if factor <= 1:
        return 1.0
    for row in rows:
        for ratio in (row.ratio, row.brute):
            if ratio is not None:
                _stretch(ratio, factor)
    return factor


def miss(ratio: Versus) -> float | None:
    """|log ratio| over the interval's half-width on the side of 1; above 1 the interval misses it.

    None without an interval.
    """
    if ratio.low is None or ratio.high is None:
        return None
    edge = ratio.low if ratio.value > 1 else ratio.high
    width = abs(math.log(ratio.value / edge))
    off = abs(math.log(ratio.value))
    return off / width if width > 0 else (0.0 if off == 0 else math.inf)


def _stretch(ratio: Versus, factor: float) -> None:
    if ratio.low is None or ratio.high is None:
        return
    ratio.low = ratio.value * (ratio.low / ratio.value) ** factor
    ratio.high = ratio.value * (ratio.high / ratio.value) ** factor
    ratio.verdict = decide((ratio.low, ratio.high))
