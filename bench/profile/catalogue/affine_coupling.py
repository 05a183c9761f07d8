"""Affine coupling layer (RealNVP, arXiv 1605.08803) whose parameters are given."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows import AffineCoupling
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._given import Given, around, moved


@kernel(
    "affine-coupling",
    logdet="sum_i log s_i, s = sigmoid(a + 2) + 1e-3",
    baseline="nflows",
    paper="1605.08803",
)
def case(size: Size) -> Case:
    """(x1, s x2 + b) of the two halves, with all b, then all a, in a row, as networks give them."""
    move = size.dim // 2
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={"raw": size.normal(size.batch, 2 * move), "dim": size.dim},
        reference=textbook,
        numbers=size.batch * (2 * size.dim + 2 * move + 1),
        flops=7 * size.batch * move,
    )


def textbook(raw: Tensor, dim: int) -> Maps:
    """The paper's equations 4 to 8 with nflows' scale."""
    kept = dim - dim // 2

    def parts() -> tuple[Tensor, Tensor]:
        b, a = raw.chunk(2, 1)
        return torch.sigmoid(a + 2) + 1e-3, b

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        s, b = parts()
        return torch.cat((x[:, :kept], s * x[:, kept:] + b), 1), s.log().sum(1)

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        s, b = parts()
        return torch.cat((z[:, :kept], (z[:, kept:] - b) / s), 1), -s.log().sum(1)

    return Maps(forward, inverse)


@implementation("in-house", kernel="affine-coupling", modes=["eager", "triton"])
def in_house(raw: Tensor, dim: int) -> Maps:
    """The layer of `bench.flows`, around a network that costs nothing."""
    layer = AffineCoupling(moved(dim), lambda inputs, outputs: Given(raw))
    return around(raw, layer)


@implementation("nflows", kernel="affine-coupling", requires=["nflows"])
def nflows(raw: Tensor, dim: int) -> Maps:
    """Its layer around the same network.

    normflows' sigmoid scale has no least value, zuko takes its logarithm: other functions.
    """
    from nflows.transforms import AffineCouplingTransform

    layer = AffineCouplingTransform(moved(dim), lambda inputs, outputs: Given(raw))
    return around(raw, layer)
