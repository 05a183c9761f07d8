"""Known densities in many dimensions: entropies, samplers, and the same law computed otherwise."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import MultivariateNormal
from truth_cases import (
    FAULTS,
    Axis,
    assert_mass_and_entropy,
    assert_normal,
    assert_translates,
    assert_uniform,
    draws,
    integrate,
)

from bench.contract import Density
from bench.datasets._densities import GaussianMixture
from bench.datasets._wide import Funnel, GaussianCopula, QuadtreeImage, hadamard_mixture
from bench.datasets.known_truth_nd import linear_chain, nonlinear_chain
from bench.datasets.known_truth_wide import cycling_copula, quadtree_32

MARGINALS = (stats.expon(), stats.logistic(), stats.t(5), stats.beta(2, 5))
PIXELS = [64.0, 64.0, 128.0, 256.0, 512.0, 1024.0]


def test_funnel_entropy() -> None:
    assert Funnel(10).entropy == pytest.approx(15.2879976207, abs=1e-9)
    assert Funnel(64).entropy == pytest.approx(91.9106784138, abs=1e-9)


@pytest.mark.parametrize(
    ("dim", "h"), [(4, 3.4735413035), (16, 13.2247345600), (64, 52.2295075859)]
)
def test_copula_entropy(dim: int, h: float) -> None:
    assert cycling_copula(dim, 0.6).entropy == pytest.approx(h, abs=1e-9)


#: by Monte Carlo, with one standard error; the quadrature of `hadamard_mixture` is exact
MIXTURES = [
    (1.0, 93.5846546, 2e-7),
    (0.5, 93.50889, 2e-4),
    (0.2, 91.86915, 3e-4),
    (0.1, 91.10507, 1e-4),
]


@pytest.mark.parametrize(("height", "h", "error"), MIXTURES)
def test_hadamard_mixture_entropy(height: float, h: float, error: float) -> None:
    assert hadamard_mixture(64, 16, height).entropy == pytest.approx(h, abs=3 * error)


def test_hadamard_mixture_of_two_by_quadrature_on_the_line() -> None:
    """Of two components only the line through the means matters: sqrt(2 dim) heights apart."""
    mixture = hadamard_mixture(4, 2, 0.7)
    apart = 0.7 * math.sqrt(8)
    line = GaussianMixture([1, 1], [[0.0], [apart]], [1.0, 1.0], 0.0)
    x, w = Axis.even(-10, 10 + apart, 60).points
    log_p = line.log_prob(x[:, None])
    entropy = -float((w * log_p.exp() * log_p).sum()) + 1.5 * (math.log(2 * math.pi) + 1)
    assert mixture.entropy == pytest.approx(entropy, abs=1e-10)


def test_hadamard_means_are_orthogonal_and_any_other_dim_is_refused() -> None:
    means = hadamard_mixture(32, 5, 0.5).means
    torch.testing.assert_close(means @ means.T, 8 * torch.eye(5, dtype=torch.float64))
    assert means.sum(1).tolist() == [0] * 5
    for dim in (24, 16):
        with pytest.raises(ValueError, match="dim must be a power of two above the number"):
            hadamard_mixture(dim, 16, 1.0)


def test_quadtree_entropy_and_bits() -> None:
    assert quadtree_32().entropy == pytest.approx(3874.14660944, abs=5e-9)
    assert quadtree_32().bits_per_dim == pytest.approx(5.4582149425, abs=5e-11)


def test_entropy_of_the_longest_nonlinear_chain_by_draws() -> None:
    chain = nonlinear_chain(784, 871.6089038945)
    surprise = -chain.log_prob(draws(chain, 4000))
    assert float(surprise.mean()) == pytest.approx(
        chain.entropy, abs=5 * float(surprise.std()) / 63
    )


def block_covariance(variances: list[float]) -> Tensor:
    """Of a quadtree image, pixel by pixel: what two pixels share are the blocks that hold both."""
    side = 2 ** (len(variances) - 1)
    row, column = torch.arange(side**2) // side, torch.arange(side**2) % side
    covariance = torch.zeros(side**2, side**2, dtype=torch.float64)
    for level, variance in enumerate(variances):
        block = (row >> level) * side + (column >> level)
        covariance += variance * (block[:, None] == block)
    return covariance


def quadtree_scores(image: QuadtreeImage, x: Tensor) -> Tensor:
    root = torch.linalg.cholesky(block_covariance(image.sds.square().tolist()))
    return torch.linalg.solve_triangular(root, x.flatten(1).T, upper=False).T


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_quadtree_is_the_gaussian_of_its_covariance(levels: int) -> None:
    image, covariance = QuadtreeImage(PIXELS[:levels]), block_covariance(PIXELS[:levels])
    reference = MultivariateNormal(torch.zeros(len(covariance), dtype=torch.float64), covariance)
    x = draws(image, 500)
    assert x.shape == (500, 1, image.side, image.side)
    torch.testing.assert_close(
        image.log_prob(x), reference.log_prob(x.flatten(1)), rtol=1e-11, atol=1e-9
    )
    assert image.entropy == pytest.approx(float(reference.entropy()), abs=1e-9)


def funnel_scores(x: Tensor) -> Tensor:
    v = x[:, :1]
    return torch.cat([v / 3, x[:, 1:] * (-v / 2).exp()], 1)


def normal_scores(x: Tensor) -> Tensor:
    """Of each coordinate of the copula, by SciPy's marginals."""
    columns = []
    for i, column in enumerate(x.T.numpy()):
        law = MARGINALS[i % 4]
        low, high = law.cdf(column), law.sf(column)
        score = stats.norm.ppf(low)
        score[high < low] = stats.norm.isf(high[high < low])
        columns.append(torch.from_numpy(score))
    return torch.stack(columns, 1)


