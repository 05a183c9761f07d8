"""The importance-weighted bound against the exact marginal by quadrature over a 1-D latent."""

from __future__ import annotations

import math

import pytest
import torch

from bench.models import vae

DIM = 3


@pytest.fixture(params=[(2, 1), (5, 2), (5, 0)], ids=["bernoulli", "logistics", "table"])
def net(request, spec):
    """A 1-D latent, float64, weights large enough that z matters."""
    levels, components = request.param
    torch.manual_seed(0)
    x = torch.randint(levels, (200, DIM))
    made = vae.build(spec(x, levels=levels), latent=1, hidden=16, components=components)
    made = made.double().eval()
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.4 * torch.randn_like(p))
    return made.requires_grad_(False)


def exact(net, x: torch.Tensor) -> torch.Tensor:
    """log int p(x | z) N(z; 0, 1) dz by the trapezoid rule, [B]."""
    z = torch.linspace(-9, 9, 1201, dtype=torch.float64)
    outputs = net.decoder(z[:, None]).unflatten(-1, (DIM, net.head.size))
    likelihood = net.head.log_prob(outputs[:, None], x).sum(-1)
    prior = -0.5 * z.square() - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(likelihood + prior[:, None], 0) + math.log(18 / 1200)


def repeated(net, x: torch.Tensor, samples: int, times: int = 400) -> tuple[float, float]:
    """Mean over points and repetitions of the bound, and its standard error."""
    torch.manual_seed(samples)
    bounds = torch.stack([net.log_prob(x, samples=samples).mean() for _ in range(times)])
    return bounds.mean().item(), bounds.std().item() / math.sqrt(times)


def test_bound_rises_with_samples_to_the_exact_marginal(net):
    x = torch.randint(net.head.levels, (8, DIM))
    truth = exact(net, x).mean().item()
    (one, se_1), (ten, se_10), (hundred, se_100) = (repeated(net, x, k) for k in (1, 10, 100))
    assert one < ten + 4 * (se_1 + se_10)
    assert ten < hundred + 4 * (se_10 + se_100)
    assert one < truth + 5 * se_1
    assert hundred < truth + 5 * se_100
    assert hundred > truth - 0.25 * (truth - one) - 5 * se_100


def test_exponential_of_the_bound_is_unbiased(net):
    x = torch.randint(net.head.levels, (1, DIM)).repeat(20_000, 1)
    torch.manual_seed(0)
    ratio = (net.log_prob(x, samples=4) - exact(net, x[:1])).exp()
    assert abs(ratio.mean() - 1) < 6 * ratio.std() / math.sqrt(len(x))


def test_loss_is_the_bound_of_one_sample_in_expectation(net):
    x = torch.randint(net.head.levels, (4, DIM)).repeat(5000, 1)
    torch.manual_seed(1)
    difference = net.loss(x) + net.log_prob(x, samples=1)
    assert abs(difference.mean()) < 6 * difference.std() / math.sqrt(len(x))


def test_all_states_carry_unit_mass_in_expectation(net):
    levels = net.head.levels
    axis = torch.arange(levels)
    states = torch.cartesian_prod(*[axis] * DIM)
    assert exact(net, states).exp().sum().item() == pytest.approx(1, abs=1e-7)


def test_sampler_follows_the_marginal(net):
    levels = net.head.levels
    states = torch.cartesian_prod(*[torch.arange(levels)] * DIM)
    torch.manual_seed(0)
    drawn = net.sample(20_000)
    assert drawn.dtype == torch.int64
    first = drawn[:, 0].bincount(minlength=levels) / 20_000
    mass = torch.zeros(levels).double().index_add_(0, states[:, 0], exact(net, states).exp())
    assert ((first - mass).abs() < 6 * (mass * (1 - mass) / 20_000).sqrt() + 1e-9).all()


def test_memory_limit_changes_nothing(net, monkeypatch):
    x = torch.randint(net.head.levels, (3, DIM))
    torch.manual_seed(4)
    whole = net.log_prob(x, samples=12)
    monkeypatch.setattr(vae, "VALUES", 5 * len(x) * DIM * net.head.size)
    torch.manual_seed(4)
    assert torch.allclose(net.log_prob(x, samples=12), whole, atol=1e-12)


def test_float32_shapes_and_extremes(spec):
    data = spec(torch.randint(17, (50, DIM)), levels=17)
    made = vae.build(data).eval()
    corners = torch.tensor([[0] * DIM, [16] * DIM])
    assert made.log_prob(corners).isfinite().all()
    assert made.log_prob(corners, samples=1).shape == (2,)
    assert made.loss(corners).shape == (2,)
    assert made.sample(7).shape == (7, DIM)
    vae.build(spec(torch.randint(2, (20, 1)), levels=2)).eval().log_prob(torch.zeros(1, 1).long())
