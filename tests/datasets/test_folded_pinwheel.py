"""The folded pinwheel: its sheets by a scan, its entropy by quadrature, its draws by cells."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import chi2
from torch import Tensor
from truth_cases import Axis, Faulty, assert_counts_fit, draws

from bench.contract import Density
from bench.datasets._folded import FoldedPinwheel
from bench.datasets._plane import Pinwheel

PINWHEEL = FoldedPinwheel()
TURN = 2 * math.pi / 5
CUSP = 1.695506893104389  #: the r at which the twist begins to fold


def twist(r: Tensor, a: Tensor) -> Tensor:
    return a - 0.25 * (r * a.cos()).exp()


def slope(r: Tensor, a: Tensor) -> Tensor:
    return 1 + 0.25 * r * a.sin() * (r * a.cos()).exp()


def log_normal(r: Tensor, a: Tensor) -> Tensor:
    square = ((r * a.cos() - 1) / 0.3).square() + (r * a.sin() / 0.1).square()
    return -square / 2 - math.log(2 * math.pi * 0.03)


def polar(r: Tensor, angle: Tensor) -> Tensor:
    """The point that f of length r goes to, turned to this angle."""
    return 2 * r[:, None] * torch.stack([angle.cos(), angle.sin()], 1)


def sheets(r: float, angle: float) -> Tensor:
    """Every a with twist(r, a) = angle modulo a fifth of a turn: a scan, then Brent's method."""
    a = torch.linspace(-math.pi, math.pi, 20_001).double()
    length = torch.tensor(r, dtype=torch.float64)
    turns = ((twist(length, a) - angle) / TURN).numpy()
    found = []
    for k in np.flatnonzero(np.diff(np.floor(turns))):
        goal = angle + TURN * math.floor(max(turns[k], turns[k + 1]))

        def miss(v: float, goal: float = goal) -> float:
            return v - 0.25 * math.exp(r * math.cos(v)) - goal

        found.append(brentq(miss, a[k], a[k + 1], xtol=1e-15))
    return torch.tensor(found, dtype=torch.float64)


def scanned(x: Tensor) -> Tensor:
    values = []
    for r, angle in zip(x.norm(dim=1) / 2, torch.atan2(x[:, 1], x[:, 0]), strict=True):
        a = sheets(float(r), float(angle))
        values.append(torch.logsumexp(log_normal(r, a) - slope(r, a).abs().log(), 0))
    return torch.stack(values) - math.log(20)


def test_log_prob_is_the_sum_over_the_sheets_of_a_scan() -> None:
    g = torch.Generator().manual_seed(2)
    r = torch.cat([torch.linspace(0.2, 1.69, 10), torch.linspace(1.7, 4.5, 30)]).double()
    x = polar(r, 2 * math.pi * torch.rand(len(r), generator=g, dtype=torch.float64))
    x = torch.cat([x, draws(PINWHEEL, 40)])
    torch.testing.assert_close(PINWHEEL.log_prob(x), scanned(x), rtol=0, atol=1e-9)


def test_the_number_of_sheets_jumps_by_two_at_a_fold() -> None:
    r = torch.tensor([1.6, 2.0], dtype=torch.float64)
    down, up = PINWHEEL.turning_points(r)
    assert down[0] == up[0]
    assert down[1] < up[1]
    two = torch.full((3,), 2.0, dtype=torch.float64)
    ends = slope(two, torch.stack([down[1], up[1], (down[1] + up[1]) / 2]))
    assert ends[:2].tolist() == pytest.approx([0, 0], abs=1e-12)
    assert ends[2] < 0
    fold = float(twist(r, up)[1])
    assert len(sheets(2.0, fold + 1e-3)) - len(sheets(2.0, fold - 1e-3)) == 2
    near = fold + torch.tensor([1e-4, 1e-6, 1e-8], dtype=torch.float64)
    assert (PINWHEEL.log_prob(polar(two, near)).diff() > 0).all()


def test_the_folds_begin_at_the_cusp() -> None:
    r = torch.tensor([CUSP - 1e-9, CUSP + 1e-9], dtype=torch.float64)
    down, up = PINWHEEL.turning_points(r)
    assert (up > down).tolist() == [False, True]


def test_far_points_have_finite_densities_that_fall() -> None:
    r = torch.tensor([5.99, 6.01, 20, 300], dtype=torch.float64)
    log_p = PINWHEEL.log_prob(polar(r, torch.full_like(r, 0.3)))
    assert log_p.isfinite().all()
    assert (log_p[1:].diff() < 0).all()
    angles = TURN * torch.arange(1000, dtype=torch.float64) / 1000
    ring = PINWHEEL.log_prob(polar(torch.full_like(angles, 5.999), angles))
    mean = PINWHEEL.log_prob(polar(r[1:2], angles[:1]))
    assert float(torch.logsumexp(ring, 0) - math.log(1000)) == pytest.approx(float(mean), abs=1)


