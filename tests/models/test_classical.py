"""Closed-form densities: mass, sampler, gradients, extreme points, and their reference formulas."""

from __future__ import annotations

import importlib
import math

import pytest
import torch
from scipy import stats

MODELS = ["gaussian_diagonal", "gaussian", "histogram", "kde"]
SMOOTH = ["gaussian_diagonal", "gaussian", "kde"]


def module(name):
    return importlib.import_module(f"bench.models.{name}")


def points(n: int, dim: int, seed: int = 0) -> torch.Tensor:
    """Two correlated clusters of unequal width, float32 [n, dim]."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim, generator=g).cumsum(1) / math.sqrt(dim)
    return torch.where(torch.rand(n, 1, generator=g) < 0.6, x * 0.3 - 1, x + 0.5)


@pytest.mark.parametrize("name", MODELS)
class TestEveryModel:
    def test_mass_in_one_dimension(self, name, spec):
        """One random point per cell of a grid: no edge of a histogram can hide from it."""
        fitted = module(name).build(spec(points(400, 1)))
        grid = torch.arange(-60, 60, 0.004, dtype=torch.float64)[:, None]
        torch.manual_seed(0)
        mass = fitted.log_prob(grid + 0.004 * torch.rand_like(grid)).exp().sum() * 0.004
        assert abs(mass - 1) < 2e-3

    @pytest.mark.parametrize("dim", [1, 3])
    def test_sampler_draws_from_the_density(self, name, dim, spec):
        """The log-densities of draws against the mass of their bins on the first coordinate."""
        fitted = module(name).build(spec(points(1000, dim)))
        torch.manual_seed(0)
        drawn = fitted.sample(20_000)
        assert drawn.shape == (20_000, dim)
        assert drawn.dtype == torch.float32
        if dim == 1:
            edges = torch.linspace(-2.5, 3, 23, dtype=torch.float64)
            fine = torch.linspace(-2.5, 3, 22 * 400 + 1, dtype=torch.float64)
            middle = (fine[1:] + fine[:-1])[:, None] / 2
            mass = fitted.log_prob(middle).exp().view(22, 400).mean(1) * (edges[1] - edges[0])
            inside = drawn[(drawn >= edges[0]) & (drawn < edges[-1])].double()
            counts = torch.histc(inside, 22, edges[0].item(), edges[-1].item())
            expected = mass * 20_000
            chi2 = ((counts - expected).square() / expected)[expected > 5].sum()
            assert stats.chi2.sf(chi2.item(), int((expected > 5).sum())) > 1e-5
        else:  # E_q[r / q] = 1 for a normal r narrower than q's tails
            r = torch.distributions.Normal(0.0, 0.3)
            ratio = (r.log_prob(drawn.double()).sum(1) - fitted.log_prob(drawn)).exp()
            assert abs(ratio.mean() - 1) < 6 * ratio.std() / math.sqrt(20_000)

    def test_same_seed_same_draws(self, name, spec):
        fitted = module(name).build(spec(points(100, 2)))
        torch.manual_seed(3)
        first = fitted.sample(10)
        torch.manual_seed(3)
        assert torch.equal(first, fitted.sample(10))

    @pytest.mark.parametrize("dim", [1, 2, 5])
    def test_extreme_points_have_finite_values(self, name, dim, spec):
        fitted = module(name).build(spec(points(200, dim)))
        far = torch.tensor([-1e6, -1e3, 0.0, 1e3, 1e6])[:, None].repeat(1, dim)
        assert fitted.log_prob(far).isfinite().all()

    def test_values_do_not_depend_on_batch_or_dtype(self, name, spec):
        fitted = module(name).build(spec(points(300, 2)))
        x = points(50, 2, seed=1)
        whole = fitted.log_prob(x)
        alone = torch.cat([fitted.log_prob(row) for row in x.split(1)])
        assert whole.shape == (50,)
        assert torch.allclose(whole, alone, atol=1e-11, rtol=0)
        assert torch.allclose(whole, fitted.log_prob(x.double()), atol=1e-11, rtol=0)

    def test_constant_coordinate_is_finite(self, name, spec):
        x = points(100, 3)
        x[:, 1] = 0.7
        fitted = module(name).build(spec(x))
        assert fitted.log_prob(x).isfinite().all()
        assert fitted.sample(5).isfinite().all()

    def test_nothing_to_train_and_state_survives(self, name, spec):
        data = spec(points(100, 2))
        fitted, again = module(name).build(data), module(name).build(data)
        again.load_state_dict(fitted.state_dict())
        assert not list(fitted.parameters())
        assert torch.equal(fitted.log_prob(data.valid), again.log_prob(data.valid))


@pytest.mark.parametrize("name", SMOOTH)
def test_mass_in_two_dimensions(name, spec):
    fitted = module(name).build(spec(points(400, 2)))
    axis = torch.arange(-7, 7, 0.03, dtype=torch.float64)
    mass = fitted.log_prob(torch.cartesian_prod(axis, axis)).exp().sum() * 0.03**2
    assert abs(mass - 1) < 1e-3


def test_histogram_mass_in_two_dimensions(spec):
    """Density times area over all bins, read at their centres, and the tails' mass besides."""
    fitted = module("histogram").build(spec(points(400, 2)), bins=12)
    centres = fitted.low + (torch.arange(12)[:, None] + 0.5) * fitted.width
    body = fitted.log_prob(torch.cartesian_prod(*centres.T)).exp().sum() * fitted.width.prod()
    mass = fitted.log_mass.exp().view(14, 14)  # [second, first] coordinate's cell
    assert mass.sum().item() == pytest.approx(1, abs=1e-12)
    assert body.item() == pytest.approx(mass[1:-1, 1:-1].sum().item(), abs=1e-12)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_matches_finite_differences(name, spec):
    fitted = module(name).build(spec(points(200, 3)))
    x = points(2, 3, seed=2).double().requires_grad_()
    assert torch.autograd.gradcheck(fitted.log_prob, x)


