"""A sequence of Householder reflections (arXiv 1611.09630)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows.linear.orthogonal import Householder
from bench.profile import Case, Maps, Size, of_module

MOST = 64  #: reflections


@kernel("householder", logdet="0", baseline="nflows", paper="1611.09630")
def case(size: Size) -> Case:
    """x H_1 ... H_K with H_i = I - 2 v_i v_i' / |v_i|^2, K = min(D, 64)."""
    reflections = min(size.dim, MOST)
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={"q_vectors": size.normal(reflections, size.dim)},
        reference=textbook,
        numbers=2 * size.batch * size.dim + reflections * size.dim,
        flops=flops(size, reflections),
    )


def flops(size: Size, reflections: int) -> float:
    """Two products of K x D, or one of the D x D matrix, per point."""
    return size.batch * size.dim * min(4 * reflections, 2 * size.dim)


def reflect(x: Tensor, vectors: Tensor) -> Tensor:
    """x H_1 ... H_K, one after the other; [B, D]."""
    for v in vectors:
        x = x - torch.outer(x @ v, 2 * v / v.square().sum())
    return x


def textbook(q_vectors: Tensor) -> Maps:
    """One reflection after the other; back in the opposite order."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return reflect(x, q_vectors), x.new_zeros(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        return reflect(z, q_vectors.flip(0)), z.new_zeros(len(z))

    return Maps(forward, inverse)


@implementation("in-house", kernel="householder")
def in_house(q_vectors: Tensor) -> Maps:
    """The compact WY form (doi 10.1137/0910005): two products over the batch, or one."""
    reflections, dim = q_vectors.shape
    return of_module(Householder(dim, reflections), {"q_vectors": q_vectors})


@implementation("nflows", kernel="householder", requires=["nflows"])
def nflows(q_vectors: Tensor) -> Maps:
    """`nflows.transforms.HouseholderSequence`."""
    from nflows.transforms import HouseholderSequence

    reflections, dim = q_vectors.shape
    return of_module(HouseholderSequence(dim, reflections), {"q_vectors": q_vectors})
