"""What the tests of models build them on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bench.contract import DataSpec

torch.set_num_threads(1)


@pytest.fixture
def spec() -> Callable[..., DataSpec]:
    """(train, valid or None for a fifth of train, levels) -> DataSpec of points [N, D]."""

    def make(train: Tensor, valid: Tensor | None = None, levels: int | None = None) -> DataSpec:
        if valid is None:
            train, valid = train[len(train) // 5 :], train[: len(train) // 5]
        kind = {None: "continuous", 2: "binary"}.get(levels, "discrete")
        return DataSpec(
            "test", kind, (train.shape[1],), levels, 0, len(train), lambda: train, lambda: valid
        )

    return make
