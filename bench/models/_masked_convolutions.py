"""Convolutions that read only what an order puts earlier: the mask is a table of neighbours.

A table names, for every pixel, the pixel under each tap of the kernel, or an all-zero one past the
last where the tap is masked or leaves the image: a locally masked convolution (LMConv, arXiv
2006.12486, section 3) for any order of the pixels, which for the raster order is a masked
convolution (PixelCNN, arXiv 1601.06759, section 3.4). The same tables serve whole images and single
pixels, so that a sampler runs the network that is scored.

The features of an image with C channels come in C equal groups, group c for channel c: it may read
channels before c of its own pixel (mask A) and features of groups up to c there (mask B).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Span = tuple[int, int]  #: first and last offset of a kernel, in rows or columns


def neighbours(order: Tensor, rows: Span, columns: Span, ties: bool) -> Tensor:
    """The pixel under each tap of a kernel with these offsets, int64 [P, taps], P where masked.

    A tap reads pixels of earlier positions in `order` [H, W], and with `ties` those of the same.
    """
    height, width = order.shape
    pixels, inside = height * width, order.flatten()
    r, c = torch.arange(pixels) // width, torch.arange(pixels) % width
    table = []
    for down in range(rows[0], rows[1] + 1):
        for right in range(columns[0], columns[1] + 1):
            to_r, to_c = r + down, c + right
            there = (to_r >= 0) & (to_r < height) & (to_c >= 0) & (to_c < width)
            place = (to_r * width + to_c).clamp(0, pixels - 1)
            seen = inside[place] <= inside if ties else inside[place] < inside
            table.append(torch.where(there & seen, place, pixels))
    return torch.stack(table, 1)


def groups(features: int, channels: int, copies: int = 1) -> Tensor:
    """The channel to which each of `copies` times `features` features belongs, int64."""
    return torch.arange(channels).repeat_interleave(features // channels).repeat(copies)


def padded(x: Tensor) -> Tensor:
    """x [B, P, F] with the all-zero pixel after the last, [B, P + 1, F]."""
    return F.pad(x, (0, 0, 0, 1))


class MaskedConv(nn.Module):
    """A convolution over tables of neighbours [orders, P, taps], one table for each order.

    Taps that no table uses have no weights. `own` [outputs, inputs] is the mask between features of
    one pixel, where that is not all of them.
    """

    def __init__(self, inputs: int, outputs: int, tables: Tensor, own: Tensor | None = None):
        super().__init__()
        pixels = tables.shape[1]
        used = (tables < pixels).any(1)  # [orders, taps]
        tables, used = tables[:, :, used.any(0)], used[:, used.any(0)]
        most = int(used.sum(1).max()) if used.numel() else 0
        taps = used.int().argsort(dim=1, descending=True, stable=True)[:, :most].sort(1).values
        self.weight = nn.Parameter(torch.empty(outputs, used.shape[1], inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        start(self.weight, inputs * most)
        near = tables.gather(2, taps[:, None].expand(-1, pixels, -1))
        self.register_buffer("taps", taps, persistent=False)
        self.register_buffer("near", near, persistent=False)
        self.register_buffer("tables", tables, persistent=False)
        if own is not None:
            at_home = (tables == torch.arange(pixels)[:, None]).any(1).any(0)
            own = torch.where(at_home[:, None], own[:, None], True)
        self.register_buffer("mask", _numbers(own), persistent=False)

    def forward(self, x: Tensor, order: int = 0) -> Tensor:
        """Outputs [B, P, outputs] in one order for padded features x [B, P + 1, inputs]."""
        near, weight = self.near[order], self._weight()
        if near.shape[1] < weight.shape[1]:
            weight = weight.index_select(1, self.taps[order])
        columns = x.index_select(1, near.flatten())
        columns = columns.reshape(len(x), len(near), near.shape[1] * x.shape[2])
        return F.linear(columns, weight.flatten(1), self.bias)

    def at(self, x: Tensor, order: Tensor, places: Tensor) -> Tensor:
        """Outputs [B, m, outputs] at pixels `places` [B or 1, m] in orders [B or 1]."""
        near = self.tables[order[:, None], places]  # [B or 1, m, taps]
        if len(near) == 1:
            columns = x.index_select(1, near.flatten())
        else:
            columns = x[torch.arange(len(x), device=x.device)[:, None, None], near]
        columns = columns.reshape(len(x), near.shape[1], near.shape[2] * x.shape[2])
        return F.linear(columns, self._weight().flatten(1), self.bias)

    def _weight(self) -> Tensor:
        return self.weight if self.mask is None else self.weight * self.mask


class Pointwise(nn.Linear):
    """A linear layer between the features of one pixel, masked between groups of channels."""

    def __init__(self, inputs: Tensor | int, outputs: Tensor | int, zero: bool = False):
        """Groups of the features (`groups`), or their numbers where all read all."""
        sizes = [n if isinstance(n, int) else len(n) for n in (inputs, outputs)]
        super().__init__(*sizes)
        grouped = isinstance(inputs, Tensor) and isinstance(outputs, Tensor)
        seen = earlier(inputs, outputs) if grouped else None
        self.register_buffer("mask", _numbers(seen), persistent=False)
        nn.init.zeros_(self.bias)
        start(self.weight, 0 if zero else sizes[0])

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [..., outputs]."""
        weight = self.weight if self.mask is None else self.weight * self.mask
        return F.linear(x, weight, self.bias)


@torch.no_grad()
def start(weight: Tensor, inputs: int) -> None:
    """Weights of variance 1 / inputs, uniform; zero without inputs."""
    bound = math.sqrt(3 / inputs) if inputs else 0.0
    weight.uniform_(-bound, bound)


def earlier(inputs: Tensor, outputs: Tensor, strict: bool = False) -> Tensor:
    """Which inputs each output may read, by their groups: bool [outputs, inputs]."""
    return inputs < outputs[:, None] if strict else inputs <= outputs[:, None]


def _numbers(mask: Tensor | None) -> Tensor | None:
    """A mask to multiply weights by; None where it hides nothing."""
    return None if mask is None or bool(mask.all()) else mask.to(torch.get_default_dtype())
