"""MADE (arXiv 1502.03509): a masked network whose outputs for input i see inputs before i only.

Degrees, layout, initialisation and the order of random draws are those of nflows 0.14.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.couplings.conditioners import Activation, plain_layers
from bench.flows.masks import (
    hidden_degrees,
    hidden_mask,
    input_degrees,
    lost_dependencies,
    output_mask,
)
from bench.kernels.network import Bound, bind, residual_network


class MaskedLinear(nn.Linear):
    """A linear layer whose weight is multiplied by a fixed mask [out, in] of zeros and ones.

    The mask follows from the network's degrees and is not part of the state dict.
    """

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in] to [B, out]."""
        return F.linear(x, self.weight * self.mask, self.bias)


class MaskedResidualBlock(nn.Module):
    """h + masked(dropout(act(masked(act(h)) + context))); starts near the identity."""

    def __init__(
        self, degrees: Tensor, context_dim: int, activation: Activation, dropout: float
    ) -> None:
        super().__init__()
        self.activation = activation
        self.dropout = dropout
        self.context_layer = nn.Linear(context_dim, len(degrees)) if context_dim else None
        mask = hidden_mask(degrees, degrees)
        self.linear_layers = nn.ModuleList([MaskedLinear(mask), MaskedLinear(mask.clone())])
        nn.init.uniform_(self.linear_layers[1].weight, -1e-3, 1e-3)
        nn.init.uniform_(self.linear_layers[1].bias, -1e-3, 1e-3)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """[B, hidden] to [B, hidden]."""
        first, second = self.linear_layers
        h = first(self.activation(inputs))
        if context is not None:
            h = h + self.context_layer(context)
        h = self.activation(h)
        if self.dropout:
            h = F.dropout(h, self.dropout, self.training)
        return inputs + second(h)


class MaskedFeedForwardBlock(nn.Module):
    """dropout(act(masked(h))); the context enters at the first layer of the network only."""

    def __init__(
        self, out_degrees: Tensor, in_degrees: Tensor, activation: Activation, dropout: float
    ) -> None:
        super().__init__()
        self.activation = activation
        self.dropout = dropout
        self.linear = MaskedLinear(hidden_mask(out_degrees, in_degrees))

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """[B, hidden] to [B, hidden]."""
        h = self.activation(self.linear(inputs))
        return F.dropout(h, self.dropout, self.training) if self.dropout else h


class MADE(nn.Module):
    """[B, dim] to [B, dim * outputs], the outputs of one input adjacent.

    Args:
        dim, hidden, blocks: sizes; hidden >= dim - 1, else dependencies are lost: a UserWarning
            tells how many.
        outputs: parameters per input.
        residual: residual blocks, else feed-forward ones.
        degrees: int64 [hidden] per hidden layer (1 + blocks of them), for masks drawn at random;
            a residual network has the same degrees in every layer.

    Raises ValueError for degrees that do not fit.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        blocks: int = 2,
        outputs: int = 2,
        context_dim: int = 0,
        residual: bool = True,
        activation: Activation = F.relu,
        dropout: float = 0.0,
        degrees: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__()
        degrees = list(degrees or [hidden_degrees(dim, hidden)] * (1 + blocks))
        if len(degrees) != 1 + blocks or any(d.shape != (hidden,) for d in degrees):
            raise ValueError(f"expected {1 + blocks} degree vectors of {hidden} units each")
        if residual and any(not d.equal(degrees[0]) for d in degrees):
            raise ValueError("a residual MADE needs the same degrees in every hidden layer")
        self.dim, self.outputs, self.residual, self.activation = dim, outputs, residual, activation
        self.hidden_degrees = [d.tolist() for d in degrees]
        lost = lost_dependencies(dim, self.hidden_degrees) if hidden < dim - 1 else 0
        if lost:
            warnings.warn(
                f"{hidden} hidden units for {dim} inputs: {lost} of {dim * (dim - 1) // 2} "
                f"dependencies are lost. Give a MADE at least {dim - 1} hidden units",
                stacklevel=2,
            )
        self.initial_layer = MaskedLinear(hidden_mask(degrees[0], input_degrees(dim)))
        self.context_layer = nn.Linear(context_dim, hidden) if context_dim else None
        self.blocks = nn.ModuleList(
            MaskedResidualBlock(before, context_dim, activation, dropout)
            if residual
            else MaskedFeedForwardBlock(after, before, activation, dropout)
            for before, after in zip(degrees, degrees[1:], strict=False)
        )
        self.final_layer = MaskedLinear(output_mask(dim, outputs, degrees[-1]))

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """Parameters [B, dim * outputs]."""
        found = residual_network(inputs, self.bound(inputs, context))
        if found is not None:
            return found
        h = self.initial_layer(inputs)
        if context is not None:
            h = h + self.activation(self.context_layer(context))
        if not self.residual:
            h = self.activation(h)
        for block in self.blocks:
            h = block(h, context)
        return self.final_layer(h)

    def bound(self, inputs: Tensor, context: Tensor | None = None) -> Bound | None:
        """The network for the fused kernels where they serve inputs like these."""
        if context is not None or not self.residual:
            return None
        layers = plain_layers(self, MaskedLinear)
        if layers is None:
            return None
        masks = [layer._buffers["mask"] for layer in layers]
        return bind(self, inputs, layers, masks, self.hidden_degrees[0])
