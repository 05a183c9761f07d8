"""Linear maps given by reflections and a triangle: W = Q R."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows.linear.orthogonal import QRLinear
from bench.profile import Case, Maps, Size, of_module
from bench.profile.catalogue import householder
from bench.profile.catalogue.lu import hush, triangle


@kernel("qr", logdet="sum log r_ii", baseline="nflows", paper="1611.09630")
def case(size: Size) -> Case:
    """(x R') H_1 ... H_K + b, R upper triangular with diagonal exp(d), K = min(D, 64)."""
    dim, reflections = size.dim, min(size.dim, householder.MOST)
    return Case(
        x=size.normal(size.batch, dim),
        parameters={
            "upper_entries": size.normal(dim * (dim - 1) // 2, scale=0.5 / dim**0.5),
            "log_upper_diag": size.normal(dim, scale=0.3),
            "bias": size.normal(dim),
            "q_vectors": size.normal(reflections, dim),
        },
        reference=textbook,
        numbers=2 * size.batch * dim + dim * (dim + 3) // 2 + reflections * dim,
        # the matrix formed once, or R and the reflections one after the other
        flops=min(
            2 * size.batch * dim**2 + 4 * reflections * dim**2,
            size.batch * dim**2 + householder.flops(size, reflections),
        ),
    )


def textbook(
    upper_entries: Tensor, log_upper_diag: Tensor, bias: Tensor, q_vectors: Tensor
) -> Maps:
    """A product with R, then one reflection after the other; back by a triangular solve."""

    def upper() -> Tensor:
        strict = triangle(upper_entries, len(bias), upper=True)
        return strict + log_upper_diag.exp().diag()

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        z = householder.reflect(x @ upper().T, q_vectors) + bias
        return z, log_upper_diag.sum().expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        turned = householder.reflect(z - bias, q_vectors.flip(0))
        x = torch.linalg.solve_triangular(upper(), turned.T, upper=True).T
        return x, -log_upper_diag.sum().expand(len(z))

    return Maps(forward, inverse)


@implementation("in-house", kernel="qr")
def in_house(**parameters: Tensor) -> Maps:
    """The D x D matrix by the compact WY form, then one product over the batch."""
    reflections, dim = parameters["q_vectors"].shape
    return of_module(QRLinear(dim, reflections), parameters, q_vectors="orthogonal.q_vectors")


@implementation("nflows", kernel="qr", requires=["nflows"])
def nflows(**parameters: Tensor) -> Maps:
    """`nflows.transforms.QRLinear`."""
    from nflows.transforms import QRLinear as Theirs

    hush()
    reflections, dim = parameters["q_vectors"].shape
    return of_module(Theirs(dim, reflections), parameters, q_vectors="orthogonal.q_vectors")
