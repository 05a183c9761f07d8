"""Gaussianization flows: normal scores in every tail, starts from data, the density."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from flow_cases import randomise
from test_bijections import assert_round_trip, jacobian_logdet, points
from torch import Tensor

from bench.flows import Bijection, Elementwise
from bench.flows.gaussianization import gaussianization_flow
from bench.flows.monotone.normal_scores import NormalScores, logit_of_normal, normal_of_logit


def skewed(n: int, dim: int) -> Tensor:
    """Correlated points, the first coordinate of two modes and the others with a long tail."""
    generator = torch.Generator().manual_seed(4)
    z = torch.randn(n, dim, generator=generator)
    z[:, 1:] = (0.8 * z[:, :1] + 0.6 * z[:, 1:]).exp()
    z[:, 0] = 0.3 * z[:, 0] + (z[:, 0] > 0) * 3
    return z


#: name -> (dimension, maker); weights are random where the start is not of data
CASES: dict[str, tuple[int, Callable[[], Bijection]]] = {
    "scores": (3, lambda: Elementwise(3, NormalScores(4))),
    "scores, one component": (2, lambda: Elementwise(2, NormalScores(1))),
    "flow": (3, lambda: gaussianization_flow(3, 3, 4).bijection),
    "flow, one dimension": (1, lambda: gaussianization_flow(1, 2, 4).bijection),
    "flow from data": (3, lambda: gaussianization_flow(3, 3, 6, skewed(300, 3)).bijection),
    "flow from ties": (2, lambda: gaussianization_flow(2, 3, 6, skewed(300, 2).round()).bijection),
}


def make(name: str) -> tuple[Bijection, int]:
    """A float64 bijection and its dimension."""
    dim, maker = CASES[name]
    torch.manual_seed(7)
    bijection = maker()
    if "from" not in name:
        randomise(bijection, 0.5)
    return bijection.double(), dim


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_normal_quantile_of_a_logit_in_every_tail(dtype):
    size = torch.cat([torch.zeros(1), torch.logspace(-6, 6, 200), torch.tensor([50.0, 50.001])])
    y = torch.cat([-size, size]).to(dtype)
    z, log_slope = normal_of_logit(y)
    back, opposite = logit_of_normal(z)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(back, y, atol=30 * eps, rtol=30 * eps)
    assert (log_slope + opposite).abs().max() == 0
    order = y.argsort()
    assert (z[order].diff() >= 0).all()
    near = (y <= 0) & (y > -80)  # ndtri cancels in the upper tail
    expected = torch.special.ndtri(y[near].double().sigmoid())
    torch.testing.assert_close(z[near].double(), expected, atol=50 * eps, rtol=50 * eps)


def test_gradients_of_the_normal_quantile():
    y = torch.tensor([-1e3, -50.0, -3.0, 0.0, 0.1, 4.0, 200.0], dtype=torch.float64)
    y.requires_grad_()
    assert torch.autograd.gradcheck(normal_of_logit, y)


def test_normal_scores_are_the_quantiles_of_the_mixtures_distribution_function():
    torch.manual_seed(1)
    raw = torch.randn(12, dtype=torch.float64)
    x = torch.linspace(-4, 4, 81, dtype=torch.float64)
    weight, centre = raw[:4].softmax(0), raw[4:8]
    scale = torch.nn.functional.softplus(raw[8:]) + 1e-3
    cdf = (weight * ((x[:, None] - centre) / scale).sigmoid()).sum(1)
    y, log_slope = NormalScores(4).forward(x, raw.expand(81, -1))
    torch.testing.assert_close(y, torch.special.ndtri(cdf), atol=1e-9, rtol=0)
    pdf = torch.autograd.functional.jvp(
        lambda x: (weight * ((x[:, None] - centre) / scale).sigmoid()).sum(1),
        x,
        torch.ones(81).double(),
    )[1]
    density = log_slope - 0.5 * (y.square() + math.log(2 * math.pi))
    torch.testing.assert_close(density, pdf.log(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name):
    bijection, dim = make(name)
    assert_round_trip(bijection, points(dim), 1e-9)
    narrow = name == "flow from ties"  # slopes of several hundred
    assert_round_trip(bijection.float(), points(dim).float(), 2e-3 if narrow else 2e-4)


@pytest.mark.parametrize("name", CASES)
def test_logabsdet_is_that_of_the_jacobian_both_ways(name):
    bijection, dim = make(name)
    x = torch.randn(6, dim, dtype=torch.float64)
    expected = jacobian_logdet(lambda r: bijection(r)[0], x)
    torch.testing.assert_close(bijection(x)[1], expected, atol=1e-10, rtol=0)
    expected = jacobian_logdet(lambda r: bijection.inverse(r)[0], x)
    torch.testing.assert_close(bijection.inverse(x)[1], expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_the_rest_of_the_protocol(name):
    bijection, dim = make(name)
    x = points(dim)
    kept = x.clone()
    for way in (bijection, bijection.inverse):
        with torch.no_grad():
            fast = way(x)
            for n in (0, 1):
                value, logabsdet = way(x[:n])
                assert value.shape == (n, dim)
                assert logabsdet.shape == (n,)
                torch.testing.assert_close(value, fast[0][:n])
        for a, b in zip(way(x), fast, strict=True):
            torch.testing.assert_close(a.detach(), b, atol=1e-9, rtol=1e-9)
        assert all(part.isfinite().all() for part in fast)
    assert x.equal(kept)
    assert bijection.map_only(x).equal(bijection(x)[0])


@pytest.mark.parametrize("way", ["forward", "inverse"])
@pytest.mark.parametrize("name", CASES)
def test_every_parameter_receives_a_gradient(name, way):
    bijection, dim = make(name)
    x = torch.cat([torch.randn(30, dim, dtype=torch.float64), torch.full((1, dim), 40.0)])
    value, logabsdet = getattr(bijection, way)(x.double())
    (value.sin().sum() + logabsdet.sum()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in bijection.parameters())
    assert all(p.grad.isfinite().all() for p in bijection.parameters())


def test_the_start_from_data_makes_the_marginals_normal():
    x = skewed(4000, 2)
    flow = gaussianization_flow(2, 1, 16, x)
    u = torch.special.ndtr(flow.map_only(x)).sort(0).values
    uniform = torch.linspace(0, 1, 4000)[:, None]
    assert (u - uniform).abs().max() < 0.05  # Kolmogorov's distance
    constant = gaussianization_flow(1, 1, 4, torch.ones(50, 1))
    assert constant.log_prob(torch.ones(50, 1)).isfinite().all()


def test_the_start_from_data_is_better_with_every_layer_and_turns_to_the_principal_axes():
    x = skewed(4000, 3)
    scores = []
    with torch.no_grad():
        for layers in (1, 2, 4):
            flow = gaussianization_flow(3, layers, 16, x)
            scores.append(float(flow.log_prob(x).mean()))
        turned = flow.bijection.parts[1].map_only(flow.bijection.parts[0].map_only(x))
    assert scores[0] < scores[1] < scores[2]
    covariance = torch.cov(turned.T)
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-4


def test_mass_is_one_in_two_dimensions():
    flow = gaussianization_flow(2, 3, 8, skewed(500, 2))
    grid = torch.linspace(-20, 30, 801)
    x = torch.stack(torch.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    with torch.no_grad():
        mass = sum(float(flow.log_prob(c).double().exp().sum()) for c in x.split(100_000))
    assert abs(mass * float(grid[1] - grid[0]) ** 2 - 1) < 0.002


def test_samples_map_back_to_the_noise_they_came_from():
    flow = gaussianization_flow(3, 3, 8, skewed(500, 3))
    torch.manual_seed(5)
    x = flow.sample(50)
    torch.manual_seed(5)
    torch.testing.assert_close(flow.map_only(x), torch.randn(50, 3), atol=2e-4, rtol=2e-4)


def test_state_dict_round_trip_keeps_the_density():
    x = skewed(200, 2)
    flow, other = gaussianization_flow(2, 2, 4, x), gaussianization_flow(2, 2, 4)
    other.load_state_dict(flow.state_dict())
    assert other.log_prob(x).equal(flow.log_prob(x))


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="two points"):
        gaussianization_flow(2, data=torch.zeros(1, 2))
    with pytest.raises(ValueError, match=r"shape \[B, 2\]"):
        gaussianization_flow(2).bijection(torch.zeros(3))
