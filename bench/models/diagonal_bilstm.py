"""PixelRNN with Diagonal BiLSTM layers: two LSTMs along the diagonals (arXiv 1601.06759)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import model
from bench.contract import DataSpec
from bench.models._dropout import Dropout
from bench.models._masked_convolutions import Pointwise, groups
from bench.models._recurrent import Layer, PixelRNN, cell
from bench.models._steps import grid


@model(
    "diagonal-bilstm",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1601.06759",
    images=True,
)
def build(
    data: DataSpec,
    hidden: int = 32,
    layers: int = 1,
    kernel: int = 5,
    dropout: float = 0.1,
    components: int = 5,
) -> PixelRNN:
    """p(x) = prod_i p(x_i | all pixels above and to the left).

    Departs from the paper in one point: the pass from right to left of the first layer reads the
    pixels themselves. Behind the first convolution, which hides its own pixel, it would never see
    the last column of the row above, at any depth.

    Args:
        data: integer images with K levels (binary: K = 2).
        hidden: units of each of a layer's two passes, rounded up to a multiple of the channels.
        layers: Diagonal BiLSTM layers.
        kernel: width of the first convolution.
        dropout: of the layers' outputs, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
    """
    shape = grid(data.shape)
    hidden += -hidden % shape[0]
    diagonals = [DiagonalBiLSTM(shape, hidden, dropout, first=i == 0) for i in range(layers)]
    net = PixelRNN(data, diagonals, hidden, kernel, components)
    net.start_at(data.train)
    return net


class DiagonalBiLSTM(Layer):
    """A pass from left to right, and one from right to left that is then moved down a row.

    The state of a pixel comes from that of its neighbour in the row and that of the one above.
    """

    def __init__(
        self, shape: tuple[int, int, int], hidden: int, dropout: float, first: bool
    ) -> None:
        """`first`: the pass from right to left reads the pixels, else the features."""
        super().__init__()
        channels, self.height, self.width = shape
        self.hidden, self.first = hidden, first
        wide, units = groups(2 * hidden, channels), groups(hidden, channels)
        self.right = Pointwise(wide, groups(hidden, channels, 4))
        self.left = nn.Linear(1 + channels if first else 2 * hidden, 4 * hidden)
        self.recur = nn.Parameter(torch.empty(2, 2 * hidden, 4 * hidden))
        nn.init.uniform_(self.recur, -(hidden**-0.5), hidden**-0.5)
        self.leave = Pointwise(units, wide)
        self.dropout = Dropout(dropout)
        with torch.no_grad():
            self.right.bias[:hidden] += 1  # remember at first
            self.left.bias[:hidden] += 1

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """What is added to features x [B, P, 2 F], diagonal by diagonal."""
        rows = self.height, self.width
        right = self.right(x).unflatten(1, rows)
        left = self.left(image if self.first else x).unflatten(1, rows)
        right, left = self.passes(torch.stack([right, left.flip(2)]))
        below = F.pad(left.flip(2), (0, 0, 0, 0, 1, 0))[:, :-1]
        return self.leave(self.dropout((right + below).flatten(1, 2)))

    def passes(self, gates: Tensor) -> Tensor:
        """States [2, B, H, W, F] of both passes, each from left to right, from gates [.., 4 F].

        States left of the edge are zero by themselves: their gates are, and have no biases.
        """
        gates = skewed(gates)
        h = c = gates.new_zeros(*gates.shape[:3], self.hidden)
        states = []
        for d in range(gates.shape[3]):
            above = F.pad(h, (0, 0, 1, 0))[:, :, :-1]
            past = torch.cat([h, above], -1).flatten(1, 2)
            recurrent = torch.bmm(past, self.recur).view(gates[:, :, :, d].shape)
            h, c = cell(gates[:, :, :, d] + recurrent, c)
            states.append(h)
        return straight(torch.stack(states, 3), self.width)

    def stepper(self, x: Tensor, image: Tensor) -> Callable[[int], Tensor]:
        """One pixel each; the pass from right to left over a row when the row is known."""
        h = x.new_zeros(2, len(x), self.height + 1, self.width + 1, self.hidden)  # a zero edge
        c = x.new_zeros(2, len(x), self.width + 1, self.hidden)

        def move(which: int, gates: Tensor, row: int, column: int) -> None:
            past = torch.cat([h[which, :, row + 1, column], h[which, :, row, column + 1]], -1)
            found = cell(gates + past @ self.recur[which], c[which, :, column])
            h[which, :, row + 1, column + 1], c[which, :, column + 1] = found

        def step(pixel: int) -> Tensor:
            row, column = divmod(pixel, self.width)
            if column == 0:
                known = (image if self.first else x)[:, pixel - self.width : pixel]
                gates = self.left(known)
                for i in range(self.width if row else 0):
                    move(1, gates[:, self.width - 1 - i], row - 1, i)
            move(0, self.right(x[:, pixel]), row, column)
            state = h[0, :, row + 1, column + 1] + h[1, :, row, self.width - column]
            return self.leave(state)

        return step


def skewed(x: Tensor) -> Tensor:
    """Row r of x [.., H, W, F] moved r columns to the right: [.., H, W + H - 1, F], columns as rows
    of diagonals."""
    height, width = x.shape[-3:-1]
    x = F.pad(x, (0, 0, 0, height)).flatten(-3, -2)
    return x[..., : height * (height + width - 1), :].unflatten(-2, (height, height + width - 1))


def straight(x: Tensor, width: int) -> Tensor:
    """The inverse of `skewed`: [.., H, W, F]."""
    height = x.shape[-3]
    x = F.pad(x.flatten(-3, -2), (0, 0, 0, height)).unflatten(-2, (height, height + width))
    return x[..., :width, :]
