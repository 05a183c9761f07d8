"""Honest densities of an unusual build: a flow one way only, a spline of free heights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.contract import DataSpec
from bench.flows import ActNorm, Composite, Flow, Planar
from bench.models._normal import LOG_2PI, Normal
from bench.models.gaussian import build as gaussian

KNOTS, BOUND = 33, 4.0
TAIL = 0.05  #: mass of the wide normal that gives the spline tails


class OneWay(nn.Module):
    """A planar flow from data to noise (arXiv 1505.05770) with neither inverse nor sampler."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Noise [B, D] and log |det dz/dx| [B]."""
        return self.flow.transform(x)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [B, D] in nats, [B]."""
        return self.flow.log_prob(x)


class SamplerOnly(nn.Module):
    """A planar flow from noise to data, as in the paper: it draws, and reports nothing."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws [n, D]."""
        return self.flow.transform(torch.randn(n, self.flow.dim))[0]


class HeightSpline(nn.Module):
    """Independent white coordinates, each with a piecewise linear density of free heights.

    log p = log of the height at the point, interpolated, minus the log of the area: no height is
    normalised, and the density is exact. A wide normal of mass TAIL reaches beyond the knots. The
    points are whitened by a fitted normal first.
    """

    def __init__(self, whiten: Normal, dim: int) -> None:
        super().__init__()
        self.whiten = whiten
        at = torch.linspace(-BOUND, BOUND, KNOTS)
        self.heights = nn.Parameter((-0.5 * at.square()).expand(dim, KNOTS).clone())

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Heights [D, K], zero at both ends; areas between knots [D, K - 1]; width of a bin."""
        ends = torch.ones(KNOTS).to(self.heights)
        ends[0] = ends[-1] = 0.0
        heights = self.heights.exp() * ends
        width = 2 * BOUND / (KNOTS - 1)
        return heights, 0.5 * width * (heights[:, 1:] + heights[:, :-1]), torch.tensor(width)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [B, D] in nats, [B]."""
        z, logabsdet = self.whiten.transform(x)
        heights, areas, width = self._parts()
        position = ((z.clamp(-BOUND, BOUND) + BOUND) / width).clamp(0, KNOTS - 1 - 1e-6)
        left = position.floor().long()
        rows = torch.arange(z.shape[1]).expand_as(left)
        share = position - left
        height = heights[rows, left] * (1 - share) + heights[rows, left + 1] * share
        inside = (1 - TAIL) * height / areas.sum(1) * (z.abs() < BOUND)
        wide = TAIL * (-0.125 * z.square() - 0.5 * LOG_2PI - math.log(2)).exp()
        far = math.log(TAIL) - 0.125 * z.square() - 0.5 * LOG_2PI - math.log(2)
        near = torch.log((inside + wide).clamp(min=1e-30))
        return torch.where(z.abs() < BOUND, near, far).sum(1) + logabsdet

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws, float32 [n, D]: a bin, then the root of a quadratic inside it."""
        heights, areas, width = self._parts()
        dim = len(heights)
        k = torch.multinomial(areas, n, replacement=True).T
        rows = torch.arange(dim).expand_as(k)
        left, right = heights[rows, k], heights[rows, k + 1]
        u = torch.rand(n, dim)
        # (left t + (right - left) t^2 / 2) width = u area, written without cancellation
        t = (
            u
            * (left + right)
            / (left + (left.square() + u * (right.square() - left.square())).sqrt())
        )
        z = -BOUND + (k + t) * width
        tail = torch.rand(n, dim) < TAIL
        return self.whiten.inverse(torch.where(tail, 2 * torch.randn(n, dim), z)).float()


def planar_flow(dim: int) -> Flow:
    """Eight planar layers behind a scale and a shift."""
    return Flow(Composite([ActNorm(dim), *(Planar(dim) for _ in range(8))]), dim)


def planar_model(data: DataSpec) -> OneWay:
    return OneWay(planar_flow(data.dim))


def planar_sampler(data: DataSpec) -> SamplerOnly:
    return SamplerOnly(planar_flow(data.dim).requires_grad_(False))


def spline_model(data: DataSpec) -> HeightSpline:
    return HeightSpline(gaussian(data), data.dim)
