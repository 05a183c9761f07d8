"""Checks that a model asks for by what it shows: honest autoregressive models pass, faults fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import audit_subjects as a
import family_models as f
import pytest
import torch
from torch import nn

from bench.checks import battery, causality
from bench.contract import DataSpec
from bench.models import categorical, chow_liu, maf
from bench.models import made as made_model
from bench.records import Check
from bench.registry import discover
from bench.subject import Subject

Build = Callable[[DataSpec], Any]
SIZES = [(d, k) for d in (6, 12, 64) for k in (2, 4, 17)]
SOME = [(6, 2), (12, 4), (64, 17)]


CHECKS = discover().checks


def outcome(name: str, subject: Subject) -> Check:
    return battery.run_one(CHECKS[name], subject)


# ---------------------------------------------------------------------------------- autoregressive

HONEST: dict[str, Build] = {
    "made": f.masked,
    "made, tables": f.tables_of_logits,
    "made, too few units": f.short_sighted,
    "made, backwards": f.Backwards,
    "made, terms only": f.Terms,
    "transformer": f.Transformer,
    "chow-liu": chow_liu.build,
    "categorical": categorical.build,
}


@pytest.mark.parametrize(("dim", "levels"), SIZES)
@pytest.mark.parametrize("build", HONEST.values(), ids=HONEST.keys())
def test_honest_autoregressive_models_pass(build: Build, dim: int, levels: int) -> None:
    for seed in range(1 if dim == 64 else 3):
        subject = a.discrete(build, dim, levels, seed=seed)
        for name in ("causality", "conditionals"):
            found = outcome(name, subject)
            assert found.verdict == "pass", found
            assert found.n > 0


#: fault -> (model, the check that sees it)
FAULTS: dict[str, tuple[Build, str]] = {
    "mask sees itself": (f.seeing(1), "causality"),
    "mask sees the next": (f.seeing(2), "causality"),
    "hidden degrees": (f.wrong_degrees, "causality"),
    "order declared wrongly": (f.WrongOrder, "causality"),
    "tokens not shifted": (f.NotShifted, "causality"),
    "norm over positions": (f.NormOverPositions, "causality"),
    "norm over the batch": (f.NormOverBatch, "causality"),
    "softmax over coordinates": (f.WrongAxis, "conditionals"),
    "5 % more for each": (f.FivePercentEach, "conditionals"),
    "one coordinate forgotten": (f.OneForgotten, "conditionals"),
    "terms of themselves": (f.SelfishTerms, "conditionals"),
}


@pytest.mark.parametrize(("dim", "levels"), SOME)
@pytest.mark.parametrize(("build", "name"), FAULTS.values(), ids=FAULTS.keys())
def test_faulty_autoregressive_models_fail(build: Build, name: str, dim: int, levels: int) -> None:
    found = outcome(name, a.discrete(build, dim, levels))
    assert found.verdict == "fail", found


#: fault of a continuous model -> the check that sees it
CONTINUOUS = {
    "": "",
    "sees the next": "causality",
    "detached future": "causality",
    "mean by itself": "conditionals",
    "5 %": "conditionals",
    "one forgotten": "conditionals",
}


@pytest.mark.parametrize("truth", ["eight-gaussians 2-D", "ar1 64-D"])
@pytest.mark.parametrize("fault", CONTINUOUS)
def test_continuous_terms(fault: str, truth: str) -> None:
    subject = a.continuous(partial(f.GaussianMADE, fault=fault), truth)
    verdicts = {name: outcome(name, subject).verdict for name in ("causality", "conditionals")}
    if fault:
        assert verdicts[CONTINUOUS[fault]] == "fail"
    else:
        assert set(verdicts.values()) == {"pass"}


LAYERS: dict[str, tuple[Build, str]] = {
    "maf": (maf.build, "pass"),
    "stack": (f.stack(f.MaskedAffine), "pass"),
    "a layer leaks": (f.leaking_layer, "fail"),
    "a layer's order": (f.stack(f.Misdeclared), "fail"),
    "a layer's log-determinant": (f.stack(f.Forgetful), "fail"),
}


@pytest.mark.parametrize("truth", ["eight-gaussians 2-D", "ar1 64-D"])
@pytest.mark.parametrize(("build", "verdict"), LAYERS.values(), ids=LAYERS.keys())
def test_layers_of_flows(build: Build, verdict: str, truth: str) -> None:
    found = outcome("causality", a.continuous(build, truth))
    assert found.verdict == verdict, found
    assert verdict == "pass" or "layer 2" in found.detail


def test_the_pattern_is_that_of_the_jacobian() -> None:
    subject = a.continuous(f.GaussianMADE, "ar1 64-D")
    model = subject.model.obj.double()
    x = subject.test[:4].double()
    part = causality.Part("", model.terms, torch.arange(64), own=True)
    found = causality.pattern(part, x, x + 1, torch.arange(64))
    jacobian = torch.autograd.functional.jacobian(lambda x: model.terms(x).sum(0), x)
    assert torch.equal(found.change > 0, jacobian.abs().sum(1) > 0)
    assert torch.equal(found.forbidden, torch.ones(64, 64).triu(1).bool())


UNREAD = {
    "made": (f.masked, "0 of 66"),
    "degrees 1 to 3": (f.short_sighted, f"{sum(max(i - 3, 0) for i in range(12))} of 66"),
    "independent": (categorical.build, "66 of 66"),
}


@pytest.mark.parametrize(("build", "count"), UNREAD.values(), ids=UNREAD.keys())
def test_blind_spots_are_counted(build: Build, count: str) -> None:
    found = outcome("causality", a.discrete(build, 12, 4))
    assert f"; {count} earlier coordinates are never read" in found.detail


def test_capabilities_agree_with_log_prob_and_each_other() -> None:
    subject = a.discrete(made_model.build, 12, 4)
    x, net = subject.test[:50], subject.model.obj
    masses = net.conditionals(x).exp()
    assert torch.allclose(masses.sum(2), torch.ones(50, 12), atol=1e-5)
    tree = chow_liu.build(subject.spec)
    children = (tree.parent != torch.arange(12)).nonzero().squeeze(1)
    assert (tree.order[tree.parent[children]] < tree.order[children]).all()


class Nudged(f.Around):
    """Every conditional moves with the last coordinate by `size`; float64 unless `single`."""

    def __init__(self, data: DataSpec, size: float, single: bool = False) -> None:
        super().__init__(data)
        self.size, self.single = size, single

    def conditionals(self, x: torch.Tensor) -> torch.Tensor:
        found = super().conditionals(x)
        found = found.float() if self.single else found
        return found + self.size * x[:, -1:, None]


#: size of a leak -> verdict, where arithmetic is of float64 and where it is of float32 only
ROUNDINGS = {
    "float64's rounding": (1e-14, False, "pass"),
    "a small leak": (1e-9, False, "fail"),
    "float32's rounding, or a leak": (1e-6, True, "inconclusive"),
    "beyond float32's rounding": (1e-3, True, "fail"),
}


@pytest.mark.parametrize(("size", "single", "verdict"), ROUNDINGS.values(), ids=ROUNDINGS.keys())
def test_rounding_is_no_leak(size: float, single: bool, verdict: str) -> None:
    found = outcome("causality", a.discrete(partial(Nudged, size=size, single=single), 6, 4))
    assert found.verdict == verdict, found


class Undefined(f.Around):
    """NaN where the first coordinate has its highest level."""

    def conditionals(self, x: torch.Tensor) -> torch.Tensor:
        found = super().conditionals(x)
        return found.where((x[:, :1, None] < 3), torch.nan)


def test_nan_is_no_verdict() -> None:
    subject = a.discrete(Undefined, 6, 4)
    for name in ("causality", "conditionals"):
        found = outcome(name, subject)
        assert (found.verdict, "NaN" in found.detail) == ("inconclusive", True)


def test_many_coordinates_are_sampled() -> None:
    for build, verdict in ((f.tables_of_logits, "pass"), (f.seeing(2), "fail")):
        found = outcome("causality", a.discrete(build, 100, 2))
        assert (found.verdict, found.n) == (verdict, 32 * 64)


class Odd(f.Around):
    """Declares what the checks cannot read."""

    def __init__(self, data: DataSpec, fault: str) -> None:
        super().__init__(data)
        self.fault = fault
        if fault == "order":
            self.order = torch.arange(3)

    def conditionals(self, x: torch.Tensor) -> torch.Tensor:
        found = super().conditionals(x)
        return found[:, :, 1:] if self.fault == "shape" else found


@pytest.mark.parametrize(
    ("fault", "words"),
    [("order", "give 6 integers"), ("shape", "has shape [2, 6, 3], expected [2, 6, 4]")],
)
def test_unreadable_capabilities_are_named(fault: str, words: str) -> None:
    found = outcome("causality", a.discrete(partial(Odd, fault=fault), 6, 4))
    assert found.verdict == "error"
    assert words in found.detail


class Bare(nn.Module):
    """A table without anything but log_prob."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.inner = categorical.build(data)

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner.log_prob(x)


FAMILY = {"causality", "conditionals", "partition", "ladder"}
ABSENT: dict[str, tuple[Callable[[], Subject], set[str]]] = {
    "everything, levels": (lambda: a.discrete(Bare), FAMILY),
    "everything, points": (lambda: a.continuous(a.gaussian, "bumps 1-D"), FAMILY),
    "an exact likelihood": (
        lambda: a.discrete(f.Backwards, likelihood="unbiased"),
        {"causality", "conditionals", "partition"},
    ),
}


@pytest.mark.parametrize(("make", "names"), ABSENT.values(), ids=ABSENT.keys())
def test_what_is_absent_does_not_apply(make: Callable[[], Subject], names: set[str]) -> None:
    subject = make()
    for name in names:
        found = outcome(name, subject)
        assert found.verdict == "n/a"
        assert found.detail.endswith(".")
