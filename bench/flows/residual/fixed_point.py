"""Fixed points of contractions, point by point."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

ULPS = 16  #: a point has settled when a step moves it by no more, relative to 1 + its size
LIMIT = 3000  #: steps; .99^3000 is below float64's resolution


@torch.no_grad()
def fixed_point(
    step: Callable[[Tensor, Tensor], Tensor], start: Tensor, limit: int = LIMIT
) -> Tensor:
    """x [B, D] with step(x) = x, by Banach's iteration from `start` [B, D].

    `step` gets the points that still move [n, D] and their rows [n] in the batch; a point that has
    settled is left alone, so that none depends on its batch mates. For a contraction by L the error
    is at most L / (1 - L) times the last step. NaN settles at once. Synchronises at every step.

    Raises RuntimeError where points still move after `limit` steps.
    """
    x = start.clone()
    rows = torch.arange(len(x), device=x.device)
    tolerance = ULPS * torch.finfo(x.dtype).eps
    for _ in range(limit):
        if not len(rows):
            return x
        before = x[rows]
        after = step(before, rows)
        x[rows] = after
        moved = (after - before).abs().amax(1)
        rows = rows[moved > tolerance * (1 + after.abs().amax(1))]
    if not len(rows):
        return x
    raise RuntimeError(
        f"{len(rows)} of {len(x)} points still move after {limit} steps of the fixed-point "
        "iteration: the map is no contraction. Call eval(), where its bound holds"
    )
