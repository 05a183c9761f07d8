"""The rational-quadratic spline at parameters and points where closed forms usually break."""

from __future__ import annotations

import pytest
import torch

from bench.flows.monotone.spline import Spline, spline_forward, spline_inverse, spline_map


def spline(n: int, scale: float, bound: float, dtype: torch.dtype, bins: int = 8) -> Spline:
    """Splines with logits of the given spread."""
    raw = torch.randn(n, 3 * bins - 1, dtype=torch.float64) * scale
    raw = raw.to(dtype)
    return Spline(raw[:, : 2 * bins].unflatten(-1, (2, bins)), raw[:, 2 * bins :], bound)


def doubled(s: Spline) -> Spline:
    return s._replace(bins=s.bins.double(), slopes=s.slopes.double())


@pytest.mark.parametrize("scale", [1, 2, 5, 10, 20])
def test_inverse_is_finite_and_backward_stable_in_float32(scale):
    torch.manual_seed(scale)
    s = spline(20_000, scale, 3.0, torch.float32)
    y = (torch.rand(20_000) * 2 - 1) * 3
    x, logabsdet = spline_inverse(y, s)
    assert x.isfinite().all()
    assert logabsdet.isfinite().all()
    assert x.abs().max() <= 3
    error = (spline_forward(x.double(), doubled(s))[0] - y).abs()
    assert error.max() < 0.02  # the closed form of the literature errs by the whole box here


@pytest.mark.parametrize("bound", [1.0, 3.0, 32.0, 1000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_the_bounds_and_one_ulp_beside(bound, dtype):
    torch.manual_seed(0)
    b = torch.tensor([bound, -bound], dtype=dtype)
    edges = torch.cat([b, b.nextafter(2 * b), b.nextafter(0 * b), 10 * b])
    s = spline(len(edges), 3, bound, dtype)
    for run in (spline_forward, spline_inverse):
        value, logabsdet = run(edges, s)
        outside = edges.abs() > bound
        assert value[outside].equal(edges[outside])
        assert (logabsdet[outside] == 0).all()
        tolerance = 2000 * torch.finfo(dtype).eps
        torch.testing.assert_close(value, edges, rtol=tolerance, atol=0)


def test_increasing_and_continuous_over_the_knots():
    torch.manual_seed(1)
    s = spline(1, 2, 2.0, torch.float64)
    y = spline_map(torch.linspace(-2.5, 2.5, 200_001, dtype=torch.float64), s)
    steps = y.diff()
    assert (steps > 0).all()
    assert steps.max() < 0.05


def test_gradients_are_finite_in_the_tails_and_on_the_bounds():
    torch.manual_seed(2)
    s = spline(6, 10, 3.0, torch.float32)
    s = s._replace(bins=s.bins.requires_grad_(), slopes=s.slopes.requires_grad_())
    for run in (spline_forward, spline_inverse):
        x = torch.tensor([-1e6, -3.0, 0.0, 1.0, 3.0, 1e6], requires_grad=True)
        sum(t.sum() for t in run(x, s)).backward()
        assert x.grad.isfinite().all()
        assert s.bins.grad.isfinite().all()
        assert s.slopes.grad.isfinite().all()


def test_nan_stays_where_it_is():
    torch.manual_seed(3)
    s = spline(2, 1, 3.0, torch.float32)
    value, _ = spline_forward(torch.tensor([float("nan"), 1.0]), s)
    assert value.isnan().tolist() == [True, False]
