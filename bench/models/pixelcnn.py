"""PixelCNN: residual blocks of masked convolutions (arXiv 1601.06759, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.levels import level_count
from bench.models._dropout import Dropout
from bench.models._masked_convolutions import MaskedConv, Pointwise, earlier, groups, neighbours
from bench.models._pixels import OneOrder, Pixels, image_shape, separate
from bench.models._raster_cache import View
from bench.models._snakes import raster


@model(
    "pixelcnn",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1601.06759",
    images=True,
    layout="shaped",
)
def build(
    data: DataSpec,
    hidden: int = 48,
    layers: int = 5,
    kernel: int = 5,
    dropout: float = 0.2,
    components: int = 5,
) -> OneOrder:
    """p(x) = prod_i p(x_i | pixels above and to the left), but for a blind spot to the right above.

    Args:
        data: integer images [N, C, H, W] or [N, H, W] with K levels (binary: K = 2).
        hidden: features, rounded up to an even multiple of the channels; a block works on half.
        layers: residual blocks of width 3 behind the first layer.
        kernel: odd width of the first layer.
        dropout: in the blocks, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
    """
    shape = image_shape(data)
    head = separate(level_count(data), components, shape[0])
    order = raster(*shape[1:])
    stacks = Residual(order, shape[0], head.size, hidden, layers, kernel, dropout)
    net = Pixels(shape, stacks, head, order[None])
    net.start_at(data.train)
    return OneOrder(net, data.shape)


class Residual(nn.Module):
    """Mask A, then blocks of 1x1, mask B of width 3, 1x1 around an identity (figure 5, left)."""

    by_rows = False

    def __init__(
        self,
        order: Tensor,
        channels: int,
        outputs: int,
        hidden: int,
        layers: int,
        kernel: int,
        dropout: float,
    ) -> None:
        super().__init__()
        hidden += -hidden % (2 * channels)
        wide, narrow = groups(hidden, channels), groups(hidden // 2, channels)
        half = kernel // 2
        first = neighbours(order, (-half, half), (-half, half), ties=channels > 1)
        later = neighbours(order, (-1, 1), (-1, 1), ties=True)
        image = torch.arange(-1, channels)
        self.first = MaskedConv(
            1 + channels, hidden, first[None], earlier(image, wide, strict=True)
        )
        self.narrow = nn.ModuleList(Pointwise(wide, narrow) for _ in range(layers))
        self.convs = nn.ModuleList(
            MaskedConv(hidden // 2, hidden // 2, later[None], earlier(narrow, narrow))
            for _ in range(layers)
        )
        self.wide = nn.ModuleList(Pointwise(narrow, wide) for _ in range(layers))
        self.dropout = Dropout(dropout)
        self.last = nn.Sequential(
            nn.ReLU(),
            Pointwise(wide, wide),
            nn.ReLU(),
            Pointwise(wide, groups(outputs, channels), zero=True),
        )

    def above(self, view: View) -> list[Tensor]:
        """Nothing: no features are shared by rows."""
        return []

    def beside(self, view: View, above: list[Tensor]) -> Tensor:
        """Outputs at the view's pixels, [B, m, outputs]."""
        h = view.image(self.first)
        for narrow, conv, wide in zip(self.narrow, self.convs, self.wide, strict=True):
            x = view(conv, narrow(h.relu()).relu()).relu()
            h = h + wide(self.dropout(x))
        return self.last(h)
