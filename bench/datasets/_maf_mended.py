"""Steps that mend MAF's five tables: rows once, lattices filled, nothing learned from test rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from bench.contract import Splits
from bench.datasets._maf_published import standardised

Array = NDArray[np.float64]

SEED = 42  #: of the noise
ON_LATTICE = 1e-6  #: of a step: how far decimals may be off it as binary fractions


def distinct(*parts: Array) -> tuple[Array, ...]:
    """The rows that equal no earlier row, of the same or an earlier part.

    Rows are compared by hashes of 64 bits: two different ones of a million are taken for equal
    with a probability of 3e-8.
    """
    hashes = [pd.util.hash_pandas_object(pd.DataFrame(x), index=False) for x in parts]
    first = ~pd.concat(hashes).duplicated().to_numpy()
    ends = np.cumsum([len(x) for x in parts])[:-1]
    return tuple(x[kept] for x, kept in zip(parts, np.split(first, ends), strict=True))


def filled(x: Array, steps: Sequence[float]) -> Array:
    """Uniform noise [0, step) on each column whose values are all multiples of its step.

    Columns that are not are left: x [N, D], steps [D] in the columns' units.
    """
    out, generator = x.copy(), np.random.RandomState(SEED)
    for column, step in zip(out.T, steps, strict=True):
        whole = column / step
        if np.abs(whole - np.round(whole)).max() < ON_LATTICE:
            column += step * generator.random_sample(len(column))
    return out


def filled_digits(x: Array, digits: int) -> Array:
    """Uniform noise over the values that are rounded to x with so many significant digits.

    A zero has none, and stays.
    """
    size = np.abs(x)
    exponent = np.floor(np.log10(np.where(size > 0, size, 1.0)))
    step = np.where(size > 0, 10.0 ** (exponent - digits + 1), 0.0)
    return x + step * (np.random.RandomState(SEED).random_sample(x.shape) - 0.5)


def by_train(train: Array, valid: Array, test: Array) -> Splits:
    """Z-scored with the train rows alone, in float64."""
    parts = standardised(train, train, valid, test)
    return Splits(*(torch.from_numpy(x) for x in parts))
