"""The closed-form models of the anchors against other routes to the same number."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from bench.datasets.anchors import expected_gaussian, noisy_gaussian, tree
from bench.datasets.anchors.counts import (
    best_factorised,
    categorical,
    expected_bits,
    independent,
    level_counts,
    per_channel,
)
from bench.datasets.anchors.models import MODELS
from bench.datasets.anchors.real_values import autoregression, gaussian
from bench.datasets.anchors.score import Score
from bench.datasets.anchors.sound import bigram, independent_samples
from bench.trees import mutual_information, pair_masses

RNG = np.random.default_rng(0)
FIT = RNG.integers(0, 5, (300, 6)).astype(np.uint8)
FIT[:, 1] = (FIT[:, 0] + (RNG.random(300) < 0.2)) % 5
TEST = RNG.integers(0, 5, (200, 6)).astype(np.uint8)


def by_loops(fit: np.ndarray, test: np.ndarray, levels: int) -> float:
    """Mean nats of (count + 1) / (n + levels), pixel by pixel."""
    total = 0.0
    for column in range(fit.shape[1]):
        for value in test[:, column]:
            total += math.log(((fit[:, column] == value).sum() + 1) / (len(fit) + levels))
    return total / len(test)


def test_counts_are_those_of_numpy() -> None:
    counts = level_counts(FIT, 5)
    for i, column in enumerate(FIT.T):
        np.testing.assert_array_equal(counts[i], np.bincount(column, minlength=5))


def test_categorical_by_loops() -> None:
    score = categorical(FIT, TEST, 5)
    assert score.nats == pytest.approx(by_loops(FIT, TEST, 5), rel=1e-12)
    assert score.of("bits/dim") == pytest.approx(-score.nats / (6 * math.log(2)), rel=1e-15)


def test_histograms_of_channels_pool_their_pixels() -> None:
    fit, test = (x.reshape(-1, 2, 3).swapaxes(1, 2).reshape(-1, 2) for x in (FIT, TEST))
    pooled = by_loops(fit, test, 5) * 3  # nats of two pooled columns, three pixels a row
    assert per_channel(FIT, TEST, 5, channels=2).nats == pytest.approx(pooled, rel=1e-12)


def test_random_bits_in_expectation_by_monte_carlo() -> None:
    rng = np.random.default_rng(1)
    exact = expected_bits(FIT, TEST, 5).nats
    q = (FIT.mean(0) / 4 * len(FIT) + 1) / (len(FIT) + 2)
    bits = rng.random((4000, *TEST.shape)) < TEST / 4
    draws = np.where(bits, np.log(q), np.log1p(-q)).sum(-1).mean(1)
    assert abs(draws.mean() - exact) < 6 * draws.std() / math.sqrt(len(draws))


def test_no_independent_model_beats_the_bound() -> None:
    bound = best_factorised(FIT, TEST, 5).nats
    assert bound == pytest.approx(-sum(stats.entropy(c) for c in level_counts(TEST, 5)), rel=1e-12)
    test = level_counts(TEST, 5)
    assert independent(test, test, alpha=1e-9).nats == pytest.approx(bound, abs=1e-6)
    assert categorical(FIT, TEST, 5).nats < bound


def test_chow_liu_is_the_best_of_all_trees() -> None:
    """Every tree over five coordinates (Cayley: 125), fitted and scored on smoothed tables."""
    fit, test, alpha = FIT[:, :5].astype(np.int64), TEST[:, :5], 0.5
    joint = pair_masses(torch.from_numpy(fit), 5, alpha)
    gain = mutual_information(joint).numpy()
    table = joint.log().numpy()
    single = joint.sum(3).log().numpy()[:, 0]  # any other coordinate gives the same marginal
    best = (-math.inf, 0.0)
    for edges in itertools.combinations(itertools.combinations(range(5), 2), 4):
        if len(_reached(edges)) == 5:
            nats = sum(single[i][test[:, i]] for i in range(5))
            for i, j in edges:
                nats = nats + table[i, j][test[:, i], test[:, j]]
                nats = nats - single[i][test[:, i]] - single[j][test[:, j]]
            best = max(best, (sum(gain[i, j] for i, j in edges), float(np.mean(nats))))
    assert tree.chow_liu(fit, test, 5, alpha).nats == pytest.approx(best[1], rel=1e-12)


def _reached(edges: tuple[tuple[int, int], ...]) -> set[int]:
    found = {0}
    for _ in range(5):
        found |= {a for e in edges for a in e if found & set(e)}
    return found


def test_ties_are_broken_the_same_way_whatever_the_last_bits() -> None:
    weight = torch.ones(6, 6, dtype=torch.float64)
    shaken = weight + 1e-14 * torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    parent, depth = tree.spanning_tree(weight)
    assert torch.equal(parent, tree.spanning_tree((shaken + shaken.T) / 2)[0])
    assert int(depth.max()) <= 5
    assert int((depth == 0).sum()) == 1


def test_a_tree_spans_what_shares_no_information() -> None:
    parent, depth = tree.spanning_tree(torch.zeros(4, 4, dtype=torch.float64))
    assert all(0 <= p < 4 for p in parent.tolist())
    assert (depth > 0).tolist() == [False, True, True, True]
    alone = np.zeros((10, 3), np.int64)
    assert tree.chow_liu(alone, alone, 2, 1.0).nats == pytest.approx(
        math.log(12 / 14) + 2 * math.log(11 / 12)
    )


def test_gaussians_by_scipy() -> None:
    rng = np.random.default_rng(3)
    mix = rng.standard_normal((4, 4))
    fit, test = (rng.standard_normal((n, 4)) @ mix + [1, 2, -300, 4] for n in (100, 50))
    z, z_test = ((x - fit.mean(0)) / fit.std(0) for x in (fit, test))
    for full, covariance in ((True, np.cov(z.T, bias=True)), (False, np.eye(4))):
        expected = stats.multivariate_normal(np.zeros(4), covariance).logpdf(z_test).mean()
        assert gaussian(fit, test, full).nats == pytest.approx(expected, rel=1e-10)
    own = stats.multivariate_normal(fit.mean(0), np.cov(fit.T, bias=True)).logpdf(test).mean()
    score = gaussian(fit, test)
    assert score.nats + score.log_slope == pytest.approx(own, rel=1e-10)


def test_autoregression_by_normal_equations_and_step_by_step() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal(80).cumsum()
    train = np.array([[1, x[t - 1], x[t - 2]] for t in range(2, 60)])
    weights = np.linalg.solve(train.T @ train, train.T @ x[2:60])
    sd = math.sqrt(np.mean((x[2:60] - train @ weights) ** 2))
    steps = [stats.norm.logpdf(x[t], weights @ [1, x[t - 1], x[t - 2]], sd) for t in range(60, 80)]
    assert autoregression(x, 2, 20).nats == pytest.approx(np.mean(steps), rel=1e-9)
    flat = stats.norm.logpdf(x[60:], x[:60].mean(), x[:60].std()).mean()
    assert autoregression(x, 0, 20).nats == pytest.approx(flat, rel=1e-12)


def test_sounds_by_loops() -> None:
    rng = np.random.default_rng(5)
    fit, test = ([rng.integers(0, 256, n) for n in sizes] for sizes in ((50, 70), (30, 40)))
    counts = np.bincount(np.concatenate(fit), minlength=256) + 1
    first = np.log(counts / counts.sum())
    expected = first[np.concatenate(test)].mean()
    assert independent_samples(fit, test).nats == pytest.approx(expected, rel=1e-12)
    pairs = np.ones((256, 256))
    for sound in fit:
        for a, b in itertools.pairwise(sound):
            pairs[a, b] += 1
    nats = 0.0
    for sound in test:
        nats += first[sound[0]]
        for a, b in itertools.pairwise(sound):
            nats += math.log(pairs[a, b] / pairs[a].sum())
    assert bigram(fit, test).nats == pytest.approx(nats / 70, rel=1e-12)


def test_one_draw_of_noise_in_the_order_of_train_valid_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against the whole arrays at once; then, over seeds, against the exact expectation."""
    rng = np.random.default_rng(6)
    fit, test = (rng.integers(0, 5, (n, 3)).astype(np.uint8) for n in (3000, 1000))
    monkeypatch.setattr(noisy_gaussian, "SKIPPED", 11)
    monkeypatch.setattr(noisy_gaussian, "ROWS", 64)
    noise = np.random.RandomState(42)
    s = [0.01 + 0.98 * (x + noise.rand(*x.shape)) / 5 for x in (fit, np.zeros((11, 3)), test)]
    y, _, y_test = (np.log(each / (1 - each)) for each in s)
    law = stats.multivariate_normal(y.mean(0), np.cov(y.T, bias=True))
    score = noisy_gaussian.noisy_gaussian(fit, test, 5, 0.01, seed=42)
    assert score.nats == pytest.approx(law.logpdf(y_test).mean(), rel=1e-10)
    assert score.of("2 s.e.") == pytest.approx(2 * law.logpdf(y_test).std() / math.sqrt(1000))
    slope = np.log(0.98 / 5 / s[2] / (1 - s[2])).sum(1).mean()
    assert score.log_slope == pytest.approx(slope, rel=1e-10)
    exact = expected_gaussian.fit(fit, expected_gaussian.logits(5, 0.01)).score(test)
    draws = [
        noisy_gaussian.noisy_gaussian(fit, test, 5, 0.01, seed=s).of("bits/dim") for s in range(20)
    ]
    error = np.std(draws) / math.sqrt(20)
    assert abs(np.mean(draws) - exact.of("bits/dim")) < 6 * error


UNITS = {"nats": -3.0, "bits/dim": (3 - 0.5) / (2 * math.log(2)), "2 s.e.": 0.1}


@pytest.mark.parametrize("unit", UNITS)
def test_units(unit: str) -> None:
    assert Score(-3.0, 2, 0.5, 0.1).of(unit) == pytest.approx(UNITS[unit])


@pytest.mark.parametrize("name", [m for m in MODELS if "Chow-Liu" in m or "E-Gauss" in m])
def test_models_of_the_table_take_levels(name: str) -> None:
    assert math.isfinite(MODELS[name](FIT, TEST, 5).nats)
