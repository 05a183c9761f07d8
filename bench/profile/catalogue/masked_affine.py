"""Masked affine autoregressive layer (MAF, arXiv 1705.07057), its network included."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows import MADE, MaskedAffine
from bench.profile import Case, Maps, Size, of_module
from bench.profile.catalogue import _made


@kernel(
    "masked-affine",
    logdet="sum_i log s_i(x_<i), s = softplus(a) + 1e-3",
    baseline="nflows",
    paper="1705.07057",
    batch=64,
)
def case(size: Size) -> Case:
    """s_i x_i + b_i with (a, b)_i = MADE(x_<i), 64 hidden units or D in two residual blocks."""
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters=_made.draw(size),
        reference=textbook,
        numbers=_made.numbers(size),
        flops=_made.flops(size),
    )


def textbook(**weights: Tensor) -> Maps:
    """The paper's equation 4 with nflows' scale; the inverse coordinate by coordinate."""
    network = _made.network(weights)

    def parts(x: Tensor) -> tuple[Tensor, Tensor]:
        raw = network(x)
        return F.softplus(raw[:, ::2]) + 1e-3, raw[:, 1::2]

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        s, b = parts(x)
        return s * x + b, s.log().sum(1)

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.zeros_like(z)
        for _ in range(z.shape[1]):  # each pass makes one more coordinate right
            s, b = parts(x)
            x = (z - b) / s
        return x, -s.log().sum(1)

    return Maps(forward, inverse)


@implementation("in-house", kernel="masked-affine", modes=["eager", "fused", "triton"])
def in_house(**weights: Tensor) -> Maps:
    """The layer of `bench.flows`."""
    hidden, dim = weights["w0"].shape
    return of_module(MaskedAffine(MADE(dim, hidden)), weights, **_made.names("autoregressive_net."))


@implementation("nflows", kernel="masked-affine", requires=["nflows"])
def nflows(**weights: Tensor) -> Maps:
    """Its layer.

    normflows' layer has a sigmoid scale, zuko's another network and scale: other functions.
    """
    from nflows.transforms import MaskedAffineAutoregressiveTransform

    hidden, dim = weights["w0"].shape
    layer = MaskedAffineAutoregressiveTransform(dim, hidden)
    return of_module(layer, weights, **_made.names("autoregressive_net."))
