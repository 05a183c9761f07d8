"""ActNorm after its initialisation (Glow, arXiv 1807.03039): a scale and shift per coordinate."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows import ActNorm
from bench.profile import Case, Maps, Size, of_module


@kernel("actnorm", logdet="sum_i log s_i, of all points", baseline="nflows", paper="1807.03039")
def case(size: Size) -> Case:
    """exp(log_scale) x + shift."""
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={
            "log_scale": size.normal(size.dim, scale=0.5),
            "shift": size.normal(size.dim),
        },
        reference=textbook,
        numbers=2 * size.batch * size.dim + 2 * size.dim + size.batch,
        flops=2 * size.batch * size.dim + 2 * size.dim,
    )


def textbook(log_scale: Tensor, shift: Tensor) -> Maps:
    """The paper's table 1."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return log_scale.exp() * x + shift, log_scale.sum().expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        return (z - shift) / log_scale.exp(), -log_scale.sum().expand(len(z))

    return Maps(forward, inverse)


@implementation("in-house", kernel="actnorm")
def in_house(log_scale: Tensor, shift: Tensor) -> Maps:
    """The layer of `bench.flows`."""
    layer = ActNorm(len(shift), initialized=True)
    return of_module(layer, {"log_scale": log_scale, "shift": shift})


@implementation("nflows", kernel="actnorm", requires=["nflows"])
def nflows(log_scale: Tensor, shift: Tensor) -> Maps:
    """Its layer in evaluation mode."""
    from nflows.transforms import ActNorm

    return of_module(ActNorm(len(shift)), {"log_scale": log_scale, "shift": shift})


@implementation("normflows", kernel="actnorm", requires=["normflows"])
def normflows(log_scale: Tensor, shift: Tensor) -> Maps:
    """Its layer after its initialisation; gives one log-determinant for all points."""
    from normflows.flows import ActNorm

    layer = ActNorm(len(shift))
    layer.data_dep_init_done = torch.ones_like(layer.data_dep_init_done)
    del layer.s, layer.t
    layer.s, layer.t = log_scale[None], shift[None]

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        z, logabsdet = layer(x)
        return z, logabsdet.expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        x, logabsdet = layer.inverse(z)
        return x, logabsdet.expand(len(z))

    return Maps(forward, inverse)


@implementation("zuko", kernel="actnorm", requires=["zuko"])
def zuko(log_scale: Tensor, shift: Tensor) -> Maps:
    """Its affine transform, which a flow of zuko builds anew for every call.

    The soft limit of the log-scale divides by log(slope): an infinite one switches it off.
    """
    from zuko.transforms import DependentTransform, MonotonicAffineTransform

    def build() -> DependentTransform:
        return DependentTransform(MonotonicAffineTransform(shift, log_scale, slope=math.inf), 1)

    return Maps(
        lambda x: build().call_and_ladj(x),
        lambda z: build().inv.call_and_ladj(z),
        lambda x: build()(x),
    )
