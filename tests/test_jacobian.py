"""The brute-force log-determinant against closed forms in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.jacobian import brute_force_logdet


class NoBatchingRule(torch.autograd.Function):
    """x^3 whose backward leaves torch, as a native kernel does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.from_numpy(3 * x.detach().numpy() ** 2 * g.numpy())


def _linear(x: Tensor) -> Tensor:
    return x.flatten(1) @ torch.tensor([[2.0, 1.0], [0.5, -3.0]], dtype=x.dtype)


def _slopes(x: Tensor) -> Tensor:
    return torch.ones_like(x) + (x < 0)


#: name -> (map, its log-determinant in closed form)
MAPS = {
    "identity": (lambda x: x, lambda x: torch.zeros(len(x))),
    "linear": (_linear, lambda x: torch.full_like(x[:, 0], math.log(6.5))),
    "exp": (torch.exp, lambda x: x.sum(1)),
    "sinh, boolean index": (
        lambda x: (_slopes(x) * x)[x[:, 0] < 9].sinh(),
        lambda x: ((_slopes(x) * x).cosh() * _slopes(x)).log().sum(1),
    ),
    "no batching rule": (NoBatchingRule.apply, lambda x: (3 * x**2).log().sum(1)),
}


@pytest.mark.parametrize(("forward", "log_det"), MAPS.values(), ids=MAPS.keys())
def test_brute_force_against_closed_forms(forward: Any, log_det: Any) -> None:
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        reported, found = brute_force_logdet(lambda y: (forward(y), y[:, 0]), x)
    assert torch.equal(reported, x[:, 0])
    torch.testing.assert_close(found, log_det(x).to(x.dtype), rtol=1e-12, atol=1e-12)
    assert not found.requires_grad


def test_points_may_be_shaped() -> None:
    x = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    found = brute_force_logdet(lambda y: (2 * y.flatten(1), y.sum()), x)[1]
    torch.testing.assert_close(found, torch.full((3,), 4 * math.log(2)).double())


#: name -> (transform, words of the error)
REFUSED = {
    "fewer coordinates": (lambda y: (y[:, :1], y.sum()), "1 coordinates"),
    "lower precision inside": (lambda y: (y.float(), y.sum()), "of torch.float32"),
    "no gradient": (lambda y: (y.detach(), y.sum()), "does not require grad"),
}


@pytest.mark.parametrize(("transform", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_brute_force_is_refused(transform: Any, words: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match=words):
        brute_force_logdet(transform, torch.zeros(3, 2, dtype=torch.float64))
