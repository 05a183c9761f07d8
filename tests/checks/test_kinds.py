"""Every kind of likelihood, on every kind of data: what is honest does not fail, what lies does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import audit_subjects as a
import pytest
import torch
from torch import Tensor, nn

from bench.checks import battery
from bench.contract import DataSpec, Splits
from bench.datasets._markov import sticky_chain
from bench.records import Check
from bench.registry import discover
from bench.spaces import dequantized, native
from bench.subject import Subject

ENTRIES = discover().checks
GAUSSIAN, TABLES = a.CONTINUOUS["gaussian"], a.DISCRETE["mixture"]
Value = Callable[[Tensor, Tensor], Tensor]  #: exact log-densities [n] and points -> values


def run(subject: Subject, name: str) -> Check:
    return battery.run(subject, [ENTRIES[name]])[0]


class Estimated(nn.Module):
    """An honest model whose log_prob goes through `value`."""

    def __init__(self, honest: Any, value: Value) -> None:
        super().__init__()
        self.honest, self.value = honest, value

    def log_prob(self, x: Tensor) -> Tensor:
        return self.value(self.honest.log_prob(x), x)

    def sample(self, n: int) -> Tensor:
        plain = isinstance(self.honest, torch.distributions.Distribution)
        return self.honest.sample((n,) if plain else n)


def through(value: Value, honest: a.Build = GAUSSIAN) -> a.Build:
    return lambda data: Estimated(honest(data), value)


def noisy(sd: float, more: float = 0.0) -> Value:
    """Unbiased for log p."""
    return lambda v, x: v + more + sd * torch.randn(len(v))


def skewed(sd: float) -> Value:
    """The same with the noise of an exponential law."""
    return lambda v, x: v + sd * (torch.distributions.Exponential(1.0).sample(v.shape) - 1)


def one_noise_per_call(sd: float) -> Value:
    """As a series cut at one random length for the whole batch."""
    return lambda v, x: v + sd * torch.randn(1)


def weighted(sd: float, more: float = 0.0, count: int = 8) -> Value:
    """The logarithm of an unbiased estimate of p."""

    def value(v: Tensor, x: Tensor) -> Tensor:
        weights = sd * torch.randn(count, len(v)) - sd**2 / 2
        return v + more + torch.logsumexp(weights, 0) - math.log(count)

    return value


def off(gap: float) -> Value:
    """A noisy bound whose gap differs from point to point."""
    return lambda v, x: v + gap * (1 + x.flatten(1)[:, 0].tanh()) + 0.2 * torch.randn(len(v))


class ExactDivergence(nn.Module):
    """The evidence lower bound with the divergence in closed form.

    It is a bound in the mean; the mean of its exponential may exceed p.
    """

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.honest = a.auto_encoder(data)

    def log_prob(self, x: Tensor, samples: int = 16) -> Tensor:
        return torch.stack([-self.honest.loss(x) for _ in range(min(samples, 4))]).mean(0)

    def sample(self, n: int) -> Tensor:
        return self.honest.sample(n)


def raised_bound(data: DataSpec) -> Any:
    """A tenth of a nat above an importance-weighted bound."""
    honest = a.auto_encoder(data)

    class Raised(ExactDivergence):
        def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
            return honest.log_prob(x, samples) + 0.1

    return Raised(data)


def plane(build: a.Build, kind: str) -> Subject:
    return a.continuous(build, "eight-gaussians 2-D", likelihood=kind)


def line(build: a.Build, kind: str) -> Subject:
    return a.continuous(build, "bumps 1-D", likelihood=kind)


def wide(build: a.Build, kind: str) -> Subject:
    return a.continuous(build, "ar1 64-D", likelihood=kind)


def chain(build: a.Build, kind: str = "exact-discrete", dim: int = 6, count: int = 3) -> Subject:
    """A model of levels that follow a known chain."""
    return _on_chain(build, kind, dim, count, "levels")


def rough_chain(build: a.Build, kind: str = "exact", dim: int = 6, count: int = 3) -> Subject:
    """A continuous model of the same levels."""
    return _on_chain(build, kind, dim, count, "marginals")


def _on_chain(build: a.Build, kind: str, dim: int, count: int, name: str) -> Subject:
    truth = sticky_chain(dim, count)
    parts = [truth.sample(1500, torch.Generator().manual_seed(k)) for k in range(3)]
    levels = name == "levels"
    space = native((dim,)) if levels else dequantized(name, parts[0], count, (dim,))
    met = "discrete" if levels else "continuous"
    return a._subject(build, Splits(*parts), space, met, count, kind, truth, 0)


Make = Callable[[], Subject]
#: honest model -> (subject, checks that must pass; none may fail)
HONEST: dict[str, tuple[Make, set[str]]] = {
    **{
        f"stochastic {sd}, {where.__name__}": (
            lambda sd=sd, where=where: where(through(noisy(sd)), "stochastic"),
            {"invariance"} | ({"quadrature", "truth"} if where is line else set()),
        )
        for sd, where in ((0.1, line), (0.3, line), (1.0, line), (0.3, plane), (0.3, wide))
    },
    "stochastic, far too noisy": (lambda: line(through(noisy(4.0)), "stochastic"), {"invariance"}),
    "stochastic, skewed": (lambda: line(through(skewed(0.5)), "stochastic"), {"quadrature"}),
    "stochastic, one noise per call": (
        lambda: line(through(one_noise_per_call(0.3)), "stochastic"),
        {"invariance"},
    ),
    "unbiased, 1-D": (
        lambda: line(through(weighted(1.0)), "unbiased"),
        {"invariance", "quadrature", "truth"},
    ),
    "unbiased, 64-D": (lambda: wide(through(weighted(0.5)), "unbiased"), {"truth", "balance"}),
    "lower bound, 2-D": (
        lambda: plane(through(off(-0.3)), "lower-bound"),
        {"invariance", "quadrature", "truth"},
    ),
    "upper bound, 2-D": (
        lambda: plane(through(off(0.3)), "upper-bound"),
        {"invariance", "quadrature", "truth"},
    ),
    "stochastic levels": (
        lambda: chain(through(noisy(0.3), TABLES), "stochastic"),
        {"sum", "invariance", "balance"},
    ),
    "unbiased levels": (
        lambda: chain(through(weighted(0.5), TABLES), "unbiased"),
        {"sum", "invariance"},
    ),
    "upper bound of levels": (lambda: chain(through(off(0.2), TABLES), "upper-bound"), {"sum"}),
    "importance-weighted bound": (
        lambda: chain(a.auto_encoder, "lower-bound"),
        {"sum", "invariance", "copies"},
    ),
    "bound with a divergence": (lambda: chain(ExactDivergence, "lower-bound"), {"sum", "copies"}),
    "tables of levels": (lambda: chain(TABLES), {"truth", "sum"}),
    "tables of 64 levels": (lambda: chain(TABLES, dim=64), set()),
    "dequantized": (lambda: rough_chain(GAUSSIAN), {"truth", "balance"}),
    "dequantized, stochastic": (
        lambda: rough_chain(through(noisy(0.3)), "stochastic"),
        {"invariance"},
    ),
}
CHECKS = ("invariance", "quadrature", "sum", "truth", "balance", "copies", "bound")


@pytest.mark.parametrize(("make", "passing"), HONEST.values(), ids=HONEST.keys())
def test_what_is_honest_does_not_fail(make: Make, passing: set[str]) -> None:
    subject = make()
    found = {name: run(subject, name) for name in CHECKS}
    assert {n for n, c in found.items() if c.verdict in ("fail", "error")} == set()
    assert {n for n in passing if found[n].verdict != "pass"} == set()


FIVE = math.log(1.05)
#: cheat -> (subject, checks that must fail)
CHEATS: dict[str, tuple[Make, set[str]]] = {
    "stochastic, 5 % more": (
        lambda: line(through(noisy(0.3, FIVE)), "stochastic"),
        {"quadrature", "truth"},
    ),
    "stochastic and noisy, 5 % more, 2-D": (
        lambda: plane(through(noisy(1.0, FIVE)), "stochastic"),
        {"quadrature"},
    ),
    "unbiased, 5 % more": (lambda: line(through(weighted(1.0, FIVE)), "unbiased"), {"quadrature"}),
    "log-unbiased passed off as unbiased": (
        lambda: line(through(noisy(0.5)), "unbiased"),
        {"quadrature", "truth"},
    ),
    "lower bound above": (
        lambda: plane(through(off(0.3)), "lower-bound"),
        {"quadrature", "truth"},
    ),
    "upper bound below": (
        lambda: plane(through(off(-0.3)), "upper-bound"),
        {"quadrature", "truth"},
    ),
    "upper bound of levels below": (
        lambda: chain(through(off(-0.3), TABLES), "upper-bound"),
        {"sum"},
    ),
    "stochastic levels, 5 % more": (
        lambda: chain(through(noisy(0.1, FIVE), TABLES), "stochastic"),
        {"sum"},
    ),
    "bound a tenth of a nat above": (lambda: chain(raised_bound, "lower-bound"), {"sum"}),
    "levels, 3 nats more": (
        lambda: chain(through(lambda v, x: v + 3, TABLES)),
        {"sum", "truth"},
    ),
    "levels in bits": (lambda: chain(through(lambda v, x: v / math.log(2), TABLES)), {"truth"}),
    "64 levels, 20 nats more": (
        lambda: chain(through(lambda v, x: v + 20, a.DISCRETE["categorical"]), dim=64),
        {"truth"},
    ),
    "dequantized, 3 nats more": (
        lambda: rough_chain(through(lambda v, x: v + 3)),
        {"truth"},
    ),
    "dequantized, 3 nats less": (
        lambda: rough_chain(through(lambda v, x: v - 3)),
        {"truth"},
    ),
    "64-D, 3 nats more": (lambda: wide(through(lambda v, x: v + 3), "exact"), {"truth"}),
    "64-D, 3 nats less": (lambda: wide(through(lambda v, x: v - 3), "exact"), {"truth"}),
    "64-D, far off, 9 nats more": (
        lambda: wide(through(lambda v, x: v + 9, a.CONTINUOUS["student t3"]), "exact"),
        {"truth"},
    ),
    "64-D in bits": (
        lambda: wide(through(lambda v, x: v / math.log(2)), "exact"),
        {"truth", "balance"},
    ),
}


@pytest.mark.parametrize(("make", "failing"), CHEATS.values(), ids=CHEATS.keys())
def test_what_lies_fails(make: Make, failing: set[str]) -> None:
    subject = make()
    found = {name: run(subject, name) for name in failing}
    assert {n for n, c in found.items() if c.verdict != "fail"} == set(), found


def own_generator(sd: float) -> Value:
    """Noise that no seed of torch's reaches."""
    generator = torch.Generator().manual_seed(9)
    return lambda v, x: v + sd * torch.randn(len(v), generator=generator)


