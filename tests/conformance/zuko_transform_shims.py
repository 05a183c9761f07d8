"""zuko's transforms, run by our bijections behind the protocol of torch's transforms.

zuko hands a transform its raw parameters; ours are made from the same numbers, but by our own
constraints (softplus in place of a soft-clipped exponential), so that values differ from zuko's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from bench import flows
from bench.flows.continuous.flow import Continuous
from bench.flows.images import Shift


@dataclass(frozen=True)
class Back:
    """A family of maps run backwards."""

    family: flows.Univariate

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        return self.family.inverse(x, raw)

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        return self.family.forward(y, raw)


class Elementwise(Transform):
    """Maps of the line: raw parameters [*, P], points and log-derivatives [*]."""

    domain = codomain = constraints.real
    bijective = True
    sign = +1

    def __init__(self, family: flows.Univariate, raw: Tensor) -> None:
        super().__init__()
        self.family, self.raw = family, raw

    @property
    def inv(self) -> Elementwise:
        return Elementwise(Back(self.family), self.raw)

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.family.forward(x, self.raw.expand(*x.shape, -1))

    def _call(self, x: Tensor) -> Tensor:
        return self.call_and_ladj(x)[0]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.call_and_ladj(x)[1]


class AdditiveTransform(Elementwise):
    def __init__(self, shift):
        super().__init__(Shift(), shift[..., None])


class MonotonicAffineTransform(Elementwise):
    def __init__(self, shift, scale, slope=1e-3):
        super().__init__(flows.Affine(), torch.stack((scale, shift), -1))


class MonotonicRQSTransform(Elementwise):
    def __init__(self, widths, heights, derivatives, bound=5.0, slope=1e-3):
        raw = torch.cat((widths, heights, derivatives), -1)
        super().__init__(flows.RationalQuadratic(widths.shape[-1], bound, min_slope=slope), raw)


class GaussianizationTransform(Elementwise):
    """Equal weights; logistic components and quantiles where zuko has normal ones."""

    def __init__(self, shift, scale):
        raw = torch.cat((torch.zeros_like(shift), shift, scale), -1)
        super().__init__(flows.LogisticMixture(shift.shape[-1]), raw)


class Vector(Transform):
    """A bijection on points [*, D], given a context [*, C] or none."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, bijection: flows.Bijection, context: Tensor | None = None) -> None:
        super().__init__()
        self.bijection, self.context = bijection, context

    @property
    def inv(self) -> Vector:
        return Vector(flows.Inverse(self.bijection), self.context)

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, logabsdet = self.bijection(*rows(x, self.context))
        return y.view(x.shape), logabsdet.view(x.shape[:-1])

    def _call(self, x: Tensor) -> Tensor:
        return self.call_and_ladj(x)[0]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.call_and_ladj(x)[1]


def rows(x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Points [B, D] and one row of the context for each."""
    if context is not None:
        context = context.expand(*x.shape[:-1], -1).reshape(-1, context.shape[-1])
    return x.reshape(-1, x.shape[-1]), context


class PermutationTransform(Vector):
    def __init__(self, order):
        super().__init__(flows.Permutation(order))


class RotationTransform(Vector):
    """An orthogonal matrix: reflections along the rows of A, where zuko has exp(A - A^T)."""

    def __init__(self, A):
        ours = flows.Householder(len(A), len(A))
        with torch.no_grad():
            ours.q_vectors.copy_(A)
        super().__init__(ours)


class LULinearTransform(Vector):
    def __init__(self, LU):
        ours = flows.LULinear(len(LU))
        with torch.no_grad():
            ours.lower_entries.copy_(LU[tuple(torch.tril_indices(len(LU), len(LU), -1))])
            ours.upper_entries.copy_(LU[tuple(torch.triu_indices(len(LU), len(LU), 1))])
            ours.unconstrained_upper_diag.copy_(LU.diagonal())
        super().__init__(ours)


class _Field(nn.Module):
    def __init__(self, f) -> None:
        super().__init__()
        self.f = f

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return self.f(t, x)


class _FreeForm(flows.Bijection):
    """zuko learns the dimension from the points."""

    def __init__(self, f) -> None:
        super().__init__()
        self.field = _Field(f)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return Continuous(x.shape[1], self.field).eval()(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return Continuous(z.shape[1], self.field).eval().inverse(z)


class FreeFormJacobianTransform(Vector):
    """A fixed grid of Runge-Kutta steps, where zuko adapts them to the tolerances."""

    def __init__(self, f, t0, t1, atol=1e-6, rtol=1e-5):
        assert (t0, t1) == (0.0, 1.0), "ours has unit time"
        super().__init__(_FreeForm(f))
