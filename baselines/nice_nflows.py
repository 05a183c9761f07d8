"""NICE of nflows' parts (arXiv 1410.8516)."""

from __future__ import annotations

from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.nn.nets import ResidualNet
from nflows.transforms import ActNorm, AdditiveCouplingTransform, CompositeTransform
from nflows.utils import create_alternating_binary_mask

from bench import model
from bench.contract import DataSpec


@model(
    "nice-nflows",
    implementation="nflows",
    twin="nice",
    requires=["nflows"],
    family="flow",
    paper="1410.8516",
    min_dim=2,
)
def build(
    data: DataSpec, hidden: int = 64, layers: int = 4, blocks: int = 2, dropout: float = 0.0
) -> Flow:
    """The reference of `nice`."""

    def net(inputs: int, outputs: int) -> ResidualNet:
        return ResidualNet(
            inputs,
            outputs,
            hidden_features=hidden,
            num_blocks=blocks,
            dropout_probability=dropout,
        )

    masks = [create_alternating_binary_mask(data.dim, even=i % 2 == 1) for i in range(layers)]
    couplings = [AdditiveCouplingTransform(mask, net) for mask in masks]
    scales = ActNorm(data.dim)
    scales.initialized.fill_(True)  # no start from the first batch: a scale of one
    return Flow(CompositeTransform([*couplings, scales]), StandardNormal([data.dim]))