def as_many_as_needed(v: Tensor, x: Tensor) -> Tensor:
    """Takes random numbers as the points require, as rejection does."""
    torch.rand(int(x[:, 0].abs().sum() * 10) % 97)
    return v + 0.3 * torch.randn(len(v))


def batch_mean(v: Tensor, x: Tensor) -> Tensor:
    return v + 0.1 * x[:, 0].mean() + 0.3 * torch.randn(len(v))


def by_rank(v: Tensor, x: Tensor) -> Tensor:
    """Later rows fare better."""
    return v + torch.arange(len(v)) * 0.05 + 0.3 * torch.randn(len(v))


#: value -> verdict of invariance
BATCHES = {
    "fresh noise": (own_generator(1.0), "pass"),
    "noise by need": (as_many_as_needed, "pass"),
    "one noise per call": (one_noise_per_call(1.0), "pass"),
    "statistics of the batch": (batch_mean, "fail"),
    "the order of the rows": (by_rank, "fail"),
}


@pytest.mark.parametrize("kind", ["stochastic", "upper-bound"])
@pytest.mark.parametrize(("value", "verdict"), BATCHES.values(), ids=BATCHES.keys())
def test_noise_is_no_dependence_and_does_not_hide_one(
    value: Value, verdict: str, kind: str
) -> None:
    assert run(line(through(value), kind), "invariance").verdict == verdict


