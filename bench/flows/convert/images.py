"""The parts of nflows 0.14 flows that act on images [B, C, H, W], rebuilt with equal weights.

nflows has one class for vectors and images; which of the two a part meets follows from the shapes
around it (`rank_across`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from bench.flows.bijection import Bijection
from bench.flows.compose import Composite
from bench.flows.convert.families import (
    SPLINES,
    check_affine,
    elementwise,
    family,
    logit_scale,
    moved,
)
from bench.flows.convert.nets import copied, made_net, unsupported
from bench.flows.flow import Flow
from bench.flows.images.actnorm import ImageActNorm
from bench.flows.images.conv1x1 import Conv1x1
from bench.flows.images.coupling import ChannelCoupling
from bench.flows.images.families import Shift, SigmoidAffine
from bench.flows.images.flow import ImageFlow
from bench.flows.images.permutation import ChannelPermutation
from bench.flows.images.shapes import Reshape
from bench.flows.images.squeeze import Squeeze

VECTOR, IMAGE = 1, 3  #: ranks: axes of a point


def rank_across(part: Any, rank: int, backwards: bool = False) -> int:
    """Rank of a transform's result, given that of its input; of its input where `backwards`."""
    name = type(part).__name__
    if name == "ReshapeTransform":
        return len(part.input_shape if backwards else part.output_shape)
    if name == "MultiscaleCompositeTransform":
        first, shape = part._transforms[0], part._output_shapes[0]
        return rank_across(first, len(shape), backwards) if backwards else VECTOR
    if name == "InverseTransform":
        return rank_across(part._transform, rank, not backwards)
    children = list(part._transforms) if name == "CompositeTransform" else []
    for child in reversed(children) if backwards else children:
        rank = rank_across(child, rank, backwards)
    return rank


def image_flow(bijection: Bijection, rank: int, noise: tuple[int, ...], context_dim: int) -> Flow:
    """The flow of a converted transform from points with `rank` axes to noise [B, *noise]."""
    dim = math.prod(noise)
    parts = [bijection, Reshape(noise, (dim,))] if len(noise) > 1 else [bijection]
    if rank == VECTOR:
        return Flow(Composite(parts), dim, context_dim)
    like = next(bijection.parameters(), torch.empty(0))
    with torch.no_grad():  # the shape of the points is written nowhere
        x = bijection.inverse(like.new_zeros(1, *noise))[0]
    return ImageFlow(Composite(parts), tuple(x.shape[1:]), context_dim, "shaped")


def reshape(part: Any) -> Reshape:
    """The ReshapeTransform of the experiments of arXiv 1906.04032, which nflows left out."""
    return Reshape(part.input_shape, part.output_shape)


def _squeeze(part: Any) -> Squeeze:
    return Squeeze(part.factor)


def _conv1x1(part: Any) -> Conv1x1:
    ours = Conv1x1(part.features, part.eps, part.permutation._permutation.clone())
    state = {k: v for k, v in part.state_dict().items() if not k.startswith("permutation.")}
    ours.to(part.bias.dtype).load_state_dict({**state, "permutation": ours.permutation})
    return ours


def _act_norm(part: Any) -> ImageActNorm:
    ours: ImageActNorm = copied(ImageActNorm(len(part.shift)), part)
    return ours


def _permutation(part: Any) -> ChannelPermutation:
    if part._dim != 1:
        raise unsupported(part, "a permutation of another dimension than 1 is not supported")
    return ChannelPermutation(part._permutation.clone())


def _additive_coupling(part: Any) -> ChannelCoupling:
    check_affine(part)
    return ChannelCoupling(moved(part), made_net(part.transform_net), Shift())


def _affine_coupling(part: Any) -> ChannelCoupling:
    check_affine(part)
    net = made_net(part.transform_net)
    return ChannelCoupling(moved(part), net, SigmoidAffine(), blocked=True)


def _spline_coupling(part: Any) -> ChannelCoupling:
    kept = part.unconditional_transform
    return ChannelCoupling(
        moved(part),
        made_net(part.transform_net),
        family(part, logit_scale(part)),
        kept=None if kept is None else _elementwise(kept),
    )


def _elementwise(part: Any) -> Composite:
    splines = elementwise(part, IMAGE)
    shape = next(part.parameters()).shape[:-1]
    return Composite([Reshape(shape, (splines.dim,)), splines, Reshape((splines.dim,), shape)])


IMAGE_CONVERTERS: dict[str, Callable[[Any], Bijection]] = {
    "ReshapeTransform": reshape,
    "SqueezeTransform": _squeeze,
    "OneByOneConvolution": _conv1x1,
    "ActNorm": _act_norm,
    "Permutation": _permutation,
    "RandomPermutation": _permutation,
    "ReversePermutation": _permutation,
    "AdditiveCouplingTransform": _additive_coupling,
    "AffineCouplingTransform": _affine_coupling,
    **{f"Piecewise{kind}CouplingTransform": _spline_coupling for kind in SPLINES},
    **{f"Piecewise{kind}CDF": _elementwise for kind in SPLINES},
}
