"""Scores of closed-form models on real data and on the claw, to the digits that are known."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from bench import registry
from bench.adapters import adapt
from bench.datasets import load_splits
from bench.models import categorical, chow_liu, gaussian, gaussian_diagonal, kde, made
from bench.models._normal import Normal
from bench.settings import Budget, Sizes
from bench.spaces import native
from bench.training import Source, Trainer

ENTROPY = 1.1927642157  #: of the claw, nats


@pytest.fixture(scope="module")
def digits():
    """All rows in file order: the first 1437 fit, the last 360 test; int64 [1797, 64]."""
    return torch.from_numpy(load_digits().data).long()


def bits(log_prob: torch.Tensor, dim: int = 64) -> float:
    return -log_prob.mean().item() / (dim * math.log(2))


CLOSED = {
    "categorical": (categorical.build, {}, 2.391317),
    "chow-liu, 1 per pair cell": (chow_liu.build, {}, 2.155902),
    "chow-liu, 17 per table": (chow_liu.build, {"alpha": 17 / 289}, 2.193859),
    "chow-liu, 1 per table": (chow_liu.build, {"alpha": 1 / 289}, 2.290011),
}


@pytest.mark.parametrize("case", CLOSED)
def test_digits(case, digits, spec):
    build, settings, expected = CLOSED[case]
    fitted = build(spec(digits[:1237], digits[1237:1437], levels=17), **settings)
    assert bits(fitted.log_prob(digits[1437:])) == pytest.approx(expected, abs=1e-6)


EXPECTED_NOISE = {"full": 2.942816, "diagonal": 3.353424}


@pytest.mark.parametrize("case", EXPECTED_NOISE)
def test_digits_gaussian_under_exact_expected_dequantization(case, digits):
    """Moments and score in expectation over u ~ U[0, 1): the noise adds 1/12 to each variance."""
    x = digits.double() + 0.5
    fit, test = x[:1437], x[1437:]
    covariance = fit.T.cov(correction=0) + torch.eye(64).double() / 12
    full = case == "full"
    fitted = Normal(
        fit.mean(0), gaussian.cholesky(covariance) if full else covariance.diagonal().sqrt()
    )
    precision = covariance.inverse() if full else covariance.diagonal().reciprocal().diag()
    expected = fitted.log_prob(test) - precision.trace() / 24
    assert bits(expected) == pytest.approx(EXPECTED_NOISE[case], abs=1e-6)


BREAST_CANCER = {"gaussian": (gaussian, -5.910041), "diagonal": (gaussian_diagonal, -39.605848)}


@pytest.mark.parametrize("case", BREAST_CANCER)
def test_breast_cancer(case, spec):
    """Rows i % 5 == 4 test; standardised by the others."""
    module, expected = BREAST_CANCER[case]
    x = torch.from_numpy(load_breast_cancer().data)
    held_out = torch.arange(len(x)) % 5 == 4
    fit = x[~held_out]
    z = (x - fit.mean(0)) / fit.std(0, correction=0)
    fitted = module.build(spec(z[~held_out]))
    assert fitted.log_prob(z[held_out]).mean().item() == pytest.approx(expected, abs=1e-6)


def test_claw_gaussian_with_the_true_moments():
    """E log N(x; 0, .755) under the claw, by quadrature against its closed form."""
    _, truth = load_splits(registry.discover().dataset("claw"), Sizes(train=2, valid=2, test=2))
    x = torch.linspace(-12, 12, 48_001, dtype=torch.float64)[:, None]
    fitted = Normal(torch.zeros(1), torch.tensor([0.755]).double().sqrt())
    score = (truth.log_prob(x).exp() * fitted.log_prob(x)).sum() * 0.0005
    assert score.item() == pytest.approx(-1.2784197683, abs=1e-9)


def test_claw_kde_is_within_a_hundredth_of_the_truth(spec):
    """10,000 points, bandwidth by held-out score; the divergence by quadrature."""
    entry = registry.discover().dataset("claw")
    splits, truth = load_splits(entry, Sizes(train=8000, valid=2000, test=2))
    fitted = kde.build(spec(splits.train, splits.valid))
    x = torch.linspace(-6, 6, 4001, dtype=torch.float64)[:, None]
    p = truth.log_prob(x)
    assert (p.exp() * p).sum().item() * 0.003 == pytest.approx(-ENTROPY, abs=1e-6)
    assert 0 < (p.exp() * (p - fitted.log_prob(x))).sum() * 0.003 < 0.010


def test_made_beats_the_tree_on_digits(digits, spec):
    torch.manual_seed(0)
    train, valid, test = digits[:1237], digits[1237:1437], digits[1437:]
    model = adapt(made.build(spec(train, valid, levels=17), hidden=128))
    budget = Budget(steps=200, batch=64, validations=4)
    trainer = Trainer(model, Source(train, native((64,))), valid, budget, 0)
    trainer.run(None, lambda step, steps: None)
    with torch.no_grad():
        assert bits(model.log_prob(test)) < 2.1
