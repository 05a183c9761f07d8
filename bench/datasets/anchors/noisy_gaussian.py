"""The published Gaussian of MAF (arXiv 1705.07057, table 2): one draw of the noise, seeded."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from bench.datasets.anchors import expected_gaussian
from bench.datasets.anchors.counts import ROWS
from bench.datasets.anchors.expected_gaussian import LOG_2PI, Array
from bench.datasets.anchors.score import Score

SKIPPED = 10_000  #: validation rows, whose noise is drawn between those of train and test


def noisy_gaussian(
    fit: NDArray[np.integer], test: NDArray[np.integer], levels: int, alpha: float, seed: int
) -> Score:
    """Maximum-likelihood Gaussian of logit(alpha + (1 - 2 alpha)(k + u) / levels), nats of those.

    u comes from numpy's RandomState(seed) in the order of MAF's code: train, validation, test.
    """
    noise = np.random.RandomState(seed)

    def drawn(x: NDArray[np.integer]) -> Iterator[tuple[Array, Array]]:
        """Logits of rows in turn, and each row's log-slope."""
        for i in range(0, len(x), ROWS):
            rows = x[i : i + ROWS]
            s = alpha + (1 - 2 * alpha) * (rows + noise.random_sample(rows.shape)) / levels
            log_s, log_t = np.log(s), np.log1p(-s)
            yield log_s - log_t, (math.log((1 - 2 * alpha) / levels) - log_s - log_t).sum(1)

    # sums about the expected mean, so that the squares lose nothing
    centre = expected_gaussian.fit(fit, expected_gaussian.logits(levels, alpha), full=False).mean
    dim = len(centre)
    total, square = np.zeros(dim), np.zeros((dim, dim))
    for y, _ in drawn(fit):
        total += (y - centre).sum(0)
        square += (y - centre).T @ (y - centre)
    offset = total / len(fit)
    root = np.linalg.cholesky(square / len(fit) - np.outer(offset, offset))
    for i in range(0, SKIPPED, ROWS):
        noise.random_sample((min(ROWS, SKIPPED - i), dim))
    nats, slopes = [], []
    for y, slope in drawn(test):
        z = solve_triangular(root, (y - centre - offset).T, lower=True)
        nats.append(-(z**2).sum(0) / 2 - np.log(np.diag(root)).sum() - dim * LOG_2PI / 2)
        slopes.append(slope)
    each = np.concatenate(nats)
    error = 2 * each.std() / math.sqrt(len(each))
    return Score(float(each.mean()), dim, float(np.concatenate(slopes).mean()), float(error))
