"""nflows' elementwise splines and squashing maps, run by ours on the points' flat coordinates."""

from __future__ import annotations

import math

from nflows_spline_shims import family, inside, one_least
from torch import Tensor, nn

from bench import flows


class Flattened:
    """Points of any shape for maps that take vectors."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, logabsdet = inside(super().forward(x.flatten(1), context))
        return z.view_as(x), logabsdet

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, logabsdet = inside(super().inverse(z.flatten(1), context))
        return x.view_as(z), logabsdet


class Tanh(Flattened, flows.Tanh):
    pass


class Sigmoid(Flattened, flows.Sigmoid):
    """nflows takes the ends of the interval for points `eps` inside; ours have density zero."""

    def __init__(self, temperature=1, eps=1e-6, learn_temperature=False):
        assert temperature == 1, "ours has no temperature"
        assert not learn_temperature, "ours has no temperature"
        super().__init__()
        self.eps = eps

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().inverse(z.clamp(self.eps, 1 - self.eps), context)


class Logit(Flattened, flows.Logit):
    def __init__(self, temperature=1, eps=1e-6):
        assert temperature == 1, "ours has no temperature"
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().forward(x.clamp(self.eps, 1 - self.eps), context)


class PiecewiseLinearCDF(Flattened, flows.Elementwise):
    def __init__(self, shape, num_bins=10, tails=None, tail_bound=1.0):
        super().__init__(math.prod(shape), family("Linear", num_bins, tails, tail_bound))


class _Quadratic(Flattened, flows.Elementwise):
    kind = "Quadratic"

    def __init__(
        self,
        shape,
        num_bins=10,
        tails=None,
        tail_bound=1.0,
        min_bin_width=1e-3,
        min_bin_height=1e-3,
    ):
        least = one_least(min_bin_width, min_bin_height)
        spline = family(self.kind, num_bins, tails, tail_bound, min_bin=least)
        super().__init__(math.prod(shape), spline)


class PiecewiseQuadraticCDF(_Quadratic):
    pass


class PiecewiseCubicCDF(_Quadratic):
    kind = "Cubic"


class PiecewiseRationalQuadraticCDF(Flattened, flows.Elementwise):
    def __init__(
        self,
        shape,
        num_bins=10,
        tails=None,
        tail_bound=1.0,
        identity_init=False,
        min_bin_width=1e-3,
        min_bin_height=1e-3,
        min_derivative=1e-3,
    ):
        least = one_least(min_bin_width, min_bin_height)
        spline = family(
            "RationalQuadratic", num_bins, tails, tail_bound, 1.0, least, min_derivative
        )
        super().__init__(math.prod(shape), spline)
        if not identity_init:
            nn.init.uniform_(self.raw)
