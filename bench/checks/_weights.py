"""When a mean of importance weights may be believed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LARGEST_K = 0.7
LARGEST_SHARE = 0.05
UNCOVERED_SHARE = 0.01


def pareto_k(weights: Tensor) -> float:
    """Shape of a generalised Pareto fitted to the largest weights [n] (arXiv 1507.02646, app. C).

    Above .7 the mean converges too slowly to be useful. Zhang and Stephens' estimator on the
    min(n / 5, 3 sqrt(n)) largest weights, with the weakly informative prior of that paper; minus
    infinity where the largest weights are equal (no tail).
    """
    ordered = weights.double().sort().values
    tail = int(min(len(ordered) / 5, 3 * math.sqrt(len(ordered))))
    x = ordered[-tail:] - ordered[-tail - 1]
    if tail < 5 or float(x[-1]) <= 1e-10 * float(ordered[-1].abs()):
        return -math.inf
    x = x.clamp(min=1e-12 * float(x[-1]))
    count = 30 + int(math.sqrt(tail))
    i = torch.arange(1, count + 1, dtype=torch.float64)
    quartile = x[int(tail / 4 + 0.5) - 1]
    theta = 1 / x[-1] + (1 - (count / (i - 0.5)).sqrt()) / (3 * quartile)
    k = torch.log1p(-theta[:, None] * x).mean(1)
    likelihood = tail * ((-theta / k).log() - k - 1)
    weight = torch.softmax(torch.nan_to_num(likelihood, nan=-math.inf), 0)
    best = float((theta * weight).sum())
    shape = float(torch.log1p(-best * x).mean())
    return (tail * shape + 5) / (tail + 10)


def distrust(weights: Tensor, other: Tensor | None) -> str:
    """Why the mean of `weights` [n] cannot be judged, or "".

    Args:
        weights: summed weights.
        other: weights at draws from the weights' numerator, which show mass that the summed draws
            never reach; None where there is no sampler.
    """
    total = float(weights.sum())
    if not math.isfinite(total) or total <= 0:
        return "the weights are all zero or not finite"
    share = float(weights.max()) / total
    if share > LARGEST_SHARE:
        return f"one weight is {share:.0%} of the sum"
    if other is not None:
        missed = float((~(other <= weights.max())).double().mean())  # NaN is missed
        if missed > UNCOVERED_SHARE:
            return f"{missed:.0%} of the model's draws lie where no test draw has shown its weight"
    k = pareto_k(weights)
    return f"Pareto k-hat {k:.2f}" if k > LARGEST_K else ""
