"""Autoregressive models of images: a network over pixels, a head for the channels of each."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from bench.contract import DataSpec
from bench.errors import UsageError
from bench.levels import invert, scaled
from bench.models._heads import Head, head_for, log_masses
from bench.models._masked_convolutions import MaskedConv
from bench.models._raster_cache import Cache, Whole, fill

VALUES = 2**28  #: features kept at once while drawing


def image_shape(data: DataSpec) -> tuple[int, int, int]:
    """(C, H, W) of points of shape [C, H, W] or [H, W]. Raises UsageError for another shape."""
    if len(data.shape) not in (2, 3):
        raise UsageError(
            f"points of shape {list(data.shape)} are no images. Use data of shape [C, H, W] or "
            "[H, W], or the model made, which takes any shape"
        )
    height, width = data.shape[-2:]
    return (data.shape[0] if len(data.shape) == 3 else 1), height, width


class PixelHead(Protocol):
    """What a pixel's outputs mean for its C channels."""

    size: int  #: outputs per pixel
    levels: int
    joint: bool  #: a channel's masses read those before through the head, not through the network

    def bias(self, x: Tensor) -> Tensor:
        """Outputs to start from for points x [N, P, C]: [P, size]."""
        ...

    def terms(self, outputs: Tensor, x: Tensor) -> Tensor:
        """log p(channel given those before), nats, for levels x [B, m, C]: [B, m, C]."""
        ...

    def tables(self, outputs: Tensor, x: Tensor) -> Tensor:
        """The same for every level, [B, m, C, K]."""
        ...


class Separate:
    """A head of its own for each channel; the network masks the channels."""

    joint = False

    def __init__(self, head: Head, channels: int) -> None:
        self.head, self.channels = head, channels
        self.levels, self.size = head.levels, channels * head.size

    def bias(self, x: Tensor) -> Tensor:
        """The head's first guess for each coordinate of x [N, P, C]: [P, size]."""
        return self.head.bias(x.flatten(1)).reshape(x.shape[1], self.size)

    def terms(self, outputs: Tensor, x: Tensor) -> Tensor:
        """log p of levels x [B, m, C] in nats, [B, m, C]."""
        return self.head.log_prob(self._by_channel(outputs), x)

    def tables(self, outputs: Tensor, x: Tensor) -> Tensor:
        """log p of every level, [B, m, C, K]."""
        return log_masses(self.head, self._by_channel(outputs))

    def _by_channel(self, outputs: Tensor) -> Tensor:
        return outputs.unflatten(-1, (self.channels, self.head.size))


def separate(levels: int, components: int, channels: int) -> Separate:
    """Logistics or a table for each channel, as in `head_for`."""
    return Separate(head_for(levels, components), channels)


