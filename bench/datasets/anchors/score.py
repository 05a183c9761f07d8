"""A score with its units."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Mean log-likelihood per row, nats, in the coordinates y of the model."""

    nats: float
    dim: int
    log_slope: float = 0.0  #: mean of sum log dy/dx: 0 where the model has the data's own units
    error: float | None = None  #: two standard errors of the mean, nats

    def of(self, unit: str) -> float:
        """The score in a unit: bits/... of the data's levels, or nats... of y."""
        if unit == "2 s.e.":
            assert self.error is not None
            return self.error
        if unit.startswith("bits"):
            return -(self.nats + self.log_slope) / (self.dim * math.log(2))
        return self.nats