def test_gaussian_equals_torch(spec):
    data = spec(points(500, 4))
    x = data.train_valid.double()
    expected = torch.distributions.MultivariateNormal(x.mean(0), x.T.cov(correction=0))
    got = module("gaussian").build(data)
    assert torch.allclose(got.log_prob(x), expected.log_prob(x), atol=1e-9)
    z, logabsdet = got.transform(x)
    jacobian = torch.autograd.functional.jacobian(lambda v: got.map_only(v[None])[0], x[0])
    assert torch.allclose(logabsdet[0], torch.linalg.slogdet(jacobian)[1], atol=1e-10)
    assert torch.allclose(got.inverse(z), x, atol=1e-10)
    assert torch.allclose(z.T.cov(correction=0), torch.eye(4).double(), atol=1e-9)


SINGULAR = {
    "collinear": lambda x: torch.cat([x, x[:, :1]], 1),
    "fewer points than coordinates": lambda x: torch.randn(4, 9),
    "all points equal": lambda x: torch.ones(10, 2),
}


@pytest.mark.parametrize("case", SINGULAR)
def test_gaussian_ridge_only_where_needed(case, spec):
    cholesky = module("gaussian").cholesky
    good = torch.tensor([[2.0, 0.6], [0.6, 1.0]]).double()
    factor = cholesky(good)
    assert torch.allclose(factor @ factor.T, good, atol=1e-15)
    fitted = module("gaussian").build(spec(SINGULAR[case](points(50, 3))))
    assert fitted.log_prob(torch.zeros(1, len(fitted.mean))).isfinite().all()
    assert fitted.scale.diagonal().min() > 0


def test_kde_equals_the_sum_over_kernels(spec):
    kde = module("kde")
    data = spec(points(300, 2))
    fitted = kde.build(data, bandwidth=0.2)
    x, c = points(40, 2, seed=3).double(), data.train_valid.double()
    kernel = torch.distributions.Normal(0.0, 0.2 * c.std(0, correction=0))
    direct = kernel.log_prob(x[:, None] - c).sum(2).logsumexp(1) - math.log(len(c))
    assert torch.allclose(fitted.log_prob(x), direct, atol=1e-10)


def test_kde_ladder_scores_and_choice(spec):
    kde = module("kde")
    data = spec(points(400, 2))
    train, valid = data.train.double(), data.valid.double()

    def score(h: float) -> float:
        fitted = kde.KDE(train, h * train.std(0, correction=0))
        return fitted.log_prob(valid).mean().item()

    ladder = [kde.WIDEST / 2 ** (k / 2) for k in range(kde.RUNGS)]
    direct = torch.tensor([score(h) for h in ladder], dtype=torch.float64)
    assert torch.allclose(kde.held_out(train, valid), direct, rtol=1e-9, atol=1e-9)
    assert score(kde.choose(train, valid)) >= direct.max() - 1e-3


def test_histogram_cells_hold_the_counts_and_the_mass(spec):
    build = module("histogram").build
    fitted = build(spec(points(1000, 3)), bins=20, alpha=0.5)
    assert fitted.log_mass.shape == (3, 22)
    assert torch.allclose(fitted.log_mass.exp().sum(1), torch.ones(3).double())
    x = points(1000, 3)
    cell = (fitted.cell(x.double())[:, 0] == 7).sum()
    expected = (cell + 0.5) / (1000 + 0.5 * 22)
    assert fitted.log_mass[0, 7].exp() == pytest.approx(expected.item())


@pytest.mark.parametrize("side", [-1, 1])
def test_histogram_tails_hold_their_mass(side, spec):
    fitted = module("histogram").build(spec(points(3000, 1)), bins=30)
    end = fitted.low if side < 0 else fitted.low + 30 * fitted.width
    step = fitted.tails[max(side, 0)] / 1000
    x = end + side * step * (torch.arange(40_000)[:, None] + 0.5)
    mass = fitted.log_prob(x).exp().sum() * step
    assert mass.item() == pytest.approx(fitted.log_mass[0, min(0, -side)].exp().item(), 1e-4)


def test_histogram_is_joint_in_two_dimensions(spec):
    g = torch.Generator().manual_seed(0)
    square = torch.rand(4000, 2, generator=g)
    checks = square + torch.randint(2, (4000, 1), generator=g)  # two of four squares
    fitted = module("histogram").build(spec(checks))
    fresh = torch.rand(2000, 2, generator=g) + torch.randint(2, (2000, 1), generator=g)
    assert fitted.log_prob(fresh).mean() > -math.log(2) - 0.15
    assert fitted.sample(1000).floor().clamp(0, 1).diff(dim=1).abs().mean() < 0.05
