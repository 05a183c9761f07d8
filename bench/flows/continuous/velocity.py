"""Velocity fields of continuous flows, with their divergence in closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FREQUENCY = 16.0  #: bound of the first weights at the start, times the dimension
MIXING = 3.0  #: scale of the second weights at the start, over torch's usual one


class SquashLinear(nn.Module):
    """(W x + b) sigmoid(u t + v) + w t: a linear layer gated by time (FFJORD's concatsquash).

    Args:
        inputs, outputs: widths.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.gate = nn.Linear(1, outputs)
        self.drift = nn.Linear(1, outputs, bias=False)

    def forward(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs [B, outputs] and the gate [outputs], at time t (no dimensions)."""
        gate = self.gate(t[None]).sigmoid()
        return self.linear(x) * gate + self.drift(t[None]), gate


class Velocity(nn.Module):
    """dx/dt = f(t, x): two hidden layers of sines, each linear layer gated by time.

    Two hidden layers have the trace of their D x D Jacobian at the price of one more product of
    H x H, in any dimension: with J = W3 S2 W2 S1 W1, S diagonal in the point,
    tr J = sum_ij S2_i (W2 * (W1 W3)^T)_ij S1_j.

    Args:
        dim: D.
        hidden: H.
    """

    def __init__(self, dim: int, hidden: int = 64) -> None:
        super().__init__()
        widths = (dim, hidden, hidden, dim)
        self.layers = nn.ModuleList(
            [SquashLinear(a, b) for a, b in zip(widths, widths[1:], strict=False)]
        )
        with torch.no_grad():
            self.layers[0].linear.weight.uniform_(-FREQUENCY / dim, FREQUENCY / dim)
            self.layers[1].linear.weight.mul_(MIXING)

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """f(t, x) [B, D] of a time without dimensions and points [B, D]."""
        return self._run(t, x)[0]

    def divergence(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """f(t, x) [B, D] and the trace of its Jacobian [B]."""
        value, (slope1, slope2), gates = self._run(t, x)
        w1, w2, w3 = (layer.linear.weight for layer in self.layers)
        around = (gates[0][:, None] * w1) @ (gates[2][:, None] * w3)
        mixed = gates[1][:, None] * w2 * around.T
        return value, (F.linear(slope1, mixed) * slope2).sum(1)

    def _run(self, t: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """f, the slopes of both hidden layers [B, H] and the three gates."""
        slopes: list[Tensor] = []
        gates: list[Tensor] = []
        for layer in self.layers:
            if gates:
                slopes.append(x.cos())
                x = x.sin()
            x, gate = layer(t, x)
            gates.append(gate)
        return x, slopes, gates
