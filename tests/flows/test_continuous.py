"""Continuous flows: traces by every means, known solutions, the solver's error, batch mates."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest
import torch
from flow_cases import randomise
from torch import Tensor, nn

pytest.importorskip("torchdiffeq")

from bench.flows.continuous.flow import Continuous, estimated_divergence, exact_divergence, ffjord
from bench.flows.continuous.velocity import Velocity
from bench.jacobian import brute_force_logdet

TIME = torch.tensor(0.3, dtype=torch.float64)


class Linear(nn.Module):
    """f = A x: x(1) = e^A x, log |det| = tr A."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(dim, dim) / dim)

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return x @ self.matrix.T


#: name -> (dimension, maker)
CASES: dict[str, tuple[int, Callable[[], Continuous]]] = {
    "plane": (2, lambda: Continuous(2, Velocity(2, 8))),
    "one dimension": (1, lambda: Continuous(1, Velocity(1, 6))),
    "five": (5, lambda: Continuous(5, Velocity(5, 8))),
    "a field of one's own": (3, lambda: Continuous(3, Linear(3))),
}


def make(name: str, fine_steps: int = 64) -> tuple[Continuous, int]:
    """A float64 flow in evaluation mode on a fine grid, and its dimension."""
    dim, maker = CASES[name]
    torch.manual_seed(3)
    flow = maker()
    randomise(flow, 0.4)
    flow.fine_steps = fine_steps
    return flow.double().eval(), dim


@pytest.mark.parametrize("dim", [1, 2, 7, 40])
def test_the_closed_trace_is_that_of_the_jacobian(dim):
    torch.manual_seed(dim)
    field = Velocity(dim, 9).double()
    randomise(field, 0.7)
    x = torch.randn(5, dim, dtype=torch.float64)
    value, trace = field.divergence(TIME, x)
    assert value.equal(field(TIME, x))
    rows = [torch.autograd.functional.jacobian(lambda r: field(TIME, r[None])[0], r) for r in x]
    torch.testing.assert_close(trace, torch.stack(rows).diagonal(0, 1, 2).sum(1))
    with torch.no_grad():
        by_passes = exact_divergence(field, TIME, x)
    torch.testing.assert_close(by_passes, (value.detach(), trace.detach()))


def test_hutchinsons_trace_is_unbiased():
    torch.manual_seed(1)
    field = Velocity(6, 9).double()
    x = torch.randn(1, 6, dtype=torch.float64).expand(20_000, -1)
    noise = 2.0 * torch.randint(0, 2, x.shape, dtype=torch.float64) - 1
    with torch.no_grad():
        found = estimated_divergence(field, TIME, x, noise)[1]
        exact = field.divergence(TIME, x[:1])[1]
    error = found.std() / len(found) ** 0.5
    assert (found.mean() - exact).abs() < 5 * error
    assert found.std() > 0.01


def test_training_beyond_the_exact_dimension_is_unbiased_with_one_vector_per_solve():
    torch.manual_seed(2)
    field = Linear(4).double()
    flow = Continuous(4, field, exact_dim=2)
    x = torch.randn(1, 4, dtype=torch.float64).expand(5000, -1)
    with torch.no_grad():
        found = flow(x)[1]
        signs = torch.tensor([[i >> k & 1 for k in range(4)] for i in range(16)]) * 2.0 - 1
        possible = ((signs.double() @ field.matrix) * signs.double()).sum(1)
        exact = flow.eval()(x[:1])[1]
    error = found.std() / len(found) ** 0.5
    assert (found.mean() - exact).abs() < 5 * error
    # of a linear field every stage has the same estimate, if its vector is the same
    assert (found[:, None] - possible).abs().amin(1).max() < 1e-12


def test_a_linear_field_is_solved_like_its_exponential():
    flow, _ = make("a field of one's own")
    x = torch.randn(6, 3, dtype=torch.float64)
    with torch.no_grad():
        z, logabsdet = flow(x)
        matrix = flow.field.matrix
        torch.testing.assert_close(z, x @ torch.linalg.matrix_exp(matrix).T, atol=1e-7, rtol=0)
        torch.testing.assert_close(logabsdet, matrix.trace().expand(6), atol=1e-12, rtol=0)


