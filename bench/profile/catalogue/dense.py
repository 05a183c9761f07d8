"""A dense linear map, whose determinant is a factorisation of D^3."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.profile import Case, Maps, Size, of_module


@kernel("dense", logdet="log |det W|, by a factorisation", baseline="nflows", structured=False)
def case(size: Size) -> Case:
    """W x + b with W = I + G / (2 sqrt(D)), G Gaussian."""
    dim = size.dim
    weight = torch.eye(dim, dtype=torch.float64) + size.normal(dim, dim, scale=0.5 / dim**0.5)
    return Case(
        x=size.normal(size.batch, dim),
        parameters={"weight": weight, "bias": size.normal(dim)},
        reference=textbook,
        numbers=2 * size.batch * dim + dim * (dim + 1),
        flops=2 * size.batch * dim**2 + 2 * dim**3 / 3,
    )


def textbook(weight: Tensor, bias: Tensor) -> Maps:
    """slogdet, and a solve for the inverse."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ weight.T + bias, torch.linalg.slogdet(weight).logabsdet.expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.linalg.solve(weight, (z - bias).T).T
        return x, -torch.linalg.slogdet(weight).logabsdet.expand(len(z))

    return Maps(forward, inverse)


def logabsdet(matrix: Tensor) -> Tensor:
    """log |det| of a matrix [D, D].

    slogdet where autograd records, as its gradient reuses the factors; else without the sign, the
    better part of a small matrix's time.
    """
    if torch.is_grad_enabled() and matrix.requires_grad:
        return torch.linalg.slogdet(matrix).logabsdet
    return torch.linalg.lu_factor_ex(matrix)[0].diagonal().abs_().log_().sum()


def of_factors(lu: Tensor) -> Tensor:
    """log |det| from the packed factors of `torch.linalg.lu_factor`."""
    return lu.diagonal().abs().log().sum()


@implementation("in-house", kernel="dense")
def in_house(weight: Tensor, bias: Tensor) -> Maps:
    """One factorisation per call, shared by the solve and the log-determinant."""

    def value(x: Tensor) -> Tensor:
        return F.linear(x, weight, bias)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return value(x), logabsdet(weight).expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        lu, pivots, _ = torch.linalg.lu_factor_ex(weight)
        x = torch.linalg.lu_solve(lu, pivots, (z - bias).T).T
        return x, -of_factors(lu).expand(len(z))

    return Maps(forward, inverse, value)


@implementation("nflows", kernel="dense", requires=["nflows"])
def nflows(weight: Tensor, bias: Tensor) -> Maps:
    """`nflows.transforms.NaiveLinear`, its cache off; its inverse fails on today's torch."""
    from nflows.transforms import NaiveLinear

    module = NaiveLinear(len(bias), orthogonal_initialization=False)
    parameters = {"weight": weight, "bias": bias}
    return of_module(module, parameters, weight="_weight")._replace(inverse=None)
