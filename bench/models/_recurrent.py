"""PixelRNN's frame (arXiv 1601.06759, figure 5 and table 1): a masked convolution, recurrent layers
around an identity, and masked linear layers to the outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from bench.contract import DataSpec
from bench.levels import scaled
from bench.models._masked_convolutions import (
    MaskedConv,
    Pointwise,
    earlier,
    groups,
    neighbours,
    padded,
)
from bench.models._snakes import raster
from bench.models._steps import Steps


def cell(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The new output h and memory c [..., F] from gates [..., 4 F] and the memory before."""
    forget, take, show, value = gates.chunk(4, -1)
    c = forget.sigmoid() * c + take.sigmoid() * value.tanh()
    return show.sigmoid() * c.tanh(), c


class Layer(nn.Module):
    """A recurrent layer of F units on 2 F features."""

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """What is added to features x [B, P, 2 F]; `image` [B, P, 1 + C] are the pixels."""
        raise NotImplementedError

    def stepper(self, x: Tensor, image: Tensor) -> Callable[[int], Tensor]:
        """The same for pixels 0, 1, .. in turn, [n, 2 F], while x and the image are filled.

        Both have an all-zero pixel more. At pixel p, x is known up to it, the image before it.
        """
        raise NotImplementedError


class PixelRNN(Steps):
    """Recurrent layers over the pixels of an image. Points are [B, D], of shape [C, H, W]."""

    def __init__(
        self,
        data: DataSpec,
        layers: Iterable[Layer],
        hidden: int,
        kernel: int,
        components: int,
    ) -> None:
        """`hidden`: units F of the layers; `kernel`: width of the first convolution."""
        super().__init__(data, components)
        channels, half = self.channels, kernel // 2
        seen, image = groups(2 * hidden, channels), torch.arange(-1, channels)
        table = neighbours(
            raster(self.height, self.width), (-half, 0), (-half, half), ties=channels > 1
        )
        first = earlier(image, seen, strict=True)
        self.first = MaskedConv(1 + channels, 2 * hidden, table[None], first)
        self.layers = nn.ModuleList(layers)
        outputs = groups(channels * self.head.size, channels)
        self.last = nn.Sequential(
            nn.ReLU(), Pointwise(seen, seen), nn.ReLU(), Pointwise(seen, outputs, zero=True)
        )

    def network(self, x: Tensor) -> Tensor:
        """Outputs [B, D, size] for levels x [B, D] by step; those of step t read x[:, :t]."""
        y = scaled(x, self.head.levels).to(self.start.dtype)
        y = y.unflatten(1, (self.pixels, self.channels))
        image = torch.cat([torch.ones_like(y[:, :, :1]), y], 2)
        h = self.first(padded(image))
        for layer in self.layers:
            h = h + layer(h, image)
        return self.last(h).reshape(len(x), self.dim, self.head.size)

    def stepper(self, x: Tensor) -> Callable[[int], Tensor]:
        """One pixel's features each, and once more for each further channel."""
        image = self.start.new_zeros(len(x), self.pixels + 1, 1 + self.channels)
        image[:, :-1, 0] = 1
        one = torch.zeros(1, dtype=torch.int64, device=x.device)
        features = [
            self.start.new_zeros(len(x), self.pixels + 1, len(self.first.bias)) for _ in self.layers
        ]
        steps = [layer.stepper(h, image) for layer, h in zip(self.layers, features, strict=True)]

        def step(t: int) -> Tensor:
            if t:
                before, channel = divmod(t - 1, self.channels)
                image[:, before, 1 + channel] = scaled(x[:, t - 1], self.head.levels).to(image)
            pixel, channel = divmod(t, self.channels)
            h = self.first.at(image, one, (one + pixel)[None])[:, 0]
            for kept, run in zip(features, steps, strict=True):
                kept[:, pixel] = h
                h = h + run(pixel)
            return self.last(h).unflatten(1, (self.channels, self.head.size))[:, channel]

        return step
