"""nflows' spline functions, run by our families of maps.

Where nflows raises outside its domain, ours say that the density there is zero: log |det| = -inf.
"""

from __future__ import annotations

import torch
from nflows.transforms.base import InputOutsideDomain
from torch import Tensor

from bench import flows

FAMILIES = {
    "Linear": flows.LinearSpline,
    "Quadratic": flows.QuadraticSpline,
    "Cubic": flows.CubicSpline,
}


def family(kind, bins, tails, bound, scale=1.0, min_bin=1e-3, min_slope=1e-3) -> flows.Univariate:
    """Our spline for nflows' settings."""
    if kind != "RationalQuadratic":
        return FAMILIES[kind](bins, bound, tails == "linear", scale, min_bin)
    if tails is None:
        return flows.UnitRationalQuadratic(bins, scale, min_bin, min_slope)
    return flows.RationalQuadratic(bins, bound, scale, min_bin, min_slope)


def inside(found: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Raise as nflows does where ours give the density zero."""
    if (found[1] == -torch.inf).any():
        raise InputOutsideDomain
    return found


def _run(spline: flows.Univariate, inputs: Tensor, inverse: bool, *raw: Tensor):
    way = spline.inverse if inverse else spline.forward
    return inside(way(inputs, torch.cat(raw, -1)))


def _unit(*box: float) -> None:
    assert box == (0.0, 1.0, 0.0, 1.0), "without tails ours have the unit box"


def one_least(least: float, other: float) -> float:
    assert least == other, "ours have one least width and height"
    return least


def linear_spline(
    inputs, unnormalized_pdf, inverse=False, left=0.0, right=1.0, bottom=0.0, top=1.0
):
    _unit(left, right, bottom, top)
    spline = family("Linear", unnormalized_pdf.shape[-1], None, 1.0)
    return _run(spline, inputs, inverse, unnormalized_pdf)


def unconstrained_linear_spline(
    inputs, unnormalized_pdf, inverse=False, tail_bound=1.0, tails="linear"
):
    spline = family("Linear", unnormalized_pdf.shape[-1], tails, tail_bound)
    return _run(spline, inputs, inverse, unnormalized_pdf)


def quadratic_spline(
    inputs,
    unnormalized_widths,
    unnormalized_heights,
    inverse=False,
    left=0.0,
    right=1.0,
    bottom=0.0,
    top=1.0,
    min_bin_width=1e-3,
    min_bin_height=1e-3,
):
    _unit(left, right, bottom, top)
    least = one_least(min_bin_width, min_bin_height)
    spline = family("Quadratic", unnormalized_widths.shape[-1], None, 1.0, min_bin=least)
    return _run(spline, inputs, inverse, unnormalized_widths, unnormalized_heights)


def unconstrained_quadratic_spline(
    inputs,
    unnormalized_widths,
    unnormalized_heights,
    inverse=False,
    tail_bound=1.0,
    tails="linear",
    min_bin_width=1e-3,
    min_bin_height=1e-3,
):
    least = one_least(min_bin_width, min_bin_height)
    spline = family("Quadratic", unnormalized_widths.shape[-1], tails, tail_bound, min_bin=least)
    return _run(spline, inputs, inverse, unnormalized_widths, unnormalized_heights)


def cubic_spline(
    inputs,
    unnormalized_widths,
    unnormalized_heights,
    unnorm_derivatives_left,
    unnorm_derivatives_right,
    inverse=False,
    left=0.0,
    right=1.0,
    bottom=0.0,
    top=1.0,
    min_bin_width=1e-3,
    min_bin_height=1e-3,
    eps=1e-5,
    quadratic_threshold=1e-3,
):
    _unit(left, right, bottom, top)
    least = one_least(min_bin_width, min_bin_height)
    spline = family("Cubic", unnormalized_widths.shape[-1], None, 1.0, min_bin=least)
    edges = (unnorm_derivatives_left, unnorm_derivatives_right)
    return _run(spline, inputs, inverse, unnormalized_widths, unnormalized_heights, *edges)


def unconstrained_cubic_spline(
    inputs,
    unnormalized_widths,
    unnormalized_heights,
    unnorm_derivatives_left,
    unnorm_derivatives_right,
    inverse=False,
    tail_bound=1.0,
    tails="linear",
    min_bin_width=1e-3,
    min_bin_height=1e-3,
    eps=1e-5,
    quadratic_threshold=1e-3,
):
    least = one_least(min_bin_width, min_bin_height)
    spline = family("Cubic", unnormalized_widths.shape[-1], tails, tail_bound, min_bin=least)
    edges = (unnorm_derivatives_left, unnorm_derivatives_right)
    return _run(spline, inputs, inverse, unnormalized_widths, unnormalized_heights, *edges)


def rational_quadratic_spline(
    inputs,
    unnormalized_widths,
    unnormalized_heights,
    unnormalized_derivatives,
    inverse=False,
    left=0.0,
    right=1.0,
    bottom=0.0,
    top=1.0,
    min_bin_width=1e-3,
    min_bin_height=1e-3,
    min_derivative=1e-3,
):
    _unit(left, right, bottom, top)
    bins, least = unnormalized_widths.shape[-1], one_least(min_bin_width, min_bin_height)
    spline = family("RationalQuadratic", bins, None, 1.0, 1.0, least, min_derivative)
    raw = (unnormalized_widths, unnormalized_heights, unnormalized_derivatives)
    return _run(spline, inputs, inverse, *raw)


def unconstrained_rational_quadratic_spline(
    inputs,
    unnormalized_widths,
    unnormalized_heights,
    unnormalized_derivatives,
    inverse=False,
    tails="linear",
    tail_bound=1.0,
    min_bin_width=1e-3,
    min_bin_height=1e-3,
    min_derivative=1e-3,
):
    """The tests give K + 1 slopes where K - 1 are meant; nflows takes the first ones, as here."""
    bins, least = unnormalized_widths.shape[-1], one_least(min_bin_width, min_bin_height)
    spline = family("RationalQuadratic", bins, tails, tail_bound, 1.0, least, min_derivative)
    slopes = unnormalized_derivatives[..., : bins - 1]
    return _run(spline, inputs, inverse, unnormalized_widths, unnormalized_heights, slopes)
