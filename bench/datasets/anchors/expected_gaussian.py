"""A Gaussian of dequantized levels, fitted and scored in exact expectation over the noise.

Level k of a coordinate stands for y(k + u), u uniform on [0, 1). The Gaussian has the moments of y
over rows and noise: the mean of the levels' means, and the covariance of the levels' means plus the
mean within-level variance on the diagonal (noise of two coordinates is independent). Its score is
the expectation of log q(y) over the noise of the test rows, so no random number enters, and minus
that, plus the expected log-slope of y, bounds the probability of the levels from below (Theis et
al., arXiv 1511.01844, eq. 4).

All is in float64. `logits` takes differences of antiderivatives: with 256 levels and alpha from
1e-6 to .05 means and log-slopes are within 1e-13 of the true ones, variances within 2e-12.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import spence

from bench.datasets.anchors.counts import ROWS, level_counts
from bench.datasets.anchors.score import Score

Array = NDArray[np.float64]
Levels = NDArray[np.integer]

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Space:
    """Moments of y(k + u) for each level k, float64 [K] each."""

    mean: Array
    variance: Array
    log_slope: Array  #: E log dy/dx, of x = k + u


def as_they_are(levels: int) -> Space:
    """y = k + u."""
    k = np.arange(levels, dtype=np.float64)
    return Space(k + 0.5, np.full(levels, 1 / 12), np.zeros(levels))


def logits(levels: int, alpha: float) -> Space:
    """y = log s - log(1 - s), s = alpha + (1 - 2 alpha)(k + u) / levels.

    Antiderivatives over s, with Li_2 the dilogarithm:
    of y             s log s + (1 - s) log(1 - s)
    of y^2           s y^2 - 2 Li_2(1 - s) - log^2(1 - s)
    of log s(1 - s)  s log s - (1 - s) log(1 - s) - 2 s
    They are taken in the lower half, where 1 - s loses nothing, and mirrored.
    """
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 1/2, not {alpha}")
    half = (levels + 1) // 2
    s = alpha + (1 - 2 * alpha) * np.arange(half + 1) / levels
    log_s, log_t = np.log(s), np.log1p(-s)
    y = log_s - log_t
    width = np.diff(s)
    mean = np.diff(s * log_s + (1 - s) * log_t) / width
    square = np.diff(s * y**2 - 2 * spence(s) - log_t**2) / width
    product = np.diff(s * log_s - (1 - s) * log_t - 2 * s) / width
    slope = math.log((1 - 2 * alpha) / levels) - product
    return Space(
        _mirrored(mean, levels, -1), *(_mirrored(v, levels) for v in (square - mean**2, slope))
    )


def _mirrored(lower: Array, levels: int, sign: int = 1) -> Array:
    """The upper half from the lower one [ceil(levels / 2)]; a middle level stands for itself."""
    return np.concatenate([lower, sign * lower[: levels // 2][::-1]])


@dataclass(frozen=True)
class Gaussian:
    """Mean [D] of y, and its covariance [D, D], or its variances [D]."""

    space: Space
    mean: Array
    covariance: Array

    def shrunk(self, weight: float) -> Gaussian:
        """`weight` of the way from the covariance to its diagonal."""
        diagonal = np.diag(np.diag(self.covariance))
        mixed = (1 - weight) * self.covariance + weight * diagonal
        return Gaussian(self.space, self.mean, mixed)

    def score(self, x: Levels) -> Score:
        """Expected log-density per row of levels x [N, D], nats of y."""
        counts = level_counts(x, len(self.space.mean)) / len(x)
        noise, slope = counts @ self.space.variance, counts @ self.space.log_slope
        if self.covariance.ndim == 1:
            offset = counts * (self.space.mean - self.mean[:, None]) ** 2
            square = ((offset.sum(1) + noise) / self.covariance).sum()
            log_det = np.log(self.covariance).sum()
        else:
            root = np.linalg.cholesky(self.covariance)
            whitened = 0.0
            for rows in _blocks(x):
                z = solve_triangular(root, (self.space.mean[rows] - self.mean).T, lower=True)
                whitened += np.vdot(z, z)
            inverse = solve_triangular(root, np.eye(len(root)), lower=True)
            square = whitened / len(x) + (inverse**2).sum(0) @ noise
            log_det = 2 * np.log(np.diag(root)).sum()
        dim = x.shape[1]
        nats = -(square + log_det + dim * LOG_2PI) / 2
        return Score(float(nats), dim, float(slope.sum()))


def fit(x: Levels, space: Space, full: bool = True) -> Gaussian:
    """The moments of y over levels x [N, D] and their noise."""
    counts = level_counts(x, len(space.mean)) / len(x)
    mean, noise = counts @ space.mean, counts @ space.variance
    if not full:
        between = (counts * (space.mean - mean[:, None]) ** 2).sum(1)
        return Gaussian(space, mean, between + noise)
    covariance = np.diag(noise)
    for rows in _blocks(x):
        centred = space.mean[rows] - mean
        covariance += centred.T @ centred / len(x)
    return Gaussian(space, mean, covariance)


def _blocks(x: Levels) -> list[Levels]:
    """The rows in blocks, so that the float64 copies stay small."""
    return [x[i : i + ROWS] for i in range(0, len(x), ROWS)]
