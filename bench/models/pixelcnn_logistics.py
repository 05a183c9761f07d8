"""PixelCNN++: two residual streams and one mixture of logistics per pixel (arXiv 1701.05517)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import model
from bench.contract import DataSpec
from bench.levels import level_count, scaled
from bench.models._dropout import Dropout
from bench.models._heads import SPREAD, Logistics
from bench.models._masked_convolutions import MaskedConv, neighbours
from bench.models._pixels import OneOrder, PixelHead, Pixels, image_shape, separate
from bench.models._raster_cache import View
from bench.models._snakes import raster, rows


@model(
    "pixelcnn-plus",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1701.05517",
    images=True,
    layout="shaped",
)
def build(
    data: DataSpec,
    hidden: int = 24,
    blocks: int = 2,
    dropout: float = 0.3,
    components: int = 5,
) -> OneOrder:
    """p(x) = prod_i p(x_i | pixels above and to the left), all conditionals in one pass.

    At one resolution: without the paper's down-sampling and without its weight normalisation.

    Args:
        data: integer images [N, C, H, W] or [N, H, W] with K levels (binary: K = 2).
        hidden: features of a stream.
        blocks: residual blocks in each of the two halves, which are joined by short cuts.
        dropout: in the blocks, in training.
        components: logistics per pixel, over all of its channels; of one channel in two levels a
            table.
    """
    shape = image_shape(data)
    levels, channels = level_count(data), shape[0]
    head: PixelHead = separate(levels, components, 1)
    if channels > 1:
        head = Coupled(levels, max(components, 1), channels)
    streams = Streams(shape, head.size, hidden, blocks, dropout)
    net = Pixels(shape, streams, head, raster(*shape[1:])[None])
    net.start_at(data.train)
    return OneOrder(net, data.shape)


class Coupled:
    """M weights, and for each logistic and channel a mean, a log inverse scale, and coefficients.

    p(x) = sum_m w_m prod_c p_m(x_c | x_1 .. x_{c-1}), the mean of channel c being shifted by
    coefficients times the levels of the channels before, on [-1, 1] (section 2.2).
    """

    joint = True

    def __init__(self, levels: int, components: int, channels: int) -> None:
        self.levels, self.components, self.channels = levels, components, channels
        self.pairs = channels * (channels - 1) // 2
        self.size = components * (1 + 2 * channels + self.pairs)
        self.one = Logistics(levels, 1)

    def bias(self, x: Tensor) -> Tensor:
        """Equal weights and spread means for each pixel of x [N, P, C]: [P, size]."""
        m, c = self.components, self.channels
        means = torch.linspace(-1, 1, m) if m > 1 else torch.zeros(1)
        parts = [torch.zeros(m), means.repeat(c), torch.full((c * m,), SPREAD)]
        return torch.cat([*parts, torch.zeros(self.pairs * m)]).repeat(x.shape[1], 1)

    def terms(self, outputs: Tensor, x: Tensor) -> Tensor:
        """log p(channel given those before), nats, for levels x [B, m, C]: [B, m, C]."""
        weight, mass = self._masses(outputs, x, x.unsqueeze(-1).unsqueeze(-1))
        so_far = torch.logsumexp(weight + mass.squeeze(-2).cumsum(-2), -1)
        return torch.diff(so_far, dim=-1, prepend=torch.zeros_like(so_far[..., :1]))

    def tables(self, outputs: Tensor, x: Tensor) -> Tensor:
        """The same for every level, [B, m, C, K]."""
        every = torch.arange(self.levels, device=x.device).expand(*x.shape, -1).unsqueeze(-1)
        weight, masses = self._masses(outputs, x, every)
        _, own = self._masses(outputs, x, x.unsqueeze(-1).unsqueeze(-1))
        before = F.pad(own.squeeze(-2).cumsum(-2)[..., :-1, :], (0, 0, 1, 0))
        given = torch.log_softmax(weight + before, -1)
        return torch.logsumexp(given.unsqueeze(-2) + masses, -1)

    def _masses(self, outputs: Tensor, x: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """log weights [B, m, 1, M], and log masses [B, m, C, L, M] at levels `at` [.., C, L, 1]."""
        m, c = self.components, self.channels
        weight, mean, steep, coefficients = outputs.split([m, c * m, c * m, self.pairs * m], -1)
        mean, steep = mean.unflatten(-1, (c, m)), steep.unflatten(-1, (c, m))
        slope = coefficients.unflatten(-1, (self.pairs, m)).tanh()
        y = scaled(x, self.levels).to(outputs.dtype)
        row, column = torch.tril_indices(c, c, -1, device=x.device)
        moved = slope * y[..., column].unsqueeze(-1)
        mean = mean.index_add(-2, row, moved)
        logistic = torch.stack([torch.zeros_like(mean), mean, steep], -1).unsqueeze(-3)
        return F.log_softmax(weight, -1).unsqueeze(-2), self.one.log_prob(logistic, at)


def both(x: Tensor) -> Tensor:
    """ELU of x and of -x, twice the features."""
    return F.elu(torch.cat([x, -x], -1))


class Block(nn.Module):
    """Two convolutions of a stream, the second gated, around an identity (the code's gated_resnet).

    Between them enter features `aside`, of the other stream or of a short cut.
    """

    def __init__(self, hidden: int, aside: int, table: Tensor, dropout: float) -> None:
        super().__init__()
        self.enter = MaskedConv(2 * hidden, hidden, table[None])
        self.aside = nn.Linear(2 * aside, hidden) if aside else None
        self.leave = MaskedConv(2 * hidden, 2 * hidden, table[None])
        self.dropout = Dropout(dropout)

    def forward(self, view: View, x: Tensor, aside: Tensor | None = None) -> Tensor:
        """Features [B, m, hidden] of features x [B, m, hidden]."""
        y = view(self.enter, both(x))
        if self.aside is not None:
            y = y + self.aside(both(aside))
        value, opening = view(self.leave, self.dropout(both(y))).chunk(2, -1)
        return x + value * opening.sigmoid()


class Streams(nn.Module):
    """A stream of the rows above, and one that reads it and the pixels to the left (figure 2)."""

    by_rows = True

    def __init__(
        self, shape: tuple[int, int, int], outputs: int, hidden: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        channels, height, width = shape
        over, along = rows(height, width), raster(height, width)
        down = neighbours(over, (-1, 0), (-1, 1), ties=True)
        right = neighbours(along, (-1, 0), (-1, 0), ties=True)
        self.first_down = self._first(channels, hidden, over, (-3, 0), (-2, 2))
        self.first_right = self._first(channels, hidden, along, (-2, 0), (-2, 2))
        self.down = nn.ModuleList(
            Block(hidden, hidden if i >= blocks else 0, down, dropout) for i in range(2 * blocks)
        )
        self.right = nn.ModuleList(
            Block(hidden, hidden * (2 if i >= blocks else 1), right, dropout)
            for i in range(2 * blocks)
        )
        self.last = nn.Linear(hidden, outputs)
        nn.init.zeros_(self.last.weight)

    @staticmethod
    def _first(
        channels: int, hidden: int, order: Tensor, rows: tuple[int, int], columns: tuple[int, int]
    ) -> MaskedConv:
        table = neighbours(order, rows, columns, ties=False)
        return MaskedConv(1 + channels, hidden, table[None])

    def above(self, view: View) -> list[Tensor]:
        """The stream of the rows above, behind its first layer and behind each block."""
        found, half = [view.image(self.first_down)], len(self.down) // 2
        for i, block in enumerate(self.down):
            short = found[len(self.down) - 1 - i] if i >= half else None
            found.append(block(view, found[-1], short))
        return found

    def beside(self, view: View, above: list[Tensor]) -> Tensor:
        """Outputs at the view's pixels, [B, m, outputs]."""
        found, half = [view.image(self.first_right)], len(self.right) // 2
        for i, block in enumerate(self.right):
            aside = above[i + 1]
            if i >= half:
                aside = torch.cat([aside, found[len(self.right) - 1 - i]], -1)
            found.append(block(view, found[-1], aside))
        return self.last(F.elu(found[-1]))
