"""The gated network of two stacks, which sees every earlier pixel (arXiv 1606.05328, figure 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.models._dropout import Dropout
from bench.models._masked_convolutions import MaskedConv, Pointwise, earlier, groups, neighbours
from bench.models._raster_cache import View
from bench.models._snakes import raster, rows


def gate(x: Tensor) -> Tensor:
    """tanh of the first half of the features times sigmoid of the second."""
    value, opening = x.chunk(2, -1)
    # tanh x = 2 sigmoid 2x - 1: on a CPU torch computes it six times as fast
    return (2 * (2 * value).sigmoid() - 1) * opening.sigmoid()


class TwoStacks(nn.Module):
    """A vertical stack that reads the rows above, and a horizontal one that reads it and the left.

    Only the first vertical convolution stops short of its own row: one more shift in a later layer
    would hide a row for good.
    """

    by_rows = True

    def __init__(
        self,
        shape: tuple[int, int, int],
        outputs: int,
        hidden: int,
        layers: int,
        kernel: int,
        dropout: float,
        classes: int = 0,
    ) -> None:
        """`kernel` is the odd width of the first layer; that of the later ones is 3."""
        super().__init__()
        channels, height, width = shape
        hidden += -hidden % channels
        over, along = rows(height, width), raster(height, width)
        seen = groups(hidden, channels)
        gated = groups(hidden, channels, 2)
        half = kernel // 2
        image = torch.arange(-1, channels)
        down, right = nn.ModuleList(), nn.ModuleList()
        for layer in range(layers):
            first = layer == 0
            reach = half if first else 1
            table = neighbours(over, (-reach, 0), (-reach, reach), ties=not first)
            down.append(MaskedConv(1 + channels if first else hidden, 2 * hidden, table[None]))
            table = neighbours(along, (0, 0), (-reach, 0), ties=not first or channels > 1)
            before = earlier(image if first else seen, gated, strict=first)
            right.append(
                MaskedConv(1 + channels if first else hidden, 2 * hidden, table[None], before)
            )
        self.down, self.right = down, right
        self.feeds = nn.ModuleList(Pointwise(2 * hidden, 2 * hidden) for _ in range(layers))
        self.mixes = nn.ModuleList(Pointwise(seen, seen) for _ in range(layers))
        self.dropout = Dropout(dropout)
        self.last = nn.Sequential(
            nn.ReLU(),
            Pointwise(seen, seen),
            nn.ReLU(),
            Pointwise(seen, groups(outputs, channels), zero=True),
        )
        self.classes = None
        if classes:
            self.classes = nn.Parameter(torch.zeros(layers, 2, classes, 2 * hidden))

    def above(self, view: View) -> list[Tensor]:
        """What the vertical stack gives to each layer of the horizontal one, [B, m, 2 hidden]."""
        found, v = [], None
        for layer, (conv, feed) in enumerate(zip(self.down, self.feeds, strict=True)):
            v = view.image(conv) if v is None else view(conv, self.dropout(gate(v)))
            v = self._given(v, layer, 0, view)
            found.append(feed(v))
        return found

    def beside(self, view: View, above: list[Tensor]) -> Tensor:
        """Outputs at the view's pixels, [B, m, outputs]."""
        h = None
        for layer, (conv, mix, fed) in enumerate(zip(self.right, self.mixes, above, strict=True)):
            x = (view.image(conv) if h is None else view(conv, h)) + fed
            x = mix(self.dropout(gate(self._given(x, layer, 1, view))))
            h = x if h is None else h + x
        return self.last(h)

    def _given(self, x: Tensor, layer: int, stack: int, view: View) -> Tensor:
        """Features x [B, m, 2 hidden], with classes plus the bias of each image's own."""
        if self.classes is None:
            return x
        return x + self.classes[layer, stack][view.labels][:, None]
