"""Stated log-partition functions and ladders of bounds: honest ones pass, faults fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import audit_subjects as a
import energy_models as f
import pytest
import torch

from bench.checks import battery
from bench.contract import DataSpec
from bench.records import Check
from bench.registry import discover
from bench.subject import Subject

Build = Callable[[DataSpec], Any]
CHECKS = discover().checks


def outcome(name: str, subject: Subject) -> Check:
    return battery.run_one(CHECKS[name], subject)


class Stated(f.RBM):
    """The exact log Z plus an offset, as a plain number, with or without a stated error."""

    def __init__(self, data: DataSpec, offset: float = 0.0, error: float | None = None) -> None:
        super().__init__(data)
        self.log_partition = float(super().log_partition()) + offset
        self.log_partition_error = error

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return self.log_unnormalized(x) - self.log_partition


class WrongSign(f.RBM):
    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return self.log_unnormalized(x) + self.log_partition()


def annealed_but(change: Callable[[Any], Any]) -> Build:
    """Annealing whose estimate goes through a fault."""

    class Faulty(f.Annealed):
        def __init__(self, data: DataSpec) -> None:
            super().__init__(data)
            self.estimate = change(self)

    return Faulty


#: (model, kind of likelihood, verdict)
ENERGIES: dict[str, tuple[Build, str, str]] = {
    "exact": (f.RBM, "exact-discrete", "pass"),
    "annealed": (f.Annealed, "upper-bound", "pass"),
    "few temperatures": (partial(f.Annealed, temperatures=3), "upper-bound", "pass"),
    "sign": (WrongSign, "exact-discrete", "fail"),
    "off by .01": (partial(Stated, offset=0.01), "exact-discrete", "fail"),
    "base forgotten": (annealed_but(lambda m: m.log_ratio), "upper-bound", "fail"),
    "hidden units of the base": (
        annealed_but(lambda m: m.estimate - len(m.c) * math.log(2)),
        "upper-bound",
        "fail",
    ),
    "chains not divided": (
        annealed_but(lambda m: m.estimate + math.log(100)),
        "upper-bound",
        "fail",
    ),
    "a lower bound with too large a Z": (partial(Stated, offset=0.5), "lower-bound", "pass"),
    "a lower bound with too small a Z": (partial(Stated, offset=-0.5), "lower-bound", "fail"),
    "an upper bound with too small a Z": (partial(Stated, offset=-0.5), "upper-bound", "pass"),
    "an upper bound with too large a Z": (partial(Stated, offset=0.5), "upper-bound", "fail"),
    "within the stated error": (partial(Stated, offset=0.08, error=0.03), "stochastic", "pass"),
    "an error too large": (partial(Stated, offset=0.5, error=0.1), "stochastic", "inconclusive"),
    "beyond the stated error": (partial(Stated, offset=0.5, error=0.01), "stochastic", "fail"),
}


@pytest.mark.parametrize("dim", [6, 12, 24])  # the last one is rebuilt on fewer coordinates
@pytest.mark.parametrize(("build", "kind", "verdict"), ENERGIES.values(), ids=ENERGIES.keys())
def test_partition_functions(build: Build, kind: str, verdict: str, dim: int) -> None:
    found = outcome("partition", a.discrete(build, dim, likelihood=kind))
    assert found.verdict == verdict, found


def test_the_machine_agrees_with_its_states_and_with_annealing() -> None:
    """The closed form over hidden units, the sum over visible ones, and 20 annealed estimates."""
    machine = a.discrete(f.RBM, 10).model.obj
    states = torch.cartesian_prod(*[torch.arange(2)] * 10)
    exact = float(machine.log_partition())
    assert float(torch.logsumexp(machine.log_unnormalized(states), 0)) == pytest.approx(exact)
    for seed in range(5):
        model = a.discrete(f.Annealed, 10, likelihood="upper-bound", seed=seed).model.obj
        exact = float(f.RBM.log_partition(model))
        assert abs(float(model.estimate) - exact) < 6 * model.log_partition_error


#: model -> verdict
BOUNDS: dict[str, tuple[Build, str]] = {
    "exact posterior": (f.PCA, "pass"),
    "a posterior beside it": (partial(f.PCA, off=0.5), "pass"),
    "log K": (f.SumOfWeights, "fail"),
    "log K, a bound": (partial(f.SumOfWeights, off=0.5), "fail"),
    "mean of logs": (partial(f.MeanOfLogs, off=0.5), "fail"),
    "KL sign": (f.WrongKLSign, "fail"),
    "KL sign, a bound": (partial(f.WrongKLSign, off=0.5), "fail"),
    "samples ignored": (partial(f.SamplesIgnored, off=1.0), "fail"),
    "divided twice": (partial(f.DividedTwice, off=0.5), "fail"),
}


@pytest.mark.parametrize("truth", ["eight-gaussians 2-D", "ar1 64-D"])
@pytest.mark.parametrize(("build", "verdict"), BOUNDS.values(), ids=BOUNDS.keys())
def test_ladders_with_an_exact_value(build: Build, verdict: str, truth: str) -> None:
    found = outcome("ladder", a.continuous(build, truth, likelihood="lower-bound"))
    assert found.verdict == verdict, found


def test_with_the_exact_posterior_every_sample_is_the_likelihood() -> None:
    model = a.continuous(f.PCA, "ar1 64-D", likelihood="lower-bound").model.obj
    x = torch.randn(50, 64)
    for samples in (1, 4, 64):
        assert torch.allclose(model.log_prob(x, samples), model.exact_log_prob(x), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_points_that_share_their_noise_are_no_fault(seed: int) -> None:
    build = partial(f.SharedNoise, off=0.5)
    found = outcome("ladder", a.continuous(build, "ar1 64-D", likelihood="lower-bound", seed=seed))
    assert found.verdict != "fail", found


LADDERS: dict[str, tuple[Build, str]] = {
    "vae": (a.auto_encoder, "pass"),
    "log K": (a.sum_of_weights, "inconclusive"),
    "divided twice": (a.falling, "fail"),
}


@pytest.mark.parametrize(("dim", "levels"), [(12, 2), (64, 17)])
@pytest.mark.parametrize(("build", "verdict"), LADDERS.values(), ids=LADDERS.keys())
def test_ladders_without_one(build: Build, verdict: str, dim: int, levels: int) -> None:
    found = outcome("ladder", a.discrete(build, dim, levels, likelihood="lower-bound"))
    assert found.verdict == verdict, found


def test_without_a_smaller_model_many_states_do_not_apply() -> None:
    assert outcome("partition", a.discrete(f.RBM, 24, rebuilds=False)).verdict == "n/a"
