"""A network of two hidden layers of 64 tanh, and products with its Jacobian by autograd."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.profile import Size

HIDDEN = 64  #: H
NAMES = ("weight1", "bias1", "weight2", "bias2", "weight3", "bias3")


def network_parameters(size: Size, gain: float) -> dict[str, Tensor]:
    """Weights of about this gain per layer, by their names in NAMES."""
    widths = (size.dim, HIDDEN, HIDDEN, size.dim)
    parameters = {}
    for layer, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False), 1):
        parameters[f"weight{layer}"] = size.normal(outputs, inputs, scale=gain / math.sqrt(inputs))
        parameters[f"bias{layer}"] = size.normal(outputs, scale=0.5)
    return parameters


def forward_flops(size: Size) -> float:
    """Of one pass of the batch, or of one product with the Jacobian."""
    return 2 * size.batch * (2 * size.dim * HIDDEN + HIDDEN**2)


def weights_count(size: Size) -> int:
    """How many numbers the parameters are."""
    return 2 * size.dim * HIDDEN + HIDDEN**2 + 2 * HIDDEN + size.dim


class Network:
    """W3 tanh(W2 tanh(W1 x + b1) + b2) + b3."""

    def __init__(self, **parameters: Tensor) -> None:
        self.w1, self.b1, self.w2, self.b2, self.w3, self.b3 = (parameters[n] for n in NAMES)

    def __call__(self, x: Tensor) -> Tensor:
        """[B, D] of [B, D]."""
        h = torch.tanh(F.linear(x, self.w1, self.b1))
        h = torch.tanh(F.linear(h, self.w2, self.b2))
        return F.linear(h, self.w3, self.b3)

    def linearised(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The value [B, D], and the slopes of both hidden layers [B, H]."""
        h1 = torch.tanh(F.linear(x, self.w1, self.b1))
        h2 = torch.tanh(F.linear(h1, self.w2, self.b2))
        return F.linear(h2, self.w3, self.b3), 1 - h1.square(), 1 - h2.square()


def traced(x: Tensor) -> Tensor:
    """x as something that autograd follows."""
    return x if x.requires_grad else x.detach().requires_grad_()
