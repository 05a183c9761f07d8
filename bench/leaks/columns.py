"""Columns in which a density can gain without bound: ties, grids, constants, linear dependence."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.contract import Splits
from bench.leaks.report import Column, Columns

Values = NDArray[np.float64]

FINEST = 1e-7  #: of a column's range: the narrowest grid that is looked for
ON_GRID = 0.01  #: of a grid's spacing: how far float rounding may carry a gap off it
OFF_GRID = 0.1  #: the same of a value
FEWEST = 8  #: distinct values below which every column lies on some grid
SINGULAR = 1e-12  #: eigenvalue ratio that float64 cannot tell from zero
LN_10 = math.log(10)


def columns(splits: Splits) -> Columns:
    """What each coordinate is like, and which of them are determined by others."""
    train = splits.train.reshape(len(splits.train), -1)
    constant = (train == train[0]).all(0)
    found = Columns(
        constant=constant.nonzero()[:, 0].tolist(),
        copies=_copies(train, constant),
        varying=int((~constant).sum()),
    )
    if not train.is_floating_point():
        return found
    if found.varying:
        found.rank, found.eigenvalue_ratio = _dependence(train[:, ~constant])
    parts = [x.reshape(len(x), -1).numpy() for x in (splits.train, splits.valid, splits.test)]
    every = [column(i, *(x[:, i] for x in parts)) for i in range(train.shape[1])]
    found.each = [c for c in every if c.distinct_share < 1 or c.spacing is not None]
    return found


def column(index: int, train: Values, valid: Values, test: Values) -> Column:
    """Ties and grid of one column.

    A density with a share w of its mass in kernels at the values seen in training pays log(1 - w)
    once, and gains log 10 at each tied test value whenever the kernels are made ten times narrower.
    """
    everything = np.concatenate([train, valid, test])
    values, counts = np.unique(everything + 0.0, return_counts=True)
    gaps = np.diff(values)
    spacing = grid(values)
    tied = float(np.isin(test, train).mean())
    sd = float(train.std())
    return Column(
        index=index,
        distinct=len(values),
        distinct_share=len(values) / len(everything),
        top_share=float(counts.max() / len(everything)),
        tied_test=tied,
        smallest_gap=float(gaps.min()) if len(gaps) else None,
        spacing=spacing,
        spacing_sd=spacing / sd if spacing is not None and sd > 0 else None,
        gain=LN_10 * tied,
    )


def grid(values: Values) -> float | None:
    """b, where all values lie at a + k b for whole k, within float rounding; else None.

    Values are distinct and sorted. Euclid's algorithm on the gaps, smallest first: what one spacing
    leaves over is a multiple of the true one and at most half of it. Each spacing is made exact by
    the gaps that it divides before a larger one is asked.
    """
    if len(values) < FEWEST:
        return None
    gaps = np.sort(np.diff(values))
    span = float(values[-1] - values[0])
    spacing = float(gaps[0])
    while spacing > FINEST * span:
        steps = np.round(gaps / spacing)
        off = np.abs(gaps - steps * spacing) > ON_GRID * spacing
        if not off.any():
            spacing = span / float(steps.sum())
            offsets = (values - values[0]) / spacing
            return spacing if np.abs(offsets - np.round(offsets)).max() < OFF_GRID else None
        first = int(off.argmax())
        if first:
            spacing = float(gaps[:first].sum() / steps[:first].sum())
        spacing = float(np.abs(gaps[first] - np.round(gaps[first] / spacing) * spacing))
    return None


def _copies(train: Tensor, constant: Tensor) -> list[list[int]]:
    """Groups of two or more columns that are equal in every training row."""
    groups: dict[bytes, list[int]] = {}
    for i in (~constant).nonzero()[:, 0].tolist():
        groups.setdefault((train[:, i] + 0).numpy().tobytes(), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _dependence(train: Tensor) -> tuple[int, float]:
    """Rank of the correlation matrix of columns that vary [n, D], and its eigenvalues' ratio."""
    z = (train - train.mean(0)) / train.std(0, correction=0)
    eigenvalues = torch.linalg.eigvalsh(z.T @ z / len(z))
    ratio = eigenvalues / eigenvalues[-1]
    kept = int((ratio > SINGULAR).sum())
    return kept, float(f"{float(ratio[0]):.3g}") if kept == len(ratio) else 0.0
