"""The reference flows with the constants, layout and initialisation of nflows 0.14."""

from __future__ import annotations

from functools import partial

from bench.flows.autoregressive.affine import MaskedAffine
from bench.flows.autoregressive.made import MADE
from bench.flows.bijection import Bijection
from bench.flows.compose import Composite
from bench.flows.couplings.additive import AdditiveCoupling
from bench.flows.couplings.affine import AffineCoupling, SplineCoupling
from bench.flows.couplings.conditioners import ResidualNet
from bench.flows.flow import Flow
from bench.flows.linear.lu import LULinear, reverse
from bench.flows.masks import alternating
from bench.flows.monotone.rational_quadratic import RationalQuadratic
from bench.flows.monotone.univariate import MaskedUnivariate
from bench.flows.normalisation import ActNorm


def realnvp(
    dim: int,
    hidden: int = 64,
    layers: int = 6,
    blocks: int = 2,
    dropout: float = 0.0,
    context_dim: int = 0,
) -> Flow:
    """RealNVP for vectors (arXiv 1605.08803): affine couplings with alternating masks.

    The first layer moves the odd coordinates. Scales are at most 1.001, as in nflows'
    SimpleRealNVP: a layer can hardly expand. Raises ValueError for dim < 2.
    """
    net = partial(
        ResidualNet, hidden=hidden, blocks=blocks, dropout=dropout, context_dim=context_dim
    )
    masks = (alternating(dim, first=i % 2 == 1) for i in range(layers))
    return Flow(Composite([AffineCoupling(mask, net) for mask in masks]), dim, context_dim)


def maf(
    dim: int,
    hidden: int = 64,
    layers: int = 5,
    blocks: int = 2,
    dropout: float = 0.0,
    context_dim: int = 0,
) -> Flow:
    """Masked autoregressive flow (arXiv 1705.07057): reversal and masked affine layer, in turn.

    hidden >= dim - 1 is needed for every dependency to exist.
    """
    parts: list[Bijection] = []
    for _ in range(layers):
        made = MADE(dim, hidden, blocks=blocks, dropout=dropout, context_dim=context_dim)
        parts += [reverse(dim), MaskedAffine(made)]
    return Flow(Composite(parts), dim, context_dim)


def nsf_coupling(
    dim: int,
    hidden: int = 64,
    layers: int = 4,
    blocks: int = 2,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
    context_dim: int = 0,
) -> Flow:
    """Neural spline flow with couplings (arXiv 1906.04032): rational-quadratic, linear tails.

    Each coupling moves what the one before left alone. With dim > 2 a reversal and an LU layer
    stand between couplings. The splines are the identity outside [-bound, bound]: standardise the
    data. Raises ValueError for dim < 2.
    """
    net = partial(
        ResidualNet, hidden=hidden, blocks=blocks, dropout=dropout, context_dim=context_dim
    )
    mask = alternating(dim, first=True)
    parts: list[Bijection] = []
    for i in range(layers):
        if i > 0 and dim > 2:
            parts += [reverse(dim), LULinear(dim)]
            mask = mask.flip(0)
        parts.append(SplineCoupling(mask, net, bins=bins, bound=bound))
        mask = ~mask
    return Flow(Composite(parts), dim, context_dim)


def nsf_autoregressive(
    dim: int,
    hidden: int = 64,
    layers: int = 3,
    blocks: int = 2,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
    context_dim: int = 0,
) -> Flow:
    """Neural spline flow with masked networks (arXiv 1906.04032): linear tails.

    Between layers stand a reversal and, with dim > 2, an LU layer. The splines are the identity
    outside [-bound, bound]: standardise the data. hidden >= dim - 1 is needed for every dependency
    to exist.
    """
    family = RationalQuadratic(bins, bound)
    parts: list[Bijection] = []
    for i in range(layers):
        if i > 0:
            parts += [reverse(dim), LULinear(dim)] if dim > 2 else [reverse(dim)]
        made = MADE(
            dim,
            hidden,
            blocks=blocks,
            outputs=family.parameters,
            dropout=dropout,
            context_dim=context_dim,
        )
        parts.append(MaskedUnivariate(made, family))
    return Flow(Composite(parts), dim, context_dim)


def nice(
    dim: int,
    hidden: int = 64,
    layers: int = 4,
    blocks: int = 2,
    dropout: float = 0.0,
    context_dim: int = 0,
) -> Flow:
    """NICE (arXiv 1410.8516): additive couplings with alternating masks, then one scale each.

    The scales (an ActNorm layer that starts as the identity) come last: without them the map would
    keep volumes. Raises ValueError for dim < 2.
    """
    net = partial(
        ResidualNet, hidden=hidden, blocks=blocks, dropout=dropout, context_dim=context_dim
    )
    masks = (alternating(dim, first=i % 2 == 1) for i in range(layers))
    couplings: list[Bijection] = [AdditiveCoupling(mask, net) for mask in masks]
    return Flow(Composite([*couplings, ActNorm(dim, initialized=True)]), dim, context_dim)
