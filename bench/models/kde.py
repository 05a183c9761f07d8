"""Kernel density estimate with Gaussian kernels and a validated bandwidth."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bench import model
from bench.contract import DataSpec
from bench.errors import UsageError
from bench.models._normal import LOG_2PI, interval_log_mass

WIDEST = 2.56  #: bandwidth in units of the coordinate's standard deviation
RUNGS = 17  #: bandwidths tried, each sqrt(2) times narrower than the last
PAIRS = 2**17  #: kernel values in memory at once: what a cache holds
FAINTEST = -80.0  #: log of a kernel value, relative to the largest, that no longer counts
NARROWEST = 1e-4  #: smallest standard deviation that scales a bandwidth


@model("kde", family="kernel")
def build(data: DataSpec, bandwidth: float | None = None) -> KDE:
    """p(x) = 1/n sum_i prod_d N(x_d; x_id, (h sd_d)^2) over train and validation points.

    h has the best mean log-density of the validation points under the train points, on a ladder
    from WIDEST down, refined by the parabola (in log h) through the best rung and its neighbours.

    Args:
        data: points [N, D] in the model's space.
        bandwidth: h, in units of each coordinate's standard deviation; None: chosen.

    Raises:
        UsageError: the bandwidth is not positive.
    """
    if bandwidth is not None and bandwidth <= 0:
        raise UsageError(f"kde: bandwidth must be positive, not {bandwidth}")
    h = bandwidth or choose(data.train.double(), data.valid.double())
    x = data.train_valid.double()
    return KDE(x, h * _scale(x))


def _scale(x: Tensor) -> Tensor:
    return x.std(0, correction=0).clamp(min=NARROWEST)


def choose(train: Tensor, valid: Tensor) -> float:
    """The bandwidth with the best score of `valid` [M, D] under kernels at `train` [N, D]."""
    scores = held_out(train, valid)
    best = min(max(int(scores.argmax()), 1), RUNGS - 2)
    wider, top, narrower = scores[best - 1 : best + 2].tolist()
    bend = wider - 2 * top + narrower
    shift = 0.5 * (wider - narrower) / bend if bend < 0 else 0.0
    return WIDEST * 2 ** (-(best + min(max(shift, -1.0), 1.0)) / 2)


def held_out(train: Tensor, valid: Tensor) -> Tensor:
    """Mean log-density of `valid` under kernels at `train`, nats, on each rung, [RUNGS].

    A bandwidth sqrt(2) times narrower squares every kernel value: one exponential serves all rungs.
    """
    scale = _scale(train)
    centres, points = train / scale, valid / scale
    precision = WIDEST**-2 * 2.0 ** torch.arange(RUNGS, dtype=train.dtype)
    total = torch.zeros_like(precision)
    for rows in points.split(max(PAIRS // len(train), 1)):
        exponent = _exponents(rows, centres)
        nearest = exponent.amax(1, keepdim=True)
        kernel = exponent.sub_(nearest).mul_(precision[0]).exp_()
        total += precision * (nearest.squeeze(1) - 0.5 * rows.square().sum(1)).sum()
        for rung in range(RUNGS):
            total[rung] += kernel.sum(1).log().sum()
            kernel.square_()
    constant = math.log(len(train)) + 0.5 * train.shape[1] * (LOG_2PI - precision.log())
    return total / len(valid) - constant - scale.log().sum()


def _exponents(x: Tensor, y: Tensor) -> Tensor:
    """x_i . y_j - |y_j|^2 / 2, which is -|x_i - y_j|^2 / 2 up to a term of x_i alone, [N, M]."""
    return torch.addmm(-0.5 * y.square().sum(1), x, y.T)


def _log_sum(x: Tensor, y: Tensor) -> Tensor:
    """log sum_j exp(_exponents), [N]."""
    return torch.logsumexp(_exponents(x, y), 1)


def _log_sums(rows: tuple[Tensor, ...], y: Tensor) -> list[Tensor]:
    """`_log_sum` of each block of rows in one reused block of memory; carries no gradient."""
    norms, turned = -0.5 * y.square().sum(1), y.T.contiguous()
    memory, sums = y.new_empty(len(rows[0]), len(y)), []
    for x in rows:
        kernel = torch.addmm(norms, x, turned, out=memory[: len(x)])
        largest = kernel.amax(1, keepdim=True)
        kernel.sub_(largest).clamp_(min=FAINTEST).exp_()  # below lie slow denormal numbers
        sums.append(kernel.sum(1).log() + largest.squeeze(1))
    return sums


class KDE(nn.Module):
    """Equal mixture of n normals with one diagonal covariance.

    Args:
        centres: [n, D].
        bandwidth: standard deviations of the kernels, [D].
    """

    def __init__(self, centres: Tensor, bandwidth: Tensor) -> None:
        super().__init__()
        self.register_buffer("centres", centres.double())
        self.register_buffer("bandwidth", bandwidth.double())

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [B, D] in nats, float64 [B]; memory does not grow with B."""
        x, centres = x.to(self.centres.dtype) / self.bandwidth, self.centres / self.bandwidth
        rows = x.split(max(PAIRS // len(centres), 1))
        if torch.is_grad_enabled() and x.requires_grad:
            parts = [checkpoint(_log_sum, r, centres, use_reentrant=False) for r in rows]
        else:
            parts = _log_sums(rows, centres)
        constant = math.log(len(centres)) + 0.5 * x.shape[1] * LOG_2PI + self.bandwidth.log().sum()
        return torch.cat(parts) - 0.5 * x.square().sum(1) - constant

    @torch.no_grad()
    def box_log_prob(self, lower: Tensor, upper: Tensor) -> Tensor:
        """log P(lower < x < upper) for corners [B, D], nats [B]."""
        centres, rows = self.centres / self.bandwidth, max(PAIRS // self.centres.numel(), 1)
        low, high = (edge.to(centres) / self.bandwidth for edge in (lower, upper))
        parts = [
            torch.logsumexp(
                interval_log_mass(a[:, None] - centres, b[:, None] - centres).sum(-1), 1
            )
            for a, b in zip(low.split(rows), high.split(rows), strict=True)
        ]
        return torch.cat(parts) - math.log(len(centres))

    def sample(self, n: int) -> Tensor:
        """n draws, float32 [n, D]: a centre, then its kernel."""
        centre = self.centres[torch.randint(len(self.centres), (n,), device=self.centres.device)]
        return (centre + self.bandwidth * torch.randn_like(centre)).float()
