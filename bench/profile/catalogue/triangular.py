"""A triangular linear map: the whitening of a Gaussian by its Cholesky factor."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows.linear.lu import MIN_DIAGONAL
from bench.flows.linear.triangular import Triangular
from bench.profile import Case, Maps, Size, of_module
from bench.profile.catalogue.lu import triangle


@kernel("triangular", logdet="sum log t_ii")
def case(size: Size) -> Case:
    """T x + b, T lower triangular with a positive diagonal."""
    dim = size.dim
    return Case(
        x=size.normal(size.batch, dim),
        parameters={
            "entries": size.normal(dim * (dim - 1) // 2, scale=0.5 / dim**0.5),
            "unconstrained_diagonal": size.normal(dim, scale=0.5) + 0.5,
            "bias": size.normal(dim),
        },
        reference=textbook,
        numbers=2 * size.batch * dim + dim * (dim + 3) // 2,
        flops=size.batch * dim**2,
    )


def textbook(entries: Tensor, unconstrained_diagonal: Tensor, bias: Tensor) -> Maps:
    """One product forward, one triangular solve back."""

    def matrix() -> tuple[Tensor, Tensor]:
        diagonal = F.softplus(unconstrained_diagonal) + MIN_DIAGONAL
        return triangle(entries, len(bias), upper=False) + diagonal.diag(), diagonal

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        t, diagonal = matrix()
        return x @ t.T + bias, diagonal.log().sum().expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        t, diagonal = matrix()
        x = torch.linalg.solve_triangular(t, (z - bias).T, upper=False).T
        return x, -diagonal.log().sum().expand(len(z))

    return Maps(forward, inverse)


@implementation("in-house", kernel="triangular")
def in_house(**parameters: Tensor) -> Maps:
    """`bench.flows`."""
    return of_module(Triangular(len(parameters["bias"])), parameters)
