"""A trained model on a data set, as scoring, checks and costs see it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from bench.randomness import seeded
from bench.spaces import chunks

if TYPE_CHECKING:
    from torch import Tensor

    from bench.adapters import Adapted
    from bench.contract import ConditionalDensity, DataSpec, Density, Splits
    from bench.registry import DatasetEntry, ModelEntry
    from bench.settings import Evaluation
    from bench.spaces import Space


@dataclass
class Subject:
    """One seed's trained model with its space, its data and what rebuilds it.

    `model` works in the model's space; `splits` are in the data's own units; `space` joins them.
    `rebuild(spec)` builds and briefly trains a fresh model of the same settings on other data (for
    audits on crops and small truths). Of conditional data, `splits` hold the contexts,
    `context_space` leads to the model's, and the truth is `conditional_truth`.
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
    context_space: Space | None = None
    conditional_truth: ConditionalDensity | None = None
    scored: Tensor | None = field(default=None, repr=False)
    """Log-likelihoods of the test points as they are ranked, nats in the data's units, [n]."""
    view: str | None = None  #: which part of a conditional subject this is (bench.checks)
    make_double: Callable[[], Adapted | None] | None = field(default=None, repr=False)
    """Makes `double` of a view's model."""
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

    @cached_property
    def test_context(self) -> Tensor | None:
        """Contexts of the test points in the model's space, [n, context_dim]; None without any."""
        return self.contexts(self.splits.test_context)

    def contexts(self, raw: Tensor | None) -> Tensor | None:
        """Contexts in the data's own units in the model's space, on its device."""
        if raw is None or self.context_space is None:
            return None
        return self.context_space.forward(raw, None)[0].to(self.device)

    def samples(self, n: int) -> Tensor:
        """n draws of the model's sampler in its space, the same at every call. [n, ...]

        A conditional model draws them at the test contexts, in order and over again.
        Raises ValueError for a model without a sampler.
        """
        if self.model.sample is None:
            raise ValueError("this model has no sampler")
        if n not in self._drawn:
            given = () if self.test_context is None else (cycled(self.test_context, n),)
            with torch.no_grad(), seeded(7_654_321 + self.seed):
                self._drawn[n] = self.model.sample(n, *given).detach()
        return self._drawn[n]

    def log_prob(
        self, x: Tensor, samples: int | None = None, context: Tensor | None = None
    ) -> Tensor:
        """Model-space log-density in nats, float64 [n], evaluated in the suite's fixed batches.

        Contexts are those of the rows of x, in the model's space too.
        """
        out = []
        with torch.no_grad():
            for rows, given in chunks(self.evaluation.batch, x, context):
                value = self.model.log_prob(rows, samples=samples, context=given)
                out.append(value.double().cpu())
        return torch.cat(out) if out else torch.empty(0, dtype=torch.float64)

    def data_log_prob(self, x: Tensor) -> Tensor:
        """Log-density of points in the data's own units (no dequantization), float64 [n]."""
        y, log_jacobian = self.space.forward(x, None)
        return self.log_prob(y.to(self.device)) + log_jacobian

    def double(self) -> Adapted | None:
        """A float64 copy of the model, or None where it cannot be copied or cast."""
        from bench.adapters import adapt

        if self.make_double is not None:
            return self.make_double()
        if self.model.module is None:
            return None
        try:
            twin = copy.deepcopy(self.model.obj)
            twin.double()
        except (RuntimeError, TypeError, AttributeError):
            return None
        return adapt(twin)


def doubled(subject: Subject, see: Callable[[Adapted], Adapted]) -> Callable[[], Adapted | None]:
    """What makes `double` of a view of the subject, whose models `see` makes of the subject's."""

    def make() -> Adapted | None:
        double = subject.double()
        return None if double is None else see(double)

    return make


def cycled(rows: Tensor, n: int) -> Tensor:
    """The first n of the rows, over again where there are fewer. [n, ...]"""
    return rows[torch.arange(n, device=rows.device) % len(rows)]