def chain_scores(z: Tensor, rho: float) -> Tensor:
    step = (z[:, 1:] - rho * z[:, :-1]) / math.sqrt(1 - rho**2)
    return torch.cat([z[:, :1], step], 1)


#: density, and the map of its draws to independent standard normals
SCORES: dict[str, tuple[Any, Any]] = {
    "funnel": (Funnel(10), funnel_scores),
    "copula": (cycling_copula(16, 0.6), lambda x: chain_scores(normal_scores(x), 0.6)),
    "chain": (linear_chain(64, 0.9), lambda x: chain_scores(x, 0.9)),
    "quadtree": (
        QuadtreeImage(PIXELS[:4]),
        lambda x: quadtree_scores(QuadtreeImage(PIXELS[:4]), x),
    ),
}


def assert_scores_fit(density: Density, scores: Any, n: int) -> None:
    """Independent standard normals, by all of them, by their sums and by their squares."""
    z = scores(draws(density, n))
    assert_normal(z)
    assert_normal(z.sum(1) / math.sqrt(z.shape[1]))
    squares = stats.chi2(z.shape[1]).cdf(z.square().sum(1).numpy())
    assert_uniform(torch.from_numpy(squares))


@pytest.mark.parametrize("name", SCORES)
def test_draws_become_independent_normals(name: str) -> None:
    assert_scores_fit(*SCORES[name], 20_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dim"), [("funnel", 4), ("copula", 4), ("chain", 4), ("quadtree", 4)]
)
def test_a_million_draws_become_independent_normals(name: str, dim: int) -> None:
    small = {
        "funnel": Funnel(dim),
        "copula": cycling_copula(dim, 0.6),
        "chain": linear_chain(dim, 0.9),
        "quadtree": QuadtreeImage(PIXELS[:2]),
    }[name]
    scores = SCORES[name][1] if name != "quadtree" else lambda x: quadtree_scores(small, x)
    assert_scores_fit(small, scores, 1_000_000)


