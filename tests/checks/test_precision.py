"""The density as scored against float64."""

from __future__ import annotations

from collections.abc import Callable

import audit_subjects as a
import pytest
import torch
from torch import Tensor, nn

from bench.calibration import honest
from bench.checks._base import NotApplicable
from bench.checks.precision import precision
from bench.flows import Flow, maf
from bench.models import made
from bench.subject import Subject

Maker = Callable[[], Subject]
WIDE = "ar1 64-D"


class Recast(nn.Module):
    """A flow whose log_prob goes through `spoil`."""

    def __init__(self, dim: int, spoil: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.flow, self.spoil = a.Twisted(dim), spoil

    def log_prob(self, x: Tensor) -> Tensor:
        return self.spoil(x, self.flow.log_prob(x))


def recast(spoil: Callable[[Tensor, Tensor], Tensor]) -> Maker:
    return lambda: a.continuous(lambda data: Recast(data, spoil), WIDE)


def half(x: Tensor, value: Tensor) -> Tensor:
    """Rounded as bfloat16 rounds, unless the copy is asked."""
    return value.bfloat16().to(value) if x.dtype == torch.float32 else value


def generous(x: Tensor, value: Tensor) -> Tensor:
    """A branch for the precision that is scored."""
    return value + 0.5 if x.dtype == torch.float32 else value


def coarse(x: Tensor, value: Tensor) -> Tensor:
    """A detour over numbers near 1e6 costs .06 nats."""
    return value + 1e6 - 1e6


def shallow_maf(data: object) -> Flow:
    return maf(64, 16, 2)


CASES: dict[str, tuple[Maker, str]] = {
    "flow, 1-D": (lambda: a.continuous(a.Twisted, "bumps 1-D"), "pass"),
    "flow, 64-D": (lambda: a.continuous(a.Twisted, WIDE), "pass"),
    "maf, 64-D": (lambda: a.continuous(shallow_maf, WIDE), "pass"),
    "deep flow, 64-D": (lambda: a.continuous(honest.deep_flow, WIDE), "pass"),
    "spline flow, 64-D": (lambda: a.continuous(honest.spline_flow, WIDE), "pass"),
    "kernels": (lambda: a.continuous(a.CONTINUOUS["kde"], "bumps 1-D"), "pass"),
    "flow, dequantised": (lambda: a.dequantised(a.Twisted), "pass"),
    "network, 64 x 2": (lambda: a.discrete(made.build, 64), "pass"),
    "table, 64 x 17": (lambda: a.discrete(a.table, 64, 17), "pass"),
    "a coarse detour": (recast(coarse), "inconclusive"),
    "half precision": (recast(half), "fail"),
    "half a nat for float32": (recast(generous), "fail"),
}


@pytest.mark.parametrize(("make", "verdict"), CASES.values(), ids=CASES.keys())
def test_precision(make: Maker, verdict: str) -> None:
    result = precision(make())
    assert result.verdict == verdict, result


class Stubborn(nn.Module):
    """Keeps to float32 whatever it is cast to."""

    def __init__(self, data: object) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * x.float().square().sum(1)


ABSENT: dict[str, Maker] = {
    "no module": lambda: a.continuous(a.student, WIDE),
    "no float64": lambda: a.continuous(Stubborn, WIDE),
    "a bound": lambda: a.discrete(a.auto_encoder, likelihood="lower-bound"),
}


@pytest.mark.parametrize("make", ABSENT.values(), ids=ABSENT.keys())
def test_what_does_not_apply_says_so(make: Maker) -> None:
    with pytest.raises(NotApplicable):
        precision(make())
