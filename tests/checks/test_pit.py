"""The noise of a flow's draws against its base, whichever that is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import audit_subjects as a
import pytest
import torch
from torch import Tensor, nn

from bench.calibration import planted
from bench.checks._base import NotApplicable
from bench.checks.noise import pit
from bench.contract import DataSpec
from bench.subject import Subject

Maker = Callable[[], Subject]
PLANE, LINE, WIDE = "eight-gaussians 2-D", "bumps 1-D", "ar1 64-D"
LOG_2PI = math.log(2 * math.pi)


class Based(nn.Module):
    """x = scale * z with z from a base of independent coordinates."""

    scale = 1.7

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.dim = data.dim
        self.register_buffer("log_scale", torch.full((data.dim,), math.log(self.scale)))

    def base_log_prob(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + LOG_2PI).sum(1)

    def base_sample(self, n: int) -> Tensor:
        return torch.randn(n, self.dim)

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x / self.log_scale.exp(), -self.log_scale.sum().expand(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        return z * self.log_scale.exp()

    def log_prob(self, x: Tensor) -> Tensor:
        z, logabsdet = self.transform(x)
        return self.base_log_prob(z) + logabsdet

    def sample(self, n: int) -> Tensor:
        return self.inverse(self.base_sample(n))


class Logistic(Based):
    scale = 0.5

    def base_log_prob(self, z: Tensor) -> Tensor:
        return (nn.functional.logsigmoid(z) + nn.functional.logsigmoid(-z)).sum(1)

    def base_sample(self, n: int) -> Tensor:
        return torch.logit(torch.rand(n, self.dim, dtype=torch.float64)).float()


class UniformBase(Based):
    """z = Phi(x)."""

    def base_log_prob(self, z: Tensor) -> Tensor:
        return torch.zeros(len(z))

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.special.ndtr(x), -0.5 * (x.square() + LOG_2PI).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        return torch.special.ndtri(z.clamp(1e-7, 1 - 1e-7))

    def base_sample(self, n: int) -> Tensor:
        return torch.rand(n, self.dim)


class Learned(Based):
    """A normal base of mean .3 and standard deviation 1.2."""

    def base_log_prob(self, z: Tensor) -> Tensor:
        return super().base_log_prob((z - 0.3) / 1.2) - self.dim * math.log(1.2)

    def base_sample(self, n: int) -> Tensor:
        return 0.3 + 1.2 * torch.randn(n, self.dim)


class CutBase(Based):
    """A normal base that ends at two standard deviations: its log-density has a constant more."""

    scale = 3.0

    def base_log_prob(self, z: Tensor) -> Tensor:
        kept = math.log(1 - 2 * float(torch.special.ndtr(torch.tensor(-2.0))))
        outside = (z.abs() > 2).any(1)
        return (super().base_log_prob(z) - self.dim * kept).masked_fill(outside, -math.inf)

    def base_sample(self, n: int) -> Tensor:
        tail = torch.special.ndtr(torch.tensor(-2.0, dtype=torch.float64))
        u = torch.rand(n, self.dim, dtype=torch.float64)
        return torch.special.ndtri(tail + (1 - 2 * tail) * u).float()


class Onto(CutBase):
    """z = 2 tanh(x): the map's own range is where the base ends."""

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        slope = math.log(2) + 2 * (math.log(2) - x - nn.functional.softplus(-2 * x))
        return 2 * torch.tanh(x), slope.sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        return torch.atanh((z / 2).clamp(-0.9999, 0.9999))


class SplitBase(Based):
    """Nine tenths of a standard normal, the rest far away: a constant less where the data are."""

    scale = 1.0

    def base_log_prob(self, z: Tensor) -> Tensor:
        near = super().base_log_prob(z) + math.log(0.9)
        return torch.logaddexp(near, super().base_log_prob(z - 100) + math.log(0.1))

    def base_sample(self, n: int) -> Tensor:
        return super().base_sample(n) + 100.0 * (torch.rand(n, 1) < 0.1)


class Imprecise(Based):
    """One draw in fifty comes back far off, as an ill-conditioned inverse makes it."""

    def inverse(self, z: Tensor) -> Tensor:
        x = super().inverse(z)
        return torch.where(torch.rand(len(z), 1) < 0.02, 1e4 * x, x)


