"""Steps that the preprocessing of MAF's five tables shares: github.com/gpapamak/maf, datasets/.

What is odd in them is kept: the published figures rest on it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from bench.contract import Splits
from bench.errors import BenchError

Array = NDArray[np.float64]


def tenths(x: Array) -> tuple[Array, Array, Array]:
    """Train, valid, test: the last tenth of the rows is test, the last tenth of the rest valid."""
    n = int(0.1 * len(x))
    rest, test = x[:-n], x[-n:]
    n = int(0.1 * len(rest))
    return rest[:-n], rest[-n:], test


def standardised(by: Array, *parts: Array, ddof: int = 0) -> tuple[Array, ...]:
    """The parts with the mean and the standard deviation of the rows `by` as 0 and 1."""
    mean, sd = by.mean(0), by.std(0, ddof=ddof)
    return tuple((x - mean) / sd for x in parts)


def smallest_repeats(x: Array, most: int = 5) -> NDArray[np.bool_]:
    """Columns [D] whose smallest value occurs more than `most` times.

    Wanted were columns with any value that frequent, but the counts are sorted by value and the
    first is taken (gpapamak/maf, issue 8).
    """
    return (x == x.min(0)).sum(0) > most


def rounded(*parts: Array) -> Splits:
    """Train, valid, test as float32 has them, which is what MAF's models are given."""
    return Splits(*(torch.from_numpy(x.astype(np.float32)).double() for x in parts))


def with_rows(name: str, rows: tuple[int, int, int], splits: Splits) -> Splits:
    """The splits, of as many rows as the papers that use them state. Raises BenchError else."""
    got = len(splits.train), len(splits.valid), len(splits.test)
    if got != rows:
        raise BenchError(
            f"{name} has {_text(got)} rows, but papers state {_text(rows)}: its file is another "
            f"one (see it with bench data where {name}), or that figure, which was not counted on "
            "the file, is wrong"
        )
    return splits


def _text(rows: tuple[int, ...]) -> str:
    return " / ".join(map(str, rows))
