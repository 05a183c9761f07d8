"""Expectations over the dequantization noise, and the probabilities of levels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from bench.datasets import load_splits
from bench.expectation import Moments, boxes, moments
from bench.models._normal import DiagonalNormal, Normal, interval_log_mass
from bench.models.kde import KDE
from bench.registry import discover
from bench.settings import Sizes
from bench.spaces import Space, dequantized

SPLITS = load_splits(discover().dataset("digits"), Sizes())[0]
FIT = torch.cat([SPLITS.train, SPLITS.valid])
SPACES = {
    name: dequantized(name, FIT, 17, (1, 8, 8))
    for name in ("uniform", "logit:1e-6", "logit", "logit:0.05", "marginals")
}


def bits(nats: Tensor) -> float:
    return float(-nats.mean() / (64 * math.log(2)))


def gaussian_of(table: Moments, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the dequantized rows, in exact expectation."""
    mean, variance, _ = table.at(x)
    centred = mean - mean.mean(0)
    return mean.mean(0), centred.T @ centred / len(x) + torch.diag(variance.mean(0))


@pytest.mark.parametrize("name", SPACES)
def test_moments_agree_with_draws(name):
    space, x = SPACES[name], SPLITS.test[:1].expand(20_000, -1, -1, -1)
    generator = torch.Generator().manual_seed(0)
    noisy = x.flatten(1) + torch.rand(20_000, 64, generator=generator, dtype=torch.float64)
    y, slopes = space.chain(noisy)
    mean, variance, ledger = moments(space).at(x[:1])
    error = y.std(0) / math.sqrt(len(y))
    assert float(((y.mean(0) - mean[0]).abs() / (error + 1e-9)).max()) < 5
    spread = (y - y.mean(0)).square()
    error = spread.std(0) / math.sqrt(len(y))
    assert float(((spread.mean(0) - variance[0]).abs() / (error + 1e-9)).max()) < 6
    total = slopes.sum(1)
    assert abs(float(total.mean() - ledger[0])) < 5 * float(total.std()) / math.sqrt(len(y)) + 1e-9


def test_a_level_of_the_logit_space_in_closed_form():
    """E[logit s] over [a, b] is (G(b) - G(a)) / (b - a), with G(s) = s log s + (1-s) log(1-s)."""
    alpha, k = 1e-6, torch.arange(256, dtype=torch.float64)
    steps = dequantized("logit:1e-6", torch.arange(256)[:, None], 256, (1,)).steps[:2]
    table = moments(Space("logit", (1,), steps, noise=True, levels=256))
    a = alpha + (1 - 2 * alpha) * k / 256
    b = alpha + (1 - 2 * alpha) * (k + 1) / 256
    area = [torch.special.xlogy(s, s) + torch.special.xlogy(1 - s, 1 - s) for s in (a, b)]
    torch.testing.assert_close(table.mean[0], (area[1] - area[0]) / (b - a), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("diagonal", "expected"), {True: 3.353424, False: 2.942816}.items(), ids=["diagonal", "full"]
)
def test_gaussians_of_digits_in_exact_expectation(diagonal, expected):
    """Registered values of the data set, in bits/dim (docs/spaces.md)."""
    table = moments(SPACES["uniform"])
    mean, covariance = gaussian_of(table, FIT)
    model = (
        DiagonalNormal(mean, covariance.diagonal().sqrt())
        if diagonal
        else Normal(mean, torch.linalg.cholesky(covariance))
    )
    y, variance, ledger = table.at(SPLITS.test)
    found = bits(model.expected_log_prob(y, variance) + ledger)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", SPACES)
def test_boxes_fill_the_space(name):
    space = SPACES[name]
    x = torch.arange(17)[:, None].expand(-1, 64).reshape(17, 1, 8, 8)
    lower, upper = boxes(space, x)
    assert bool((lower[0] == -math.inf).all())
    assert bool((upper[-1] == math.inf).all())
    torch.testing.assert_close(upper[:-1], lower[1:], rtol=1e-9, atol=1e-9)


def densities() -> dict[str, DiagonalNormal | KDE]:
    y = SPACES["logit"].forward(FIT, torch.Generator().manual_seed(0))[0].double()
    return {
        "normal": DiagonalNormal(y.mean(0), y.std(0)),
        "kernels": KDE(y[:50], torch.full((64,), 0.3).double()),
    }


@pytest.mark.parametrize("name", ["normal", "kernels"])
def test_the_probabilities_of_a_coordinates_levels_sum_to_one(name):
    """Levels of one coordinate, all others anything: boxes without ends."""
    model, space = densities()[name], SPACES["logit"]
    x = SPLITS.test[:1].repeat(17, 1, 1, 1)
    x[:, 0, 3, 4] = torch.arange(17)
    lower, upper = boxes(space, x)
    free = torch.arange(64) != 3 * 8 + 4
    lower[:, free], upper[:, free] = -math.inf, math.inf
    assert float(model.box_log_prob(lower, upper).exp().sum()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", ["normal", "kernels"])
def test_dequantization_bounds_the_probability_of_the_levels(name):
    """Jensen's inequality, point by point up to the noise of the draws."""
    model, space = densities()[name], SPACES["logit"]
    generator, x = torch.Generator().manual_seed(1), SPLITS.test[:40]
    draws = []
    for _ in range(60):
        y, ledger = space.forward(x, generator)
        draws.append(model.log_prob(y) + ledger)
    nats = torch.stack(draws)
    exact = model.box_log_prob(*boxes(space, x))
    slack = 5 * nats.std(0) / math.sqrt(len(nats))
    assert bool((nats.mean(0) <= exact + slack).all())


def test_masses_of_intervals_have_all_digits_in_both_tails():
    """Against the erfc of the other side; by symmetry the same above and below zero."""
    edges = torch.tensor([-40.0, -30, -9, -1, 0, 2, 9, 30, 40]).double()
    lower, upper = edges[:-1], edges[1:]
    mass = interval_log_mass(lower, upper)
    assert bool(mass.isfinite().all())
    torch.testing.assert_close(mass, interval_log_mass(-upper, -lower))
    near = torch.special.ndtr(upper[3:5]) - torch.special.ndtr(lower[3:5])
    torch.testing.assert_close(mass[3:5].exp(), near)
    everything = interval_log_mass(torch.tensor(-math.inf), torch.tensor(math.inf))
    assert float(everything) == pytest.approx(0)
