"""Which rows are train, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bench.datasets.own.schema import Split

Rows = slice | NDArray[np.int64]


def parts(n: int, split: Split, names: Sequence[str]) -> dict[str, Rows]:
    """The rows, of n, of each of the parts: train first, then one or two others.

    - order: the first rows are train, the last ones test;
    - random: the same of the rows permuted by numpy's RandomState(seed), whose stream is frozen;
    - stride: every part is spread evenly: with .8, .1, .1 each tenth row is test, and of the
      others each ninth validation.

    A held-out part has its fraction of the rows but for less than one, train what is left.
    """
    shares = [Fraction(str(f)) for f in split.fractions]
    if split.rule == "stride":
        return _spread(n, dict(zip(names, shares, strict=True)))
    counts = [int(n * share) for share in shares[1:]]
    bounds = np.cumsum([0, n - sum(counts), *counts]).tolist()
    slices = [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    if split.rule == "order":
        return dict(zip(names, slices, strict=True))
    order = np.random.RandomState(split.seed).permutation(n)
    return {name: order[s] for name, s in zip(names, slices, strict=True)}


def _spread(n: int, shares: dict[str, Fraction]) -> dict[str, Rows]:
    left = np.arange(n)
    found: dict[str, Rows] = {}
    whole = Fraction(1)
    for name, share in reversed(shares.items()):
        if name == "train":
            break
        ratio, i = share / whole, np.arange(len(left), dtype=np.int64)
        before = i * ratio.numerator // ratio.denominator
        taken = (i + 1) * ratio.numerator // ratio.denominator > before
        found[name], left, whole = left[taken], left[~taken], whole - share
    return {name: found.get(name, left) for name in shares}
