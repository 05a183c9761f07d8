"""Which coordinates a layer transforms, and which units of a masked network see which inputs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import torch
from torch import Tensor


def alternating(dim: int, first: bool) -> Tensor:
    """Boolean [dim]: True where a coupling transforms; coordinate 0 has the value `first`."""
    return (torch.arange(dim) % 2 == 0) == first


def input_degrees(dim: int) -> Tensor:
    """Degrees 1..dim of the inputs (MADE, arXiv 1502.03509, eq. 8), int64 [dim]."""
    return torch.arange(1, dim + 1)


def hidden_degrees(dim: int, hidden: int) -> Tensor:
    """Degrees 1..dim-1 in turn, int64 [hidden] (0 for dim = 1: such a unit sees no input).

    With hidden < dim - 1 the higher degrees do not occur and dependencies are missing.
    """
    return torch.arange(hidden) % max(1, dim - 1) + min(1, dim - 1)


def hidden_mask(out_degrees: Tensor, in_degrees: Tensor) -> Tensor:
    """Float [out, in]: 1 where a hidden unit of degree m sees a unit of degree <= m."""
    return (out_degrees[:, None] >= in_degrees).float()


def output_mask(dim: int, outputs_per_input: int, in_degrees: Tensor) -> Tensor:
    """Float [dim * outputs_per_input, in]: outputs of input i see hidden degrees < i.

    The outputs of one input are adjacent rows.
    """
    out_degrees = input_degrees(dim).repeat_interleave(outputs_per_input)
    return (out_degrees[:, None] > in_degrees).float()


def lost_dependencies(dim: int, degrees: Sequence[Sequence[int]]) -> int:
    """Pairs of an input and a later coordinate whose outputs no chain of hidden units joins to it.

    `degrees`: per hidden layer those of its units. None is lost where 1..dim-1 all occur.
    """
    layers = [sorted(set(layer)) for layer in degrees]
    lost = 0
    for first in range(1, dim):
        reached = first  # the least degree of a unit that sees the input
        for layer in layers:
            at = bisect_left(layer, reached)
            reached = layer[at] if at < len(layer) else dim
        lost += reached - first
    return lost
