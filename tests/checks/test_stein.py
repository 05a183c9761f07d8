"""The width of a model's draws against that of its density."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import audit_subjects as a
import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Laplace, Uniform

from bench.calibration import honest
from bench.checks._base import NotApplicable
from bench.checks.stein import DELTA, Field, stein
from bench.contract import DataSpec
from bench.subject import Subject

Maker = Callable[[], Subject]
PLANE, LINE, WIDE = "eight-gaussians 2-D", "bumps 1-D", "ar1 64-D"


def box(data: DataSpec) -> Distribution:
    """Flat, with an edge."""
    one = torch.ones(data.dim)
    return Independent(Uniform(-one, one, validate_args=False), 1, validate_args=False)


def kinked(data: DataSpec) -> Distribution:
    return Independent(Laplace(torch.zeros(data.dim), torch.ones(data.dim)), 1)


class Truncated(torch.nn.Module):
    """A normal without the part left of -.3: a jump where its density is high."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.dim = data.dim
        self.register_buffer("kept", torch.special.ndtr(torch.tensor(0.3)))

    def log_prob(self, x: Tensor) -> Tensor:
        normal = -0.5 * x.square() - 0.5 * math.log(2 * math.pi) - self.kept.log()
        return normal.masked_fill(x < -0.3, -math.inf).sum(1)

    def sample(self, n: int) -> Tensor:
        u = torch.rand(n, self.dim, dtype=torch.float64)
        return torch.special.ndtri(1 - self.kept.double() * (1 - u)).float()


HONEST: dict[str, Maker] = {
    **{
        f"{build.__name__}, {truth}": (lambda build=build, truth=truth: a.continuous(build, truth))
        for build in (box, kinked, Truncated, a.misfit, a.student)
        for truth in (LINE, PLANE, WIDE)
    },
    "histogram, 2-D": lambda: a.continuous(a.CONTINUOUS["histogram"], PLANE),
    "bounded histogram, 2-D": lambda: a.continuous(honest.bounded_histogram, PLANE),
    "kernels, 64-D": lambda: a.continuous(a.CONTINUOUS["kde"], WIDE),
    "narrow mixture, 2-D": lambda: a.continuous(honest.narrow_mixture, PLANE),
    "cauchy, 64-D": lambda: a.continuous(honest.cauchy, WIDE),
    "flow, dequantised": lambda: a.dequantised(a.Twisted),
}


@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST.keys())
def test_honest_draws_have_the_right_width(make: Maker) -> None:
    result = stein(make())
    assert result.verdict == "pass", result


def widened(subject: Subject, factor: float) -> Subject:
    """Draws moved away from their mean by a factor."""
    plain = subject.model.sample
    assert plain is not None

    def sample(n: int) -> Tensor:
        x = plain(n)
        return x.mean(0) + factor * (x - x.mean(0))

    subject.model = replace(subject.model, sample=sample)
    return subject


@pytest.mark.parametrize("factor", [0.9, 0.96, 1.04, 1.1])
@pytest.mark.parametrize("truth", [LINE, PLANE, WIDE])
def test_a_normal_of_the_wrong_width_is_measured(truth: str, factor: float) -> None:
    result = stein(widened(a.continuous(a.misfit, truth), factor))
    if truth == WIDE or abs(factor - 1) > 0.05:
        assert result.verdict == "fail", result
    error = {LINE: 0.03, PLANE: 0.02, WIDE: 0.012}[truth] + 4 * (factor - 1) ** 2  # first order
    assert result.statistic == pytest.approx(math.log(factor), abs=error)


CHEATS: dict[str, Maker] = {
    "temperature .9, 1-D": lambda: a.continuous(a.Cold, LINE),
    "temperature .9, 2-D": lambda: a.continuous(a.Cold, PLANE),
    "temperature .9, 64-D": lambda: a.continuous(a.Cold, WIDE),
    "temperature .9, dequantised": lambda: a.dequantised(a.Cold),
    "bits, 1-D": lambda: a.continuous(a.Bits, LINE),
    "bits, 64-D": lambda: a.continuous(a.Bits, WIDE),
    "narrower modes, 2-D": lambda: a.continuous(NarrowModes, PLANE),
}


class NarrowModes:
    """Eight normals that are as far apart as they should be, and a tenth too narrow as drawn."""

    def __init__(self, data: DataSpec) -> None:
        angle = torch.arange(8) * math.pi / 4
        self.means = 3 * torch.stack([angle.cos(), angle.sin()], 1)

    def log_prob(self, x: Tensor) -> Tensor:
        square = torch.cdist(x.double(), self.means.double()).square()
        return torch.logsumexp(-0.5 * square / 0.04, 1) - math.log(8 * 2 * math.pi * 0.04)

    def sample(self, n: int) -> Tensor:
        return self.means[torch.randint(8, (n,))] + 0.9 * 0.2 * torch.randn(n, 2)


@pytest.mark.parametrize("make", CHEATS.values(), ids=CHEATS.keys())
def test_wrong_widths_fail(make: Maker) -> None:
    result = stein(make())
    assert result.verdict == "fail", result
    assert abs(result.statistic or 0) > DELTA


@pytest.mark.parametrize("centres", [1, 5])
def test_moves_come_back(centres: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1000, 3, generator=generator, dtype=torch.float64)
    field = Field(x[:centres], torch.tensor([1.0, 2.0, 0.5]).double())
    y, returns = field.move(x, 0.3)
    back, comes_back = field.move(y, -0.3)
    assert comes_back[returns].all()
    assert (back - x)[returns].abs().max() < 1e-12
    assert float(returns.double().mean()) > 0.3


#: draws lost -> (share, verdict)
LOST = {"few": (0.001, "pass"), "many": (0.3, "inconclusive"), "all": (1.0, "inconclusive")}


@pytest.mark.parametrize(("share", "verdict"), LOST.values(), ids=LOST.keys())
def test_draws_without_a_density_are_named(share: float, verdict: str) -> None:
    subject = a.continuous(a.Twisted, WIDE)
    plain, edge = subject.model.log_prob, subject.samples(2000)[:, 0].quantile(share)

    def log_prob(x: Tensor, **options: object) -> Tensor:
        return plain(x, **options).masked_fill(x[:, 0] <= edge, math.nan)

    subject.model = replace(subject.model, log_prob=log_prob)
    result = stein(subject)
    assert result.verdict == verdict, result


ABSENT: dict[str, Maker] = {
    "levels": lambda: a.discrete(a.table),
    "noise": lambda: a.continuous(a.Twisted, LINE, likelihood="stochastic"),
    "a bound": lambda: a.continuous(a.Twisted, LINE, likelihood="lower-bound"),
}


@pytest.mark.parametrize("make", ABSENT.values(), ids=ABSENT.keys())
def test_what_does_not_apply_says_so(make: Maker) -> None:
    with pytest.raises(NotApplicable):
        stein(make())
