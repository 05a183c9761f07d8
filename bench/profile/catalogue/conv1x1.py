"""Invertible 1x1 convolutions (Glow, arXiv 1807.03039, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows.images.conv1x1 import Conv1x1
from bench.flows.linear.lu import MIN_DIAGONAL
from bench.profile import Case, Maps, Size, of_module
from bench.profile.catalogue.lu import factors, hush, lu_factors

SIDE = 8  #: pixels each way


@kernel("conv1x1", logdet="H W sum log u_ii", baseline="nflows", batch=64, paper="1807.03039")
def case(size: Size) -> Case:
    """L U P x + b at each of 8 x 8 pixels with D channels, P a permutation."""
    pixels = size.batch * SIDE**2
    permutation = torch.randperm(size.dim, generator=size.generator)
    return Case(
        x=size.normal(size.batch, size.dim, SIDE, SIDE),
        parameters={**factors(size), "permutation": permutation},
        reference=textbook,
        numbers=2 * pixels * size.dim + size.dim * (size.dim + 1),
        flops=2 * pixels * size.dim**2,
    )


def textbook(
    lower_entries: Tensor,
    upper_entries: Tensor,
    unconstrained_upper_diag: Tensor,
    bias: Tensor,
    permutation: Tensor,
) -> Maps:
    """The matrix W = L U P at each pixel, and its inverse."""

    def weight() -> tuple[Tensor, Tensor]:
        lower, upper, diagonal = lu_factors(lower_entries, upper_entries, unconstrained_upper_diag)
        order = torch.nn.functional.one_hot(permutation).to(lower)
        return lower @ upper @ order, SIDE**2 * diagonal.log().sum()

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        matrix, logdet = weight()
        z = torch.einsum("ij,bjhw->bihw", matrix, x) + bias[:, None, None]
        return z, logdet.expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        matrix, logdet = weight()
        shifted = z - bias[:, None, None]
        x = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(matrix), shifted)
        return x, -logdet.expand(len(z))

    return Maps(forward, inverse)


@implementation("in-house", kernel="conv1x1")
def in_house(permutation: Tensor, **parameters: Tensor) -> Maps:
    """`bench.flows`: the C x C matrix or its inverse once per call, no change of layout."""
    module = Conv1x1(len(permutation), MIN_DIAGONAL, permutation.cpu())
    return of_module(module, parameters)


@implementation("nflows", kernel="conv1x1", requires=["nflows"])
def nflows(permutation: Tensor, **parameters: Tensor) -> Maps:
    """`nflows.transforms.OneByOneConvolution`."""
    # normflows' Invertible1x1Conv permutes behind L U, and has exp(s) as diagonal and no bias
    from nflows.transforms import OneByOneConvolution

    hush()
    module = OneByOneConvolution(len(permutation))
    module.permutation._permutation = permutation.cpu()
    return of_module(module, parameters)
