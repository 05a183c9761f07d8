"""A trained nflows 0.14 flow as an in-house one of equal weights: the same function, faster.

nflows is not imported: parts are known by their class names and read through their attributes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn

from bench.flows.autoregressive.affine import MaskedAffine
from bench.flows.bijection import Bijection
from bench.flows.compose import Composite, Inverse
from bench.flows.convert.families import (
    KNOTS,
    SPLINES,
    check_affine,
    elementwise,
    family,
    logit_scale,
    moved,
)
from bench.flows.convert.fixed import FIXED, MATRICES
from bench.flows.convert.images import (
    IMAGE,
    IMAGE_CONVERTERS,
    VECTOR,
    image_flow,
    rank_across,
    reshape,
)
from bench.flows.convert.nets import copied, made_net, masked_net, unsupported
from bench.flows.couplings.additive import AdditiveCoupling
from bench.flows.couplings.affine import AffineCoupling, SplineCoupling
from bench.flows.flow import Flow
from bench.flows.images.multiscale import Multiscale
from bench.flows.linear.lu import LULinear, Permutation
from bench.flows.linear.orthogonal import Householder, QRLinear, SVDLinear
from bench.flows.monotone.univariate import Elementwise, MaskedUnivariate, UnivariateCoupling
from bench.flows.normalisation import ActNorm, BatchNorm


def from_nflows(flow: nn.Module) -> Flow:
    """The in-house flow of the same weights as a trained nflows `Flow`.

    Weights are copied; device, dtype and training mode are the flow's; the global random state is
    left alone. Converted are all transforms of vectors that `CONVERTERS` names, and of images that
    `IMAGE_CONVERTERS` names, over a standard normal (docs/flows.md). A flow of images becomes an
    `ImageFlow`, whose noise is flat.

    Raises ValueError naming the part that has no counterpart.
    """
    for name in ("_transform", "_distribution", "_embedding_net"):
        if not hasattr(flow, name):
            raise ValueError(f"{type(flow).__name__} is no nflows Flow: it has no {name}")
    base, embedding = flow._distribution, cast("nn.Module", flow._embedding_net)
    noise = tuple(getattr(base, "_shape", ()))
    if type(base).__name__ != "StandardNormal" or len(noise) not in (VECTOR, IMAGE):
        raise unsupported(base, "only a StandardNormal over vectors or images is")
    rank = rank_across(flow._transform, len(noise), backwards=True)
    like = next(flow.parameters(), torch.empty(0))
    with torch.random.fork_rng(devices=[]):
        bijection = _convert(flow._transform, len(noise)).to(like.device, like.dtype).eval()
    if rank == len(noise) == VECTOR:
        converted = Flow(bijection, noise[0], _context_dim(bijection))
    else:
        converted = image_flow(bijection, rank, noise, _context_dim(bijection))
    if type(embedding).__name__ != "Identity":
        converted.embedding = copy.deepcopy(embedding)
    return converted.train(flow.training)


def _convert(part: Any, rank: int) -> Bijection:
    """The bijection of a transform whose results have `rank` axes."""
    name = type(part).__name__
    if name in ("CompositeTransform", "CompositeCDFTransform"):
        return _composite(part, rank)
    if name == "InverseTransform":
        return Inverse(_convert(part._transform, rank_across(part, rank, backwards=True)))
    if name == "MultiscaleCompositeTransform":
        return _multiscale(part)
    converters = {**FIXED, **(CONVERTERS if rank == VECTOR else IMAGE_CONVERTERS)}
    if name not in converters:
        raise unsupported(part, f"supported are {', '.join((*NESTED, *converters))}")
    return converters[name](part)


def _composite(part: Any, rank: int) -> Composite:
    children: list[Bijection] = []
    for child in reversed(part._transforms):
        children.append(_convert(child, rank))
        rank = rank_across(child, rank, backwards=True)
    return Composite(reversed(children))


def _multiscale(part: Any) -> Multiscale:
    if part._split_dim != 1:
        raise unsupported(part, "only a split of dimension 1 is supported")
    shapes = [tuple(shape) for shape in part._output_shapes]
    levels = zip(part._transforms, shapes, strict=True)
    return Multiscale([_convert(level, len(shape)) for level, shape in levels], shapes)


def _permutation(part: Any) -> Permutation:
    if part._dim != 1:
        raise unsupported(part, "a permutation of another dimension than 1 is not supported")
    return Permutation(part._permutation.clone())


def _lu(part: Any) -> LULinear:
    ours: LULinear = copied(LULinear(part.features, part.eps), part)
    return ours


def _householder(part: Any) -> Householder:
    ours: Householder = copied(Householder(part.features, part.num_transforms), part)
    return ours


def _qr(part: Any) -> QRLinear:
    ours: QRLinear = copied(QRLinear(part.features, part.orthogonal.num_transforms), part)
    return ours


def _svd(part: Any) -> SVDLinear:
    reflections = part.orthogonal_1.num_transforms
    ours: SVDLinear = copied(SVDLinear(part.features, reflections, part.eps), part)
    return ours


def _batch_norm(part: Any) -> BatchNorm:
    ours: BatchNorm = copied(BatchNorm(len(part.bias), part.eps, part.momentum), part)
    return ours


def _act_norm(part: Any) -> ActNorm:
    ours: ActNorm = copied(ActNorm(len(part.shift)), part)
    return ours


def _additive_coupling(part: Any) -> AdditiveCoupling:
    check_affine(part)
    return AdditiveCoupling(moved(part), made_net(part.transform_net))


def _affine_coupling(part: Any) -> AffineCoupling:
    check_affine(part)
    return AffineCoupling(moved(part), made_net(part.transform_net))


def _spline_coupling(part: Any) -> Bijection:
    if part.tails is None:
        return _univariate_coupling(part)
    if part.tails != "linear" or part.min_bin_width != part.min_bin_height:
        raise unsupported(part, "only linear tails and equal least widths and heights are")
    ours = SplineCoupling(
        moved(part),
        made_net(part.transform_net),
        bins=part.num_bins,
        bound=part.tail_bound,
        logit_scale=logit_scale(part),
        unconditional=part.unconditional_transform is not None,
        min_bin=part.min_bin_width,
        min_slope=part.min_derivative,
    )
    if ours.unconditional is not None:
        copied(ours.unconditional, part.unconditional_transform)
    return ours


def _masked_affine(part: Any) -> MaskedAffine:
    dim = part.autoregressive_net.initial_layer.in_features
    return MaskedAffine(masked_net(part.autoregressive_net, dim))


def _masked_spline(part: Any) -> MaskedUnivariate:
    net = part.autoregressive_net
    dim = net.initial_layer.in_features
    # MADE has no attribute hidden_features, so nflows does not scale its logits
    return MaskedUnivariate(masked_net(net, dim), family(part, 1.0))


def _univariate_coupling(part: Any) -> UnivariateCoupling:
    kept = part.unconditional_transform
    return UnivariateCoupling(
        moved(part),
        made_net(part.transform_net),
        family(part, logit_scale(part)),
        None if kept is None else elementwise(kept, VECTOR),
    )


def _elementwise(part: Any) -> Elementwise:
    return elementwise(part, VECTOR)


def _context_dim(bijection: Bijection) -> int:
    """Size of the context that the converted conditioners take; 0 without one."""
    sizes = [m.in_features for n, m in bijection.named_modules() if n.endswith("context_layer")]
    return max(sizes, default=0)


NESTED = (
    "CompositeTransform",
    "CompositeCDFTransform",
    "InverseTransform",
    "MultiscaleCompositeTransform",
)

CONVERTERS: dict[str, Callable[[Any], Bijection]] = {
    "ReshapeTransform": reshape,
    "Permutation": _permutation,
    "RandomPermutation": _permutation,
    "ReversePermutation": _permutation,
    "LULinear": _lu,
    "HouseholderSequence": _householder,
    "QRLinear": _qr,
    "SVDLinear": _svd,
    **MATRICES,
    "BatchNorm": _batch_norm,
    "ActNorm": _act_norm,
    "AdditiveCouplingTransform": _additive_coupling,
    "AffineCouplingTransform": _affine_coupling,
    "PiecewiseRationalQuadraticCouplingTransform": _spline_coupling,
    "MaskedAffineAutoregressiveTransform": _masked_affine,
    **{f"Piecewise{kind}CouplingTransform": _univariate_coupling for kind in KNOTS},
    **{f"Piecewise{kind}CDF": _elementwise for kind in SPLINES},
    **{f"MaskedPiecewise{kind}AutoregressiveTransform": _masked_spline for kind in SPLINES},
}
