"""Each known truth: its entropy, its mass, and its sampler against its density."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from bench.contract import Density
from bench.datasets._densities import LOG_2PI, GaussianMixture1d, Stretched
from bench.datasets.audit_truths import audit_continuous_64
from bench.datasets.known_truth_1d import claw
from bench.datasets.known_truth_2d import checkerboard, eight_gaussians, rings
from bench.datasets.known_truth_nd import awkward, linear_chain, nonlinear_ar, nonlinear_chain
from bench.registry import discover, load_function

TRUTHS = [e for e in discover().datasets.values() if e.truth and not e.context_dim]
PLANE = {
    "checkerboard": checkerboard(),
    "eight-gaussians": eight_gaussians(),
    "rings": rings(),
    "chain": nonlinear_chain(2, 2.5198362643),
    "stretched": Stretched(linear_chain(2, 0.9), torch.tensor([0.5, 1.5]), torch.tensor([1.0, -1])),
}
WIDTH = {"chain": 10.0, "stretched": 16.0}  # half a side of the square that holds the mass
CELLS, POINTS = 20, 60  # a side, and grid points in a cell's side


def draws(density: Density, n: int, seed: int = 0) -> Tensor:
    return density.sample(n, torch.Generator().manual_seed(seed))


def grid(name: str) -> tuple[Tensor, float]:
    """Log-density at the mid-points of a fine grid [side, side], and the area of a grid cell."""
    width, side = WIDTH.get(name, 8.0 if name == "eight-gaussians" else 4.0), CELLS * POINTS
    axis = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 * width - width
    rows = [
        PLANE[name].log_prob(torch.cartesian_prod(part, axis)).reshape(len(part), side)
        for part in axis.split(120)
    ]
    return torch.cat(rows), (2 * width / side) ** 2


@pytest.mark.parametrize("entry", TRUTHS, ids=lambda e: e.name)
def test_entropy_agrees_with_monte_carlo(entry):
    density = load_function(entry)()
    surprise = -density.log_prob(draws(density, 20_000))
    error = float(surprise.std()) / math.sqrt(len(surprise))
    assert abs(float(surprise.mean()) - density.entropy) <= 5 * error + 1e-12


@pytest.mark.parametrize("entry", TRUTHS, ids=lambda e: e.name)
def test_draws_are_reproducible(entry):
    density = load_function(entry)()
    x = draws(density, 100)
    assert density.log_prob(x).dtype == torch.float64
    assert x.dtype == (torch.float64 if entry.kind == "continuous" else torch.int64)
    assert x.shape == (100, *entry.shape)
    assert torch.equal(x, draws(density, 100))
    assert not torch.equal(x, draws(density, 100, seed=1))


@pytest.mark.parametrize("name", PLANE)
def test_plane_mass_and_entropy_by_quadrature(name):
    log_p, area = grid(name)
    p = log_p.exp()
    assert float(p.sum() * area) == pytest.approx(1, abs=1e-9)
    assert float(-torch.special.xlogy(p, p).sum() * area) == pytest.approx(
        PLANE[name].entropy, abs=1e-8
    )


@pytest.mark.parametrize("name", PLANE)
def test_plane_sampler_by_chi_squared_over_cells(name):
    n, (log_p, area) = 100_000, grid(name)
    mass = log_p.exp().reshape(CELLS, POINTS, CELLS, POINTS).sum((1, 3)).flatten() * area
    width = math.sqrt(area) * CELLS * POINTS / 2
    cell = ((draws(PLANE[name], n) + width) / (2 * width) * CELLS).floor().long()
    cell = cell.clamp(0, CELLS - 1)
    counts = torch.bincount(cell[:, 0] * CELLS + cell[:, 1], minlength=CELLS**2)
    common = mass * n >= 10
    observed = torch.cat([counts[common], counts[~common].sum()[None]]).numpy()
    expected = torch.cat([mass[common], mass[~common].sum()[None]]).numpy() * n
    keep = expected > 1e-6
    assert observed[~keep].sum() == 0
    assert stats.chisquare(observed[keep], expected[keep], sum_check=False).pvalue > 1e-4


def test_claw_mass_entropy_and_gaussian_score_by_quadrature():
    x = torch.linspace(-12, 12, 48_001, dtype=torch.float64)[:, None]
    log_p, dx = claw().log_prob(x), 24 / 48_000
    p = log_p.exp()
    assert float(p.sum() * dx) == pytest.approx(1, abs=1e-12)
    assert float(-(p * log_p).sum() * dx) == pytest.approx(claw().entropy, abs=1e-11)
    assert float((p * log_p.square()).sum() * dx - claw().entropy ** 2) == pytest.approx(
        0.8163812**2, abs=1e-6
    )
    variance = float((p * x[:, 0].square()).sum() * dx)
    assert variance == pytest.approx(0.755, abs=1e-12)
    gaussian = -0.5 * (LOG_2PI + math.log(variance) + 1)
    assert gaussian == pytest.approx(-1.2784197683381, abs=1e-12)


def test_claw_cdf_has_the_known_quantiles_and_the_density_as_slope():
    quantiles = {
        0.75: 0.607485088149,
        0.9: 1.059355427271,
        0.99: 2.053748910632,
        0.999: 2.878161739095,
    }
    x = torch.tensor(list(quantiles.values()), dtype=torch.float64)[:, None]
    assert claw().cdf(x).tolist() == pytest.approx(list(quantiles), abs=1e-12)
    x = torch.linspace(-3, 3, 301, dtype=torch.float64)[:, None]
    slope = (claw().cdf(x + 1e-5) - claw().cdf(x - 1e-5)) / 2e-5
    torch.testing.assert_close(slope, claw().log_prob(x).exp(), rtol=1e-7, atol=1e-9)


def test_claw_sampler_by_kolmogorov_smirnov():
    u = claw().cdf(draws(claw(), 100_000))
    assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-4


def test_mixture_normalises_its_weights():
    halves = GaussianMixture1d([1, 1], [-1, 1], [2 / 3, 2 / 3], entropy=1.540250731618)
    x = torch.linspace(-8, 8, 8001, dtype=torch.float64)[:, None]
    log_p = halves.log_prob(x)
    assert float(-(log_p.exp() * log_p).sum() * 16 / 8000) == pytest.approx(
        halves.entropy, abs=1e-10
    )


def chain_entropy(dim: int) -> float:
    """Entropy of the nonlinear chain: its marginals carried along a grid by quadrature."""
    chain = nonlinear_chain(dim, 0.0)
    x = torch.linspace(-10, 10, 801, dtype=torch.float64)
    sd = chain.sd(x)
    z = (x[:, None] - chain.mean(x)) / sd
    step = (-z.square() / 2).exp() / sd / math.sqrt(2 * math.pi) * 0.025
    p, total = (-x.square() / 2).exp() / math.sqrt(2 * math.pi), 0.0
    for _ in range(dim - 1):
        total += float((p * sd.log()).sum() * 0.025)
        p = step @ p
    return dim / 2 * (LOG_2PI + 1) + total


@pytest.mark.parametrize(
    ("dim", "entropy"), [(2, 2.5198362643), (8, 9.1889832933), (64, 71.4254724109)]
)
def test_nonlinear_chain_entropy_by_quadrature(dim, entropy):
    assert chain_entropy(dim) == pytest.approx(entropy, abs=2e-10)


def test_nonlinear_ar_entropy_counts_the_scales():
    scale, _ = awkward(64)
    assert nonlinear_ar().entropy == pytest.approx(
        chain_entropy(64) + float(np.log(scale.numpy()).sum()), abs=1e-9
    )
    assert float(scale[0]) == pytest.approx(10**-1.5)
    assert float(scale[-1]) == pytest.approx(10**0.5)


@pytest.mark.parametrize(
    ("dim", "entropy"), [(2, 2.0075114630), (64, 38.4990331102), (784, 462.2715425618)]
)
def test_linear_chain_entropy_in_closed_form(dim, entropy):
    assert linear_chain(dim, 0.9).entropy == pytest.approx(entropy, abs=1e-9)


def test_ar1_is_the_gaussian_of_its_covariance():
    scale, shift = awkward(64)
    lag = (torch.arange(64)[:, None] - torch.arange(64)).abs()
    covariance = 0.5**lag * scale[:, None] * scale
    reference = torch.distributions.MultivariateNormal(shift, covariance)
    x = draws(audit_continuous_64(), 20_000)
    torch.testing.assert_close(
        audit_continuous_64().log_prob(x), reference.log_prob(x), rtol=1e-9, atol=1e-9
    )
    assert audit_continuous_64().entropy == pytest.approx(float(reference.entropy()), abs=1e-9)
    whitened = torch.linalg.solve_triangular(
        torch.linalg.cholesky(covariance), (x - shift).T, upper=False
    )
    assert stats.kstest(whitened.flatten().numpy(), "norm").pvalue > 1e-4


def test_nonlinear_ar_log_prob_is_the_product_of_its_conditionals():
    scale, shift = awkward(64)
    x = draws(nonlinear_ar(), 5)
    for row, reported in zip(x, nonlinear_ar().log_prob(x), strict=True):
        state = ((row - shift) / scale).tolist()
        total = stats.norm.logpdf(state[0]) - math.log(float(scale[0]))
        for i in range(1, 64):
            mean = 0.8 * math.sin(2 * state[i - 1])
            sd = math.exp(0.3 * math.cos(state[i - 1]) - 0.5)
            total += stats.norm.logpdf(state[i], mean, sd) - math.log(float(scale[i]))
        assert float(reported) == pytest.approx(total, abs=1e-9)


SMOOTH = {
    "claw": (claw(), 0.02),
    "eight-gaussians": (eight_gaussians(), 0.1),
    "rings": (rings(), 0.03),
    "nonlinear-ar": (nonlinear_ar(), awkward(64)[0] * 0.03),
    "audit-continuous-64": (audit_continuous_64(), awkward(64)[0] * 0.03),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_sampler_against_density_by_translation(name):
    """E_p[p(x - d) / p(x)] = 1 for any shift d, whatever the dimension."""
    density, shift = SMOOTH[name]
    x = draws(density, 20_000, seed=3)
    weight = (density.log_prob(x - shift) - density.log_prob(x)).exp()
    error = float(weight.std()) / math.sqrt(len(weight))
    assert error < 0.01
    assert abs(float(weight.mean()) - 1) <= 5 * error


def test_checkerboard_is_zero_outside_its_cells():
    x = torch.tensor([[0.1, 0.1], [0.1, 2.1], [-0.1, 0.1], [4.1, 0.1], [-4.0, -4.0]])
    inside = checkerboard().log_prob(x.double()).isfinite()
    assert inside.tolist() == [True, False, False, False, True]


MARKOV = [e for e in TRUTHS if e.kind != "continuous"]


@pytest.mark.parametrize("entry", MARKOV, ids=lambda e: e.name)
def test_a_chain_scores_minus_its_entropy_on_its_own_draws(entry):
    density = load_function(entry)()
    log_p = density.log_prob(draws(density, 20_000))
    assert float(log_p.mean()) == pytest.approx(-density.entropy, abs=5 * float(log_p.std()) / 141)


@pytest.mark.parametrize("entry", [e for e in MARKOV if e.dim < 20], ids=lambda e: e.name)
def test_the_masses_of_a_small_chain_sum_to_one_and_give_its_entropy(entry):
    density = load_function(entry)()
    states = torch.cartesian_prod(*[torch.arange(entry.levels)] * entry.dim)
    log_p = density.log_prob(states)
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-12)
    assert -float((log_p.exp() * log_p).sum()) == pytest.approx(density.entropy, abs=1e-12)
