"""Untrained honest models pass the fast battery; each cheat fails the checks made for it.

The whole battery, on trained models and all cheats: test_calibration.py.
"""

from __future__ import annotations

from collections.abc import Callable

import audit_subjects as a
import pytest
import torch

from bench.checks import battery
from bench.registry import discover
from bench.subject import Subject

FLOW = {"log-det", "round-trip"}
ALWAYS = {"invariance", "balance", "copies"}

Maker = Callable[[], Subject]


def verdicts(subject: Subject, names: set[str]) -> dict[str, str]:
    chosen = [entry for name, entry in discover().checks.items() if name in names]
    return {c.name: c.verdict for c in battery.run(subject, chosen)}


HONEST: dict[str, tuple[Maker, set[str]]] = {
    **{
        f"{name}, {truth}": (
            lambda build=build, truth=truth: a.continuous(build, truth),
            ALWAYS | ({"quadrature"} if "64" not in truth else set()),
        )
        for truth in ("bumps 1-D", "eight-gaussians 2-D", "ar1 64-D")
        for name, build in a.CONTINUOUS.items()
    },
    "cauchy, 1-D": (lambda: a.continuous(a.cauchy, "bumps 1-D"), ALWAYS | {"quadrature"}),
    **{
        f"{name}, dequantised": (lambda build=build: a.dequantised(build), ALWAYS)
        for name, build in a.CONTINUOUS.items()
    },
    **{
        f"{name}, {dim} x {count}": (
            lambda build=build, dim=dim, count=count: a.discrete(build, dim, count),
            ALWAYS | {"sum"},
        )
        for dim, count in ((12, 2), (3, 17), (64, 2), (64, 17))
        for name, build in a.DISCRETE.items()
    },
    **{
        f"vae, {dim} x {count}": (
            lambda dim=dim, count=count: a.discrete(
                a.auto_encoder, dim, count, likelihood="lower-bound"
            ),
            {"invariance", "sum", "copies"},
        )
        for dim, count in ((12, 2), (64, 2), (64, 17))
    },
}


@pytest.mark.parametrize(("make", "expected"), HONEST.values(), ids=HONEST.keys())
def test_honest_models_pass(make: Maker, expected: set[str]) -> None:
    found = battery.run(make(), fast=True)
    assert [c for c in found if c.verdict == "fail"] == []
    passed = {c.name for c in found if c.verdict == "pass"}
    assert passed >= expected
    assert all(c.detail.endswith(".") for c in found)
    assert all(c.n > 0 and c.statistic is not None for c in found if c.verdict == "pass")


def plane(build: a.Build) -> Maker:
    return lambda: a.continuous(build, "eight-gaussians 2-D")


def wide(build: a.Build) -> Maker:
    return lambda: a.continuous(build, "ar1 64-D")


def line(build: a.Build) -> Maker:
    return lambda: a.continuous(build, "bumps 1-D")


def forgotten_ledger(truth: str) -> Maker:
    """The harness's own Jacobian left out: a fault of the space, not of the model."""

    def make() -> Subject:
        subject = a.continuous(a.gaussian, truth)
        forward = subject.space.forward
        subject.space.forward = lambda x, g: (forward(x, g)[0], 0 * forward(x, g)[1])
        return subject

    return make


