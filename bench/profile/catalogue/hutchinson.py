"""Hutchinson's estimate of a divergence, one step of a continuous flow (FFJORD, 1810.01367)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._network import (
    NAMES,
    Network,
    forward_flops,
    network_parameters,
    traced,
    weights_count,
)


@kernel("hutchinson", logdet="e'Je, an estimate of tr J", structured=False, paper="1810.01367")
def case(size: Size) -> Case:
    """The velocity f(x) of a network, and e'Je of its Jacobian with given signs e [B, D]."""
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={
            **network_parameters(size, gain=1.5),
            "noise": size.uniform(-1, 1, size.batch, size.dim).sign(),
        },
        reference=textbook,
        numbers=size.batch * (3 * size.dim + 1) + weights_count(size),
        flops=2 * forward_flops(size),
        differentiate=NAMES,
        estimate=True,
    )


def textbook(noise: Tensor, **parameters: Tensor) -> Maps:
    """One product of e' with the Jacobian by reverse mode."""
    network = Network(**parameters)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        recording = torch.is_grad_enabled()
        with torch.enable_grad():
            at = traced(x)
            value = network(at)
            (pulled,) = torch.autograd.grad(value, at, noise, create_graph=recording)
        return value if recording else value.detach(), (pulled * noise).sum(1)

    return Maps(forward)


@implementation("in-house", kernel="hutchinson")
def in_house(noise: Tensor, **parameters: Tensor) -> Maps:
    """Plain products: e pushed through one half of the layers, pulled through the other."""
    network = Network(**parameters)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        value, slope1, slope2 = network.linearised(x)
        pushed = F.linear(F.linear(noise, network.w1) * slope1, network.w2)
        return value, (pushed * slope2 * (noise @ network.w3)).sum(1)

    return Maps(forward, None, network)
