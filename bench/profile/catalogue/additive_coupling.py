"""Additive coupling layer (NICE, arXiv 1410.8516) whose shifts are given."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows import AdditiveCoupling
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._given import Given, around, moved


@kernel("additive-coupling", logdet="0", baseline="nflows", paper="1410.8516")
def case(size: Size) -> Case:
    """(x1, x2 + b) of the two halves."""
    move = size.dim // 2
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={"shift": size.normal(size.batch, move), "dim": size.dim},
        reference=textbook,
        numbers=size.batch * (2 * size.dim + move + 1),
        flops=size.batch * move,
    )


def textbook(shift: Tensor, dim: int) -> Maps:
    """The paper's equations 8 and 9."""
    kept = dim - dim // 2

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat((x[:, :kept], x[:, kept:] + shift), 1), x.new_zeros(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat((z[:, :kept], z[:, kept:] - shift), 1), z.new_zeros(len(z))

    return Maps(forward, inverse)


@implementation("in-house", kernel="additive-coupling")
def in_house(shift: Tensor, dim: int) -> Maps:
    """The layer of `bench.flows`, around a network that costs nothing."""
    layer = AdditiveCoupling(moved(dim), lambda inputs, outputs: Given(shift))
    return around(shift, layer)


@implementation("nflows", kernel="additive-coupling", requires=["nflows"])
def nflows(shift: Tensor, dim: int) -> Maps:
    """Its layer, an affine coupling of scale one."""
    from nflows.transforms import AdditiveCouplingTransform

    layer = AdditiveCouplingTransform(moved(dim), lambda inputs, outputs: Given(shift))
    return around(shift, layer)


@implementation("normflows", kernel="additive-coupling", requires=["normflows"])
def normflows(shift: Tensor, dim: int) -> Maps:
    """Its block that splits, shifts and merges."""
    from normflows.flows import AffineCouplingBlock

    return around(shift, AffineCouplingBlock(Given(shift), scale=False))


@implementation("zuko", kernel="additive-coupling", requires=["zuko"])
def zuko(shift: Tensor, dim: int) -> Maps:
    """Its coupling of an additive transform."""
    from zuko.transforms import AdditiveTransform, CouplingTransform, DependentTransform

    coupling = CouplingTransform(
        lambda kept: DependentTransform(AdditiveTransform(shift), 1), ~moved(dim).to(shift.device)
    )
    return Maps(coupling.call_and_ladj, coupling.inv.call_and_ladj, coupling)
