"""The flow as a density: mass one, samples of the right law, clear refusals."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from flow_cases import FLOWS, randomise

from bench.flows import MADE, AffineCoupling, Flow, ResidualNet, maf, nsf_coupling, realnvp, reverse

BAD = {
    "one point": (torch.zeros(2), None, r"shape \[B, 2\], got \[2\]"),
    "wrong dimension": (torch.zeros(4, 3), None, r"shape \[B, 2\], got \[4, 3\]"),
    "image": (torch.zeros(4, 1, 2, 1), None, r"x\.reshape\(-1, 2\)"),
    "unexpected context": (torch.zeros(4, 2), torch.zeros(4, 1), "takes no context"),
}


@pytest.mark.parametrize("name", FLOWS)
def test_mass_is_one_in_two_dimensions(name):
    torch.manual_seed(1)
    flow = FLOWS[name](2, 16, 3)
    randomise(flow, 0.15)
    grid = torch.linspace(-30, 30, 701)
    x = torch.stack(torch.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    with torch.no_grad():
        mass = sum(float(flow.log_prob(c).double().exp().sum()) for c in x.split(100_000))
    assert abs(mass * float(grid[1] - grid[0]) ** 2 - 1) < 0.002


@pytest.mark.parametrize("name", FLOWS)
def test_samples_map_back_to_the_noise_they_came_from(name):
    torch.manual_seed(0)
    flow = FLOWS[name](3, 16, 3)
    randomise(flow, 0.2)
    torch.manual_seed(5)
    x = flow.sample(50)
    torch.manual_seed(5)
    noise = torch.randn(50, 3)
    z, logabsdet = flow.transform(x)
    torch.testing.assert_close(z, noise, atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(flow.map_only(x), z)
    normal = torch.distributions.Normal(0, 1)
    torch.testing.assert_close(flow.log_prob(x), normal.log_prob(z).sum(1) + logabsdet)


@pytest.mark.parametrize("name", FLOWS)
def test_a_float64_copy_samples_in_float64(name):
    flow = FLOWS[name](3, 8, 2).double()
    assert flow.sample(4).dtype == torch.float64
    assert flow.log_prob(flow.sample(4)).dtype == torch.float64


@pytest.mark.parametrize("name", FLOWS)
def test_conditional_flows(name):
    torch.manual_seed(0)
    flow = FLOWS[name](3, 8, 2, context_dim=2)
    randomise(flow, 0.3)
    x, context = torch.randn(5, 3), torch.randn(5, 2)
    with torch.no_grad():
        z, _ = flow.transform(x, context)
        torch.testing.assert_close(flow.inverse(z, context)[0], x, atol=1e-4, rtol=1e-4)
        other, _ = flow.transform(x, context + 1)
    assert not torch.allclose(z, other, atol=1e-2)
    assert flow.sample(5, context).shape == (5, 3)
    with pytest.raises(ValueError, match=r"takes a context of shape \[5, 2\], got None"):
        flow.log_prob(x)


@pytest.mark.parametrize("name", FLOWS)
def test_draws_come_with_their_density_in_one_pass(name):
    torch.manual_seed(0)
    flow = FLOWS[name](3, 8, 2, context_dim=2)
    randomise(flow, 0.3)
    flow.double()
    context = torch.randn(6, 2, dtype=torch.float64)
    with torch.no_grad():
        torch.manual_seed(1)
        x, log_prob = flow.sample_and_log_prob(6, context)
        torch.manual_seed(1)
        torch.testing.assert_close(flow.sample(6, context), x)
        torch.testing.assert_close(flow.log_prob(x, context), log_prob, atol=1e-9, rtol=1e-9)
        z, logabsdet = flow(x, context)
        back, minus = flow.inverse(z, context)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(minus, -logabsdet, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", FLOWS)
def test_gradients_flow_through_draws(name):
    """Reverse KL to a shifted normal: the gradient is that of finite differences."""
    torch.manual_seed(0)
    flow = FLOWS[name](2, 8, 2)
    randomise(flow, 0.3)
    flow.double()
    parameter = next(p for p in flow.parameters() if p.dim() > 1)

    def divergence() -> torch.Tensor:
        torch.manual_seed(1)
        x, log_prob = flow.sample_and_log_prob(50)
        return (log_prob + 0.5 * (x - 1).square().sum(1)).mean()

    divergence().backward()
    direction, h = torch.randn_like(parameter), 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            parameter.add_(sign * h * direction)
            values.append(float(divergence()))
            parameter.sub_(sign * h * direction)
    numeric = (values[0] - values[1]) / (2 * h)
    assert float((parameter.grad * direction).sum()) == pytest.approx(numeric, rel=1e-4, abs=1e-7)
    assert not flow.sample(3).requires_grad


@pytest.mark.parametrize("case", BAD)
def test_wrong_shapes_are_refused(case):
    x, context, words = BAD[case]
    flow = realnvp(2, 8, 2)
    for call in (flow.log_prob, flow.transform, flow.map_only, flow, flow.inverse):
        with pytest.raises(ValueError, match=words):
            call(x, context)


def test_couplings_need_two_kinds_of_coordinates():
    for build in (realnvp, nsf_coupling):
        with pytest.raises(ValueError, match="D >= 2"):
            build(1)
    with pytest.raises(ValueError, match="both kinds"):
        AffineCoupling([True, True], lambda i, o: ResidualNet(i, o, 4))


def test_degrees_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="3 degree vectors of 4 units"):
        MADE(3, 4, degrees=[torch.ones(4, dtype=torch.long)])
    mixed = [torch.tensor([1, 2]), torch.tensor([2, 2]), torch.tensor([2, 2])]
    with pytest.raises(ValueError, match="same degrees"):
        MADE(3, 2, degrees=mixed)


def test_every_dependency_of_a_wide_enough_maf_exists():
    torch.manual_seed(0)
    flow = maf(9, hidden=8, layers=1)
    randomise(flow)
    x = torch.randn(9)
    jacobian = torch.autograd.functional.jacobian(lambda r: flow.map_only(r[None])[0], x)
    jacobian = jacobian.flip(1)  # undo the reversal
    assert (jacobian.triu(1) == 0).all()
    assert (jacobian[torch.ones(9, 9).tril() > 0] != 0).all()


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    for build in FLOWS.values():
        flow = build(3, 8, 2, dropout=0.5)
        randomise(flow)
        x = torch.randn(20, 3)
        assert not flow.log_prob(x).equal(flow.log_prob(x))
        flow.eval()
        assert flow.log_prob(x).equal(flow.log_prob(x))


def test_a_flow_without_parameters_is_the_standard_normal_reversed():
    x = torch.randn(6, 3)
    normal = torch.distributions.Normal(0, 1)
    flow = Flow(reverse(3), 3)
    torch.testing.assert_close(flow.log_prob(x), normal.log_prob(x).sum(1))
    assert flow.sample(2).shape == (2, 3)


def test_importing_the_flows_loads_nothing_of_the_harness_or_nflows():
    code = (
        "import sys, bench.flows;"
        "print([m for m in sys.modules if m == 'nflows' or m.startswith('bench.')"
        " and not m.startswith(('bench.flows', 'bench.contract', 'bench.kernels'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
