"""The maps inside nflows 0.14 transforms, as families: what vectors and images share."""

from __future__ import annotations

import math
from typing import Any

import torch

from bench.flows.convert.nets import unsupported
from bench.flows.monotone.knots import CubicSpline, LinearSpline, QuadraticSpline
from bench.flows.monotone.rational_quadratic import RationalQuadratic, UnitRationalQuadratic
from bench.flows.monotone.spline import MIN_BIN
from bench.flows.monotone.univariate import Elementwise, Univariate

KNOTS: dict[str, type[LinearSpline | QuadraticSpline | CubicSpline]] = {
    "Linear": LinearSpline,
    "Quadratic": QuadraticSpline,
    "Cubic": CubicSpline,
}
SPLINES = (*KNOTS, "RationalQuadratic")


def moved(part: Any) -> torch.Tensor:
    """The mask of a coupling, boolean [D]."""
    mask = torch.zeros(part.features, dtype=torch.bool)
    mask[part.transform_features.cpu()] = True
    return mask


def check_affine(part: Any) -> None:
    """Raise ValueError for an affine or additive coupling with settings that 0.14 lacks."""
    if part.unconditional_transform is not None:
        raise unsupported(part, "an unconditional transform is not supported here")
    probe = torch.linspace(-8, 8, 9)  # releases after 0.14 let the user choose the scale's map
    activation = getattr(part, "scale_activation", None)
    if activation is not None and not activation(probe).allclose(torch.sigmoid(probe + 2) + 1e-3):
        raise unsupported(part, "only the scale sigmoid(a + 2) + 1e-3 is supported")


def logit_scale(part: Any) -> float:
    """What a spline coupling divides its logits by."""
    net, name = part.transform_net, type(part).__name__
    if name.startswith("PiecewiseLinear"):
        return 1.0
    hidden = getattr(net, "hidden_features", None)
    if hidden is None and "RationalQuadratic" in name:  # the others do not look for it
        hidden = getattr(net, "hidden_channels", None)
    return math.sqrt(hidden or 1)


def family(part: Any, scale: float) -> Univariate:
    """The spline of a transform by its class name."""
    name = type(part).__name__
    bins, tails = _bins(part), getattr(part, "tails", None) is not None
    bound = getattr(part, "tail_bound", 1.0)
    least = getattr(part, "min_bin_width", MIN_BIN)
    if least != getattr(part, "min_bin_height", MIN_BIN):
        raise unsupported(part, "only equal least widths and heights are supported")
    if "RationalQuadratic" in name:
        if not tails:
            return UnitRationalQuadratic(bins, scale, least, part.min_derivative)
        return RationalQuadratic(bins, bound, scale, least, part.min_derivative)
    kind = next(k for n, k in KNOTS.items() if n in name)
    return kind(bins, bound, tails, scale, least)


def elementwise(part: Any, rank: int) -> Elementwise:
    """Splines of the coordinates of points with `rank` axes, flattened."""
    raw = torch.cat([p.detach() for p in part.parameters()], -1)
    if raw.dim() != rank + 1:
        raise unsupported(part, f"its splines are of points with {raw.dim() - 1} axes, not {rank}")
    raw = raw.flatten(0, -2)
    ours = Elementwise(raw.shape[0], family(part, 1.0)).to(raw.dtype)
    ours.load_state_dict({"raw": raw})
    return ours


def _bins(part: Any) -> int:
    """The number of bins, which the elementwise transforms do not keep."""
    for name in ("unnormalized_pdf", "unnormalized_widths"):
        if hasattr(part, name):
            return int(getattr(part, name).shape[-1])
    return int(part.num_bins)
