"""Roots of increasing functions that are hard for Newton's method."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bench.flows.monotone.mixture import DeepSigmoid, LogisticMixture
from bench.flows.monotone.roots import increasing_root

Function = Callable[[Tensor], tuple[Tensor, Tensor]]


def _steps(t: Tensor) -> tuple[Tensor, Tensor]:
    """A staircase of two steep steps with flat ground between."""
    up = [torch.sigmoid(200 * (t - c)) for c in (-0.7, 0.6)]
    slope = torch.stack([200 * s * (1 - s) for s in up]).sum(0) + 1e-3
    return torch.stack(up).sum(0) + 1e-3 * t, slope


FUNCTIONS: dict[str, Function] = {
    "a line": lambda t: (3 * t, torch.full_like(t, 3.0)),
    "a cube, flat at the root": lambda t: (t**3, 3 * t**2),
    "a staircase": _steps,
    "an arc tangent, on which Newton overshoots": lambda t: (
        torch.atan(50 * t),
        50 / (1 + 2500 * t**2),
    ),
    "an exponential": lambda t: (t.exp(), t.exp()),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_the_root_is_found_wherever_it_lies(function: Function, dtype: torch.dtype) -> None:
    truth = torch.linspace(-1.9, 1.9, 1001, dtype=dtype)
    y = function(truth)[0]
    low, high = torch.full_like(y, -2.0), torch.full_like(y, 2.0)
    found = increasing_root(function, y, low, high)
    assert ((low <= found) & (found <= high)).all()
    # what is asked for is the value: where the function is flat the root is not determined
    # and where it is steep a unit of rounding in t is many in the value
    value, slope = function(found)
    eps = torch.finfo(dtype).eps
    error = (value - y).abs() / (1 + y.abs() + slope.abs())
    assert float(error.max()) < 16 * eps


FAMILIES = {"logistic mixture": LogisticMixture(8), "deep sigmoid": DeepSigmoid(8)}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-4), (torch.float64, 1e-12)], ids=["float32", "float64"]
)
def test_mixtures_with_narrow_components_are_inverted(
    family: LogisticMixture | DeepSigmoid, dtype: torch.dtype, bound: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    raw = 2 * torch.randn(128, 64, 24, generator=generator, dtype=dtype)
    y = 3 * torch.randn(128, 64, generator=generator, dtype=dtype)
    back = family.forward(family.inverse(y, raw)[0].double(), raw.double())[0]
    assert float(((back - y).abs() / (1 + y.abs())).max()) < bound


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4, 1e6])
def test_mixtures_keep_their_log_slope_in_the_far_tails(
    family: LogisticMixture | DeepSigmoid, scale: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(32, 64, 24, generator=generator, dtype=torch.float64)
    x = scale * torch.randn(32, 64, generator=generator, dtype=torch.float64)
    x, raw = x.float(), raw.float()
    for found, truth in zip(
        family.forward(x, raw), family.forward(x.double(), raw.double()), strict=True
    ):
        assert float(((found - truth).abs() / (1 + truth.abs())).max()) < 1e-5


def test_gradients_are_those_of_the_root() -> None:
    y = torch.linspace(-1, 1, 5, dtype=torch.float64, requires_grad=True)
    rate = torch.tensor(math.e, dtype=torch.float64, requires_grad=True)
    low, high = torch.full_like(y, -3.0), torch.full_like(y, 3.0)

    def root(y: Tensor, rate: Tensor) -> Tensor:
        return increasing_root(
            lambda t: (rate * t + t**3, rate + 3 * t**2), y, low.detach(), high.detach()
        )

    assert torch.autograd.gradcheck(root, (y, rate))