def test_mass_and_entropy_by_quadrature_over_f() -> None:
    """- E log p over r and a: logarithms of poles, where there is little mass."""
    edges = torch.cat([torch.linspace(0, CUSP, 7).double()[:-1], torch.linspace(CUSP, 3.6, 15)])
    (r, w_r), (a, w_a) = Axis(edges.double(), 8).points, Axis.even(-math.pi, math.pi, 60, 8).points
    p = log_normal(r[:, None], a).exp() * (r * w_r)[:, None] * w_a
    kept = p > 1e-15
    r, a = (v.expand_as(p)[kept] for v in (r[:, None], a))
    log_p = PINWHEEL.log_prob(polar(r, twist(r, a)))
    assert float(p.sum()) == pytest.approx(1, abs=1e-9)
    assert -float((p[kept] * log_p).sum()) == pytest.approx(PINWHEEL.entropy, abs=1e-8)


def test_the_entropy_by_draws_against_the_pinwheel_that_does_not_fold() -> None:
    """Both are images of the same f, so that most of the noise of the two cancels."""
    f = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f = torch.tensor([1.0, 0.0]) + f * torch.tensor([0.3, 0.1], dtype=torch.float64)
    r, a = f.norm(dim=1), torch.atan2(f[:, 1], f[:, 0])
    flat = Pinwheel().log_prob(polar(r, a - 0.25 * r.exp()))
    less = flat - PINWHEEL.log_prob(polar(r, twist(r, a)))
    error = float(less.std()) / math.sqrt(len(less))
    assert error < 5e-4
    assert Pinwheel.entropy + float(less.mean()) == pytest.approx(PINWHEEL.entropy, abs=4 * error)


def cells(x: Tensor, edges: Tensor, count: int) -> Tensor:
    """The cell of each point: rings between edges by parts of a fifth of a turn, -1 outside."""
    ring = torch.searchsorted(edges, (x.norm(dim=1) / 2).contiguous(), right=True) - 1
    part = torch.atan2(x[:, 1], x[:, 0]).remainder(TURN) / TURN * count
    inside = (ring >= 0) & (ring < len(edges) - 1)
    return torch.where(inside, ring * count + part.long().clamp(max=count - 1), -1)


def assert_cells_fit(density: Density, n: int) -> None:
    """Counts of draws in the rings that do not fold, by angle, against the mass there."""
    edges, count = torch.linspace(0.1, 1.6, 11).double(), 12
    (r, w_r), (angle, w_angle) = Axis(edges, 6).points, Axis.even(0, TURN, count, 40).points
    x = polar(r.repeat_interleave(len(angle)), angle.repeat(len(r)))
    p = density.log_prob(x).exp().reshape(len(r), -1) * (4 * r * w_r)[:, None] * w_angle
    mass = 5 * p.reshape(10, 6, count, 40).sum((1, 3)).flatten()  # of the five like parts
    found = cells(draws(density, n), edges, count)
    counts = torch.bincount(found[found >= 0], minlength=len(mass))
    assert_counts_fit(counts, mass, n)


@pytest.mark.parametrize("n", [60_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_draws_fall_into_cells_by_their_mass(n: int) -> None:
    assert_cells_fit(PINWHEEL, n)


@pytest.mark.parametrize("member", ["sample", "log_prob"])
def test_the_pinwheel_that_does_not_fold_is_found(member: str) -> None:
    with pytest.raises(AssertionError):
        assert_cells_fit(Faulty(PINWHEEL, **{member: getattr(Pinwheel(), member)}), 60_000)


def test_the_sampler_is_the_usual_one() -> None:
    """FFJORD's lines, with independent arms: two samples in the cells of a square."""
    rng, n = np.random.default_rng(0), 50_000
    features = rng.standard_normal((n, 2)) * [0.3, 0.1] + [1, 0]
    angles = 2 * math.pi / 5 * rng.integers(5, size=n) + 0.25 * np.exp(features[:, 0])
    turns = np.stack([np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles)])
    theirs = 2 * np.einsum("ti,tij->tj", features, turns.T.reshape(-1, 2, 2))
    edges = np.linspace(-5, 5, 26)
    ours, theirs = (
        np.histogram2d(*x.T, bins=[edges, edges])[0] for x in (draws(PINWHEEL, n).numpy(), theirs)
    )
    common = ours + theirs > 20
    statistic = ((ours - theirs) ** 2 / (ours + theirs + ~common))[common].sum()
    assert chi2(common.sum()).sf(statistic) > 1e-4
