"""Gaussians of real values: of standardised rows, and of a series given its past."""

from __future__ import annotations

import numpy as np

from bench.datasets.anchors.expected_gaussian import LOG_2PI, Array
from bench.datasets.anchors.score import Score


def gaussian(fit: Array, test: Array, full: bool = True) -> Score:
    """Maximum-likelihood Gaussian of rows [N, D], each column standardised by those of `fit`.

    Nats of the standardised coordinates (standard deviations with divisor n).
    """
    mean, sd = fit.mean(0), fit.std(0)
    z, z_test = (fit - mean) / sd, (test - mean) / sd
    covariance = z.T @ z / len(z) if full else np.eye(len(mean))
    square = (z_test * np.linalg.solve(covariance, z_test.T).T).sum(1).mean()
    log_det = np.linalg.slogdet(covariance)[1]
    dim = len(mean)
    return Score(float(-(square + log_det + dim * LOG_2PI) / 2), dim, -float(np.log(sd).sum()))


def autoregression(series: Array, order: int, held_out: int) -> Score:
    """Least squares on the `order` values before, with an intercept and the residuals' variance.

    Fitted on all but the last `held_out` values of series [T]; those are predicted one step ahead,
    each from its true past. Nats per value.
    """
    past = [series[order - lag : len(series) - lag] for lag in range(1, order + 1)]
    design, target = np.column_stack([np.ones(len(series) - order), *past]), series[order:]
    weights = np.linalg.lstsq(design[:-held_out], target[:-held_out], rcond=None)[0]
    residual = target - design @ weights
    variance = (residual[:-held_out] ** 2).mean()
    square = (residual[-held_out:] ** 2).mean() / variance
    return Score(float(-(square + np.log(variance) + LOG_2PI) / 2), 1)
