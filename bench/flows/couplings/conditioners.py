"""The residual network that computes a coupling's parameters, as in nflows 0.14.

Layout, initialisation and the order of random draws are the reference's, so that the same seed
gives the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.kernels.network import Bound, bind, residual_network

Activation = Callable[[Tensor], Tensor]


class ResidualBlock(nn.Module):
    """h + linear(dropout(act(linear(act(h))))), gated by the context where there is one.

    The last linear starts in U(-1e-3, 1e-3): a block starts near the identity.
    """

    def __init__(
        self, hidden: int, context_dim: int, activation: Activation, dropout: float
    ) -> None:
        super().__init__()
        self.activation = activation
        self.dropout = dropout
        self.context_layer = nn.Linear(context_dim, hidden) if context_dim else None
        self.linear_layers = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(2)])
        nn.init.uniform_(self.linear_layers[1].weight, -1e-3, 1e-3)
        nn.init.uniform_(self.linear_layers[1].bias, -1e-3, 1e-3)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """[B, hidden] to [B, hidden]."""
        first, second = self.linear_layers
        h = self.activation(first(self.activation(inputs)))
        if self.dropout:
            h = F.dropout(h, self.dropout, self.training)
        h = second(h)
        if context is not None:
            h = F.glu(torch.cat((h, self.context_layer(context)), dim=1), dim=1)
        return inputs + h


class ResidualNet(nn.Module):
    """Linear, residual blocks, linear: [B, inputs] to [B, outputs]; context joins the input."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        *,
        blocks: int = 2,
        context_dim: int = 0,
        activation: Activation = F.relu,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.initial_layer = nn.Linear(inputs + context_dim, hidden)
        self.blocks = nn.ModuleList(
            [ResidualBlock(hidden, context_dim, activation, dropout) for _ in range(blocks)]
        )
        self.final_layer = nn.Linear(hidden, outputs)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """Parameters [B, outputs] from [B, inputs] and, if built so, context [B, context_dim]."""
        if context is not None:
            inputs = torch.cat((inputs, context), dim=1)
        found = residual_network(inputs, self.bound(inputs))
        if found is not None:
            return found
        h = self.initial_layer(inputs)
        for block in self.blocks:
            h = block(h, context)
        return self.final_layer(h)

    def bound(self, inputs: Tensor) -> Bound | None:
        """The network for the fused kernels where they serve inputs like these."""
        layers = plain_layers(self, nn.Linear)
        return None if layers is None else bind(self, inputs, layers)


def plain_layers(net: Any, kind: type[nn.Linear]) -> list[nn.Linear] | None:
    """The linear layers of a residual network, first to last, if between them there are but ReLUs.

    None with another activation, active dropout, a context inside the blocks, or layers of another
    kind.
    """
    layers = [net.initial_layer]
    for block in net.blocks:
        relu = block.activation in (F.relu, torch.relu)
        if not relu or block.context_layer is not None or (block.dropout and block.training):
            return None
        layers += block.linear_layers
    layers.append(net.final_layer)
    return layers if all(type(layer) is kind for layer in layers) else None
