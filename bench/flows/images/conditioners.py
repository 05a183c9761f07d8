"""Convolutional networks that compute the parameters of a coupling of images.

Layout, initialisation and the order of random draws of `ConvResidualNet` are those of nflows 0.14.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.couplings.conditioners import Activation


class ConvResidualBlock(nn.Module):
    """h + conv(dropout(act(conv(act(h))))), 3x3, gated by the context where there is one.

    The last convolution starts in U(-1e-3, 1e-3): a block starts near the identity.
    """

    def __init__(
        self, hidden: int, context_dim: int, activation: Activation, dropout: float
    ) -> None:
        super().__init__()
        self.activation = activation
        self.dropout = dropout
        self.context_layer = nn.Conv2d(context_dim, hidden, 1) if context_dim else None
        self.conv_layers = nn.ModuleList(
            [nn.Conv2d(hidden, hidden, 3, padding=1) for _ in range(2)]
        )
        nn.init.uniform_(self.conv_layers[1].weight, -1e-3, 1e-3)
        nn.init.uniform_(self.conv_layers[1].bias, -1e-3, 1e-3)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """[B, hidden, H, W] to the same; context [B, C, H, W]."""
        first, second = self.conv_layers
        h = self.activation(first(self.activation(inputs)))
        if self.dropout:
            h = F.dropout(h, self.dropout, self.training)
        h = second(h)
        if context is not None:
            h = F.glu(torch.cat((h, self.context_layer(context)), dim=1), dim=1)
        return inputs + h


class ConvResidualNet(nn.Module):
    """1x1 convolution, residual blocks, 1x1 convolution: [B, inputs, H, W] to [B, outputs, H, W].

    Args:
        inputs, outputs: channels.
        hidden: channels of the blocks.
        blocks: number of residual blocks, of two 3x3 convolutions each.
        context_dim: size of a context, which joins the channels of every pixel.
        activation, dropout: of the blocks.
    """

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
        self.initial_layer = nn.Conv2d(inputs + context_dim, hidden, 1)
        self.blocks = nn.ModuleList(
            [ConvResidualBlock(hidden, context_dim, activation, dropout) for _ in range(blocks)]
        )
        self.final_layer = nn.Conv2d(hidden, outputs, 1)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """Parameters [B, outputs, H, W], from inputs and, if built so, context [B, context_dim]."""
        if context is not None:
            context = context[:, :, None, None].expand(-1, -1, *inputs.shape[2:])
            inputs = torch.cat((inputs, context), dim=1)
        h = self.initial_layer(inputs)
        for block in self.blocks:
            h = block(h, context)
        return self.final_layer(h)


class ConvHead(nn.Module):
    """One 3x3 convolution that ignores the context, as Glow's learned prior has it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.final_layer = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H, W]."""
        return self.final_layer(inputs)
