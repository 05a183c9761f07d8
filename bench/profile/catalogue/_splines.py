"""What the definitions of the splines share: knots, bins, a box and tails that are the identity."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.profile import Maps

BINS = 8
BOUND = 3.0
LEAST = 1e-3  #: width and height of a bin, as shares of the box; derivative at a knot

#: a point in [0, 1] -> its image there and the derivative
Unit = Callable[[Tensor], tuple[Tensor, Tensor]]


def shares(logits: Tensor) -> Tensor:
    """Positive numbers [*, K] that sum to one (arXiv 1906.04032, section 3.1)."""
    return LEAST + (1 - LEAST * logits.shape[-1]) * logits.softmax(-1)


def knots(steps: Tensor) -> Tensor:
    """0 and the partial sums, [*, K + 1]."""
    return torch.cat((torch.zeros_like(steps[..., :1]), steps.cumsum(-1)), -1)


def bin_of(points: Tensor, at: Tensor) -> Tensor:
    """The bin between knots [*, K + 1] that holds a point of [0, 1], [*]."""
    return (points[..., None] >= at[..., 1:-1]).sum(-1)


def take(values: Tensor, index: Tensor) -> Tensor:
    """values [*, K] at index [*]."""
    return values.gather(-1, index[..., None])[..., 0]


def boxed(forward: Unit, inverse: Unit | None = None) -> Maps:
    """The maps of [B, D] that are these in the box [-BOUND, BOUND], the identity outside.

    `inverse` gives the derivative of the forward at its result.
    """

    def run(x: Tensor, unit: Unit, sign: int) -> tuple[Tensor, Tensor]:
        inside = x.abs() <= BOUND
        y, slope = unit((torch.where(inside, x, 0.0) + BOUND) / (2 * BOUND))
        value = torch.where(inside, 2 * BOUND * y - BOUND, x)
        return value, torch.where(inside, sign * slope.log(), 0.0).sum(1)

    if inverse is None:
        return Maps(lambda x: run(x, forward, 1))
    return Maps(lambda x: run(x, forward, 1), lambda y: run(y, inverse, -1))
