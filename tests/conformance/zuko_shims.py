"""Shims with zuko's names that run the bijections of `bench.flows` behind zuko's protocols.

`install()` puts them where the tests import from. What has no counterpart stays zuko's own.
"""

from __future__ import annotations

import importlib
import math
from functools import partial

import torch
import zuko
from torch import Tensor, nn
from zuko.lazy import LazyDistribution, LazyTransform
from zuko_transform_shims import (
    AdditiveTransform,
    FreeFormJacobianTransform,
    GaussianizationTransform,
    LULinearTransform,
    MonotonicAffineTransform,
    MonotonicRQSTransform,
    PermutationTransform,
    RotationTransform,
    Vector,
    rows,
)

from bench import flows

HIDDEN = 64  #: units of the networks, as in zuko


class Lazy(LazyTransform):
    """A bijection that waits for its context."""

    def __init__(self, bijection: flows.Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(self, c: Tensor | None = None) -> Vector:
        return Vector(self.bijection, c)


_ElementWise = zuko.flows.ElementWiseTransform
_MaskedAutoregressive = zuko.flows.MaskedAutoregressiveTransform


def ElementWiseTransform(features, context=0) -> LazyTransform:
    """Ours has no map of single coordinates that depends on a context."""
    if context:
        return _ElementWise(features, context)
    ours = flows.Elementwise(features, flows.Affine())
    nn.init.normal_(ours.raw)
    return Lazy(ours)


def GeneralCouplingTransform(features, context=0, mask=None) -> LazyTransform:
    kept = torch.arange(features) % 2 == 1 if mask is None else torch.as_tensor(mask, dtype=bool)
    return Lazy(coupling(~kept, context))


def MaskedAutoregressiveTransform(
    features, context=0, passes=None, order=None, adjacency=None
) -> LazyTransform:
    """Ours has no masks for a given graph; two passes are a coupling that maps what it keeps."""
    if adjacency is not None:
        return _MaskedAutoregressive(features, context, adjacency=adjacency)
    order = torch.arange(features) if order is None else order
    if passes == 2:
        moved = order >= math.ceil(features / 2)
        kept = flows.Elementwise(int((~moved).sum()), flows.Affine())
        return Lazy(coupling(moved, context, kept))
    assert passes is None, "ours has one pass or as many as there are features"
    sort = flows.Permutation(order.argsort())
    return Lazy(flows.Composite([sort, masked(features, context), flows.Inverse(sort)]))


def coupling(
    moved: Tensor, context: int, kept: flows.Bijection | None = None
) -> flows.UnivariateCoupling:
    net = partial(flows.ResidualNet, hidden=HIDDEN, context_dim=context)
    return flows.UnivariateCoupling(moved, net, flows.Affine(), kept)


def masked(
    features: int, context: int, family: flows.Univariate | None = None
) -> flows.MaskedUnivariate:
    family = family or flows.Affine()
    made = flows.MADE(features, HIDDEN, outputs=family.parameters, context_dim=context)
    return flows.MaskedUnivariate(made, family)


class Density:
    """What a flow given its context is to zuko: a distribution."""

    has_rsample = True

    def __init__(self, flow: flows.Flow, context: Tensor) -> None:
        self.flow, self.context = flow, context

    @property
    def transform(self) -> Vector:
        return Vector(self.flow.bijection, self.context)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.flow.log_prob(*rows(x, self.context)).view(x.shape[:-1])

    def sample(self, shape: tuple[int, ...] = ()) -> Tensor:
        context = self._rows(shape)
        return self.flow.sample(len(context), context).view(*shape, -1)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        context = self._rows(shape)
        return self.flow.sample_and_log_prob(len(context), context)[0].view(*shape, -1)

    def _rows(self, shape: tuple[int, ...]) -> Tensor:
        return self.context.expand(*shape, -1).reshape(-1, self.context.shape[-1])


class _Flow(LazyDistribution):
    def __init__(self, features, context=0):
        super().__init__()
        self.flow = self.build(features, context)

    def build(self, features: int, context: int) -> flows.Flow:
        raise NotImplementedError

    def forward(self, c: Tensor) -> Density:
        return Density(self.flow, c)


class NICE(_Flow):
    """zuko's NICE has affine couplings."""

    def build(self, features: int, context: int) -> flows.Flow:
        return flows.realnvp(features, HIDDEN, 3, context_dim=context)


class MAF(_Flow):
    def build(self, features: int, context: int) -> flows.Flow:
        return flows.maf(features, HIDDEN, 3, context_dim=context)


class NSF(_Flow):
    def build(self, features: int, context: int) -> flows.Flow:
        return flows.nsf_autoregressive(features, HIDDEN, 3, bound=5.0, context_dim=context)


class NAF(_Flow):
    """Deep sigmoids where zuko has monotonic networks."""

    def build(self, features: int, context: int) -> flows.Flow:
        parts: list[flows.Bijection] = []
        for _ in range(3):
            parts += [masked(features, context, flows.DeepSigmoid()), flows.reverse(features)]
        return flows.Flow(flows.Composite(parts), features, context)


#: where the tests import from -> what is replaced there
SHIMS = {
    "zuko.transforms": (
        AdditiveTransform,
        MonotonicAffineTransform,
        MonotonicRQSTransform,
        GaussianizationTransform,
        PermutationTransform,
        RotationTransform,
        LULinearTransform,
        FreeFormJacobianTransform,
    ),
    "zuko.flows": (
        ElementWiseTransform,
        GeneralCouplingTransform,
        MaskedAutoregressiveTransform,
        NICE,
        MAF,
        NSF,
        NAF,
    ),
}


def install() -> None:
    """Put the shims where the tests import from; zuko's own modules keep using zuko's classes."""
    for module, shims in SHIMS.items():
        for shim in shims:
            setattr(importlib.import_module(module), shim.__name__, shim)