#: honest flow -> (subject, verdict)
HONEST: dict[str, tuple[Maker, str]] = {
    **{
        f"{name}, {truth}": (lambda b=build, t=truth: a.continuous(b, t), verdict)
        for truth in (LINE, PLANE, WIDE)
        for name, build, verdict in (
            ("flow", a.Twisted, "pass"),
            ("normal", Based, "pass"),
            ("logistic", Logistic, "pass"),
            ("uniform", UniformBase, "pass"),
            ("learned", Learned, "n/a"),
            ("cut", CutBase, "inconclusive" if truth == WIDE else "n/a"),
            ("onto a part", Onto, "inconclusive" if truth == WIDE else "n/a"),
            ("split", SplitBase, "n/a"),
        )
    },
    "imprecise, 64-D": (lambda: a.continuous(Imprecise, WIDE), "inconclusive"),
    "flow, dequantised": (lambda: a.dequantised(a.Twisted), "pass"),
    "no inverse": (lambda: without(a.continuous(a.Twisted, WIDE), "inverse"), "pass"),
    "no sampler": (lambda: without(a.continuous(a.Twisted, WIDE), "sample"), "n/a"),
    "no transform": (lambda: a.continuous(a.student, WIDE), "n/a"),
    "levels": (lambda: a.discrete(a.table), "n/a"),
    "an estimated logarithm": (
        lambda: a.continuous(a.Twisted, LINE, likelihood="stochastic"),
        "n/a",
    ),
}


def without(subject: Subject, ability: str) -> Subject:
    subject.model = replace(subject.model, **{ability: None})
    return subject


def verdict_of(subject: Subject) -> tuple[str, str]:
    torch.manual_seed(0)
    try:
        result = pit(subject)
    except NotApplicable as why:
        return "n/a", str(why)
    return result.verdict, result.detail or ""


@pytest.mark.parametrize(("make", "verdict"), HONEST.values(), ids=HONEST.keys())
def test_honest_flows(make: Maker, verdict: str) -> None:
    assert verdict_of(make())[0] == verdict


class Temperate(Based):
    """The base's noise times .9."""

    def base_sample(self, n: int) -> Tensor:
        return 0.9 * super().base_sample(n)


class WarmLogistic(Logistic):
    def base_sample(self, n: int) -> Tensor:
        return 1.2 * super().base_sample(n)


class FlatNoise(Based):
    """Of the right mean square, but not normal."""

    def base_sample(self, n: int) -> Tensor:
        return 3**0.5 * (2 * torch.rand(n, self.dim) - 1)


class Half(Based):
    """Claims twice the density."""

    def base_log_prob(self, z: Tensor) -> Tensor:
        return super().base_log_prob(z) + math.log(2)


FIVE_LESS = a.planting(planted.FivePercentLess, a.Twisted)
#: cheat -> (subject, words)
CHEATS: dict[str, tuple[Maker, str]] = {
    **{
        f"temperature .9, {truth}": (lambda t=truth: a.continuous(Temperate, t), "0.9")
        for truth in (LINE, PLANE, WIDE)
    },
    "flow at temperature .9, 2-D": (lambda: a.continuous(a.Cold, PLANE), "0.9"),
    "logistic, too warm": (lambda: a.continuous(WarmLogistic, WIDE), "distribution"),
    "of another shape": (lambda: a.continuous(FlatNoise, PLANE), "distribution"),
    "5 % more, 2-D": (lambda: a.continuous(a.FivePercent, PLANE), "mass 1.05"),
    "5 % more, 64-D": (lambda: a.continuous(a.FivePercent, WIDE), "mass 1.05"),
    "5 % less, 64-D": (lambda: a.continuous(FIVE_LESS, WIDE), "mass 0.95"),
    "twice the density": (lambda: a.continuous(Half, LINE), "mass 2"),
    "training rows": (lambda: a.continuous(a.Parrot, WIDE), "width"),
}


@pytest.mark.parametrize(("make", "words"), CHEATS.values(), ids=CHEATS.keys())
def test_cheats_fail_with_their_cause(make: Maker, words: str) -> None:
    verdict, detail = verdict_of(make())
    assert verdict == "fail", detail
    assert words in detail


def test_a_hundred_points_show_a_temperature_in_64_dimensions() -> None:
    subject = a.continuous(a.Cold, WIDE)
    subject.evaluation = subject.evaluation.model_copy(update={"check_points": 200})
    assert verdict_of(subject)[0] == "fail"
