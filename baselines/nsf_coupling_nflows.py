"""Neural spline flow of nflows' parts (arXiv 1906.04032)."""

from __future__ import annotations

from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.nn.nets import ResidualNet
from nflows.transforms import (
    CompositeTransform,
    LULinear,
    PiecewiseRationalQuadraticCouplingTransform,
    ReversePermutation,
)
from nflows.utils import create_alternating_binary_mask

from bench import model
from bench.contract import DataSpec


@model(
    "nsf-coupling-nflows",
    implementation="nflows",
    twin="nsf-coupling",
    requires=["nflows"],
    family="flow",
    paper="1906.04032",
    min_dim=2,
)
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 4,
    blocks: int = 2,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
) -> Flow:
    """The reference of `nsf-coupling`."""

    def net(inputs: int, outputs: int) -> ResidualNet:
        return ResidualNet(
            inputs,
            outputs,
            hidden_features=hidden,
            num_blocks=blocks,
            dropout_probability=dropout,
        )

    mask = create_alternating_binary_mask(data.dim, even=True)
    parts = []
    for i in range(layers):
        if i > 0 and data.dim > 2:
            parts += [ReversePermutation(data.dim), LULinear(data.dim)]
            mask = mask.flip(0)
        parts.append(
            PiecewiseRationalQuadraticCouplingTransform(
                mask, net, num_bins=bins, tails="linear", tail_bound=bound
            )
        )
        mask = 1 - mask
    return Flow(CompositeTransform(parts), StandardNormal([data.dim]))
