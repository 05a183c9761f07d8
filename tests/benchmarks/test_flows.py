"""In-house flows at the weights of nflows flows, timed by pytest-benchmark: `make benchmark`.

The timed row is the in-house call; `extra_info` holds the sizes and the interleaved ratio to nflows
of the same run (`bench.timing`), which compares across machines where bare seconds do not. No time
decides a test: only that both compute the same function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.contract import DataSpec
from bench.flows import from_nflows
from bench.registry import discover, load_function

DIM, BATCH = 16, 256
SIZES = {"dim": DIM, "batch": BATCH}
FLOWS = ("realnvp-nflows", "maf-nflows", "nsf-coupling-nflows")
ARCHITECTURES = [name.removesuffix("-nflows") for name in FLOWS]

Timed = Callable[..., None]

pytestmark = pytest.mark.benchmark


@pytest.fixture(params=FLOWS, ids=ARCHITECTURES)
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    """A reference flow of nflows in DIM dimensions, and the in-house flow of its weights."""
    torch.manual_seed(0)
    build = load_function(discover().model(request.param))
    reference = build(DataSpec("benchmark", "continuous", (DIM,), None)).eval()
    return reference, from_nflows(reference).eval()


def points(scale: float = 1.0) -> Tensor:
    """BATCH points of a fixed seed, [BATCH, DIM]."""
    return scale * torch.randn(BATCH, DIM, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_log_prob(timed: Timed, pair: tuple[Any, Any]) -> None:
    reference, ours = pair
    x = points()
    torch.testing.assert_close(ours.log_prob(x), reference.log_prob(x), rtol=1e-4, atol=1e-3)
    timed("log_prob", "nflows", lambda: reference.log_prob(x), lambda: ours.log_prob(x), **SIZES)


@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")  # called by nflows
@torch.no_grad()
def test_sample(timed: Timed, pair: tuple[Any, Any]) -> None:
    reference, ours = pair
    z = points(0.1)  # a maf without training amplifies noise, and its rounding, thousands of times
    expected = reference._transform.inverse(z)[0]
    torch.testing.assert_close(ours.inverse(z)[0], expected, rtol=1e-3, atol=1e-3)
    timed("sample", "nflows", lambda: reference.sample(BATCH), lambda: ours.sample(BATCH), **SIZES)


def training_step(flow: Any, x: Tensor) -> Callable[[], Tensor]:
    """One step of maximum likelihood by Adam; returns the loss, nats."""
    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-4)

    def step() -> Tensor:
        optimiser.zero_grad()
        loss = -flow.log_prob(x).mean()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def test_training_step(timed: Timed, pair: tuple[Any, Any]) -> None:
    reference, ours = (training_step(flow.train(), points()) for flow in pair)
    torch.testing.assert_close(ours(), reference(), rtol=1e-4, atol=1e-3)
    timed("training step", "nflows", reference, ours, **SIZES)
