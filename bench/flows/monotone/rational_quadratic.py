"""The rational-quadratic spline (arXiv 1906.04032) as a family of maps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.monotone.spline import MIN_BIN, MIN_SLOPE
from bench.kernels import Univariate, rq_spline_packed
from bench.kernels.eager import Shape

OUTER = 2.0**-10  #: share of the box of a bin outside the unit interval


@dataclass(frozen=True)
class RationalQuadratic:
    """K bins in [-bound, bound], the identity outside.

    Raw: K widths, K heights, K - 1 derivatives at the inner knots. `logit_scale` divides the width
    and height logits.
    """

    bins: int = 8
    bound: float = 1.0
    logit_scale: float = 1.0
    min_bin: float = MIN_BIN
    min_slope: float = MIN_SLOPE

    @property
    def parameters(self) -> int:
        """3 K - 1."""
        return 3 * self.bins - 1

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, [*] each."""
        return rq_spline_packed(x, raw, self.kernel.shape, faithful=True)

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each."""
        return rq_spline_packed(y, raw, self.kernel.shape, inverse=True, faithful=True)

    def identity(self) -> Tensor | None:
        """Equal bins and slopes of one."""
        slope = math.log(math.expm1(1 - self.min_slope))
        return F.pad(torch.zeros(2 * self.bins), (0, self.bins - 1), value=slope)

    @property
    def kernel(self) -> Univariate:
        """The family as `bench.kernels` knows it."""
        shape = Shape(self.bound, self.min_bin, self.min_slope, self.logit_scale)
        return Univariate(self.bins, shape)


@dataclass(frozen=True)
class UnitRationalQuadratic:
    """K bins in [0, 1] with free slopes at the ends; outside, the density is zero.

    Raw: K widths, K heights, K + 1 derivatives. Computed as the inner bins of a spline of K + 2
    bins, whose outer two are a small share of a box that is so much larger.
    """

    bins: int = 8
    logit_scale: float = 1.0
    min_bin: float = MIN_BIN
    min_slope: float = MIN_SLOPE

    @property
    def parameters(self) -> int:
        """3 K + 1."""
        return 3 * self.bins + 1

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, [*] each."""
        spline, parameters = self._wider(raw)
        y, log_slope = spline.forward(x - 0.5, parameters)
        return y + 0.5, self._inside(x, log_slope)

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each."""
        spline, parameters = self._wider(raw)
        x, log_slope = spline.inverse(y - 0.5, parameters)
        return x + 0.5, self._inside(y, log_slope)

    def identity(self) -> Tensor | None:
        """Equal bins and slopes of one."""
        slope = math.log(math.expm1(1 - self.min_slope))
        return F.pad(torch.zeros(2 * self.bins), (0, self.bins + 1), value=slope)

    def _wider(self, raw: Tensor) -> tuple[RationalQuadratic, Tensor]:
        k = self.bins
        shares = (raw[..., : 2 * k].unflatten(-1, (2, k)) / self.logit_scale).softmax(-1)
        shares = self.min_bin + (1 - self.min_bin * k) * shares
        logits = F.pad(shares * (1 - 2 * OUTER), (1, 1), value=OUTER).log().flatten(-2)
        bound = 0.5 / (1 - 2 * OUTER)
        spline = RationalQuadratic(k + 2, bound, min_bin=0.0, min_slope=self.min_slope)
        return spline, torch.cat((logits, raw[..., 2 * k :]), -1)

    @staticmethod
    def _inside(x: Tensor, log_slope: Tensor) -> Tensor:
        return torch.where((x >= 0) & (x <= 1), log_slope, -torch.inf)
