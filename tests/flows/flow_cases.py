"""Named bijections, every one of which meets every property."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from bench.flows import (
    MADE,
    AffineCoupling,
    Bijection,
    Composite,
    ElementwiseSpline,
    Flow,
    Inverse,
    LULinear,
    MaskedAffine,
    Permutation,
    ResidualNet,
    SplineCoupling,
    alternating,
    maf,
    nsf_coupling,
    realnvp,
    reverse,
)

NET = partial(ResidualNet, hidden=12)


def random_degrees(dim: int, hidden: int, layers: int) -> list[torch.Tensor]:
    """Rising lower ends, as nflows draws them for random masks."""
    degrees, low = [], 1
    for _ in range(layers):
        degrees.append(torch.randint(min(low, dim - 1), dim, (hidden,)))
        low = int(degrees[-1].min())
    return degrees


#: name -> (dimension, maker); weights are randomised by `make`
CASES: dict[str, tuple[int, Callable[[], Bijection]]] = {
    "affine coupling": (3, lambda: AffineCoupling(alternating(3, True), NET)),
    "spline coupling": (3, lambda: SplineCoupling(alternating(3, False), NET, bins=5, bound=2.0)),
    "spline coupling, unconditional": (
        4,
        lambda: SplineCoupling(alternating(4, True), NET, bins=4, unconditional=True),
    ),
    "spline coupling, one bin": (2, lambda: SplineCoupling(alternating(2, True), NET, bins=1)),
    "elementwise spline": (3, lambda: ElementwiseSpline(3, 6, 3.0)),
    "masked affine": (5, lambda: MaskedAffine(MADE(5, 13))),
    "masked affine, one dimension": (1, lambda: MaskedAffine(MADE(1, 4))),
    "masked affine, narrow": (7, lambda: MaskedAffine(MADE(7, 3))),
    "masked affine, no block": (4, lambda: MaskedAffine(MADE(4, 9, blocks=0))),
    "masked affine, feed-forward": (4, lambda: MaskedAffine(MADE(4, 9, residual=False))),
    "masked affine, random masks": (
        6,
        lambda: MaskedAffine(MADE(6, 11, residual=False, degrees=random_degrees(6, 11, 3))),
    ),
    "lu": (4, lambda: LULinear(4)),
    "permutation": (4, lambda: Permutation(torch.tensor([2, 0, 3, 1]))),
    "reversal": (3, lambda: reverse(3)),
    "composite": (3, lambda: Composite([reverse(3), LULinear(3), MaskedAffine(MADE(3, 8))])),
    "inverse": (3, lambda: Inverse(MaskedAffine(MADE(3, 8)))),
    "realnvp": (3, lambda: realnvp(3, 10, 3).bijection),
    "maf": (3, lambda: maf(3, 10, 3).bijection),
    "nsf-coupling": (3, lambda: nsf_coupling(3, 10, 3).bijection),
}

FLOWS: dict[str, Callable[..., Flow]] = {
    "realnvp": realnvp,
    "maf": maf,
    "nsf-coupling": nsf_coupling,
}


def randomise(module: nn.Module, scale: float = 0.5) -> None:
    """Replace every parameter by draws of N(0, scale^2): fresh layers are too close to trivial."""
    for p in module.parameters():
        nn.init.normal_(p, std=scale)


def make(name: str, scale: float = 0.25) -> tuple[Bijection, int]:
    """A float64 bijection with random weights, and its dimension."""
    dim, maker = CASES[name]
    torch.manual_seed(7)
    bijection = maker()
    randomise(bijection, scale)
    return bijection.double(), dim
