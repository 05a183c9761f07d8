"""PixelRNN with Row LSTM layers: a convolutional LSTM from row to row (arXiv 1601.06759)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import model
from bench.contract import DataSpec
from bench.models._dropout import Dropout
from bench.models._masked_convolutions import (
    MaskedConv,
    Pointwise,
    earlier,
    groups,
    neighbours,
    padded,
)
from bench.models._recurrent import Layer, PixelRNN, cell
from bench.models._snakes import raster
from bench.models._steps import grid


@model(
    "row-lstm",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1601.06759",
    images=True,
)
def build(
    data: DataSpec,
    hidden: int = 32,
    layers: int = 2,
    kernel: int = 5,
    dropout: float = 0.3,
    components: int = 0,
) -> PixelRNN:
    """p(x) = prod_i p(x_i | a triangle of pixels above, and pixels to the left).

    The state of a pixel comes from three pixels of the row above, so that what lies further to the
    right there is not seen: the triangle of the paper's figure 4.

    Args:
        data: integer images with K levels (binary: K = 2).
        hidden: units of a layer, rounded up to a multiple of the channels.
        layers: Row LSTM layers.
        kernel: width of the first convolution.
        dropout: of the layers' outputs, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
    """
    shape = grid(data.shape)
    hidden += -hidden % shape[0]
    rows = [RowLSTM(shape, hidden, dropout) for _ in range(layers)]
    net = PixelRNN(data, rows, hidden, kernel, components)
    net.start_at(data.train)
    return net


class RowLSTM(Layer):
    """Gates from the features of a pixel and its left neighbour, and from three states above."""

    def __init__(self, shape: tuple[int, int, int], hidden: int, dropout: float) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        self.hidden = hidden
        along = neighbours(raster(self.height, self.width), (0, 0), (-1, 0), ties=True)
        wide, units = groups(2 * hidden, channels), groups(hidden, channels)
        gates = groups(hidden, channels, 4)
        self.enter = MaskedConv(2 * hidden, 4 * hidden, along[None], earlier(wide, gates))
        self.above = nn.Linear(3 * hidden, 4 * hidden, bias=False)
        self.leave = Pointwise(units, wide)
        self.dropout = Dropout(dropout)
        with torch.no_grad():
            self.enter.bias[:hidden] += 1  # remember at first

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """What is added to features x [B, P, 2 F], row by row."""
        gates = self.enter(padded(x)).unflatten(1, (self.height, self.width))
        h = c = gates.new_zeros(len(x), self.width, self.hidden)
        states = []
        for row in range(self.height):
            h, c = cell(gates[:, row] + self.recur(h), c)
            states.append(h)
        return self.leave(self.dropout(torch.cat(states, 1)))

    def recur(self, h: Tensor) -> Tensor:
        """What the states of a row h [B, W, F] give to the gates below, [B, W, 4 F]."""
        past = F.pad(h, (0, 0, 1, 1))
        return self.above(torch.cat([past[:, i : i + self.width] for i in range(3)], 2))

    def stepper(self, x: Tensor, image: Tensor) -> Callable[[int], Tensor]:
        """One pixel each; what comes from the row above is computed once for a row."""
        one = torch.zeros(1, dtype=torch.int64, device=x.device)
        h = x.new_zeros(len(x), self.height + 1, self.width, self.hidden)  # a row of zeros above
        c, above = h.clone(), x.new_zeros(len(x), self.width, 4 * self.hidden)

        def step(pixel: int) -> Tensor:
            row, column = divmod(pixel, self.width)
            if column == 0:
                above.copy_(self.recur(h[:, row]))
            gates = self.enter.at(x, one, (one + pixel)[None])[:, 0] + above[:, column]
            here = (slice(None), row + 1, column)
            h[here], c[here] = cell(gates, c[:, row, column])
            return self.leave(h[here])

        return step
