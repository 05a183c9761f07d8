"""The exponential of a matrix as a linear map (arXiv 2006.01910)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.profile import Case, Maps, Size

DEGREE = 16  #: of the Taylor polynomial
#: 1-norm up to which its remainder is below the unit roundoff
REACH = {torch.float32: 2.7, torch.float64: 0.83}
#: coefficients of the powers 0 to 3 (columns) that multiply A^0, A^4, A^8 and A^12 (rows)
BLOCKS = [[1 / math.factorial(4 * row + column) for column in range(4)] for row in range(4)]


@kernel("matrix-exponential", logdet="tr A", paper="2006.01910")
def case(size: Size) -> Case:
    """exp(A) x + b with A Gaussian of spectral radius near 1/2."""
    dim = size.dim
    return Case(
        x=size.normal(size.batch, dim),
        parameters={
            "weight": size.normal(dim, dim, scale=0.5 / dim**0.5),
            "bias": size.normal(dim),
        },
        reference=textbook,
        numbers=2 * size.batch * dim + dim * (dim + 1),
        flops=2 * size.batch * dim**2 + 12 * dim**3,
    )


def textbook(weight: Tensor, bias: Tensor) -> Maps:
    """`torch.linalg.matrix_exp`; back with -A."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ torch.linalg.matrix_exp(weight).T + bias, weight.trace().expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        x = (z - bias) @ torch.linalg.matrix_exp(-weight).T
        return x, -weight.trace().expand(len(z))

    return Maps(forward, inverse)


class Exponential:
    """exp(A) by scaling, a Taylor polynomial in six products, and squaring.

    `torch.linalg.matrix_exp` differentiates through a matrix of twice the size; this through its
    products.
    """

    def __init__(self, weight: Tensor) -> None:
        self.coefficients = torch.tensor(BLOCKS, dtype=weight.dtype, device=weight.device)
        self.unit = torch.eye(len(weight), dtype=weight.dtype, device=weight.device)
        self.reach = REACH.get(weight.dtype, 0.83)

    def __call__(self, a: Tensor) -> Tensor:
        """exp(a) [D, D]. Reads the norm of `a` back to the host, as matrix_exp does."""
        norm = float(a.detach().abs().sum(0).max())
        finite = 0 < norm < math.inf
        halvings = max(0, math.ceil(math.log2(norm / self.reach))) if finite else 0
        if halvings:
            a = a * 2.0**-halvings
        second = a @ a
        third, fourth = second @ a, second @ second
        powers = torch.stack((self.unit, a, second, third)).flatten(1)
        blocks = (self.coefficients @ powers).unflatten(1, a.shape)
        result = torch.add(blocks[3], fourth, alpha=1 / math.factorial(DEGREE))
        for row in (2, 1, 0):
            result = torch.addmm(blocks[row], result, fourth)
        for _ in range(halvings):
            result = result @ result
        return result


@implementation("in-house", kernel="matrix-exponential")
def in_house(weight: Tensor, bias: Tensor) -> Maps:
    """One exponential per call and one product over the batch."""
    # exp(A) x by a series of products with x needs fewer operations only below D / 4 points
    exponential = Exponential(weight)

    def value(x: Tensor) -> Tensor:
        return F.linear(x, exponential(weight), bias)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return value(x), weight.trace().expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(z - bias, exponential(-weight)), -weight.trace().expand(len(z))

    return Maps(forward, inverse, value)
