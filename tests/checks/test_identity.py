"""Mass one by the model's own draws: the bounded identity, the fitted laws, honest and not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import audit_subjects as a
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from bench.calibration import honest, planted
from bench.calibration.bases import gaussian_model
from bench.checks import _bridge, _fit, _fit_levels
from bench.checks._base import NotApplicable
from bench.checks.identity import identity
from bench.contract import DataSpec
from bench.models import histogram
from bench.records import Check
from bench.subject import Subject

Maker = Callable[[], Subject]


def found(subject: Subject) -> Check:
    torch.manual_seed(0)
    return identity(subject)


# ------------------------------------------------------------------------------------- the bridge


def bridged(shift: float, mass: float, n: int, seed: int) -> tuple[float, float]:
    """Log-mass and error of mass * N(shift, 1) beside N(0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, n, generator=generator, dtype=torch.float64)
    ratio = lambda v: shift * v - shift**2 / 2 + math.log(mass)  # noqa: E731
    return _bridge.Bridge(ratio(y), ratio(x + shift)).estimate()


@pytest.mark.parametrize("shift", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("mass", [0.2, 0.95, 1.05, 3.0])
def test_the_mass_comes_out(shift: float, mass: float) -> None:
    estimate, error = bridged(shift, mass, 20_000, seed=1)
    assert estimate == pytest.approx(math.log(mass), abs=5 * error)
    assert error < 0.1


@pytest.mark.parametrize("shift", [0.01, 0.3, 1.0, 3.0, 5.0, 8.0])
def test_mass_one_is_never_far_from_one(shift: float) -> None:
    """z has unit variance where the two overlap, and no tails where they hardly do."""
    z = torch.tensor([e / s for e, s in (bridged(shift, 1.0, 500, seed) for seed in range(300))])
    assert float(z.abs().max()) < 4.5
    assert float(z.square().mean()) < 1.4


def test_a_side_that_sees_nothing_does_not_convict() -> None:
    """All of one side's terms are equal and small, the other side has not seen its rare large."""
    rare = _bridge.Bridge(torch.full((4000,), -50.0), torch.full((4000,), math.log(1e4)))
    estimate, error = rare.estimate()
    assert abs(estimate) < 6 * error


def test_noise_of_mean_one_leaves_the_mass_alone() -> None:
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(2, 100_000, generator=generator, dtype=torch.float64)
    noise = 0.5 * torch.randn(3, 100_000, generator=generator, dtype=torch.float64) - 0.125
    ratio = lambda v: v - 0.5  # noqa: E731
    bridge = _bridge.Bridge(ratio(y) + noise[0], ratio(x + 1) + noise[1], ratio(y) + noise[2])
    estimate, error = bridge.estimate()
    assert abs(estimate) < 4 * error < 0.05


# --------------------------------------------------------------------------------------- the laws


def skewed(dim: int) -> Tensor:
    generator = torch.Generator().manual_seed(dim)
    x = torch.randn(600, dim, generator=generator)
    x[:300] = x[:300].exp() + x[:300, :1]
    x[0] = 1e6  # an outlier moves no law out of the way
    return x


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("index", range(3))
def test_laws_of_points_integrate_to_one(dim: int, index: int) -> None:
    torch.manual_seed(0)
    law = _fit.laws(skewed(dim))[index]
    grid = torch.linspace(-15, 50, 100_001 if dim == 1 else 1301, dtype=torch.float64)
    x = torch.cartesian_prod(*[grid] * dim).reshape(-1, dim)
    mass = sum(float(law.log_prob(part).exp().sum()) for part in x.split(100_000))
    assert mass * float(grid[1] - grid[0]) ** dim == pytest.approx(1, abs=1e-4 * 100 ** (dim - 1))


@pytest.mark.parametrize("dim", [1, 2, 20])
@pytest.mark.parametrize("index", range(3))
def test_laws_of_points_draw_from_themselves(dim: int, index: int) -> None:
    """The acceptance of a step, r(x + d) / (r(x) + r(x + d)), is the same on average for -d."""
    torch.manual_seed(0)
    law = _fit.laws(skewed(dim))[index]
    x = law.sample(20_000)
    step = 0.5 * law.sample(2000).std(0)
    ahead, back = (torch.sigmoid(law.log_prob(x + s) - law.log_prob(x)) for s in (step, -step))
    difference = ahead - back
    assert abs(float(difference.mean())) < 5 * float(difference.std()) / math.sqrt(len(x))


@pytest.mark.parametrize(("dim", "levels"), [(12, 2), (3, 17)])
def test_laws_of_levels_sum_to_one_and_draw_from_themselves(dim: int, levels: int) -> None:
    torch.manual_seed(0)
    states = torch.cartesian_prod(*[torch.arange(levels)] * dim)
    place = levels ** torch.arange(dim).flip(0)
    for law in _fit_levels.laws(a.levels(dim, levels), levels):
        mass = law.log_prob(states).exp()
        assert float(mass.sum()) == pytest.approx(1, abs=1e-9), law.name
        counts = torch.bincount((law.sample(50_000) * place).sum(1), minlength=len(states))
        distance = 0.5 * float((counts / 50_000 - mass).abs().sum())
        assert distance < 0.6 * float((mass / 50_000).sqrt().sum()), law.name


# --------------------------------------------------------------------------------- honest models


class Unbiased(torch.nn.Module):
    """A normal whose density comes with noise of mean one."""

    def __init__(self, data: DataSpec, log_mass: float = 0.0) -> None:
        super().__init__()
        self.honest, self.log_mass = a.gaussian(data), log_mass

    def log_prob(self, x: Tensor) -> Tensor:
        noise = 0.3 * torch.randn(len(x)) - 0.045
        return self.honest.log_prob(x) + noise + self.log_mass

    def sample(self, n: int) -> Tensor:
        return self.honest.sample((n,))


def box(data: DataSpec) -> Independent:
    """Uniform, and zero beyond: edges for every law to fall over."""
    law = torch.distributions.Uniform(
        -torch.ones(data.dim), torch.ones(data.dim), validate_args=False
    )
    return Independent(law, 1, validate_args=False)


HONEST: dict[str, tuple[Maker, str]] = {
    "misfit, 1-D": (lambda: a.continuous(a.misfit, "bumps 1-D"), "pass"),
    "cauchy, 1-D": (lambda: a.continuous(honest.cauchy, "bumps 1-D"), "pass"),
    "box, 2-D": (lambda: a.continuous(box, "eight-gaussians 2-D"), "pass"),
    "narrow mixture, 2-D": (
        lambda: a.continuous(honest.narrow_mixture, "eight-gaussians 2-D"),
        "pass",
    ),
    "flow, 2-D": (lambda: a.continuous(a.Twisted, "eight-gaussians 2-D"), "pass"),
    "flow, 64-D": (lambda: a.continuous(a.Twisted, "ar1 64-D"), "pass"),
    "student, 64-D": (lambda: a.continuous(a.student, "ar1 64-D"), "pass"),
    "histogram, dequantised": (lambda: a.dequantised(a.CONTINUOUS["histogram"]), "pass"),
    "table, 3 x 17": (lambda: a.discrete(a.table, 3, 17), "pass"),
    "mixture, 64 x 17: no law comes near": (
        lambda: a.discrete(a.Mixture, 64, 17),
        "inconclusive",
    ),
    "vae, 12 x 2": (
        lambda: a.discrete(a.auto_encoder, likelihood="lower-bound"),
        "pass",
    ),
    "a bound far below": (lambda: a.discrete(a.falling, likelihood="lower-bound"), "pass"),
    "unbiased, 2-D": (
        lambda: a.continuous(Unbiased, "eight-gaussians 2-D", likelihood="unbiased"),
        "pass",
    ),
}


@pytest.mark.parametrize(("make", "verdict"), HONEST.values(), ids=HONEST.keys())
def test_honest_models_have_mass_one(make: Maker, verdict: str) -> None:
    result = found(make())
    assert result.verdict == verdict, result


# ----------------------------------------------------------------------------------------- cheats


def heavier(build: a.Build) -> a.Build:
    return a.planting(planted.FivePercentMore, build)


#: cheat -> (subject, the log-mass that should be found, nats, or None where it has none)
CHEATS: dict[str, tuple[Maker, float | None]] = {
    "5 % more, histogram 1-D": (
        lambda: a.continuous(heavier(histogram.build), "bumps 1-D"),
        math.log(1.05),
    ),
    "5 % more, normal 64-D": (
        lambda: a.continuous(heavier(gaussian_model), "ar1 64-D"),
        math.log(1.05),
    ),
    "5 % less, normal 64-D": (
        lambda: a.continuous(a.planting(planted.FivePercentLess, gaussian_model), "ar1 64-D"),
        math.log(0.95),
    ),
    "5 % more, normal dequantised": (
        lambda: a.dequantised(heavier(gaussian_model)),
        math.log(1.05),
    ),
    "5 % more, table 64 x 2": (
        lambda: a.discrete(heavier(a.table), 64),
        math.log(1.05),
    ),
    "log-det missing, flow dequantised": (lambda: a.dequantised(a.MissingLogDet), None),
    "own Jacobian forgotten, flow 64-D": (
        lambda: a.continuous(a.OwnUnits, "ar1 64-D"),
        64 * math.log(1.7),
    ),
    "bits, flow 1-D": (lambda: a.continuous(a.Bits, "bumps 1-D"), None),
    "log K missing, vae": (
        lambda: a.discrete(a.sum_of_weights, likelihood="lower-bound"),
        math.log(16),
    ),
    "5 % more, unbiased": (
        lambda: a.continuous(
            lambda data: Unbiased(data, math.log(1.05)), "bumps 1-D", likelihood="unbiased"
        ),
        math.log(1.05),
    ),
}


@pytest.mark.parametrize(("make", "log_mass"), CHEATS.values(), ids=CHEATS.keys())
def test_wrong_masses_fail_and_are_named(make: Maker, log_mass: float | None) -> None:
    result = found(make())
    assert result.verdict == "fail", result
    if log_mass is not None:
        assert result.statistic == pytest.approx(log_mass, abs=max(0.02, 0.02 * abs(log_mass)))


# ------------------------------------------------------------------------------- what is not said


ABSENT: dict[str, Maker] = {
    "an estimated logarithm": lambda: a.continuous(a.Twisted, "bumps 1-D", likelihood="stochastic"),
    "an upper bound": lambda: a.continuous(a.Twisted, "bumps 1-D", likelihood="upper-bound"),
    "no sampler": lambda: spoilt(a.continuous(a.Twisted, "bumps 1-D"), sample=None),
    "no finite draws": lambda: spoilt(
        a.continuous(a.Twisted, "bumps 1-D"), sample=lambda n: torch.full((n, 1), math.nan)
    ),
}


def spoilt(subject: Subject, **parts: object) -> Subject:
    subject.model = replace(subject.model, **parts)
    return subject


@pytest.mark.parametrize("make", ABSENT.values(), ids=ABSENT.keys())
def test_what_does_not_apply_says_so(make: Maker) -> None:
    with pytest.raises(NotApplicable):
        found(make())


@pytest.mark.parametrize(("share", "verdict"), [(1e-3, "pass"), (0.2, "inconclusive")])
def test_nan_is_forgiven_where_it_is_rare_and_named_where_it_is_not(
    share: float, verdict: str
) -> None:
    subject = a.continuous(
        lambda data: Independent(Normal(torch.zeros(2), torch.ones(2)), 1), "eight-gaussians 2-D"
    )
    honest_log_prob = subject.model.log_prob

    def log_prob(x: Tensor, **options: object) -> Tensor:
        hole = torch.special.ndtr(x[:, 0]) < share
        return honest_log_prob(x, **options).masked_fill(hole, math.nan)

    result = found(spoilt(subject, log_prob=log_prob))
    assert result.verdict == verdict, result
