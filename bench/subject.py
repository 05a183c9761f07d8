"""A trained model on a data set, as scoring, checks and costs see it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from bench.randomness import seeded

if TYPE_CHECKING:
    from torch import Tensor

    from bench.adapters import Adapted
    from bench.contract import DataSpec, Density, Splits
    from bench.registry import DatasetEntry, ModelEntry
    from bench.settings import Evaluation
    from bench.spaces import Space


@dataclass
class Subject:
    """One seed's trained model with its space, its data and what rebuilds it.

    `model` works in the model's space; `splits` are in the data's own units; `space` joins them.
    `rebuild(spec)` builds and briefly trains a fresh model of the same settings on other data (for
    audits on crops and small truths).
    """

    model: Adapted
    entry: ModelEntry
    dataset: DatasetEntry
    spec: DataSpec
    space: Space
    splits: Splits
    evaluation: Evaluation
    truth: Density | None = None
    seed: int = 0
    device: str = "cpu"
    rebuild: Callable[[DataSpec], Adapted] | None = field(default=None, repr=False)
    _drawn: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def likelihood(self) -> str:
        """Kind of the model's log_prob in its own space."""
        return self.entry.likelihood

    def generator(self, purpose: int) -> torch.Generator:
        """A generator for one purpose, the same at every call."""
        return torch.Generator(device="cpu").manual_seed(1_000_003 * (self.seed + 1) + purpose)

    @cached_property
    def test(self) -> Tensor:
        """Test points in the model's space (one dequantization draw), [n, ...]."""
        return self.space.forward(self.splits.test, self.generator(1))[0].to(self.device)

    def samples(self, n: int) -> Tensor:
        """n draws of the model's sampler in its space, the same at every call. [n, ...]

        Raises ValueError for a model without a sampler.
        """
        if self.model.sample is None:
            raise ValueError("this model has no sampler")
        if n not in self._drawn:
            with torch.no_grad(), seeded(7_654_321 + self.seed):
                self._drawn[n] = self.model.sample(n).detach()
        return self._drawn[n]

    def log_prob(self, x: Tensor, samples: int | None = None) -> Tensor:
        """Model-space log-density in nats, float64 [n], evaluated in the suite's fixed batches."""
        out = []
        with torch.no_grad():
            for chunk in x.split(self.evaluation.batch):
                out.append(self.model.log_prob(chunk, samples=samples).double().cpu())
        return torch.cat(out) if out else torch.empty(0, dtype=torch.float64)

    def data_log_prob(self, x: Tensor) -> Tensor:
        """Log-density of points in the data's own units (no dequantization), float64 [n]."""
        y, log_jacobian = self.space.forward(x, None)
        return self.log_prob(y.to(self.device)) + log_jacobian

    def double(self) -> Adapted | None:
        """A float64 copy of the model, or None where it cannot be copied or cast."""
        from bench.adapters import adapt

        if self.model.module is None:
            return None
        try:
            twin = copy.deepcopy(self.model.obj)
            twin.double()
        except (RuntimeError, TypeError, AttributeError):
            return None
        return adapt(twin)
