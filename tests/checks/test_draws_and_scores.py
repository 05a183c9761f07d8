"""Checks of what is ranked and what is drawn: rescore, neighbours, tails, frequencies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from audit_subjects import (
    CONTINUOUS,
    DISCRETE,
    Build,
    ColdTree,
    auto_encoder,
    cauchy,
    continuous,
    dequantised,
    discrete,
    gaussian,
    planting,
)
from torch import Tensor, nn

from bench.calibration import calls, densities, samplers
from bench.calibration import levels as on_levels
from bench.checks import battery, neighbours
from bench.contract import DataSpec
from bench.models import chow_liu, kde
from bench.records import Check
from bench.registry import discover
from bench.scoring import point_scores
from bench.subject import Subject

TRUTHS = ["bumps 1-D", "eight-gaussians 2-D", "ar1 64-D"]


def verdict(name: str, subject: Subject) -> Check:
    """The check after the test points were scored."""
    if subject.likelihood != "none":
        subject.scored = point_scores(subject, subject.splits.test)
    return battery.run_one(discover().checks[name], subject)


FLOW = CONTINUOUS["flow"]
HONEST: dict[str, Callable[[], Subject]] = {
    f"{name}, {truth}": lambda build=build, truth=truth: continuous(build, truth)
    for name, build in {**CONTINUOUS, "cauchy": cauchy}.items()
    for truth in TRUTHS
}
HONEST |= {
    f"{name} on levels": lambda b=build: discrete(b, 6, 3) for name, build in DISCRETE.items()
}
HONEST |= {
    "flow on dequantised levels": lambda: dequantised(FLOW),
    "tree": lambda: discrete(chow_liu.build, 6, 3),
    "bound": lambda: discrete(auto_encoder, likelihood="lower-bound"),
}


@pytest.mark.parametrize("model", HONEST)
def test_honest_models_never_fail(model: str) -> None:
    subject = HONEST[model]()
    for name in ("rescore", "neighbours", "tails", "frequencies"):
        found = verdict(name, subject)
        assert found.verdict in ("pass", "n/a"), found.detail


class SlowlyHonest(calls.LaterHonest):
    """A bonus until the test points are scored."""


class NarrowKernels(nn.Module):
    """A kernel estimate a thousandth of the data's width: its draws do lie near training rows."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.register_buffer("rows", data.train[:200].clone())
        self.width = 1e-3

    def log_prob(self, x: Tensor) -> Tensor:
        squares = torch.cdist(x, self.rows, compute_mode="donot_use_mm_for_euclid_dist").square()
        dim = x.shape[1]
        constant = dim * math.log(self.width * math.sqrt(2 * math.pi)) + math.log(len(self.rows))
        return torch.logsumexp(-0.5 * squares / self.width**2, 1) - constant

    def sample(self, n: int) -> Tensor:
        chosen = self.rows[torch.randint(len(self.rows), (n,))]
        return chosen + self.width * torch.randn_like(chosen)


class Floored(nn.Module):
    """log(p + eps) with a floor that only an enormous volume shows."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.honest = gaussian(data)

    def log_prob(self, x: Tensor) -> Tensor:
        value = self.honest.log_prob(x)
        return torch.logaddexp(value, torch.full_like(value, -25.0))

    def sample(self, n: int) -> Tensor:
        return self.honest.sample((n,))


def test_a_narrow_kernel_estimate_is_no_copy_of_its_rows() -> None:
    subject = continuous(NarrowKernels, "eight-gaussians 2-D")
    assert verdict("neighbours", subject).verdict == "pass"


CHEATS: dict[str, tuple[str, Callable[[], Subject]]] = {}


def plant(name: str, check: str, wrong: Any, honest: Build, truths: list[str]) -> None:
    for truth in truths:
        build = planting(wrong, honest)
        CHEATS[f"{name}, {truth}"] = (check, lambda b=build, t=truth: continuous(b, t))


plant("bonus in the first calls", "rescore", SlowlyHonest, gaussian, TRUTHS)
plant("bonus in the scoring batch", "rescore", calls.ScoringBatch, gaussian, TRUTHS)
plant("training rows with noise", "neighbours", samplers.NearRows, gaussian, TRUTHS[1:])
plant("training rows", "neighbours", samplers.Rows, gaussian, TRUTHS[1:])
plant("pool of draws", "neighbours", samplers.Pool, FLOW, TRUTHS)
plant("draws repeated", "neighbours", samplers.Repeated, FLOW, TRUTHS)
plant("draws rounded", "neighbours", samplers.Rounded, FLOW, TRUTHS)
plant("draws clamped", "neighbours", samplers.ClippedDraws, FLOW, TRUTHS[2:])
plant("clipped far out", "tails", densities.ClippedFar, gaussian, TRUTHS[1:])
plant("log(p + eps)", "tails", densities.SafeLog, gaussian, TRUTHS)
CHEATS |= {
    "a floor of e^-25": ("tails", lambda: continuous(Floored, "eight-gaussians 2-D")),
    "cold tree": ("frequencies", lambda: discrete(ColdTree, 6, 3)),
    "a level never drawn": (
        "frequencies",
        lambda: discrete(planting(on_levels.BiasedRows, chow_liu.build), 6, 3),
    ),
    "sees no levels": ("frequencies", lambda: discrete(planting(Outside, chow_liu.build), 6, 3)),
}


class Outside(samplers.Planted):
    """Draws a level too many."""

    def sample(self, n: int) -> Tensor:
        drawn: Tensor = self.honest.sample(n)
        return drawn + (torch.rand(n, 1) < 0.01)


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheats_fail(cheat: str) -> None:
    name, make = CHEATS[cheat]
    found = verdict(name, make())
    assert found.verdict == "fail", found.detail


def test_without_a_score_nothing_is_rescored() -> None:
    subject = continuous(gaussian, "bumps 1-D")
    found = battery.run_one(discover().checks["rescore"], subject)
    assert (found.verdict, found.detail) == ("n/a", "the test points have no score.")


def test_some_rows_are_scored_as_among_all() -> None:
    subject = dequantised(FLOW)
    x, rows = subject.splits.test, torch.tensor([5, 0, 17])
    everything = point_scores(subject, x)
    assert torch.allclose(point_scores(subject, x, rows=rows), everything[rows], atol=1e-4)


def test_moves_are_exchangeable() -> None:
    """Of an honest kernel estimate, distances before and after a move have the same law."""
    subject = continuous(kde.build, "eight-gaussians 2-D")
    x = subject.samples(8000)
    moves = neighbours._moves(subject, x, torch.ones(2, dtype=torch.float64))
    assert len(moves.before) > 2000
    for statistic in (lambda z: z[:, 0], lambda z: z.norm(dim=1)):
        before, after = statistic(moves.before), statistic(moves.after)
        signs = torch.sign(after - before)
        assert abs(float(signs.sum())) < 5 * math.sqrt(float(signs.abs().sum()))


def test_too_few_moves_are_no_verdict() -> None:
    class Needle(NarrowKernels):
        def __init__(self, data: DataSpec) -> None:
            super().__init__(data)
            self.width = 1e-7

    found = verdict("neighbours", continuous(Needle, "eight-gaussians 2-D"))
    assert found.verdict == "inconclusive"
