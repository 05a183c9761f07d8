"""LMConv's network: gated residual blocks under the mask of any order (arXiv 2006.12486)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.models._dropout import Dropout
from bench.models._masked_convolutions import MaskedConv, Pointwise, earlier, groups, neighbours
from bench.models._raster_cache import View
from bench.models._two_stacks import gate


class LocallyMasked(nn.Module):
    """A first convolution blind to its own place, then gated residual ones of width 3.

    Orders share the weights: an order chooses the mask alone.
    """

    by_rows = False

    def __init__(
        self,
        orders: Tensor,
        channels: int,
        outputs: int,
        hidden: int,
        layers: int,
        kernel: int,
        dropout: float,
    ) -> None:
        """`orders` int64 [O, H, W]; `kernel` is the odd width of the first layer."""
        super().__init__()
        hidden += -hidden % channels
        seen, gated = groups(hidden, channels), groups(hidden, channels, 2)
        half = kernel // 2
        first = [neighbours(o, (-half, half), (-half, half), channels > 1) for o in orders]
        later = [neighbours(o, (-1, 1), (-1, 1), ties=True) for o in orders]
        image = torch.arange(-1, channels)
        self.first = MaskedConv(
            1 + channels, hidden, torch.stack(first), earlier(image, seen, strict=True)
        )
        self.convs = nn.ModuleList(
            MaskedConv(hidden, 2 * hidden, torch.stack(later), earlier(seen, gated))
            for _ in range(layers)
        )
        self.mixes = nn.ModuleList(Pointwise(seen, seen) for _ in range(layers))
        self.dropout = Dropout(dropout)
        self.last = nn.Sequential(
            nn.ReLU(),
            Pointwise(seen, seen),
            nn.ReLU(),
            Pointwise(seen, groups(outputs, channels), zero=True),
        )

    def above(self, view: View) -> list[Tensor]:
        """Nothing: no features are shared by rows."""
        return []

    def beside(self, view: View, above: list[Tensor]) -> Tensor:
        """Outputs at the view's pixels, [B, m, outputs]."""
        h = view.image(self.first)
        for conv, mix in zip(self.convs, self.mixes, strict=True):
            h = h + mix(self.dropout(gate(view(conv, h))))
        return self.last(h)
