"""One planned cell: which model meets which data set, in which space, with which settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.registry import DatasetEntry, ModelEntry
from bench.settings import Budget, Suite


@dataclass(frozen=True)
class CellSpec:
    """A (data set, model) pair under one suite, over all its seeds."""

    dataset: DatasetEntry
    model: ModelEntry
    suite_name: str
    suite: Suite
    budget: Budget
    settings: dict[str, Any]
    space: str  #: levels, or one of bench.settings' SPACES and CONTINUOUS_SPACES
    kind: str  #: kind of data that the model meets
    training_digest: str = ""  #: of all source that training reads (bench.closure)
    audit: bool = False  #: planned by another suite, to audit its models

    @property
    def seeds(self) -> int:
        """Number of seeds; a model without randomness is run once."""
        return self.suite.seeds

    @property
    def dequantized(self) -> bool:
        """A continuous model meets discrete data."""
        return self.kind == "continuous" and self.dataset.integral

    @property
    def name(self) -> str:
        """`<data set>/<model>`."""
        return f"{self.dataset.name}/{self.model.name}"