def test_the_error_falls_with_the_fourth_power_of_the_steps():
    flow, dim = make("plane")
    x = torch.randn(50, dim, dtype=torch.float64)
    with torch.no_grad():
        values = []
        for steps in (8, 16, 128):
            flow.fine_steps = steps
            values.append(torch.cat([part.reshape(50, -1) for part in flow(x)], 1))
    coarse, fine = ((v - values[-1]).abs().mean() for v in values[:-1])
    assert 10 < coarse / fine < 24


@pytest.mark.parametrize("name", CASES)
def test_logabsdet_is_that_of_the_jacobian_both_ways(name):
    flow, dim = make(name, 100)
    x = torch.randn(9, dim, dtype=torch.float64)
    for way in (flow, flow.inverse):
        reported, exact = brute_force_logdet(way, x)
        torch.testing.assert_close(reported, exact, atol=1e-8, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 1e-4)])
@pytest.mark.parametrize("name", CASES)
def test_round_trip(name, dtype, tolerance):
    flow, dim = make(name)
    flow.to(dtype)
    extreme = torch.tensor([40.0, -1e3], dtype=dtype)[:, None].expand(-1, dim)
    x = torch.cat([torch.randn(20, dim, dtype=dtype), extreme])
    kept = x.clone()
    with torch.no_grad():
        z, forward = flow(x)
        back, inverse = flow.inverse(z)
        assert flow.map_only(x).equal(z)
        for n in (0, 1):
            value, logabsdet = flow.inverse(z[:n])
            assert value.shape == (n, dim)
            assert logabsdet.shape == (n,)
    assert x.equal(kept)
    assert {t.dtype for t in (z, forward, back, inverse)} == {dtype}
    size = 1 + x.abs().amax(1, keepdim=True)
    assert ((back - x).abs() <= tolerance * size).all()
    assert ((forward + inverse).abs() <= 10 * tolerance * size[:, 0]).all()


@pytest.mark.parametrize("training", [True, False])
def test_a_density_does_not_depend_on_batch_mates(training):
    torch.manual_seed(0)
    flow = ffjord(2, 16).double().train(training)
    x = torch.randn(20, 2, dtype=torch.float64)
    outliers = torch.cat([x, 1e3 * torch.randn(100, 2, dtype=torch.float64)])
    with torch.no_grad():
        expected = flow.log_prob(x)
        torch.testing.assert_close(flow.log_prob(outliers)[:20], expected, atol=1e-11, rtol=0)
        alone = torch.cat([flow.log_prob(row[None]) for row in x])
        assert flow.log_prob(x).equal(expected)
    torch.testing.assert_close(alone, expected, atol=1e-11, rtol=0)


@pytest.mark.parametrize("way", ["forward", "inverse"])
@pytest.mark.parametrize("name", CASES)
def test_every_parameter_receives_a_gradient(name, way):
    flow, dim = make(name)
    flow.train()
    value, logabsdet = getattr(flow, way)(torch.randn(20, dim, dtype=torch.float64))
    (value.square().sum() + logabsdet.sum()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in flow.parameters())


@pytest.mark.parametrize("field", ["closed trace", "exact trace", "estimated trace"])
def test_gradients_are_those_of_the_solver(field):
    torch.manual_seed(4)
    flow = Continuous(2, Velocity(2, 5), steps=3, exact_dim=1 if "estimated" in field else 2)
    if field != "closed trace":
        flow.field.divergence = None
    flow.double()

    def loss(x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return sum(part.sum() for part in flow(x))

    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, x)


def test_mass_is_one_in_two_dimensions():
    torch.manual_seed(1)
    flow = ffjord(2, 16, fine_steps=32).eval()
    grid = torch.linspace(-9, 9, 241)
    x = torch.stack(torch.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    with torch.no_grad():
        mass = sum(float(flow.log_prob(c).double().exp().sum()) for c in x.split(30_000))
    assert abs(mass * float(grid[1] - grid[0]) ** 2 - 1) < 0.002


def test_state_dict_round_trip_keeps_the_density():
    flow, other = ffjord(3, 8).eval(), ffjord(3, 8).eval()
    other.load_state_dict(flow.state_dict())
    x = torch.randn(4, 3)
    assert other.log_prob(x).equal(flow.log_prob(x))


def test_wrong_use_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"shape \[B, 2\], got \[3\]"):
        ffjord(2).bijection(torch.zeros(3))
    with pytest.raises(ValueError, match="at least one step"):
        ffjord(2, steps=0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install torchdiffeq"):
        ffjord(2)
