"""Two ways through a network of masked convolutions: the whole image, or pixel by pixel.

A network is written once, as functions of a view: `view.image(conv)` convolves the image itself,
`view(conv, x)` features x of the view's pixels. A `Whole` view holds all pixels. A `Cache` holds
those that are computed now, and keeps what every convolution was given at the pixels before, so
that nothing is computed twice (arXiv 1704.06001 calls it fast generation).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from bench.models._masked_convolutions import MaskedConv, padded


class View(Protocol):
    """The pixels at which a network is evaluated."""

    labels: Tensor | None  #: class of each image, int64 [B]

    def image(self, conv: MaskedConv) -> Tensor:
        """A convolution of the image at the view's m pixels, [B, m, outputs]."""
        ...

    def __call__(self, conv: MaskedConv, x: Tensor) -> Tensor:
        """A convolution of features x [B, m, inputs] at the view's pixels, [B, m, outputs]."""
        ...


class Stacks(Protocol):
    """A network in two parts: what is shared by rows, and what depends on pixels to the left."""

    by_rows: bool  #: `above` is not empty; then the order is the raster's

    def above(self, view: View) -> list[Tensor]:
        """Features that read rows above alone, [B, m, ...] each; pixels of a row do not wait."""
        ...

    def beside(self, view: View, above: list[Tensor]) -> Tensor:
        """Outputs at the view's pixels, [B, m, outputs]."""
        ...


class Whole:
    """All pixels of images [B, P, inputs], in one of the tables' orders."""

    def __init__(self, image: Tensor, order: int = 0, labels: Tensor | None = None) -> None:
        self.pixels, self.order, self.labels = padded(image), order, labels

    def image(self, conv: MaskedConv) -> Tensor:
        """The image convolved, [B, P, outputs]."""
        return conv(self.pixels, self.order)

    def __call__(self, conv: MaskedConv, x: Tensor) -> Tensor:
        """Features x [B, P, inputs] convolved, [B, P, outputs]."""
        return conv(padded(x), self.order)


class Cache:
    """Some pixels of images that are being made, padded [n, P + 1, inputs].

    `orders` [n or 1] are the tables' orders, `places` [n or 1, m] the pixels.
    """

    def __init__(self, pixels: Tensor, orders: Tensor, labels: Tensor | None = None) -> None:
        self.pixels, self.orders, self.labels = pixels, orders, labels
        self.places = torch.empty(1, 0, dtype=torch.int64, device=pixels.device)
        self.rows = torch.arange(len(pixels), device=pixels.device)[:, None]
        self.kept: dict[MaskedConv, Tensor] = {}

    def image(self, conv: MaskedConv) -> Tensor:
        """The images convolved at the places, [n, m, outputs]."""
        return conv.at(self.pixels, self.orders, self.places)

    def __call__(self, conv: MaskedConv, x: Tensor) -> Tensor:
        """Keep features x [n, m, inputs] of the places, and convolve there: [n, m, outputs]."""
        if conv not in self.kept:
            self.kept[conv] = x.new_zeros(*self.pixels.shape[:2], x.shape[2])
        kept = self.kept[conv]
        if len(self.places) == 1:
            kept[:, self.places[0]] = x
        else:
            kept[self.rows, self.places] = x
        return conv.at(kept, self.orders, self.places)


@torch.no_grad()
def fill(
    stacks: Stacks,
    cache: Cache,
    order: Tensor,
    width: int,
    channels: int,
    draw: Callable[[Tensor, Tensor, int], Tensor],
    refresh: bool,
) -> None:
    """Fill the cache's images pixel by pixel and channel by channel.

    Args:
        order: the pixel of each step, int64 [n or 1, P].
        width: of the images: pixels in a row.
        channels: the last ones of `cache.pixels`, filled one after the other.
        draw: (outputs [n, 1, ...], places [n or 1, 1], channel) -> inputs [n, 1].
        refresh: run the network again after each channel, for outputs that read it.
    """
    above: list[Tensor] = []
    first = cache.pixels.shape[2] - channels
    for step in range(order.shape[1]):
        here, column = order[:, step, None], step % width
        if stacks.by_rows and column == 0:
            cache.places = order[:, step : step + width]
            above = stacks.above(cache)
        cache.places = here
        near = [a[:, column : column + 1] for a in above]
        for channel in range(channels):
            if channel == 0 or refresh:
                outputs = stacks.beside(cache, near)
            value = draw(outputs, here, channel)
            if len(here) == 1:
                cache.pixels[:, here[0], first + channel] = value
            else:
                cache.pixels[cache.rows, here, first + channel] = value
