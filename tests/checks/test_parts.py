"""The pieces of the battery: the verdict rule, weights, lattices, crops, what does not apply."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import audit_subjects as a
import pytest
import torch

from bench.adapters import Adapted
from bench.checks import _base, _weights, balance, battery, quadrature, sums
from bench.contract import DataSpec
from bench.records import Check
from bench.registry import discover
from bench.subject import Subject

RULES = {
    "far beyond both": ((0.1, 0.001), {}, "fail"),
    "significant, too small": ((0.001, 0.0001), {}, "pass"),
    "large, not significant": ((0.1, 0.05), {}, "inconclusive"),
    "nothing, but the error hides what matters": ((0.0, 0.02), {}, "inconclusive"),
    "the same, where a pass asks for less": ((0.0, 0.02), {"sees": 0.05}, "pass"),
    "uncertain, but far on the honest side": ((-0.5, 0.02), {"upper": True}, "pass"),
    "uncertain, and near the threshold": ((-0.02, 0.02), {"upper": True}, "inconclusive"),
    "negative": ((-0.1, 0.001), {}, "fail"),
    "negative, only upwards counts": ((-0.1, 0.001), {"upper": True}, "pass"),
    "positive, only downwards counts": ((0.1, 0.001), {"lower": True}, "pass"),
    "negative, only downwards counts": ((-0.1, 0.001), {"lower": True}, "fail"),
    "minus infinity, only upwards counts": ((-math.inf, 0.0), {"upper": True}, "pass"),
    "doubtful": ((0.1, 0.001), {"doubt": "one weight rules"}, "inconclusive"),
    "not a number": ((math.nan, 0.001), {}, "inconclusive"),
    "no error at all": ((0.1, 0.0), {}, "fail"),
    "nothing": ((0.0, 0.0), {}, "pass"),
}


@pytest.mark.parametrize(("numbers", "options", "verdict"), RULES.values(), ids=RULES.keys())
def test_the_rule(numbers: tuple[float, float], options: dict, verdict: str) -> None:
    found = _base.Finding(*numbers, threshold=0.01, n=5, what="it is so", **options)
    assert found.check().verdict == verdict


#: name -> (effects and errors by size, sizes visited); the threshold is .5
REFINED = {
    "honest at once": ([(0.1, 0.1), (9.0, 0.1)], 1),
    "suspicion settled": ([(0.4, 0.1), (0.1, 0.1), (9.0, 0.1)], 2),
    "suspicion confirmed": ([(0.4, 0.1), (0.7, 0.1), (0.9, 0.1)], 3),
    "unknown": ([(math.nan, 0.1), (9.0, 0.1)], 1),
    "certain": ([(9.0, 0.0), (0.0, 0.0)], 1),
    "too uncertain": ([(0.1, 0.9), (0.1, 0.4), (9.0, 0.1)], 2),
    "hopelessly uncertain": ([(0.1, 5.0), (0.1, 0.4)], 1),
}


@pytest.mark.parametrize(("numbers", "calls"), REFINED.values(), ids=REFINED.keys())
def test_refining_stops_where_a_bigger_sample_settles_nothing(
    numbers: list[tuple[float, float]], calls: int
) -> None:
    sizes = [4**i for i in range(len(numbers))]
    seen: list[int] = []

    def attempt(size: int) -> _base.Finding:
        seen.append(size)
        return _base.Finding(*numbers[sizes.index(size)], 0.5, 1, "")

    found = _base.refined(attempt, sizes)
    assert seen == sizes[:calls]
    assert found.effect == pytest.approx(numbers[calls - 1][0], nan_ok=True)


@pytest.mark.parametrize("shared", [0.0, 1.0, 3.0])
def test_the_error_of_a_mean_covers_noise_shared_by_a_call(shared: float) -> None:
    generator = torch.Generator().manual_seed(5)
    own = torch.randn(300, 40, 16, generator=generator, dtype=torch.float64)
    common = torch.randn(300, 40, 1, generator=generator, dtype=torch.float64)
    runs = [_base.mean_error(row.flatten(), 16) for row in own + shared * common]
    z = torch.tensor([mean / error for mean, error in runs])
    assert 0.7 < float(z.std()) < 1.15


@pytest.mark.parametrize("k", [0.2, 0.5, 0.9, 1.3])
def test_pareto_k_finds_the_shape_of_pareto_tails(k: float) -> None:
    u = torch.rand(20_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert _weights.pareto_k(u**-k) == pytest.approx(k, abs=0.15)


WEIGHTS = {
    "equal": (torch.ones(1000), None, ""),
    "zero": (torch.zeros(1000), None, "zero"),
    "infinite": (torch.tensor([1.0, math.inf]), None, "not finite"),
    "one large": (torch.cat([torch.ones(100), torch.tensor([50.0])]), None, "of the sum"),
    "mass elsewhere": (torch.rand(1000), torch.full((100,), 9.0), "draws lie where"),
    "mass covered": (torch.rand(1000), torch.rand(100) / 2, ""),
}


@pytest.mark.parametrize(("weights", "other", "reason"), WEIGHTS.values(), ids=WEIGHTS.keys())
def test_distrust(weights: torch.Tensor, other: torch.Tensor | None, reason: str) -> None:
    found = _weights.distrust(weights.double(), other)
    assert (reason in found) if reason else not found


@pytest.mark.parametrize("n", sorted(quadrature.BEFORE))
def test_plane_lattices_have_n_values_per_axis_and_integrate_waves(n: int) -> None:
    u = quadrature.lattice(n, 2)
    for axis in u.T:
        assert len(axis.mul(n).round().unique()) == n
    for wave in [(1, 0), (3, -2), (10, 7), (-5, 21)]:
        angle = 2 * math.pi * (u @ torch.tensor(wave, dtype=torch.float64))
        assert abs(float(angle.cos().mean())) < 1e-12


def test_crops_keep_the_most_variable_columns() -> None:
    train = torch.zeros(50, 6, dtype=torch.int64)
    train[:, 4], train[::2, 1], train[::5, 2] = torch.arange(50) % 17, 1, 1
    spec = DataSpec("x", "discrete", (6,), 17, 0, 50, lambda: train, lambda: train[:9])
    cropped = sums.crop(spec, 17)
    assert cropped.shape == (3,)
    assert torch.equal(cropped.train, train[:, [1, 2, 4]])
    assert torch.equal(cropped.valid, train[:9, [1, 2, 4]])
    assert sums.states(17, cropped).shape == (17**3, 3)


def test_crops_of_images_stay_images() -> None:
    train = torch.randint(2, (40, 1, 5, 5), generator=torch.Generator().manual_seed(0))
    spec = DataSpec("x", "binary", (1, 5, 5), 2, 0, 40, lambda: train, lambda: train[:9])
    cropped = sums.crop(spec, 2)
    assert cropped.shape == (1, 1, 13)
    assert cropped.train.shape == (40, 1, 1, 13)
    assert sums.states(2, replace(cropped, shape=(1, 1, 13))).shape == (2**13, 1, 1, 13)


@pytest.mark.parametrize("levels", [2, 3, 17])
def test_jumps_between_levels_are_symmetric(levels: int) -> None:
    """Every move is as likely as its reverse, by counting on two coordinates."""
    subject = a.discrete(a.table, 3, levels)
    subject.spec.train  # noqa: B018
    generator = torch.Generator().manual_seed(3)
    start = torch.randint(levels, (40_000, 3), generator=generator)
    for move in balance._jumps(subject).values():
        step = (move(start, generator) - start).remainder(levels)
        forth = torch.bincount(step[:, 0], minlength=levels).double()
        back = forth[(-torch.arange(levels)) % levels]
        assert float(((forth - back).abs() / (forth + back + 1).sqrt()).max()) < 5


ENTRIES = discover().checks


def found(subject: Subject, names: Iterable[str]) -> dict[str, Check]:
    return {c.name: c for c in battery.run(subject, [ENTRIES[name] for name in names])}


def one(subject: Subject, name: str) -> Check:
    return found(subject, [name])[name]


def broken(subject: Subject, **parts: object) -> Subject:
    subject.model = replace(subject.model, **parts)
    return subject


def raises(*_: object, **__: object) -> torch.Tensor:
    raise ValueError("outside the support")


def test_a_check_that_meets_an_exception_says_error_and_why() -> None:
    names = ("invariance", "quadrature", "truth", "balance")
    subject = a.continuous(a.Twisted, "eight-gaussians 2-D")
    results = found(broken(subject, log_prob=raises), names)
    for name in names:
        assert results[name].verdict == "error"
        assert "outside the support" in results[name].detail
        assert "test_parts.py:" in results[name].detail


def test_nan_far_out_is_no_mass_and_no_failure() -> None:
    subject = a.continuous(a.gaussian, "bumps 1-D")
    honest = subject.model.log_prob

    def log_prob(x: torch.Tensor, **kw: object) -> torch.Tensor:
        return honest(x, **kw).where(x[:, 0].abs() < 8, torch.nan)

    result = one(broken(subject, log_prob=log_prob), "quadrature")
    assert result.verdict == "pass"
    assert "counted as zero" in result.detail


def test_nan_near_the_data_leaves_the_integral_open() -> None:
    subject = a.continuous(a.gaussian, "bumps 1-D")
    honest = subject.model.log_prob

    def log_prob(x: torch.Tensor, **kw: object) -> torch.Tensor:
        return honest(x, **kw).where(x[:, 0] < 1, torch.nan)

    result = one(broken(subject, log_prob=log_prob), "quadrature")
    assert result.verdict == "inconclusive"
    assert "nodes" in result.detail


def _bare(subject: Subject) -> Subject:
    return broken(subject, sample=None, transform=None, inverse=None)


#: what is absent -> (subject, checks that then do not apply)
ABSENT = {
    "sampler and transform": (
        lambda: _bare(a.continuous(a.Twisted, "ar1 64-D")),
        {"quadrature", "sum", "log-det", "round-trip", "balance", "copies", "bound"},
    ),
    "likelihood": (
        lambda: a.continuous(a.Twisted, "eight-gaussians 2-D", likelihood="none"),
        {"invariance", "quadrature", "sum", "log-det", "truth", "balance", "bound"},
    ),
    "rebuilding": (
        lambda: a.discrete(a.table, 64, 17, rebuilds=False),
        {"quadrature", "sum", "log-det", "round-trip", "truth", "bound"},
    ),
    "an exact value": (
        lambda: a.continuous(a.Twisted, "eight-gaussians 2-D", likelihood="unbiased"),
        {"sum", "log-det", "bound"},
    ),
    "a lower bound's ceiling": (
        lambda: a.continuous(a.Twisted, "eight-gaussians 2-D", likelihood="upper-bound"),
        {"sum", "log-det", "balance", "bound"},
    ),
}


@pytest.mark.parametrize(("make", "names"), ABSENT.values(), ids=ABSENT.keys())
def test_what_does_not_apply_says_so(make, names: set[str]) -> None:
    results = found(make(), {*names, "truth", "balance", "copies"})
    assert {n for n in names if results[n].verdict != "n/a"} == set()
    assert all(c.verdict != "fail" for c in results.values())
    assert all(c.detail for c in results.values())


def test_rounding_that_vanishes_in_float64_is_forgiven() -> None:
    class Rough(a.Twisted):
        """Loses digits by a detour over large numbers, differently for each batch."""

        def log_prob(self, x: torch.Tensor) -> torch.Tensor:
            detour = 3e4 * (1 + len(x) % 7)
            return super().log_prob(x) + detour - detour

    result = one(a.continuous(Rough, "eight-gaussians 2-D"), "invariance")
    assert result.verdict == "pass"
    assert "float64" in result.detail


def test_a_sampler_that_sorts_its_draws_is_no_worse() -> None:
    subject = a.continuous(a.mixture, "bumps 1-D")
    plain: Adapted = subject.model
    subject.model = replace(plain, sample=lambda n: plain.sample(n).sort(0).values)
    assert one(subject, "balance").verdict == "pass"


def _exploding(subject: Subject, share: float, size: float) -> Subject:
    """Some draws are carried off, as an ill-conditioned inverse does."""
    plain = subject.model

    def sample(n: int) -> torch.Tensor:
        x = plain.sample(n)
        return torch.where(torch.rand(n, 1) < share, x * size, x)

    return broken(subject, sample=sample)


#: draws carried off -> (share, factor, verdict of balance)
EXPLODING = {
    "to infinity": (0.01, math.inf, "inconclusive"),
    "beyond float32's resolution of a nat": (0.01, 1e20, "inconclusive"),
    "all of them": (1.0, 1e30, "inconclusive"),
    "to where the density is resolved": (0.05, 30.0, "fail"),
}


@pytest.mark.parametrize(("share", "size", "verdict"), EXPLODING.values(), ids=EXPLODING.keys())
def test_exploding_draws_neither_pass_nor_vanish(share: float, size: float, verdict: str) -> None:
    result = one(_exploding(a.continuous(a.Twisted, "ar1 64-D"), share, size), "balance")
    assert result.verdict == verdict, result


@pytest.mark.parametrize(("share", "verdict"), [(0.001, "pass"), (0.1, "inconclusive")])
def test_copies_names_nan_draws_and_does_not_pass_over_many(share: float, verdict: str) -> None:
    result = one(_exploding(a.continuous(a.Twisted, "ar1 64-D"), share, math.nan), "copies")
    assert result.verdict == verdict
    assert "NaN" in result.detail


def test_only_a_flat_density_has_nothing_to_balance() -> None:
    box = torch.distributions.Uniform(torch.tensor([-3.0]), torch.tensor([3.0]))
    flat = torch.distributions.Independent(box, 1)
    flat._validate_args = box._validate_args = False
    result = one(a.continuous(lambda data: flat, "bumps 1-D"), "balance")
    assert (result.verdict, "flat" in result.detail) == ("n/a", True)
