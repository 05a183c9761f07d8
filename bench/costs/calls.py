"""The calls that are timed, prepared so that a timed block holds nothing but the model's work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from bench.adapters import Adapted
from bench.costs.graph import with_and_without
from bench.jacobian import Transform
from bench.subject import Subject, cycled

BOUNDS = ("lower-bound", "upper-bound", "unbiased", "stochastic")
T = TypeVar("T")
Call = Callable[[], Any]
log = logging.getLogger(__name__)


@dataclass
class Calls:
    """A subject's calls at any batch size, on points of its test split, with their contexts."""

    subject: Subject

    @property
    def batch(self) -> int:
        """Points per call of the figures per sample."""
        return self.subject.evaluation.time_batch

    @property
    def seconds(self) -> float:
        """Time spent per quantity."""
        return self.subject.evaluation.time_seconds

    @property
    def device(self) -> str:
        """Where the model lives."""
        return self.subject.device

    @property
    def torch_only(self) -> bool:
        """All memory is torch's: the model is a torch module."""
        return self.subject.model.module is not None

    @cached_property
    def samples(self) -> int | None:
        """Samples per point of a bound, as in scoring; None for exact densities."""
        bound = self.subject.likelihood in BOUNDS
        return self.subject.evaluation.bound_samples if bound else None

    def points(self, n: int) -> Tensor:
        """n test points in the model's space, repeated in order where the split is shorter."""
        return cycled(self.subject.test, n)

    def given(self, n: int) -> tuple[Tensor, ...]:
        """The contexts of these points: what a conditional model's abilities take besides them."""
        context = self.subject.test_context
        return () if context is None else (cycled(context, n),)

    def log_prob(self, n: int, model: Adapted | None = None) -> Call:
        """log_prob of n points, bounds with the suite's number of samples.

        Of the subject's model, or of another one of the same points.
        """
        x, given = self.points(n), self.given(n)
        context = given[0] if given else None
        log_prob = (model or self.subject.model).log_prob
        return lambda: log_prob(x, samples=self.samples, context=context)

    def sample(self, n: int, model: Adapted | None = None) -> Call:
        """n samples; a call that returns None for a model without a sampler."""
        sample, given = (model or self.subject.model).sample, self.given(n)
        return lambda: None if sample is None else sample(n, *given)

    def transform(self, n: int, model: Adapted | None = None) -> Transform | None:
        """The transform of n points, with their contexts if there are some; None without one."""
        transform, given = (model or self.subject.model).transform, self.given(n)
        if transform is None or not given:
            return transform
        return lambda x: transform(x, *(c.to(x.dtype) for c in given))

    def density(self) -> dict[str, Call]:
        """log_prob and transform at the batch, and what shows the cost of the log-determinant.

        That is `map` (the transform without it) where the model offers one; else, for a torch
        module, its `tape` and `tape_map`, played with and without it (bench.costs.graph).
        """
        transform, map_only = self.transform(self.batch), self.subject.model.map_only
        x, given = self.points(self.batch), self.given(self.batch)
        calls = {"log_prob": self.log_prob(self.batch)}
        if transform is not None:
            calls["transform"] = lambda: transform(x)
            if map_only is not None:
                calls["map"] = lambda: map_only(x, *given)
            elif self.torch_only and (pair := attempt(lambda: with_and_without(transform, x))):
                calls["tape"], calls["tape_map"] = pair
        return calls


def attempt(fn: Callable[[], T]) -> T | None:
    """What `fn` returns, or None where it raises: the fault is logged, at level debug."""
    try:
        return fn()
    except Exception:
        log.debug("left out of the costs", exc_info=True)
        return None


def usable(fn: Call) -> bool:
    """The call works: it returns something, and does not raise."""
    return attempt(fn) is not None


@contextmanager
def evaluating(subject: Subject) -> Iterator[None]:
    """No gradients, evaluation mode, a fixed random state; all as before on leaving."""
    module = subject.model.module
    switched = module if module is not None and module.training else None
    devices = [torch.device(subject.device)] if subject.device.startswith("cuda") else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(subject.seed)
        if switched is not None:
            switched.eval()
        try:
            yield
        finally:
            if switched is not None:
                switched.train()
