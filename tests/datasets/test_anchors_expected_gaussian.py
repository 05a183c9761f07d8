"""The Gaussian in exact expectation over the noise: closed forms, other routes, Monte Carlo."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from scipy import stats

from bench.datasets.anchors import expected_gaussian
from bench.datasets.anchors.expected_gaussian import Space, as_they_are, fit, logits

SPACES = {
    "as they are": as_they_are(17),
    "logits of two levels": logits(2, 1e-3),
    "logits of three": logits(3, 0.05),
    "logits of 17": logits(17, 1e-6),
    "logits of 256": logits(256, 1e-6),
    "logits of 256, wide": logits(256, 0.05),
}
ALPHA = {"as they are": None, "logits of two levels": 1e-3, "logits of three": 0.05}
ALPHA |= {"logits of 17": 1e-6, "logits of 256": 1e-6, "logits of 256, wide": 0.05}


def transformed(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y of points x in [0, levels), and log dy/dx."""
    alpha, levels = ALPHA[name], len(SPACES[name].mean)
    if alpha is None:
        return x, np.zeros_like(x)
    s = alpha + (1 - 2 * alpha) * x / levels
    return np.log(s) - np.log1p(-s), np.log((1 - 2 * alpha) / levels / s / (1 - s))


def rows(levels: int, n: int, seed: int = 0) -> np.ndarray:
    """Levels [n, 5] that depend on each other, one column constant."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, levels, n)
    columns = [base, (base + rng.integers(0, 2, n)) % levels, levels - 1 - base]
    columns += [rng.integers(0, levels, n), np.zeros(n, np.int64)]
    return np.stack(columns, 1).astype(np.uint8)


@pytest.mark.parametrize("name", SPACES)
def test_moments_of_a_level_by_quadrature_in_forty_digits(name: str) -> None:
    space, alpha = SPACES[name], ALPHA[name]
    levels = len(space.mean)

    def y(x: mpmath.mpf) -> mpmath.mpf:
        return x if alpha is None else mpmath.log(s(x)) - mpmath.log(1 - s(x))

    def slope(x: mpmath.mpf) -> mpmath.mpf:
        if alpha is None:
            return mpmath.mpf(0)
        return mpmath.log((1 - 2 * mpmath.mpf(alpha)) / levels / s(x) / (1 - s(x)))

    def s(x: mpmath.mpf) -> mpmath.mpf:
        return mpmath.mpf(alpha) + (1 - 2 * mpmath.mpf(alpha)) * x / levels

    with mpmath.workdps(40):
        for k in sorted({0, 1, levels // 2, levels - 1}):
            inside = [k, k + mpmath.mpf(1) / 64, k + 1 - mpmath.mpf(1) / 64, k + 1]
            centre = mpmath.quad(y, inside)
            variance = mpmath.quad(lambda x: (y(x) - centre) ** 2, inside)  # noqa: B023
            assert abs(space.mean[k] - centre) < 1e-13
            assert abs(space.variance[k] - variance) < 2e-12
            assert abs(space.log_slope[k] - mpmath.quad(slope, inside)) < 1e-13


@pytest.mark.parametrize("name", [n for n in SPACES if n != "as they are"])
def test_logits_are_symmetric(name: str) -> None:
    space = SPACES[name]
    np.testing.assert_array_equal(space.variance, space.variance[::-1])
    np.testing.assert_array_equal(space.log_slope, space.log_slope[::-1])
    np.testing.assert_allclose(space.mean, -space.mean[::-1], atol=1e-13)
    assert (np.diff(space.mean) > 0).all()


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0, math.nan])
def test_logits_refuse_an_alpha_without_logits(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must lie between"):
        logits(4, alpha)


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
@pytest.mark.parametrize("name", SPACES)
def test_moments_and_score_by_monte_carlo(name: str, full: bool) -> None:
    space = SPACES[name]
    levels = len(space.mean)
    x, test = rows(levels, 400), rows(levels, 200, seed=1)
    gaussian = fit(x, space, full)
    score = gaussian.score(test)
    rng = np.random.default_rng(2)

    def drawn(points: np.ndarray, times: int) -> tuple[np.ndarray, np.ndarray]:
        noisy = np.repeat(points[None], times, 0) + rng.random((times, *points.shape))
        return transformed(name, noisy)

    y = drawn(x, 500)[0].reshape(-1, 5)
    spread = np.cov(y.T, bias=True) if full else y.var(0)
    error = 6 * y.std(0) / math.sqrt(len(y)) + 1e-12
    assert (np.abs(y.mean(0) - gaussian.mean) < error).all()
    scale = np.sqrt(np.diag(gaussian.covariance)) if full else np.sqrt(gaussian.covariance)
    unit = scale[:, None] * scale if full else scale**2
    assert (np.abs(spread - gaussian.covariance) / unit).max() < 0.03

    y, slope = drawn(test, 200)
    covariance = gaussian.covariance if full else np.diag(gaussian.covariance)
    law = stats.multivariate_normal(gaussian.mean, covariance)
    values, slopes = law.logpdf(y), slope.sum(-1)  # both [times, rows]
    for estimates, exact in ((values, score.nats), (slopes, score.log_slope)):
        per_draw = estimates.mean(1)
        assert abs(per_draw.mean() - exact) < 6 * per_draw.std() / math.sqrt(200) + 1e-9


def test_full_covariance_on_levels_is_that_of_rows_plus_a_twelfth() -> None:
    x = rows(17, 300)
    gaussian = fit(x, SPACES["as they are"])
    expected = np.cov(x.T.astype(float), bias=True) + np.eye(5) / 12
    np.testing.assert_allclose(gaussian.covariance, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gaussian.mean, x.mean(0) + 0.5, rtol=1e-13)
    assert fit(x, SPACES["as they are"], full=False).covariance == pytest.approx(
        np.diag(expected), rel=1e-12
    )


def test_shrunk_all_the_way_is_the_diagonal_model() -> None:
    x, test, space = rows(17, 300), rows(17, 100, seed=1), SPACES["as they are"]
    whole = fit(x, space).shrunk(1.0).score(test)
    assert whole.nats == pytest.approx(fit(x, space, full=False).score(test).nats, rel=1e-12)
    half = fit(x, space).shrunk(0.5).covariance
    np.testing.assert_allclose(np.diag(half), np.diag(fit(x, space).covariance))
    assert half[0, 2] == pytest.approx(fit(x, space).covariance[0, 2] / 2)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x, test, space = rows(17, 300), rows(17, 100, seed=1), SPACES["logits of 17"]
    whole = fit(x, space).score(test).nats
    monkeypatch.setattr(expected_gaussian, "ROWS", 7)
    assert fit(x, space).score(test).nats == pytest.approx(whole, rel=1e-12)


def test_bits_do_not_depend_on_the_units_of_the_coordinates() -> None:
    """Of a Gaussian, an affine map moves nats and log-slope by opposite amounts."""
    x, test, space = rows(17, 300), rows(17, 100, seed=1), as_they_are(17)
    scaled = Space(3 * space.mean + 1, 9 * space.variance, space.log_slope + math.log(3))
    for full in (False, True):
        here, there = (fit(x, s, full).score(test) for s in (space, scaled))
        assert there.of("bits/dim") == pytest.approx(here.of("bits/dim"), rel=1e-12)
        assert there.nats == pytest.approx(here.nats - 5 * math.log(3), rel=1e-12)
