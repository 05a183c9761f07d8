"""Maps to an interval: against autograd inside, density zero outside."""

from __future__ import annotations

import pytest
import torch

from bench.flows import Bijection, LinearSpline, Logit, QuadraticSpline, Sigmoid, Tanh
from bench.flows.monotone.knots import CubicSpline

X = torch.linspace(-9, 9, 37, dtype=torch.float64)[:, None]
MAPS: dict[str, Bijection] = {"sigmoid": Sigmoid(), "tanh": Tanh()}


@pytest.mark.parametrize("name", MAPS)
def test_slope_and_inverse(name: str) -> None:
    x = X.clone().requires_grad_()
    z, logabsdet = MAPS[name](x)
    (slope,) = torch.autograd.grad(z.sum(), x)
    torch.testing.assert_close(logabsdet, slope[:, 0].log(), atol=1e-6, rtol=1e-6)
    back, inverse = MAPS[name].inverse(z)
    torch.testing.assert_close(back, X, atol=1e-7, rtol=1e-7)
    torch.testing.assert_close(inverse, -logabsdet, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_is_nan_far_out_or_outside(name: str, dtype: torch.dtype) -> None:
    far = torch.tensor([[-1e30], [-200.0], [200.0], [1e30]], dtype=dtype)
    z, logabsdet = MAPS[name](far)
    assert z.isfinite().all()
    assert not logabsdet.isnan().any()
    outside = torch.tensor([[-3.0], [1.5]], dtype=dtype)
    x, logabsdet = MAPS[name].inverse(outside)
    assert x.isfinite().all()
    assert (logabsdet == -torch.inf).all()


def test_logit_is_the_inverse_of_sigmoid() -> None:
    z = torch.tensor([[0.1, 0.5, 0.999]], dtype=torch.float64)
    torch.testing.assert_close(Logit()(z)[0], z.log() - (1 - z).log())


@pytest.mark.parametrize("kind", [LinearSpline, QuadraticSpline, CubicSpline])
def test_a_spline_without_tails_is_a_distribution_function(kind: type) -> None:
    """On the unit interval: 0 to 1, its slope integrates to one, density zero outside."""
    family = kind(6, tails=False)
    raw = torch.randn(1, family.parameters, dtype=torch.float64).expand(20_001, -1)
    x = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    y, slope = family.forward(x, raw)
    assert float(y[0]) == pytest.approx(0, abs=1e-12)
    assert float(y[-1]) == pytest.approx(1, abs=1e-12)
    assert float(torch.trapezoid(slope.exp(), x)) == pytest.approx(1, abs=1e-3)
    back, minus = family.inverse(y, raw)
    torch.testing.assert_close(back, x, atol=1e-9, rtol=0)
    assert (family.forward(x + 2, raw)[1] == -torch.inf).all()
