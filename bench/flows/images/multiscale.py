"""Multi-scale flows (arXiv 1605.08803, section 3.6): part of the channels leaves at each level."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from bench.flows.bijection import Bijection
from bench.flows.images.conditioners import ConvHead
from bench.flows.images.coupling import ChannelCoupling, start_at_identity
from bench.flows.images.masks import first_half
from bench.flows.monotone.affine import Affine


class Multiscale(Bijection):
    """Levels in turn; after each but the last, the first half of the channels is noise.

    Images [B, C, H, W] to noise [B, D], level by level: the function of nflows'
    MultiscaleCompositeTransform. For odd numbers of channels the first half is the larger one.
    What leaves can be made noise given what stays: end a level with `learned_prior`.

    Args:
        levels: bijections of images.
        leaving: shapes (C, H, W) of what is noise after each level; after the last, all of it.

    Raises ValueError for another number of shapes.
    """

    def __init__(self, levels: Iterable[Bijection], leaving: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)
        if len(self.levels) != len(leaving) or not leaving:
            raise ValueError(f"{len(self.levels)} levels and {len(leaving)} shapes: give one each")
        self.leaving = [tuple(shape) for shape in leaving]
        self.volume_preserving = all(level.volume_preserving for level in self.levels)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        total, noise = x.new_zeros(len(x)), []
        for level, (channels, *_) in zip(self.levels, self.leaving, strict=True):
            x, logabsdet = level(x, context)
            total = total + logabsdet
            noise.append(x[:, :channels].flatten(1))
            x = x[:, channels:]
        return torch.cat(noise, 1), total

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        noise = []
        for level, (channels, *_) in zip(self.levels, self.leaving, strict=True):
            x = level.map_only(x, context)
            noise.append(x[:, :channels].flatten(1))
            x = x[:, channels:]
        return torch.cat(noise, 1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] and log |det dx/dz| [B]."""
        sizes = [math.prod(shape) for shape in self.leaving]
        if z.dim() != 2 or z.shape[1] != sum(sizes):
            raise ValueError(
                f"expected noise of shape [B, {sum(sizes)}], got {list(z.shape)}. Flatten it"
            )
        parts = [
            part.reshape(len(z), *shape)
            for part, shape in zip(z.split(sizes, 1), self.leaving, strict=True)
        ]
        x, total = self.levels[-1].inverse(parts[-1], context)
        for level, part in zip(reversed(self.levels[:-1]), reversed(parts[:-1]), strict=True):
            x, logabsdet = level.inverse(torch.cat((part, x), 1), context)
            total = total + logabsdet
        return x, total


def learned_prior(channels: int) -> ChannelCoupling:
    """The first half of the channels as a Gaussian given the others (Glow, arXiv 1807.03039).

    Standardising by a mean and a standard deviation that one 3x3 convolution computes is an affine
    coupling: N(-shift / scale, 1 / scale^2). Starts at N(0, 1).
    """
    prior = ChannelCoupling(first_half(channels), ConvHead, Affine())
    start_at_identity(prior)
    return prior
