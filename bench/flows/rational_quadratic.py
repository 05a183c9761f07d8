"""The rational-quadratic spline (arXiv 1906.04032) as a family of maps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.spline import MIN_BIN, MIN_SLOPE
from bench.kernels import Univariate, rq_spline_packed
from bench.kernels.eager import Shape


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
