"""What a step sees directly: the symbols some steps ago, and its own place."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.levels import scaled
from bench.models._steps import Steps, grid


def lags_of(shape: tuple[int, ...], near: int, above: bool = True) -> tuple[int, ...]:
    """How many steps back a step looks directly: to `near` pixels on the left, and three above.

    In a picture of W columns those are 1 .. near, W - 1, W and W + 1 pixels back, times the
    channels, and the channels before of its own pixel. What is in no row above is left out.
    """
    channels, height, width = grid(shape)
    pixels = set(range(1, near + 1))
    if above and height > 1:
        pixels |= {width - 1, width, width + 1}
    steps = set(range(1, channels)) | {channels * lag for lag in pixels}
    return tuple(sorted(lag for lag in steps if lag > 0))


def waves(place: Tensor, features: int) -> Tensor:
    """Sines and cosines of places 0, 1, .. [D], [D, F], of wavelengths from 2 pi to 2 pi D.

    A fixed distance is a rotation, so that it is easily learned (arXiv 1706.03762, section 3.5).
    """
    j = torch.arange(features)
    frequency = (1.0 + place.max()) ** -(j // 2 / ((features + 1) // 2))
    return (place[:, None] * frequency + (j % 2) * (math.pi / 2)).sin()


class Lagged(nn.Module):
    """A vector for each symbol at each lag, summed; and one for each step, where steps differ.

    The symbols of no step, before the first one, are one symbol more.
    """

    offsets: Tensor  #: first row of each lag in the table, int64 [L]

    def __init__(
        self, steps: Steps, lags: tuple[int, ...], features: int, alike: bool = False
    ) -> None:
        """`alike`: all steps are."""
        super().__init__()
        self.lags, self.nothing = lags, steps.head.levels
        size = len(lags), self.nothing + 1, features
        table = torch.randn(size)
        if not steps.stationary:  # levels, not symbols: neighbours are alike at first
            level = scaled(torch.arange(self.nothing + 1), self.nothing)
            level[-1] = 0
            table = 0.3 * table + level[:, None] * torch.randn(size[0], 1, features)
        self.table = nn.Parameter((table / len(lags) ** 0.5).flatten(0, 1))
        self.steps = None if alike else nn.Parameter(self._places(steps, features))
        offsets = torch.arange(len(lags)) * (self.nothing + 1)
        self.register_buffer("offsets", offsets, persistent=False)

    @staticmethod
    def _places(steps: Steps, features: int) -> Tensor:
        """Vectors of the steps to start from, [D, F]: waves along the columns, and the rows."""
        t = torch.arange(steps.dim)
        across = steps.width * steps.channels
        rows = features // 2 if steps.height > 1 else 0
        parts = waves(t // across, rows), waves(t % across, features - rows)
        return torch.cat(parts, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, D, F] for symbols x [B, D]; those of step t read x[:, :t]."""
        most = max(self.lags)
        past = F.pad(x, (most, 0), value=self.nothing)
        found = [past[:, most - lag : most - lag + x.shape[1]] for lag in self.lags]
        features = self._sum(torch.stack(found, -1).flatten(0, 1)).unflatten(0, x.shape)
        return features if self.steps is None else features + self.steps

    def at(self, x: Tensor, t: int) -> Tensor:
        """Features [B, F] of step t."""
        nothing = torch.full_like(x[:, 0], self.nothing)
        found = [x[:, t - lag] if lag <= t else nothing for lag in self.lags]
        features = self._sum(torch.stack(found, -1))
        return features if self.steps is None else features + self.steps[t]

    def _sum(self, symbols: Tensor) -> Tensor:
        return F.embedding_bag(symbols + self.offsets, self.table, mode="sum")