class Pixels(nn.Module):
    """log p(x) of images by a network over pixels, in each of its orders.

    Points x are int64 [B, C, H, W], [B, H, W] or [B, D] with the coordinates in that order.
    """

    def __init__(
        self, shape: tuple[int, int, int], stacks: nn.Module, head: PixelHead, orders: Tensor
    ) -> None:
        """`orders` int64 [O, H, W]: position of each pixel in each order of the tables."""
        super().__init__()
        self.channels, self.height, self.width = shape
        self.pixels = self.height * self.width
        self.stacks, self.head = stacks, head
        self.start = nn.Parameter(torch.zeros(self.pixels, head.size))
        self.register_buffer("orders", orders.flatten(1), persistent=False)

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Add the head's first guess for x [N, ...] to the network's outputs, per pixel."""
        self.start.copy_(self.head.bias(self.by_pixel(x)))

    def by_pixel(self, x: Tensor) -> Tensor:
        """Levels [B, P, C], int64."""
        return x.long().reshape(len(x), self.channels, self.pixels).transpose(1, 2)

    def image(self, levels: Tensor) -> Tensor:
        """The network's input for levels [B, P, C]: one, then the scaled levels, [B, P, 1 + C].

        The one tells a pixel from the zeros beyond the edge and behind the masks.
        """
        y = scaled(levels, self.head.levels).to(self.start.dtype)
        return torch.cat([torch.ones_like(y[:, :, :1]), y], 2)

    def outputs(self, levels: Tensor, order: int = 0, labels: Tensor | None = None) -> Tensor:
        """The head's inputs for levels [B, P, C], [B, P, size]."""
        view = Whole(self.image(levels), order, labels)
        return self.stacks.beside(view, self.stacks.above(view)) + self.start

    def terms(self, x: Tensor, order: int = 0, labels: Tensor | None = None) -> Tensor:
        """log p of each coordinate given those before it in the order, nats [B, D]."""
        levels = self.by_pixel(x)
        terms = self.head.terms(self.outputs(levels, order, labels), levels)
        return terms.transpose(1, 2).flatten(1)

    def tables(self, x: Tensor, order: int = 0, labels: Tensor | None = None) -> Tensor:
        """The same for every level, [B, D, K]."""
        levels = self.by_pixel(x)
        tables = self.head.tables(self.outputs(levels, order, labels), levels)
        return tables.transpose(1, 2).flatten(1, 2)

    def positions(self, order: int = 0) -> Tensor:
        """Position of each coordinate: pixel by pixel, the channels of one in turn, int64 [D]."""
        channel = torch.arange(self.channels, device=self.orders.device)
        return (self.orders[order] * self.channels + channel[:, None]).flatten()

    @torch.no_grad()
    def levels_of(
        self, u: Tensor, orders: Tensor | None = None, labels: Tensor | None = None
    ) -> Tensor:
        """Draws by inversion of uniforms u [n, D], each pixel computed once, int64 [n, D].

        `orders` [n or 1] names the order of each draw, by default the first.
        """
        if orders is None:
            orders = torch.zeros(1, dtype=torch.int64, device=u.device)
        found = [torch.empty(0, u.shape[1], dtype=torch.int64, device=u.device)]
        at_once = self._at_once()
        for begin in range(0, len(u), at_once):
            part = slice(begin, begin + at_once)
            given = orders if len(orders) == 1 else orders[part]
            found.append(self._fill(u[part], given, None if labels is None else labels[part]))
        return torch.cat(found)

    def _at_once(self) -> int:
        """Images whose features are kept together while they are drawn."""
        convolutions = [m for m in self.stacks.modules() if isinstance(m, MaskedConv)]
        features = sum(m.weight.shape[2] for m in convolutions)
        return max(VALUES // ((self.pixels + 1) * features), 1)

    def _fill(self, u: Tensor, orders: Tensor, labels: Tensor | None) -> Tensor:
        n, c = len(u), self.channels
        u = u.reshape(n, c, self.pixels).transpose(1, 2)
        levels = torch.zeros(n, self.pixels + 1, c, dtype=torch.int64, device=u.device)
        image = self.start.new_zeros(n, self.pixels + 1, 1 + c)
        image[:, :-1, 0] = 1
        cache = Cache(image, orders, labels)

        def draw(outputs: Tensor, places: Tensor, channel: int) -> Tensor:
            at = (cache.rows, places)
            tables = self.head.tables(outputs + self.start[places], levels[at])
            levels[(*at, channel)] = invert(tables[:, :, channel], u[(*at, channel)])
            return scaled(levels[(*at, channel)], self.head.levels).to(image.dtype)

        steps = self.orders.argsort(1)[orders]
        fill(self.stacks, cache, steps, self.width, c, draw, refresh=not self.head.joint)
        return levels[:, :-1].transpose(1, 2).flatten(1)

    def uniforms(self, n: int) -> Tensor:
        """Numbers in [0, 1) for n draws from the global generator, [n, D]."""
        like = self.start
        return torch.rand(n, self.pixels * self.channels, dtype=like.dtype, device=like.device)


class OneOrder(nn.Module):
    """A model of images in one order."""

    def __init__(self, net: Pixels, shape: tuple[int, ...]) -> None:
        """`shape` of a point as it is drawn."""
        super().__init__()
        self.net, self.shape, self.dim = net, shape, net.pixels * net.channels

    @property
    def order(self) -> Tensor:
        """Position of each coordinate, int64 [D]."""
        return self.net.positions()

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, *shape] in nats, [B]."""
        return self.net.terms(x).sum(1)

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before in the order, nats [B, D, K]."""
        return self.net.tables(x)

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, *shape]."""
        return self.net.levels_of(self.net.uniforms(n)).reshape(n, *self.shape)
