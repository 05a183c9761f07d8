"""Named bijections of images, every one of which meets every property of test_images.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from flow_cases import randomise
from torch import nn

from bench.flows import (
    Affine,
    Bijection,
    Composite,
    Elementwise,
    LogisticMixture,
    QuadraticSpline,
    RationalQuadratic,
)
from bench.flows.images import (
    ChannelCoupling,
    ChannelPermutation,
    CheckerboardCoupling,
    Conv1x1,
    ConvResidualNet,
    ImageActNorm,
    Multiscale,
    Reshape,
    Shift,
    SigmoidAffine,
    Squeeze,
    checkerboard,
    first_half,
    glow,
    learned_prior,
    realnvp_image,
)

NET = partial(ConvResidualNet, hidden=6, blocks=1)
SMALL = {"channels": 6, "steps": 2}

Shape = tuple[int, ...]


def kept_splines() -> Bijection:
    """Splines of a kept half of shape [1, 2, 2]."""
    return Composite(
        [
            Reshape((1, 2, 2), (4,)),
            Elementwise(4, RationalQuadratic(4, 2.0)),
            Reshape((4,), (1, 2, 2)),
        ]
    )


def two_levels() -> Multiscale:
    """Odd numbers of channels are divided too."""
    last = Composite([Squeeze((2, 1)), Conv1x1(2)])
    return Multiscale([Conv1x1(3), last], [(2, 2, 1), (2, 1, 1)])


#: name -> (shape of a point, maker); weights are randomised by `make`
IMAGES: dict[str, tuple[Shape, Callable[[], Bijection]]] = {
    "squeeze": ((2, 4, 6), lambda: Squeeze(2)),
    "squeeze, one side": ((1, 2, 6), lambda: Squeeze((1, 3))),
    "squeeze by three": ((1, 3, 6), lambda: Squeeze(3)),
    "1x1 convolution": ((5, 2, 1), lambda: Conv1x1(5)),
    "1x1 convolution, one channel": ((1, 2, 3), lambda: Conv1x1(1)),
    "channel permutation": ((4, 2, 1), lambda: ChannelPermutation(torch.tensor([2, 0, 3, 1]))),
    "actnorm": ((3, 2, 2), lambda: ImageActNorm(3).eval()),
    "affine coupling": (
        (3, 2, 3),
        lambda: ChannelCoupling(first_half(3), NET, SigmoidAffine(), blocked=True),
    ),
    "additive coupling": ((3, 2, 2), lambda: ChannelCoupling(first_half(3, False), NET, Shift())),
    "unbounded coupling": ((2, 3, 2), lambda: ChannelCoupling([True, False], NET, Affine())),
    "spline coupling, unconditional": (
        (2, 2, 2),
        lambda: ChannelCoupling(first_half(2), NET, RationalQuadratic(5, 2.0), kept=kept_splines()),
    ),
    "quadratic coupling": (
        (3, 2, 2),
        lambda: ChannelCoupling(first_half(3), NET, QuadraticSpline(4, 2.0)),
    ),
    "mixture coupling": (
        (2, 2, 1),
        lambda: ChannelCoupling(first_half(2), NET, LogisticMixture(3)),
    ),
    "checkerboard": (
        (1, 3, 3),
        lambda: CheckerboardCoupling(checkerboard((1, 3, 3)), NET, Affine()),
    ),
    "checkerboard, splines": (
        (2, 2, 3),
        lambda: CheckerboardCoupling(
            checkerboard((2, 2, 3), False), NET, RationalQuadratic(4, 2.0)
        ),
    ),
    "checkerboard, additive": (
        (1, 2, 3),
        lambda: CheckerboardCoupling(checkerboard((1, 2, 3)), NET, Shift()),
    ),
    "learned prior": ((3, 2, 2), lambda: learned_prior(3)),
    "multi-scale": ((3, 2, 1), two_levels),
    "glow": ((1, 4, 4), lambda: glow((1, 4, 4), **SMALL).bijection.parts[1]),
    "glow, three channels": ((3, 2, 4), lambda: glow((3, 2, 4), **SMALL).bijection.parts[1]),
    "glow, one odd side": ((1, 3, 4), lambda: glow((3, 4), **SMALL).bijection.parts[1]),
    "glow, odd sides": ((1, 3, 5), lambda: glow((1, 3, 5), **SMALL).bijection.parts[1]),
    "glow, vector": ((5, 1, 1), lambda: glow((5,), **SMALL).bijection.parts[1]),
    "glow, learned priors": (
        (1, 4, 4),
        lambda: glow((1, 4, 4), **SMALL, family=Affine(), prior=True).bijection.parts[1],
    ),
    "realnvp": ((1, 4, 4), lambda: realnvp_image((4, 4), 6).bijection.parts[1]),
    "realnvp, three channels": ((3, 2, 3), lambda: realnvp_image((3, 2, 3), 6).bijection.parts[1]),
    "realnvp, vector": ((4, 1, 1), lambda: realnvp_image((4,), 6).bijection.parts[1]),
    "realnvp, two pixels": ((1, 2, 1), lambda: realnvp_image((2, 1), 6).bijection.parts[1]),
}


def make(name: str, scale: float = 0.25) -> tuple[Bijection, int]:
    """A float64 bijection of flattened images with random weights, and its dimension.

    Whole flows get smaller ones: every coupling may multiply by what grows with its input.
    """
    shape, maker = IMAGES[name]
    torch.manual_seed(7)
    part = maker()
    randomise(part, scale / 2.5 if deep(name) else scale)
    return flattened(part, shape).double(), math.prod(shape)


def deep(name: str) -> bool:
    """A whole flow, and not one layer."""
    return name.startswith(("glow", "realnvp"))


def flattened(part: Bijection, shape: Shape) -> Composite:
    """The bijection from points [B, D] to noise [B, D]; started, as by a first batch."""
    for layer in part.modules():
        if isinstance(layer, ImageActNorm):
            layer.initialized.fill_(True)
    with torch.no_grad():
        noise = tuple(part(torch.zeros(1, *shape))[0].shape[1:])
    dim = math.prod(shape)
    return Composite([Reshape((dim,), shape), part, Reshape(noise, (dim,))])


class Plain(nn.Module):
    """A user's own conditioner of images."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        return self.conv(x)
