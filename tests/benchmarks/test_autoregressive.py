"""Cached samplers of dense autoregressive models beside a full pass per coordinate."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from bench.contract import DataSpec
from bench.models import eonade, fvsbn, made, nade
from bench.models._generation import sample_naively

DIM, LEVELS, DRAWS = 64, 17, 64
SIZES = {"dim": DIM, "levels": LEVELS, "draws": DRAWS}

BUILD: dict[str, Callable[[DataSpec], nn.Module]] = {
    "made": made.build,
    "nade": nade.build,
    "fvsbn": fvsbn.build,
    "eonade, one order": lambda data: eonade.build(data, orders=1),
}

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("name", BUILD)
@torch.no_grad()
def test_sample(timed: Callable[..., None], name: str) -> None:
    torch.manual_seed(0)
    x = torch.randint(LEVELS, (200, DIM))
    model = BUILD[name](DataSpec("benchmark", "discrete", (DIM,), LEVELS, make_train=lambda: x))
    if isinstance(model, eonade.EoNADE):
        model = model.along(model.orders[0])
    model = model.double().eval()
    u = torch.rand(DRAWS, DIM, dtype=torch.float64)
    order = getattr(model, "order", None)
    assert torch.equal(model.sample_from(u), sample_naively(model, u, order))
    timed(
        "sample",
        "a pass per coordinate",
        lambda: sample_naively(model, u, order),
        lambda: model.sample_from(u),
        **SIZES,
    )
