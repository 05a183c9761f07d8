"""Masked autoregressive networks (MADE, arXiv 1502.03509) and the order in which to invert them.

A hidden unit of degree m needs the first m coordinates only. With the units of every layer sorted
by degree the masked matrices are block lower triangular, so that each unit is computed once, as
soon as its coordinates are known: one pass over the network instead of D.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.kernels.eager import Shape

Activation = Callable[[Tensor], Tensor]


class Univariate(NamedTuple):
    """The map of each coordinate.

    Affine (`bins` = 0; outputs: raw scale, shift): z = (softplus(raw) + min_scale) x + shift.
    Spline (`bins` = K; 3K - 1 outputs): `rq_spline_packed` with the shape.
    """

    bins: int = 0
    shape: Shape = Shape()
    min_scale: float = 1e-3

    @property
    def outputs(self) -> int:
        """Parameters per coordinate."""
        return 3 * self.bins - 1 if self.bins else 2


class Network(NamedTuple):
    """The layers of a masked network, first to last, in the module's own order of units.

    Residual: linear, blocks h + linear(act(linear(act(h)))), linear; else act after every layer but
    the last. Masked entries may hold any finite value. The outputs of one coordinate are adjacent
    rows of the last layer.
    """

    weights: Sequence[Tensor]  #: [out, in]
    biases: Sequence[Tensor]  #: [out]
    residual: bool = True
    activation: Activation = F.relu
    #: per hidden layer what the context adds before the activation, [B, out], or None
    extras: Sequence[Tensor | None] = ()

    def check(self, plan: Plan, outputs: int, z: Tensor) -> None:
        """Raise ValueError for shapes that do not fit together."""
        sizes = [len(d) for d in plan.degrees]
        wanted = list(zip([*sizes, plan.dim * outputs], [plan.dim, *sizes], strict=True))
        found = [tuple(w.shape) for w in self.weights]
        if found != wanted or [tuple(b.shape) for b in self.biases] != [w[:1] for w in wanted]:
            raise ValueError(
                f"expected weights [out, in] of {wanted} and biases [out], got {found}"
            )
        if self.residual and len(found) % 2:
            raise ValueError(f"a residual network has two layers per block, got {len(found) - 2}")
        if z.dim() != 2 or z.shape[1] != plan.dim:
            raise ValueError(f"expected noise of shape [B, {plan.dim}], got {list(z.shape)}")


class Step(NamedTuple):
    """Coordinates start..stop-1 become known together: no hidden unit lies between them.

    Before them the units of degree `start` are computed: begin..end-1 of each hidden layer.
    """

    start: int
    stop: int
    begins: tuple[int, ...]
    ends: tuple[int, ...]


class Plan:
    """The steps of one network; it depends on the degrees alone and serves any weights.

    Args:
        dim: D.
        degrees: per hidden layer those of its units, 0..D-1: how many coordinates a unit sees.
            A residual network of b blocks has 1 + 2 b hidden layers, all of the same degrees.
    """

    def __init__(self, dim: int, degrees: Sequence[Sequence[int]]) -> None:
        if not degrees or any(not 0 <= d < dim for layer in degrees for d in layer):
            raise ValueError(f"expected degrees 0..{dim - 1} of at least one hidden layer")
        self.dim, self.degrees = dim, [sorted(layer) for layer in degrees]
        self.orders = [torch.tensor(layer).argsort(stable=True) for layer in degrees]
        starts = sorted({0}.union(*degrees))
        self.steps = [
            Step(start, stop, self._below(start - 1), self._below(start))
            for start, stop in zip(starts, [*starts[1:], dim], strict=True)
        ]

    def _below(self, degree: int) -> tuple[int, ...]:
        return tuple(bisect_right(layer, degree) for layer in self.degrees)

    def chunks(self, units: int) -> list[list[Step]]:
        """Consecutive steps, as many as it takes for `units` hidden units of the first layer."""
        found: list[list[Step]] = [[]]
        for step in self.steps:
            chunk = found[-1]
            if chunk and chunk[-1].ends[0] - chunk[0].begins[0] >= units:
                found.append(chunk := [])
            chunk.append(step)
        return found
