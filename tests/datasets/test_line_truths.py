"""Known densities on the line: entropy, distribution function, quantiles, sampler."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats
from truth_cases import FAULTS, Axis, Faulty, assert_uniform, draws

from bench.datasets._densities import LOG_2PI
from bench.registry import discover, load_function

LINE: dict[str, Any] = {
    e.name: load_function(e)()
    for e in discover().datasets.values()
    if e.truth and e.shape == (1,) and not e.context_dim
}
#: differential entropy, and divergence from the maximum-likelihood Gaussian: nats
MARRON_WAND = {
    "standard-normal": (1.418938533205, 0.0),
    "skewed-unimodal": (1.173500513443, 0.0420105386),
    "strongly-skewed": (1.001441600495, 0.4549523792),
    "kurtotic": (1.024547013682, 0.1941527362),
    "outlier": (-0.429801377194, 0.7405362120),
    "bimodal": (1.540250731618, 0.0625501916),
    "separated-bimodal": (1.415089285674, 0.4619946135),
    "skewed-bimodal": (1.451605114548, 0.0583495002),
    "trimodal": (1.569582345305, 0.0924945633),
    "claw": (1.192764215731, 0.085655552607),
    "double-claw": (1.534594502709, 0.0651206876),
    "asymmetric-claw": (1.423759327954, 0.1028480404),
    "asymmetric-double-claw": (1.515208450183, 0.0786943800),
    "smooth-comb": (1.412700775659, 0.5029496205),
    "discrete-comb": (1.411898500198, 0.5323477633),
}
LAWS = {
    "standard-laplace": (1.693147180560, stats.laplace()),
    "standard-logistic": (2.0, stats.logistic()),
    "standard-gumbel": (1.577215664902, stats.gumbel_r()),
    "student-t-3": (1.773477571863, stats.t(3)),
    "student-t-5": (1.627502672414, stats.t(5)),
    "beta-2-5": (-0.484530714995, stats.beta(2, 5)),
}
ENTROPIES = {name: row[0] for name, row in (MARRON_WAND | LAWS).items()}


def panels(density: Any, count: int = 2000) -> Axis:
    """Panels of equal mass, and shorter and shorter ones out to mass 2^-42 on either side."""
    tail = 2.0 ** -torch.arange(42, 11, -1, dtype=torch.float64)
    u = torch.cat([tail, torch.linspace(0, 1, count + 1).double()[1:-1], 1 - tail.flip(0)])
    return Axis(density.quantile(u)[:, 0])


def assert_integrates(density: Any) -> None:
    """Mass, entropy and distribution function, by quadrature of the density."""
    axis = panels(density)
    x, w = axis.points
    log_p = density.log_prob(x[:, None])
    mass = w * log_p.exp()
    assert float(mass.sum()) == pytest.approx(1, abs=1e-10)
    assert -float((mass * log_p).sum()) == pytest.approx(density.entropy, abs=1e-9)
    below = density.cdf(axis.edges[:, None])
    steps = mass.reshape(-1, axis.nodes).sum(1)
    torch.testing.assert_close(below[1:] - below[0], steps.cumsum(0), rtol=0, atol=1e-11)


def assert_inverts(density: Any) -> None:
    u = torch.linspace(1e-6, 1 - 1e-6, 20_001, dtype=torch.float64)
    x = density.quantile(u)
    again = density.quantile(density.cdf(x))
    torch.testing.assert_close(again, x, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(density.cdf(x), u, rtol=0, atol=1e-12)


def assert_fits(density: Any, n: int) -> None:
    assert_uniform(density.cdf(draws(density, n)))


def test_every_density_on_the_line_has_its_entropy_here() -> None:
    assert set(LINE) == set(ENTROPIES)


@pytest.mark.parametrize("name", LINE)
def test_the_entropy_is_the_known_one(name: str) -> None:
    assert LINE[name].entropy == pytest.approx(ENTROPIES[name], abs=1e-12)


@pytest.mark.parametrize("name", LINE)
def test_mass_entropy_and_cdf_by_quadrature(name: str) -> None:
    assert_integrates(LINE[name])


@pytest.mark.parametrize("name", LINE)
def test_the_quantile_of_the_cdf_is_the_point(name: str) -> None:
    assert_inverts(LINE[name])


@pytest.mark.parametrize("name", LINE)
def test_draws_follow_the_cdf(name: str) -> None:
    assert_fits(LINE[name], 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", LINE)
def test_a_million_draws_follow_the_cdf(name: str) -> None:
    assert_fits(LINE[name], 1_000_000)


@pytest.mark.parametrize("name", MARRON_WAND)
def test_divergence_from_the_gaussian_of_the_same_moments(name: str) -> None:
    x, w = panels(LINE[name]).points
    mass = w * LINE[name].log_prob(x[:, None]).exp()
    mean = float((mass * x).sum())
    variance = float((mass * (x - mean).square()).sum())
    gap = (LOG_2PI + 1 + math.log(variance)) / 2 - LINE[name].entropy
    assert gap == pytest.approx(MARRON_WAND[name][1], abs=2e-9)


@pytest.mark.parametrize("name", LAWS)
def test_a_standard_law_is_that_of_scipy(name: str) -> None:
    law = LAWS[name][1]
    u = torch.linspace(1e-5, 1 - 1e-5, 2001, dtype=torch.float64)
    x = LINE[name].quantile(u)
    for mine, theirs in (
        (x[:, 0], law.ppf(u.numpy())),
        (LINE[name].log_prob(x), law.logpdf(x[:, 0].numpy())),
        (LINE[name].cdf(x), law.cdf(x[:, 0].numpy())),
        (LINE[name].law.survival(x[:, 0]), law.sf(x[:, 0].numpy())),
        (LINE[name].law.upper_quantile(u), law.isf(u.numpy())),
    ):
        torch.testing.assert_close(mine, torch.from_numpy(theirs), rtol=1e-9, atol=1e-10)


def test_nothing_lies_beside_the_beta() -> None:
    x = torch.tensor([[-0.1], [1.1], [0.5]], dtype=torch.float64)
    assert LINE["beta-2-5"].log_prob(x).isfinite().tolist() == [False, False, True]
    assert LINE["beta-2-5"].cdf(x)[:2].tolist() == [0, 1]


@pytest.mark.parametrize("name", ["standard-gumbel", "smooth-comb"])
@pytest.mark.parametrize("fault", [*FAULTS, "cdf", "quantile"])
def test_a_planted_fault_is_found(name: str, fault: str) -> None:
    good = LINE[name]
    faulty = {
        **{member: plant(good) for member, plant in FAULTS.items()},
        "cdf": Faulty(good, cdf=lambda x: good.cdf(x * (1 + 1e-9))),
        "quantile": Faulty(good, quantile=lambda u: good.quantile(u) + 1e-9),
    }[fault]
    test = {
        "sample": lambda: assert_fits(faulty, 20_000),
        "quantile": lambda: assert_inverts(faulty),
    }.get(fault, lambda: assert_integrates(faulty))
    with pytest.raises(AssertionError):
        test()
