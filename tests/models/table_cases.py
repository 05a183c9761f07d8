"""Models fitted by counting, small enough to be summed, and the law of draws."""

from __future__ import annotations

import math

import torch
from scipy import stats
from torch import Tensor

from bench.contract import DataSpec
from bench.models import (
    categorical_mixture,
    chow_liu,
    chow_liu_classes,
    markov_pixels,
    naive_bayes_mixture,
    ngram,
)

CASES = {
    "markov": markov_pixels.build,
    "ngram": lambda data: ngram.build(data, longest=2),
    "categorical-mixture": lambda data: categorical_mixture.build(data, components=4, steps=20),
    "naive-bayes-mixture": naive_bayes_mixture.build,
    "chow-liu": chow_liu.build,
    "chow-liu-classes": chow_liu_classes.build,
}
SHAPES = {(3, 3): 2, (2, 3): 3, (2, 1, 2): 4, (1,): 4}  #: shape -> levels


def spec_of(shape: tuple[int, ...], levels: int, n: int = 300) -> DataSpec:
    """Rows in which a coordinate often repeats one before it, in three classes of other levels."""
    g, dim = torch.Generator().manual_seed(0), math.prod(shape)
    y = torch.randint(3, (n,), generator=g)
    x = (torch.randint(levels, (n, dim), generator=g) // 2 + y[:, None]) % levels
    for i in range(1, dim):
        x[:, i] = torch.where(torch.rand(n, generator=g) < 0.5, x[:, max(i - 3, 0)], x[:, i])
    kind, cut = "binary" if levels == 2 else "discrete", n // 5
    return DataSpec(
        "test",
        kind,
        shape,
        levels,
        classes=3,
        n_train=n - cut,
        make_train=lambda: x[cut:],
        make_valid=lambda: x[:cut],
        train_labels=y[cut:],
        valid_labels=y[:cut],
    )


def built(case: str, shape: tuple[int, ...], levels: int):
    torch.manual_seed(0)
    return CASES[case](spec_of(shape, levels))


def chance(x: Tensor, log_mass: Tensor, levels: int) -> float:
    """That draws x [n, D] of the law log_mass [levels^D] differ from it so much."""
    place = levels ** torch.arange(x.shape[1] - 1, -1, -1)
    counts = (x * place).sum(1).bincount(minlength=len(log_mass)).double()
    expected = log_mass.exp() * len(x)
    if counts[expected == 0].any():
        return 0.0
    common = expected > 5
    counts = torch.cat([counts[common], counts[~common].sum()[None]])
    expected = torch.cat([expected[common], expected[~common].sum()[None] + 1e-9])
    return float(stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))


def discrete(x: Tensor, shape: tuple[int, ...], levels: int) -> DataSpec:
    """Levels x [N, D], a fifth of them for validation."""
    cut = len(x) // 5
    return DataSpec(
        "test",
        "discrete",
        shape,
        levels,
        n_train=len(x) - cut,
        make_train=lambda: x[cut:],
        make_valid=lambda: x[:cut],
    )
