"""What a reader makes of one file, before shapes and levels; errors that name the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.declared import shown
from bench.errors import BenchError, MissingError

Array = NDArray[Any]
BLOCK = 1 << 20  #: values that are converted together


@dataclass
class Raw:
    """Points along the first axis, and a context [N, C] and labels [N] where there are some."""

    points: Array
    context: Array | None = None
    labels: Array | None = None

    def rows(self, kept: NDArray[np.bool_]) -> Raw:
        """Those rows alone."""
        others = [None if x is None else x[kept] for x in (self.context, self.labels)]
        return Raw(self.points[kept], *others)


def finite_rows(x: Array) -> NDArray[np.bool_]:
    """Which rows of x [N, ...] hold neither NaN nor infinity, looked at in blocks: [N]."""
    if not np.issubdtype(x.dtype, np.inexact):
        return np.ones(len(x), bool)
    axes = tuple(range(1, x.ndim))
    step = blocks(x)
    pieces = [np.isfinite(x[i : i + step]).all(axes) for i in range(0, len(x), step)]
    return np.concatenate([np.empty(0, bool), *pieces])


def blocks(x: Array) -> int:
    """Rows of x that are converted together."""
    return max(1, BLOCK // max(1, x[:1].size))


def shape_text(shape: Sequence[int]) -> str:
    """`[60000, 28, 28]`."""
    return f"[{', '.join(map(str, shape))}]"


def unreadable(file: Path, what: str, why: object) -> BenchError:
    """The error of a file that is not what its format says."""
    return BenchError(f"{shown(file)} is no {what} that can be read: {' '.join(str(why).split())}")


def lacks(package: str, what: str) -> MissingError:
    """The error of a format whose package is not installed."""
    return MissingError(
        f"{what} is read with {package}. Install it: pip install 'density-bench[data]'"
    )
