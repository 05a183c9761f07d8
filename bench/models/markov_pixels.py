"""A Markov model of pixels: each given its neighbours above and to the left, from counts."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor

from bench import model
from bench.contract import DataSpec
from bench.levels import level_count
from bench.models._backoff import BackOff, choose, fit
from bench.models._steps import grid


@model(
    "markov",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="table",
)
def build(data: DataSpec) -> BackOff:
    """p(x) = prod_i p_i(x_i | neighbours read before), in the order of the coordinates.

    The tables of each pixel back off from (above, left), or (left, above), to the first of the two
    alone and to the pixel's marginal (`_backoff.py`); of colours, the channel before is a neighbour
    as well, of what is no image only the coordinate before. Order, number and weights of the
    neighbours are those that are best for the validation points; then these are counted, too.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
    """
    levels, base = level_count(data), torch.arange(data.dim)
    found = []
    for chain in permutations(neighbours(data.shape)):
        parents = torch.stack(chain, 1)
        weights, score = choose(data.train, data.valid, levels, base, parents)
        found.append((score, weights, parents))
    _, weights, parents = max(found, key=lambda one: one[0])
    return fit(data.train_valid, levels, base, parents, weights)


def neighbours(shape: tuple[int, ...]) -> list[Tensor]:
    """Each coordinate's neighbours that come before it, or D for none, int64 [D] each.

    The one to the left, above where there are rows, in the channel before where there are channels.
    """
    channels, height, width = grid(shape)
    dim = channels * height * width
    place = torch.arange(dim).reshape(channels, height, width)
    found = []
    for axis, size in ((2, width), (1, height), (0, channels)):
        if size > 1 or axis == 2:
            first = torch.full_like(place.narrow(axis, 0, 1), dim)
            found.append(torch.cat([first, place.narrow(axis, 0, size - 1)], axis).flatten())
    return found
