"""Glow and RealNVP for images of any shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from bench.flows.bijection import Bijection
from bench.flows.compose import Composite
from bench.flows.couplings.affine import MakeNet
from bench.flows.images.actnorm import ImageActNorm
from bench.flows.images.conditioners import ConvResidualNet
from bench.flows.images.conv1x1 import Conv1x1
from bench.flows.images.coupling import ChannelCoupling, CheckerboardCoupling, start_at_identity
from bench.flows.images.families import SigmoidAffine
from bench.flows.images.flow import ImageFlow
from bench.flows.images.masks import checkerboard, first_half
from bench.flows.images.multiscale import Multiscale, learned_prior
from bench.flows.images.shapes import Shape, image_shape
from bench.flows.images.squeeze import Squeeze
from bench.flows.monotone.affine import Affine
from bench.flows.monotone.univariate import Univariate


def glow(
    shape: Sequence[int],
    channels: int = 32,
    levels: int = 3,
    steps: int = 4,
    blocks: int = 1,
    dropout: float = 0.0,
    context_dim: int = 0,
    family: Univariate | None = None,
    prior: bool = False,
    layout: str = "flat",
) -> ImageFlow:
    """Glow (arXiv 1807.03039): levels of squeeze, steps of ActNorm, 1x1 convolution, coupling.

    Each level ends with a 1x1 convolution; half of the channels then leaves (not after the last).
    A level halves both sides; where one is odd there are fewer levels than asked for, but the first
    may halve one side alone. Images of one channel that cannot be squeezed get checkerboard
    couplings and no convolution.

    Args:
        shape: of one point: [C, H, W], [H, W] or [D], at least two coordinates.
        channels, blocks, dropout: of the conditioners (`ConvResidualNet`).
        levels, steps: at most so many levels, of so many steps.
        context_dim, layout: as for `ImageFlow`.
        family: maps of the couplings, which then start at the identity; without one, affine maps
            with scales of at most 1.001 and nflows' initialisation.
        prior: what leaves is Gaussian given what stays, and the top has a mean and a scale per
            channel; without it noise is standard normal.

    Raises ValueError for points of one coordinate.
    """
    make_net = partial(
        ConvResidualNet, hidden=channels, blocks=blocks, dropout=dropout, context_dim=context_dim
    )
    plan = level_plan(image_shape(shape), levels)
    composites: list[Bijection] = []
    for i, (squeeze, sizes) in enumerate(plan):
        parts: list[Bijection] = [] if squeeze is None else [squeeze]
        for step in range(steps):
            parts += _glow_step(sizes, make_net, family, first=step % 2 == 0)
        if sizes[0] > 1:
            parts.append(Conv1x1(sizes[0]))
        if prior:
            top = i + 1 == len(plan)
            parts.append(
                ImageActNorm(sizes[0], initialized=True) if top else learned_prior(sizes[0])
            )
        composites.append(Composite(parts))
    leaving = [_leaving(sizes) for _, sizes in plan[:-1]]
    bijection = Multiscale(composites, [*leaving, plan[-1][1]])
    return ImageFlow(bijection, shape, context_dim, layout)


def realnvp_image(
    shape: Sequence[int],
    channels: int = 32,
    levels: int = 2,
    couplings: int = 3,
    blocks: int = 1,
    dropout: float = 0.0,
    context_dim: int = 0,
    family: Univariate | None = None,
    layout: str = "flat",
) -> ImageFlow:
    """RealNVP for images (arXiv 1605.08803, section 3.6), with ActNorm for batch norm.

    A level is checkerboard couplings, a squeeze and couplings of channels, alternating each; half
    of the channels then leaves. The last level has one checkerboard coupling more and no squeeze.
    Couplings start at the identity.

    Args:
        shape: of one point: [C, H, W], [H, W] or [D], at least two coordinates.
        levels, couplings: at most so many levels, with so many couplings of either kind.
        family: maps of the couplings; without one, affine maps with unbounded scales.
        channels, blocks, dropout, context_dim, layout: as for `glow`.

    Raises ValueError for points of one coordinate.
    """
    make_net = partial(
        ConvResidualNet, hidden=channels, blocks=blocks, dropout=dropout, context_dim=context_dim
    )
    maps = Affine() if family is None else family
    sizes = image_shape(shape)
    composites: list[Bijection] = []
    leaving: list[Shape] = []
    for squeeze, squeezed in level_plan(sizes, levels - 1) if levels > 1 else []:
        if squeeze is None or math.prod(_rest(squeezed)) < 2:  # nothing to couple would stay
            break
        parts = _couplings(sizes, couplings, make_net, maps)
        parts.append(squeeze)
        for i in range(couplings):
            mask = first_half(squeezed[0], moved=i % 2 == 0)
            parts += _normalised(ChannelCoupling(mask, make_net, maps), squeezed[0])
        composites.append(Composite(parts))
        leaving.append(_leaving(squeezed))
        sizes = _rest(squeezed)
    composites.append(Composite(_couplings(sizes, couplings + 1, make_net, maps)))
    return ImageFlow(Multiscale(composites, [*leaving, sizes]), shape, context_dim, layout)


def level_plan(shape: Shape, levels: int) -> list[tuple[Squeeze | None, Shape]]:
    """The squeeze that begins each level, and the level's shape.

    Levels end where a side is odd; the first halves one side if it must, or none.
    """
    plan: list[tuple[Squeeze | None, Shape]] = []
    for _ in range(levels):
        squeeze = Squeeze((2 - shape[1] % 2, 2 - shape[2] % 2))
        if 1 in squeeze.factor and (plan or squeeze.factor == (1, 1)):
            break
        squeezed = squeeze.output_shape(shape)
        plan.append((squeeze, squeezed))
        shape = _rest(squeezed)
    return plan or [(None, shape)]


def _leaving(shape: Shape) -> Shape:
    """The first half of the channels."""
    return (shape[0] + 1) // 2, shape[1], shape[2]


def _rest(shape: Shape) -> Shape:
    """The others."""
    return shape[0] // 2, shape[1], shape[2]


def _glow_step(
    shape: Shape, make_net: MakeNet, family: Univariate | None, first: bool
) -> list[Bijection]:
    """ActNorm, 1x1 convolution, coupling."""
    parts: list[Bijection] = [ImageActNorm(shape[0])]
    coupling: ChannelCoupling | CheckerboardCoupling
    if shape[0] == 1:
        coupling = CheckerboardCoupling(
            checkerboard(shape, first), make_net, SigmoidAffine() if family is None else family
        )
    else:
        parts.append(Conv1x1(shape[0]))
        mask = first_half(shape[0])
        coupling = (
            ChannelCoupling(mask, make_net, SigmoidAffine(), blocked=True)
            if family is None
            else ChannelCoupling(mask, make_net, family)
        )
    if family is not None:
        start_at_identity(coupling)
    return [*parts, coupling]


def _couplings(shape: Shape, n: int, make_net: MakeNet, family: Univariate) -> list[Bijection]:
    """Couplings of pixels in turn, or of channels where there is one pixel."""
    parts: list[Bijection] = []
    for i in range(n):
        first = i % 2 == 0
        layer = (
            CheckerboardCoupling(checkerboard(shape, first), make_net, family)
            if shape[1] * shape[2] > 1
            else ChannelCoupling(first_half(shape[0], first), make_net, family)
        )
        parts += _normalised(layer, shape[0])
    return parts


def _normalised(layer: ChannelCoupling | CheckerboardCoupling, channels: int) -> list[Bijection]:
    """ActNorm and a coupling that starts as the identity."""
    start_at_identity(layer)
    return [ImageActNorm(channels), layer]