@pytest.mark.parametrize("name", SCORES)
def test_a_sampler_that_is_too_narrow_is_found(name: str) -> None:
    density, scores = SCORES[name]
    with pytest.raises(AssertionError):
        assert_scores_fit(FAULTS["sample"](density), scores, 20_000)


def test_funnel_log_prob_is_the_product_of_its_conditionals() -> None:
    x = draws(Funnel(5), 1000)
    v = x[:, 0].numpy()
    expected = stats.norm(0, 3).logpdf(v)
    for column in x.T[1:].numpy():
        expected = expected + stats.norm(0, torch.from_numpy(v / 2).exp().numpy()).logpdf(column)
    torch.testing.assert_close(
        Funnel(5).log_prob(x), torch.from_numpy(expected), rtol=1e-11, atol=1e-10
    )


def test_copula_log_prob_by_the_change_of_variables() -> None:
    copula = cycling_copula(9, 0.6)
    x = draws(copula, 2000)
    z = normal_scores(x)
    lag = (torch.arange(9)[:, None] - torch.arange(9)).abs()
    joint = MultivariateNormal(torch.zeros(9, dtype=torch.float64), 0.6 ** lag.double())
    expected = joint.log_prob(z) - torch.from_numpy(stats.norm.logpdf(z.numpy())).sum(1)
    for i, column in enumerate(x.T.numpy()):
        expected = expected + torch.from_numpy(MARGINALS[i % 4].logpdf(column))
    torch.testing.assert_close(copula.log_prob(x), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("column", range(4))
def test_copula_marginals(column: int) -> None:
    x = draws(cycling_copula(8, 0.6), 20_000)[:, 4 + column]
    assert stats.kstest(x.numpy(), MARGINALS[column].cdf).pvalue > 1e-4


@pytest.mark.parametrize("fault", [None, "entropy", "log_prob"])
def test_copula_of_two_by_quadrature(fault: str | None) -> None:
    copula = cycling_copula(4, 0.6)
    laws = copula.laws[1:3]
    pair: Density = GaussianCopula(laws, 0.6)
    edges = torch.special.ndtr(torch.linspace(-7, 7, 57, dtype=torch.float64))
    x, y = (Axis(law.quantile(edges)) for law in laws)
    if fault is None:
        assert_mass_and_entropy(pair, integrate(pair, x, y))
        return
    faulty = FAULTS[fault](pair)
    found = integrate(faulty, x, y)
    with pytest.raises(AssertionError):
        assert_mass_and_entropy(faulty, found)


#: density, a shift, and how far it goes
TRANSLATED: dict[str, tuple[Density, float]] = {
    "copula": (GaussianCopula(cycling_copula(4, 0.6).laws[1:3], 0.6), 0.1),
    "chain": (linear_chain(64, 0.9), 0.005),
    "mixture": (hadamard_mixture(64, 16, 0.5), 0.03),
    "quadtree": (quadtree_32(), 0.03),
}


@pytest.mark.parametrize("name", TRANSLATED)
def test_sampler_against_density_by_translation(name: str) -> None:
    density, shift = TRANSLATED[name]
    assert_translates(density, [shift], 5000 if name == "quadtree" else 20_000)


@pytest.mark.parametrize("n", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_hadamard_draws_in_the_directions_of_the_means(n: int) -> None:
    """One direction at random of 16 carries a mean; all others hold pure noise."""
    mixture = hadamard_mixture(32, 16, 0.5)
    directions = mixture.means / mixture.means.norm(dim=1, keepdim=True)
    height = float(mixture.means[0].norm())
    along = draws(mixture, n) @ directions.T
    for column in along.T:
        assert_uniform(
            torch.special.ndtr(column) * 15 / 16 + torch.special.ndtr(column - height) / 16
        )
    total = along.sum(1)
    assert_normal((total - height) / 4)
