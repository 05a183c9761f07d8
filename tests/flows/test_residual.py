"""Residual flows: contractions in fact, inverses, log-determinants exact and without bias."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from flow_cases import randomise
from test_bijections import assert_round_trip, jacobian_logdet
from torch import Tensor

from bench.flows import Bijection
from bench.flows.residual.block import InvertibleResidual, residual_flow
from bench.flows.residual.fixed_point import fixed_point
from bench.flows.residual.lipschitz import LipschitzNet, SpectralLinear
from bench.flows.residual.series import roulette_logdet

#: name -> (dimension, maker)
CASES: dict[str, tuple[int, Callable[[], Bijection]]] = {
    "plane": (2, lambda: InvertibleResidual(2, 16)),
    "one dimension": (1, lambda: InvertibleResidual(1, 8)),
    "one hidden layer": (3, lambda: InvertibleResidual(3, 8, 1)),
    "no hidden layer": (3, lambda: InvertibleResidual(3, 8, 0)),
    "deep, near the bound": (4, lambda: InvertibleResidual(4, 12, 4, bound=0.99)),
    "wide": (20, lambda: InvertibleResidual(20, 8)),
    "flow": (3, lambda: residual_flow(3, 12, 3).bijection),
}
SCALES = {"start": None, "small": 0.05, "large": 3.0}


def make(name: str, scale: float | None = 0.5) -> tuple[Bijection, int]:
    """A float64 bijection in evaluation mode, its weights random, and its dimension."""
    dim, maker = CASES[name]
    torch.manual_seed(7)
    bijection = maker()
    if scale is not None:
        randomise(bijection, scale)
    return bijection.double().eval(), dim


def far(dim: int) -> Tensor:
    """Random points, and rows far out."""
    extreme = torch.tensor([40.0, -1e3, 1e5], dtype=torch.float64)[:, None].expand(-1, dim)
    return torch.cat([torch.randn(30, dim, dtype=torch.float64), extreme])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_the_bound_holds_in_evaluation(layers, scale):
    torch.manual_seed(1)
    net = LipschitzNet(5, 16, layers, 0.9)
    if SCALES[scale]:
        randomise(net, SCALES[scale])
    net.double().eval()
    product = torch.ones((), dtype=torch.float64)
    for matrix in net.matrices():
        product = product * torch.linalg.svdvals(matrix)[0]
    assert product <= 0.9 * (1 + 1e-12)
    x = 3 * torch.randn(200, 5, dtype=torch.float64)
    jacobian = net.linearise(x, net.matrices()).jacobian_transposed()
    assert torch.linalg.svdvals(jacobian).max() <= product * (1 + 1e-12)


@pytest.mark.parametrize("shape", [(3, 3), (40, 2), (2, 40)])
def test_power_iteration_converges_to_the_largest_singular_value(shape):
    torch.manual_seed(2)
    linear = SpectralLinear(shape[1], shape[0], 0.5).double()
    with torch.no_grad():
        linear.weight.mul_(10)
        for _ in range(100):
            trained = linear.matrix()
        torch.testing.assert_close(trained, linear.eval().matrix(), atol=1e-6, rtol=1e-5)


def test_evaluation_changes_no_state():
    flow = residual_flow(3, 8, 2)
    flow.log_prob(torch.randn(20, 3))
    flow.eval()
    before = copy.deepcopy(flow.state_dict())
    flow.log_prob(torch.randn(20, 3))
    flow.sample(5)
    after = flow.state_dict()
    assert all(after[k].equal(v) for k, v in before.items())
    flow.train()
    flow.log_prob(torch.randn(20, 3))
    moved = [k for k, v in flow.state_dict().items() if not v.equal(before[k])]
    assert moved
    assert all(k.endswith("left") for k in moved)


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name):
    bijection, dim = make(name)
    assert_round_trip(bijection, far(dim), 1e-11)
    assert_round_trip(bijection.float(), far(dim).float(), 1e-4)


@pytest.mark.parametrize("name", CASES)
def test_logabsdet_is_that_of_the_jacobian_both_ways(name):
    bijection, dim = make(name)
    x = torch.randn(6, dim, dtype=torch.float64)
    expected = jacobian_logdet(lambda r: bijection(r)[0], x)
    torch.testing.assert_close(bijection(x)[1], expected, atol=1e-10, rtol=0)
    expected = jacobian_logdet(lambda r: bijection.inverse(r)[0], x)
    torch.testing.assert_close(bijection.inverse(x)[1], expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_the_rest_of_the_protocol(name):
    bijection, dim = make(name)
    x = far(dim)
    kept = x.clone()
    with torch.no_grad():
        z, _ = bijection(x)
        assert bijection.map_only(x).equal(z)
        bijection.inverse(x)
        for n in (0, 1):
            value, logabsdet = bijection.inverse(x[:n])
            assert value.shape == (n, dim)
            assert logabsdet.shape == (n,)
            torch.testing.assert_close(value, bijection.inverse(x)[0][:n])
    assert x.equal(kept)
    recorded = bijection.inverse(x)[0]
    with torch.no_grad():
        torch.testing.assert_close(recorded, bijection.inverse(x)[0], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("way", ["forward", "inverse"])
@pytest.mark.parametrize("training", [True, False])
def test_every_parameter_receives_a_gradient(training, way):
    torch.manual_seed(0)
    block = InvertibleResidual(3, 8, exact_dim=2).train(training)
    value, logabsdet = getattr(block, way)(torch.randn(30, 3))
    (value.square().sum() + logabsdet.sum()).backward()
    final = "net.linears.2.bias"  # shifts everything: no part of the derivative
    for name, p in block.named_parameters():
        assert p.grad is not None
        assert p.grad.isfinite().all()
        assert name == final or p.grad.abs().max() > 0


def test_gradients_of_the_inverse_are_those_of_the_implicit_function():
    block, _ = make("plane", 0.8)
    z = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: block.inverse(z), z)


@pytest.mark.parametrize(("terms", "keep"), [(1, 0.5), (2, 0.7), (4, 0.7), (30, 0.0)])
def test_the_roulette_is_unbiased(terms, keep):
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    scale = torch.linspace(-0.7, -0.3, 6, dtype=torch.float64)  # every term of the series counts
    jacobian = turn @ scale.diag() @ turn.T
    exact = torch.linalg.slogdet(torch.eye(6, dtype=torch.float64) + jacobian).logabsdet
    torch.manual_seed(3)
    found = []
    for _ in range(4000):
        noise = 2.0 * torch.randint(0, 2, (4, 6), dtype=torch.float64) - 1
        found.append(roulette_logdet(lambda v: v @ jacobian, noise, terms, keep).mean())
    estimates = torch.stack(found)  # one draw of the length each: independent
    error = estimates.std() / len(estimates) ** 0.5
    assert (estimates.mean() - exact).abs() < 5 * error + 1e-6
    assert error < 0.05


def test_training_beyond_the_exact_dimension_is_unbiased():
    torch.manual_seed(0)
    estimated = InvertibleResidual(5, 8, exact_dim=2).double()
    x = torch.randn(3, 5, dtype=torch.float64)
    with torch.no_grad():
        for _ in range(100):
            estimated(x)  # the power iteration settles
        values = torch.stack([estimated(x)[1] for _ in range(3000)])
        exact = estimated.eval()(x)[1]
    error = values.std(0) / len(values) ** 0.5
    assert ((values.mean(0) - exact).abs() < 5 * error).all()
    assert values.std(0).min() > 0.01


def test_mass_is_one_in_two_dimensions():
    torch.manual_seed(1)
    flow = residual_flow(2, 16, 3)
    randomise(flow, 0.7)
    flow.eval()
    grid = torch.linspace(-30, 30, 701)
    x = torch.stack(torch.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    with torch.no_grad():
        mass = sum(float(flow.log_prob(c).double().exp().sum()) for c in x.split(100_000))
    assert abs(mass * float(grid[1] - grid[0]) ** 2 - 1) < 0.002


def test_a_point_does_not_depend_on_its_batch_mates():
    flow = residual_flow(2, 16, 3).bijection.double().eval()
    z = torch.randn(8, 2, dtype=torch.float64)
    beside = torch.cat([z, 1e4 * torch.randn(50, 2, dtype=torch.float64)])
    with torch.no_grad():
        together, alone = flow.inverse(beside)[0], flow.inverse(z)[0]
    torch.testing.assert_close(together[:8], alone, atol=1e-13, rtol=0)


def test_each_point_stops_on_its_own_and_an_expansion_is_refused():
    seen = []

    def step(x: Tensor, rows: Tensor, factors: tuple[float, float] = (0.0, 0.5)) -> Tensor:
        seen.append(len(x))
        return x * x.new_tensor(factors)[rows, None]

    start = torch.ones(2, 3, dtype=torch.float64)
    assert fixed_point(step, start).abs().max() < 1e-13
    assert seen[0] == 2
    assert seen[-1] == 1
    with pytest.raises(RuntimeError, match=r"1 of 2 points still move after 60 steps.*eval\(\)"):
        fixed_point(lambda x, rows: step(x, rows, (-1.0, 0.5)), start, 60)
    assert fixed_point(lambda x, rows: x, torch.full((1, 2), torch.nan)).isnan().all()


def test_state_dict_round_trip_keeps_the_density():
    torch.manual_seed(0)
    flow, other = residual_flow(3, 8, 2), residual_flow(3, 8, 2)
    flow.log_prob(torch.randn(40, 3))
    other.load_state_dict(flow.state_dict())
    x = torch.randn(9, 3)
    assert other.eval().log_prob(x).equal(flow.eval().log_prob(x))


WRONG = {
    "bound": (lambda: InvertibleResidual(2, bound=1.0), r"\(0, 1\), not 1.0"),
    "terms": (lambda: roulette_logdet(lambda v: v, torch.ones(1, 1), 0), "terms >= 1"),
    "keep": (lambda: roulette_logdet(lambda v: v, torch.ones(1, 1), 1, 1.0), "keep < 1"),
    "shape": (lambda: InvertibleResidual(2)(torch.zeros(3)), r"shape \[B, 2\], got \[3\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_refused(case):
    call, words = WRONG[case]
    with pytest.raises(ValueError, match=words):
        call()
