"""Planar, radial and Sylvester flows: invertible at any weights, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from flow_cases import randomise
from test_bijections import assert_round_trip, jacobian_logdet, points
from torch import Tensor

from bench.flows import Bijection, Flow, Planar, Radial, Sylvester
from bench.flows.residual import planar, sylvester
from bench.flows.residual.tanh_root import FirstStep, tanh_root
from bench.registry import load_function, read

ROOT = Path(__file__).parents[2]
#: plugin -> settings
MODELS: dict[str, dict[str, int]] = {
    "planar": {"layers": 6},
    "radial": {"layers": 6},
    "sylvester": {"layers": 3, "rank": 2},
}
LAYERS: dict[str, Callable[[int], Bijection]] = {
    "planar": Planar,
    "radial": Radial,
    "sylvester": Sylvester,
}
CASES = [(name, dim) for name in MODELS for dim in (1, 2, 5)]


def build(name: str, dim: int, **settings: int) -> Flow:
    torch.manual_seed(5)
    (entry,) = read(ROOT / f"bench/models/{name}.py")
    return load_function(entry)(SimpleNamespace(dim=dim), **settings)


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def flow(request: pytest.FixtureRequest) -> Flow:
    """With random weights, in float64."""
    name, dim = request.param
    made = build(name, dim, **MODELS[name])
    randomise(made, 0.3)
    return made.double()


def determinants(layer: Bijection, x: Tensor) -> Tensor:
    """Of the Jacobian at each row, with their signs, [B]."""
    rows = torch.func.vmap(torch.func.jacrev(lambda r: layer.map_only(r[None])[0]))
    return torch.linalg.det(rows(x))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dim", [2, 3])
def test_determinants_are_positive_at_any_weights(name, dim):
    torch.manual_seed(1)
    least = []
    for _ in range(20):
        layer = LAYERS[name](dim)
        randomise(layer, 3.0)
        x = torch.randn(500, dim, dtype=torch.float64)
        if name == "radial":  # most of the change is close to the centre
            x = layer.centre.double() + x * torch.logspace(-3, 1, 500)[:, None].double()
        found = determinants(layer.double(), x)
        least.append(found.min())
        assert (found > 0).all()
        torch.testing.assert_close(layer(x)[1], found.log(), atol=1e-8, rtol=1e-8)
        assert layer.float()(x.float())[1].isfinite().all()
    assert min(least) < 0.05  # some come close to the limit


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-4)])
def test_round_trips(flow, dtype, tolerance):
    assert_round_trip(flow.bijection.to(dtype), points(flow.dim).to(dtype), tolerance)


def test_the_log_determinant_is_that_of_the_jacobian_both_ways(flow):
    x = torch.randn(4, flow.dim, dtype=torch.float64)
    for run in (flow.bijection, flow.bijection.inverse):
        exact = jacobian_logdet(lambda r, run=run: run(r)[0], x)
        torch.testing.assert_close(run(x)[1], exact, atol=1e-10, rtol=0)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_every_parameter_receives_a_gradient_by_both_directions(flow, direction):
    value, logabsdet = getattr(flow.bijection, direction)(points(flow.dim, 20)[:20])
    (value.square().sum() + logabsdet.sum()).backward()
    for name, p in flow.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name


@pytest.mark.parametrize("name", LAYERS)
def test_the_value_alone_is_that_of_the_forward_pass(name):
    torch.manual_seed(3)
    layer = LAYERS[name](6)
    randomise(layer)
    x = torch.randn(30, 6)
    assert type(layer).map_only is not Bijection.map_only
    assert layer.map_only(x).equal(layer(x)[0])


def test_small_batches(flow):
    for n in (0, 1):
        x = points(flow.dim)[:n]
        assert flow.log_prob(x).shape == (n,)
        assert flow.inverse(x)[0].shape == flow.sample(n).shape == (n, flow.dim)


def test_the_start_is_close_to_the_standard_normal():
    for name, dim in CASES:
        start = build(name, dim)
        x = torch.randn(500, dim)
        change = (start.log_prob(x) - start.base.log_prob(x)).abs().mean()
        assert change < 0.15 * dim, name


def test_the_density_needs_no_root(monkeypatch):
    """The closed formula runs from data to noise; sampling is the direction that solves."""

    def refuse(*_: object) -> None:
        raise AssertionError("a root was asked for")

    for module in (planar, sylvester):
        monkeypatch.setattr(module, "tanh_root", refuse)
    for name in MODELS:
        flow = build(name, 3)
        assert flow.log_prob(torch.zeros(2, 3)).isfinite().all()
        if name == "radial":  # closed both ways
            assert flow.sample(2).shape == (2, 3)
        else:
            with pytest.raises(AssertionError, match="a root was asked for"):
                flow.sample(2)


#: products close to -1, where the root is that of a cube, to far above 1, where a step is flat
PRODUCTS = torch.cat([torch.logspace(-4, 0, 60) - 1, torch.logspace(-4, 1.699, 60)]).double()


@torch.no_grad()  # what is recorded makes a step more
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_roots_are_exact_to_the_last_bits(dtype):
    magnitudes = torch.cat([torch.logspace(-30, -3, 60), torch.logspace(-3, 3, 3000)]).double()
    c = torch.cat([magnitudes, -magnitudes, torch.zeros(1)]).to(dtype)
    first_step = FirstStep().to(dtype)
    for p in [*PRODUCTS.to(dtype), *(c.new_tensor(v) for v in (-0.9999, -0.5, 0.0, 0.5))]:
        t = tanh_root(c, p, first_step(p)).double()
        h = p.double() * t.tanh()
        # the terms are only known to half a bit; a cube's root is no better determined
        scale = t.abs() + h.abs() + c.double().abs() + 1e-300
        error = ((t + h - c.double()).abs() / scale).max()
        assert error < torch.finfo(dtype).eps, float(p)


@pytest.mark.parametrize("p", [-0.9999, -0.9, 0.0, 1.0, 50.0])
def test_roots_are_odd_rising_and_differentiable(p):
    positive = torch.linspace(0.01, 60, 4000, dtype=torch.float64)
    c = torch.cat([-positive.flip(0), torch.zeros(1), positive])
    first_step = FirstStep().double()
    product = torch.tensor(p, dtype=torch.float64)
    t = tanh_root(c, product, first_step(product))
    assert (t.diff() > 0).all()
    torch.testing.assert_close(t, -t.flip(0), atol=0, rtol=1e-13)
    at = torch.tensor([-70.0, -1.3, -0.1, 0.2, 1.0, 3.0, 45.0], dtype=torch.float64)
    leaves = at.requires_grad_(), product.requires_grad_()
    assert torch.autograd.gradcheck(lambda c, p: tanh_root(c, p, first_step(p)), leaves, eps=1e-7)


def test_steeper_products_than_the_steps_are_made_for_still_come_close():
    c = torch.linspace(0.1, 3e3, 5001, dtype=torch.float64)
    p = torch.tensor(1e3, dtype=torch.float64)
    t = tanh_root(c, p, FirstStep().double()(p))
    assert (t + p * t.tanh() - c).abs().max() < 1e-9 * 1e3


def test_a_layer_is_the_formula_of_the_paper():
    torch.manual_seed(2)
    x = torch.randn(6, 3)
    layer = Planar(3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        layer.direction.copy_(torch.tensor([3.0, 0.0, 1.0]))
        layer.bias.fill_(0.3)
        z, logabsdet = layer(x)
        h = torch.tanh(x @ layer.weight + 0.3)
        u = (z - x) / h[:, None]
        torch.testing.assert_close(u, u[:1].expand(6, -1), atol=1e-5, rtol=1e-4)
        psi = (1 - h.square())[:, None] * layer.weight  # eq. 11 and 12
        torch.testing.assert_close(logabsdet, (1 + psi @ u[0]).log(), atol=1e-5, rtol=1e-4)


def test_points_of_another_dimension_are_refused(flow):
    for run in (flow.log_prob, flow.inverse):
        with pytest.raises(ValueError, match=rf"\[B, {flow.dim}\], got \[2, 9\]. Reshape"):
            run(torch.zeros(2, 9, dtype=torch.float64))
