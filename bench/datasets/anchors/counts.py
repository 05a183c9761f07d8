"""Models of independent coordinates, by counts alone: histograms, Bernoulli, and their bound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from bench.datasets.anchors.score import Score

Array = NDArray[np.float64]
Levels = NDArray[np.integer]

ROWS = 4096  #: of a block


def level_counts(x: Levels, levels: int) -> Array:
    """How often each level occurs in each coordinate of x [N, D]: float64 [D, levels]."""
    dim = x.shape[1]
    cell, total = np.arange(dim) * levels, np.zeros(dim * levels)
    for i in range(0, len(x), ROWS):
        total += np.bincount((x[i : i + ROWS] + cell).ravel(), minlength=dim * levels)
    return total.reshape(dim, levels)


def independent(fit: Array, test: Array, alpha: float = 1.0) -> Score:
    """Tables (count + alpha) / (n + alpha K) of each coordinate, by counts [D, K] of both splits.

    Counts need not be whole: expected ones of random bits give the score's expectation.
    """
    smoothed = fit + alpha
    log_p = np.log(smoothed) - np.log(smoothed.sum(1, keepdims=True))
    rows = test[0].sum()
    return Score(float((test * log_p).sum() / rows), len(test))


def categorical(fit: Levels, test: Levels, levels: int) -> Score:
    """Each coordinate's histogram, every count plus one; of two levels, a Bernoulli."""
    return independent(level_counts(fit, levels), level_counts(test, levels))


def per_channel(fit: Levels, test: Levels, levels: int, channels: int = 3) -> Score:
    """One histogram for all pixels of a channel, every count plus one."""
    pixels = fit.shape[1] // channels
    pooled, of_test = (
        level_counts(
            x.reshape(len(x), channels, pixels).swapaxes(1, 2).reshape(-1, channels), levels
        )
        for x in (fit, test)
    )
    score = independent(pooled, of_test)
    return Score(score.nats * pixels, fit.shape[1])


def expected_bits(fit: Levels, test: Levels, levels: int) -> Score:
    """A Bernoulli of bits drawn with probability level / (levels - 1), in expectation over them."""

    def counts(x: Levels) -> Array:
        ones = x.sum(0, dtype=np.float64) / (levels - 1)
        return np.stack([len(x) - ones, ones], 1)

    return independent(counts(fit), counts(test))


def best_factorised(fit: Levels, test: Levels, levels: int) -> Score:
    """Independent coordinates fitted on the test rows: no product of tables scores higher."""
    counts = level_counts(test, levels)
    return Score(float(xlogy(counts, counts / len(test)).sum() / len(test)), len(counts))
