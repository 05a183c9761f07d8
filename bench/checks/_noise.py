"""Likelihoods that are estimated: what their values say of the density, and how many to average.

Over its own noise, the mean of a `stochastic` value is log p, that of exp(`unbiased`) is p, a
`lower-bound` is at most and an `upper-bound` at least log p in the mean (docs/adding-a-model.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.checks._base import EXACT, bound_samples, log_prob
from bench.subject import Subject

PILOT = 200  #: points on which the noise is measured
DRAWS = (4, 8, 16, 32)  #: evaluations of a point, as many as its noise asks for


@dataclass(frozen=True)
class Noise:
    """How often to evaluate a point, and how to put the values together."""

    kind: str
    draws: int = 1
    samples: int | None = None  #: of a bound, per evaluation
    sd: float = 0.0  #: of one evaluation, root mean square over the pilot, nats
    doubt: str = ""  #: why no number of evaluations up to the largest will do

    def values(self, call: Callable[[int | None], Tensor]) -> Tensor:
        """`call(samples)`, log-densities [n], as often as needed: [draws, n]."""
        return torch.stack([call(self.samples) for _ in range(self.draws)])

    def level(self, values: Tensor) -> Tensor:
        """log p up to a bias of order sd^2 / draws, or the bound's mean: [draws, n] to [n]."""
        if self.kind == "unbiased":
            return torch.logsumexp(values, 0) - math.log(len(values))
        return values.mean(0)

    def log_density(self, values: Tensor) -> Tensor:
        """What may be exponentiated: the mean of its exponential is p, or that of the mean bound.

        mean - s^2 / (2 draws), with s^2 the variance of the point's own values, as exp(mean) is
        too high by exp(s^2 / (2 draws)) in the mean. [draws, n] to [n]
        """
        level = self.level(values)
        if self.kind == "unbiased" or len(values) == 1:
            return level
        return level - (values.var(0) / (2 * len(values))).where(level.isfinite(), 0.0)

    def settled(self, function: Callable[..., Tensor], *values: Tensor) -> Tensor:
        """`function` of the levels, [n] each, less the bias that their noise gives it.

        Twice its value from all evaluations minus that from half of them: the jackknife, free of
        bias to the first order in sd^2 / draws. Values are [draws, n] each.
        """
        whole = function(*map(self.level, values))
        if self.draws == 1:
            return whole
        halves = zip(*map(self.halves, values), strict=True)
        parts = [function(*map(self.level, half)) for half in halves]
        return 2 * whole - torch.stack(parts).mean(0)

    def halves(self, values: Tensor) -> list[Tensor]:
        """The two halves of the evaluations: an estimate's bias is larger on each."""
        return list(values.split(max(len(values) // 2, 1)))


def noise_of(subject: Subject, largest: float, pilot: Tensor | None = None) -> Noise:
    """As many evaluations that sd^2 / draws is at most `largest`, measured on `pilot` points.

    A bound is evaluated with a quarter of its samples, which bounds as well: four evaluations then
    cost as much as one. The pilot is the test points unless given, in the model's space.
    """
    kind, samples = subject.likelihood, bound_samples(subject)
    if kind in EXACT:
        return Noise(kind)
    each = None if samples is None else max(samples // DRAWS[0], 1)
    x = (subject.test if pilot is None else pilot)[:PILOT]
    values = torch.stack([log_prob(subject, x, each) for _ in range(DRAWS[0])])
    spread = values.var(0)
    variance = float(spread[spread.isfinite()].mean()) if spread.isfinite().any() else math.nan
    if variance == 0:
        frozen = kind in ("stochastic", "unbiased")
        doubt = "its noise is the same at every call, so that nothing averages it out"
        return Noise(kind, samples=samples, doubt=doubt if frozen else "")
    sd = math.sqrt(variance)
    enough = [m for m in DRAWS if variance / m <= largest]
    doubt = f"{sd:.2g} nats of noise are too many to average out"
    return Noise(kind, (enough or DRAWS)[0], each, sd, "" if enough else doubt)