class Traced(a.Twisted):
    """Its log-determinant is estimated."""

    short = 0.0

    def transform(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, logabsdet = super().transform(x)
        return z, (1 - self.short) * logabsdet + 0.2 * torch.randn(len(x))


class Shortened(Traced):
    short = 0.5


class Loose(Traced):
    """A solver's inverse."""

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, logabsdet = super().inverse(z)
        return x * (1 + 3e-4), logabsdet


#: flow of an estimated log-determinant -> verdicts
FLOWS: dict[str, tuple[a.Build, dict[str, str]]] = {
    "honest": (Traced, {"log-det": "pass", "round-trip": "pass"}),
    "half of it": (Shortened, {"log-det": "fail", "round-trip": "pass"}),
    "a loose solver": (Loose, {"log-det": "pass", "round-trip": "inconclusive"}),
}


@pytest.mark.parametrize(("build", "verdicts"), FLOWS.values(), ids=FLOWS.keys())
def test_flows_with_an_estimated_log_determinant(build: a.Build, verdicts: dict[str, str]) -> None:
    subject = plane(build, "stochastic")
    assert {name: run(subject, name).verdict for name in verdicts} == verdicts


def test_a_frozen_noise_is_not_averaged_out() -> None:
    """Nothing tells it from a wrong mass, so neither is said."""
    frozen = through(lambda v, x: v + 0.5 * torch.sin(1e4 * x[:, 0]))
    subject = line(frozen, "stochastic")
    for name in ("quadrature", "truth", "balance"):
        assert run(subject, name).verdict == "inconclusive"


def test_a_wrong_truth_is_told_from_a_wrong_mass() -> None:
    subject = wide(GAUSSIAN, "exact")
    assert subject.truth is not None
    shifted = replace(subject, truth=_Claimed(subject.truth))
    found = run(shifted, "truth")
    assert found.verdict == "fail"
    assert "scores +" in found.detail


class _Claimed:
    """A truth that states two nats too little of itself."""

    def __init__(self, truth: Any) -> None:
        self.truth, self.entropy = truth, truth.entropy + 2

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.truth.sample(n, generator)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.truth.log_prob(x) - 2
