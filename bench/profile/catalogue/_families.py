"""How the catalogue runs a family of increasing maps of `bench.flows` on parameters of its own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from bench.flows import Univariate
from bench.profile import Maps
from bench.profile.case import Transform


def family(of: Univariate, raw: Tensor) -> Maps:
    """The maps of a family of `bench.flows` on points [B, D] with raw parameters [B, D, P]."""

    def summed(run: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Transform:
        def transform(x: Tensor) -> tuple[Tensor, Tensor]:
            value, log_slope = run(x, raw)
            return value, log_slope.sum(1)

        return transform

    return Maps(summed(of.forward), summed(of.inverse))
