"""Histograms with exponential tails: joint up to two dimensions, else a product of marginals."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec

BINS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
JOINT_BINS = BINS[:10]
ALPHAS = (1.0, 0.5, 0.1, 0.02)
TRIM = 1000  #: one point in so many lies beyond each end of the equal bins
NARROWEST = 1e-3  #: range of the equal bins of a constant coordinate

Ends = tuple[Tensor, Tensor, Tensor]  #: first edge [D], last edge [D], tail lengths [2, D]


@model("histogram", family="histogram")
def build(data: DataSpec, bins: int | None = None, alpha: float | None = None) -> Histogram:
    """Equal bins between the outermost points, an exponential tail at each side.

    p(x) = mass(cell) times the density inside the cell: uniform in a bin, exponential in a tail,
    so that it is positive and sums to one over R^D exactly. mass = (count + alpha) / (N + alpha C)
    over C cells. Bins and alpha have the best score on the validation points (per coordinate where
    D > 2); the masses then come from train and validation points together.

    Args:
        data: points [N, D] in the model's space.
        bins: equal bins per coordinate, tails not counted; None: chosen.
        alpha: pseudo-count per cell; None: chosen.
    """
    joint = data.dim <= 2
    ladder = JOINT_BINS if data.dim == 2 else BINS
    choices = list(
        itertools.product(
            ladder if bins is None else (bins,), ALPHAS if alpha is None else (alpha,)
        )
    )
    ends = _ends(data.train.double().sort(0).values)
    scores = torch.stack([_held_out(data, ends, b, a, joint) for b, a in choices])
    best = torch.tensor(choices).double()[scores.argmax(0).expand(data.dim)]
    everything = data.train_valid.double()
    ends = _ends(everything.sort(0).values)
    return fit(everything, ends, best[:, 0].long(), best[:, 1], joint)


def _held_out(data: DataSpec, ends: Ends, bins: int, alpha: float, joint: bool) -> Tensor:
    """Mean validation score of each block, nats: [1] if joint, else [D]."""
    dim = data.dim
    counts, alphas = torch.full((dim,), bins), torch.full((dim,), alpha).double()
    fitted = fit(data.train.double(), ends, counts, alphas, joint)
    return fitted.block_log_prob(data.valid).mean(0)


def fit(x: Tensor, ends: Ends, bins: Tensor, alpha: Tensor, joint: bool) -> Histogram:
    """The histogram of x [N, D] with `bins` [D] equal bins and pseudo-counts `alpha` [D]."""
    low, high, tails = ends
    cells = int(bins.max()) + 2
    strides = (cells ** torch.arange(x.shape[1])) if joint else torch.zeros_like(bins)
    size = cells ** x.shape[1] if joint else cells
    empty = torch.zeros(1 if joint else x.shape[1], size).double()
    histogram = Histogram(low, (high - low) / bins, bins, tails, strides, empty)
    index = histogram.block_index(histogram.cell(x))
    counts = torch.stack([torch.bincount(i, minlength=size) for i in index.T]).double()
    counts += alpha[: len(counts), None]
    used = torch.arange(size) < (size if joint else bins[:, None] + 2)
    counts = torch.where(used, counts, 0.0)
    histogram.log_mass = counts.log() - counts.sum(1, keepdim=True).log()
    return histogram


def _ends(ordered: Tensor) -> Ends:
    """First and last edge [D] and the tails' mean lengths [2, D], from sorted points [N, D].

    A tail's length is the mean excess of the outermost hundredth over the next point (the
    maximum-likelihood scale of an exponential), at least a thousandth of the range.
    """
    n = len(ordered)
    beyond, outer = n // TRIM, min(max(n // 100, 5), n - 1)
    low, high = ordered[beyond], ordered[n - 1 - beyond]
    flat = high - low < NARROWEST
    low, high = low - flat * NARROWEST / 2, high + flat * NARROWEST / 2
    left = ordered[outer] - ordered[:outer].mean(0) if outer else torch.zeros_like(low)
    right = ordered[n - outer :].mean(0) - ordered[n - 1 - outer] if outer else left
    return low, high, torch.stack([left, right]).maximum((high - low) / 1000)


class Histogram(nn.Module):
    """Cells 0 (left tail), 1..bins, bins + 1 (right tail) per coordinate; masses per block of them.

    A block is all coordinates together (joint) or a single one (product). Piecewise constant: the
    gradient says nothing about the density.

    Args:
        low, width, bins: first edge, width and number of the equal bins, [D].
        tails: mean lengths of the exponential tails, [2, D].
        strides: [D], of a cell in the joint table; zeros for a product of marginals.
        log_mass: [blocks, cells], nats.
    """

    differentiable = False

    def __init__(
        self,
        low: Tensor,
        width: Tensor,
        bins: Tensor,
        tails: Tensor,
        strides: Tensor,
        log_mass: Tensor,
    ) -> None:
        super().__init__()
        for name, value in (("low", low), ("width", width), ("bins", bins), ("tails", tails)):
            self.register_buffer(name, value)
        self.register_buffer("strides", strides)
        self.register_buffer("log_mass", log_mass)

    @property
    def joint(self) -> bool:
        """One block for all coordinates."""
        return bool(self.strides[0])

    def cell(self, x: Tensor) -> Tensor:
        """Index of each coordinate's cell, int64 [B, D]."""
        position = (x - self.low) / self.width
        index = position.clamp(-1, float(self.bins.max())).floor().long() + 1
        inside = position <= self.bins  # the last bin holds its right edge
        return torch.where(inside, index.minimum(self.bins), self.bins + 1)

    def block_index(self, cell: Tensor) -> Tensor:
        """Index into each block's masses, int64 [B, blocks]."""
        return (cell * self.strides).sum(1, keepdim=True) if self.joint else cell

    def block_log_prob(self, x: Tensor) -> Tensor:
        """Log-density of each block at x [B, D] in nats, float64 [B, blocks]."""
        x = x.to(self.low.dtype)
        cell = self.cell(x)
        index = self.block_index(cell)
        mass = self.log_mass[torch.arange(index.shape[1], device=x.device), index]
        inside = self._log_inside(x, cell)
        return mass + (inside.sum(1, keepdim=True) if self.joint else inside)

    def _log_inside(self, x: Tensor, cell: Tensor) -> Tensor:
        """Log-density inside the cell, [B, D]."""
        left, right = self.tails
        below = -(self.low - x) / left - left.log()
        above = -(x - self.low - self.width * self.bins) / right - right.log()
        inside = torch.where(cell == 0, below, -self.width.log())
        return torch.where(cell > self.bins, above, inside)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [B, D] in nats, float64 [B]."""
        return self.block_log_prob(x).sum(1)

    def sample(self, n: int) -> Tensor:
        """n draws, float32 [n, D]: a cell per block, then a point inside it."""
        cdf = self.log_mass.exp().cumsum(1)
        u = torch.rand(len(cdf), n, dtype=cdf.dtype, device=cdf.device) * cdf[:, -1:]
        cell = torch.searchsorted(cdf, u, right=True).clamp(max=cdf.shape[1] - 1).T
        if self.joint:
            cell = cell // self.strides % (int(self.bins.max()) + 2)
        return self._inside(cell).float()

    def _inside(self, cell: Tensor) -> Tensor:
        """A random point of each cell, float64 [n, D]."""
        u = torch.rand(cell.shape, dtype=self.low.dtype, device=self.low.device)
        left, right = self.tails.unsqueeze(1) * -torch.log1p(-u)
        x = self.low + (cell - 1 + u) * self.width
        x = torch.where(cell == 0, self.low - left, x)
        return torch.where(cell > self.bins, self.low + self.width * self.bins + right, x)