#: cheat -> (subject, checks that must fail, checks that must not)
CHEATS: dict[str, tuple[Maker, set[str], set[str]]] = {
    "log-det missing, 2-D": (plane(a.MissingLogDet), {"quadrature", "log-det"}, {"invariance"}),
    "log-det missing, 64-D": (wide(a.MissingLogDet), {"log-det"}, {"round-trip"}),
    "last log-det missing, 2-D": (
        plane(a.MissingLastLogDet),
        {"quadrature", "log-det"},
        {"balance"},
    ),
    "last log-det missing, 64-D": (wide(a.MissingLastLogDet), {"log-det"}, {"balance"}),
    "bits, 1-D": (line(a.Bits), {"quadrature", "balance"}, FLOW),
    "bits, 2-D": (plane(a.Bits), {"quadrature", "balance"}, FLOW),
    "bits, 64-D": (wide(a.Bits), {"balance"}, FLOW),
    "own Jacobian forgotten, 1-D": (line(a.OwnUnits), {"quadrature"}, {"balance"}),
    "own Jacobian forgotten, 2-D": (plane(a.OwnUnits), {"quadrature"}, {"balance"}),
    "ledger forgotten, 1-D": (forgotten_ledger("narrow 1-D"), {"quadrature"}, {"balance"}),
    "ledger forgotten, 2-D": (
        forgotten_ledger("eight-gaussians 2-D"),
        {"quadrature"},
        {"balance"},
    ),
    "5 % more density, 1-D": (line(a.FivePercent), {"quadrature"}, {"balance"}),
    "5 % more density, 2-D": (plane(a.FivePercent), {"quadrature"}, {"balance"}),
    "more than the truth": (line(a.Boaster), {"truth", "quadrature"}, {"invariance"}),
    "batch norm left on, 2-D": (plane(a.BatchNormLeftOn), {"invariance"}, FLOW),
    "batch norm left on, 64-D": (wide(a.BatchNormLeftOn), {"invariance"}, FLOW),
    "test-batch statistics, 1-D": (line(a.BatchStatistics), {"invariance"}, FLOW),
    "test-batch statistics, 64-D": (wide(a.BatchStatistics), {"invariance"}, FLOW),
    "temperature .9, 1-D": (line(a.Cold), {"balance"}, {"quadrature"}),
    "temperature .9, 2-D": (plane(a.Cold), {"balance"}, {"quadrature"}),
    "temperature .9, 64-D": (wide(a.Cold), {"balance"}, FLOW),
    "temperature .9, dequantised": (lambda: a.dequantised(a.Cold), {"balance"}, FLOW),
    "wrong inverse, 2-D": (plane(a.WrongInverse), {"round-trip"}, {"quadrature"}),
    "hidden noise, 64-D": (wide(a.HiddenNoise), {"invariance"}, FLOW),
    "copies, 1-D": (line(a.Parrot), {"copies"}, {"quadrature"}),
    "copies, 64-D": (wide(a.Parrot), {"copies"}, {"invariance"}),
    "copies, dequantised": (lambda: a.dequantised(a.Parrot), {"copies"}, {"invariance"}),
    "mass 1.05, 12 x 2": (lambda: a.discrete(a.HeavyTable), {"sum"}, {"balance"}),
    "mass 1.05, 64 x 17": (lambda: a.discrete(a.HeavyTable, 64, 17), {"sum"}, {"balance"}),
    "temperature .9, 64 x 17": (lambda: a.discrete(a.ColdTree, 64, 17), {"balance"}, {"sum"}),
    "copies, 64 x 2": (lambda: a.discrete(a.DiscreteParrot, 64), {"copies"}, {"sum"}),
    "copies, 64 x 17": (lambda: a.discrete(a.DiscreteParrot, 64, 17), {"copies"}, {"sum"}),
    "bound without log K": (
        lambda: a.discrete(a.sum_of_weights, likelihood="lower-bound"),
        {"sum"},
        {"invariance"},
    ),
    "bound x 1.05": (
        lambda: a.discrete(a.five_percent_bound, 64, likelihood="lower-bound"),
        {"sum"},
        {"bound"},
    ),
    "bound that falls with K": (
        lambda: a.discrete(a.falling, likelihood="lower-bound"),
        {"bound"},
        {"sum"},
    ),
}


@pytest.mark.parametrize(("make", "failing", "sound"), CHEATS.values(), ids=CHEATS.keys())
def test_cheats_fail(make: Maker, failing: set[str], sound: set[str]) -> None:
    found = verdicts(make(), failing | sound)
    assert {name for name, verdict in found.items() if verdict == "fail"} >= failing
    assert all(found[name] != "fail" for name in sound)


def test_same_subject_same_verdicts_to_the_bit() -> None:
    first, second = (battery.run(a.continuous(a.Twisted, "eight-gaussians 2-D")) for _ in range(2))
    assert first == second


def test_the_global_generator_is_left_alone() -> None:
    subject = a.discrete(a.auto_encoder, likelihood="lower-bound")
    before = torch.get_rng_state()
    battery.run(subject)
    assert torch.equal(before, torch.get_rng_state())
