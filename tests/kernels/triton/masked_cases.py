"""Masked networks of awkward sizes, and their inverse by D passes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows import MADE
from bench.kernels import Univariate
from bench.kernels.eager import Shape, spline

AFFINE, SPLINE = Univariate(), Univariate(4, Shape(3.0))


def drawn(*sizes: int) -> list[Tensor]:
    """Random degrees of hidden layers of an input of 6."""
    torch.manual_seed(2)
    return [torch.randint(0, 6, (n,)) for n in sizes]


#: name -> a network for a number of outputs per coordinate
NETWORKS: dict[str, Callable[[int], MADE]] = {
    "one coordinate": lambda n: MADE(1, 4, outputs=n),
    "two": lambda n: MADE(2, 9, outputs=n),
    "usual": lambda n: MADE(7, 30, outputs=n),
    "more units of a degree than a tile": lambda n: MADE(3, 147, outputs=n),
    "narrow": lambda n: MADE(9, 4, outputs=n),
    "several chunks": lambda n: MADE(9, 150, outputs=n, blocks=1),
    "no block": lambda n: MADE(5, 11, blocks=0, outputs=n),
    "three blocks": lambda n: MADE(5, 11, blocks=3, outputs=n),
    "feed-forward": lambda n: MADE(5, 11, outputs=n, residual=False),
    "random degrees": lambda n: MADE(6, 40, outputs=n, residual=False, degrees=drawn(40, 40, 40)),
    "random degrees, one layer": lambda n: MADE(6, 90, blocks=0, outputs=n, degrees=drawn(90)),
}
LARGE_NETWORKS: dict[str, Callable[[int], MADE]] = {
    "64, two hidden layers": lambda n: MADE(64, 100, outputs=n, residual=False, blocks=1),
    "65, one block": lambda n: MADE(65, 130, outputs=n, blocks=1),
}


def network(name: str, outputs: int, dtype: torch.dtype = torch.float64) -> MADE:
    """A network of either table with weights large enough to matter."""
    torch.manual_seed(0)
    made = (NETWORKS | LARGE_NETWORKS)[name](outputs)
    for p in made.parameters():
        nn.init.normal_(p, std=0.3 if made.dim < 20 else 0.1)
    return made.to(dtype)


def passes(made: MADE, univariate: Univariate, z: Tensor) -> tuple[Tensor, Tensor]:
    """D full passes in float64, one coordinate right after each."""
    made = copy.deepcopy(made).double()
    z = z.double()
    x = slopes = torch.zeros_like(z)
    with torch.no_grad():
        for _ in range(made.dim):
            raw = made(x).unflatten(1, (made.dim, univariate.outputs))
            if univariate.bins:
                x, slopes = spline(z.flatten(), raw.flatten(0, 1), univariate.shape, inverse=True)
                x, slopes = x.view_as(z), slopes.view_as(z)
            else:
                scale = F.softplus(raw[..., 0]) + univariate.min_scale
                x, slopes = (z - raw[..., 1]) / scale, -scale.log()
    return x, slopes.sum(1)
