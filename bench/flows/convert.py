"""A trained nflows 0.14 flow as an in-house one of equal weights: the same function, faster.

nflows is not imported: parts are known by their class names and read through their attributes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from bench.flows.additive import AdditiveCoupling
from bench.flows.autoregressive import MaskedAffine
from bench.flows.bijection import Bijection
from bench.flows.compose import Composite, Inverse
from bench.flows.convert_nets import copied, made_net, masked_net, unsupported
from bench.flows.coupling import AffineCoupling, SplineCoupling
from bench.flows.flow import Flow
from bench.flows.knots import CubicSpline, LinearSpline, QuadraticSpline
from bench.flows.linear import LULinear, Permutation
from bench.flows.normalisation import ActNorm, BatchNorm
from bench.flows.orthogonal import Householder, QRLinear, SVDLinear
from bench.flows.rational_quadratic import RationalQuadratic
from bench.flows.spline import MIN_BIN
from bench.flows.univariate import Elementwise, MaskedUnivariate, Univariate, UnivariateCoupling


def from_nflows(flow: nn.Module) -> Flow:
    """The in-house flow of the same weights as a trained nflows `Flow`.

    Weights are copied; device, dtype and training mode are the flow's; the global random state is
    left alone. Converted are all transforms of vectors that `CONVERTERS` names, over a standard
    normal (docs/flows.md).

    Raises ValueError naming the part that has no counterpart.
    """
    for name in ("_transform", "_distribution", "_embedding_net"):
        if not hasattr(flow, name):
            raise ValueError(f"{type(flow).__name__} is no nflows Flow: it has no {name}")
    base, embedding = flow._distribution, flow._embedding_net
    if type(base).__name__ != "StandardNormal" or len(base._shape) != 1:
        raise unsupported(base, "only a StandardNormal over vectors is")
    if type(embedding).__name__ != "Identity":
        raise unsupported(embedding, "an embedding net is not; embed the context beforehand")
    with torch.random.fork_rng(devices=[]):
        bijection = _convert(flow._transform)
    like = next(flow.parameters(), torch.empty(0))
    converted = Flow(bijection, base._shape[0], _context_dim(bijection)).to(like.device, like.dtype)
    return converted.train(flow.training)


def _convert(part: Any) -> Bijection:
    name = type(part).__name__
    if name not in CONVERTERS:
        raise unsupported(part, f"supported are {', '.join(CONVERTERS)}")
    return CONVERTERS[name](part)


def _composite(part: Any) -> Composite:
    return Composite(_convert(child) for child in part._transforms)


def _inverse(part: Any) -> Inverse:
    return Inverse(_convert(part._transform))


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
    if part.unconditional_transform is not None:
        raise unsupported(part, "an unconditional transform is not supported here")
    return AdditiveCoupling(_mask(part), made_net(part.transform_net))


def _affine_coupling(part: Any) -> AffineCoupling:
    if part.unconditional_transform is not None:
        raise unsupported(part, "an unconditional transform is not supported here")
    probe = torch.linspace(-8, 8, 9)  # releases after 0.14 let the user choose the scale's map
    activation = getattr(part, "scale_activation", None)
    if activation is not None and not activation(probe).allclose(torch.sigmoid(probe + 2) + 1e-3):
        raise unsupported(part, "only the scale sigmoid(a + 2) + 1e-3 is supported")
    return AffineCoupling(_mask(part), made_net(part.transform_net))


def _spline_coupling(part: Any) -> SplineCoupling:
    if part.tails != "linear" or part.min_bin_width != part.min_bin_height:
        raise unsupported(part, "only linear tails and equal least widths and heights are")
    net = part.transform_net
    hidden = getattr(net, "hidden_features", getattr(net, "hidden_channels", 1))
    ours = SplineCoupling(
        _mask(part),
        made_net(net),
        bins=part.num_bins,
        bound=part.tail_bound,
        logit_scale=math.sqrt(hidden),
        unconditional=part.unconditional_transform is not None,
        min_bin=part.min_bin_width,
        min_slope=part.min_derivative,
    )
    if ours.unconditional is not None:
        copied(ours.unconditional, part.unconditional_transform)
    return ours


def _mask(part: Any) -> torch.Tensor:
    mask = torch.zeros(part.features, dtype=torch.bool)
    mask[part.transform_features.cpu()] = True
    return mask


def _masked_affine(part: Any) -> MaskedAffine:
    dim = part.autoregressive_net.initial_layer.in_features
    return MaskedAffine(masked_net(part.autoregressive_net, dim))


def _masked_spline(part: Any) -> MaskedUnivariate:
    net = part.autoregressive_net
    dim = net.initial_layer.in_features
    # MADE has no attribute hidden_features, so nflows does not scale its logits
    return MaskedUnivariate(masked_net(net, dim), _family(part, logit_scale=1.0))


def _univariate_coupling(part: Any) -> UnivariateCoupling:
    net = part.transform_net
    # of the couplings the linear one scales nothing
    scaled = not type(part).__name__.startswith("PiecewiseLinear")
    hidden = getattr(net, "hidden_features", 1) if scaled else 1
    family = _family(part, math.sqrt(hidden))
    kept = part.unconditional_transform
    return UnivariateCoupling(
        _mask(part), made_net(net), family, None if kept is None else _elementwise(kept)
    )


def _elementwise(part: Any) -> Elementwise:
    family = _family(part, logit_scale=1.0)
    raw = torch.cat([p.detach() for p in part.parameters()], -1)
    if raw.dim() != 2:
        raise unsupported(part, "only splines over vectors are supported")
    ours = Elementwise(raw.shape[0], family).to(raw.dtype)
    ours.load_state_dict({"raw": raw})
    return ours


def _family(part: Any, logit_scale: float) -> Univariate:
    """The spline of a transform by its class name."""
    name = type(part).__name__
    bins, tails = _bins(part), getattr(part, "tails", None) is not None
    bound = getattr(part, "tail_bound", 1.0)
    least = getattr(part, "min_bin_width", MIN_BIN)
    if least != getattr(part, "min_bin_height", MIN_BIN):
        raise unsupported(part, "only equal least widths and heights are supported")
    if "RationalQuadratic" in name:
        if not tails:
            raise unsupported(part, "of rational-quadratic splines only linear tails are")
        return RationalQuadratic(bins, bound, logit_scale, least, part.min_derivative)
    kind = next(k for n, k in KNOTS.items() if n in name)
    return kind(bins, bound, tails, logit_scale, least)


def _bins(part: Any) -> int:
    """The number of bins, which the elementwise transforms do not keep."""
    for name in ("unnormalized_pdf", "unnormalized_widths"):
        if hasattr(part, name):
            return int(getattr(part, name).shape[-1])
    return int(part.num_bins)


def _context_dim(bijection: Bijection) -> int:
    """Size of the context that the converted conditioners take; 0 without one."""
    sizes = [m.in_features for n, m in bijection.named_modules() if n.endswith("context_layer")]
    return max(sizes, default=0)


KNOTS: dict[str, type[LinearSpline | QuadraticSpline | CubicSpline]] = {
    "Linear": LinearSpline,
    "Quadratic": QuadraticSpline,
    "Cubic": CubicSpline,
}

CONVERTERS: dict[str, Callable[[Any], Bijection]] = {
    "CompositeTransform": _composite,
    "InverseTransform": _inverse,
    "Permutation": _permutation,
    "RandomPermutation": _permutation,
    "ReversePermutation": _permutation,
    "LULinear": _lu,
    "HouseholderSequence": _householder,
    "QRLinear": _qr,
    "SVDLinear": _svd,
    "BatchNorm": _batch_norm,
    "ActNorm": _act_norm,
    "AdditiveCouplingTransform": _additive_coupling,
    "AffineCouplingTransform": _affine_coupling,
    "PiecewiseRationalQuadraticCouplingTransform": _spline_coupling,
    "MaskedAffineAutoregressiveTransform": _masked_affine,
    **{f"Piecewise{kind}CouplingTransform": _univariate_coupling for kind in KNOTS},
    **{f"Piecewise{kind}CDF": _elementwise for kind in (*KNOTS, "RationalQuadratic")},
    **{
        f"MaskedPiecewise{kind}AutoregressiveTransform": _masked_spline
        for kind in (*KNOTS, "RationalQuadratic")
    },
}
