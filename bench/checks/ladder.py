"""Does a lower bound climb with its samples, and stay below the likelihood where that is known?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench import check
from bench.checks._base import Finding, NotApplicable, log_prob, mean_error, refined
from bench.checks._capabilities import method
from bench.subject import Subject

POINTS = (128, 512)  #: refined in turn
CALL = 16  #: points per call, which may share noise
RUNGS = (1, 4, 16, 64)  #: K
REPLAYED = 16  #: the rung that is also computed from single samples
DELTA = 0.05  #: nats
ROUNDING = 1e-6  #: least standard error, nats


@check(
    "ladder",
    question="Does a lower bound climb with its samples, below the likelihood?",
    remedy=(
        "The logarithm of the mean of the weights (log K, a mean of logarithms, one draw of noise "
        "for all samples), the signs of log p(z) and log q(z | x)."
    ),
    fast=False,
)
def ladder(subject: Subject) -> Finding:
    """The bound with 1, 4, 16, 64 samples at the same points, each twice.

    It may not fall (arXiv 1509.00519, theorem 1). Where the model has `exact_log_prob`, it may not
    exceed that, and must come as near as the log-mean of its own single-sample values. Without it,
    values that are no such log-mean may be an honest bound of another kind: `inconclusive`.
    """
    if subject.likelihood != "lower-bound":
        raise NotApplicable("the likelihood is no lower bound")
    return refined(lambda n: _climb(subject, subject.test[:n]).finding(), POINTS)


@dataclass(frozen=True)
class Climb:
    """The bound at the same n points by number of samples, nats, float64."""

    bound: dict[int, Tensor]  #: K -> two evaluations, [2, n]
    single: Tensor  #: evaluations with one sample, [REPLAYED, n]
    exact: Tensor | None  #: the model's closed form, [n]

    def finding(self) -> Finding:
        """The first fault, else what only a bigger sample can settle, else the largest fall."""
        rungs = self.falls() + self.excesses()
        for found in rungs:
            if _fails(found):
                return found
        for odd in (self.replay(), self.noise()):
            if odd is not None:
                return odd
        for found in rungs:
            if not found.known or found.blind:
                return found
        return replace(max(rungs, key=lambda f: f.z), what=self.story())

    def falls(self) -> list[Finding]:
        """The paired mean fall from each rung to the next."""
        found = []
        for few, many in zip(RUNGS, RUNGS[1:], strict=False):
            fall = (self.bound[few] - self.bound[many]).mean(0)
            what = f"from {few} to {many} samples the bound changes by {-float(fall.mean()):+.4f}"
            found.append(_finding(fall, f"{what} nats", upper=True))
        return found

    def excesses(self) -> list[Finding]:
        """How far each rung lies above the exact log-likelihood."""
        if self.exact is None:
            return []
        found = []
        for k in RUNGS:
            excess = self.bound[k].mean(0) - self.exact
            what = f"with {k} samples the bound is {float(excess.mean()):+.4f} nats from the exact"
            found.append(_finding(excess, f"{what} log-likelihood", upper=True))
        return found

    def replay(self) -> Finding | None:
        """A rung that is not the log-mean of as many single-sample values; None where it is."""
        replayed = torch.logsumexp(self.single, 0) - math.log(REPLAYED)
        gap = self.bound[REPLAYED].mean(0) - replayed
        what = (
            f"with {REPLAYED} samples the bound is {float(gap.mean()):+.4f} nats from the log-mean "
            f"of {REPLAYED} values with one"
        )
        found = _finding(gap, what)
        if not _fails(found):
            return None
        if self.exact is not None and found.effect < 0:
            return found
        return replace(found, doubt="so it is no log-mean of weights; see sum")

    def noise(self) -> Finding | None:
        """A variance that is larger with most samples than with one; None where it is not."""
        few, many = (0.5 * (self.bound[k][0] - self.bound[k][1]).square() for k in RUNGS[::3])
        what = f"its variance is {float(few.mean()):.3g} with one sample, {float(many.mean()):.3g}"
        found = _finding(many - few, f"{what} with {RUNGS[-1]}", upper=True)
        doubt = "heavy-tailed weights, or samples that share their noise"
        return replace(found, doubt=doubt) if _fails(found) else None

    def story(self) -> str:
        """The ladder in one sentence."""
        values = ", ".join(f"{float(self.bound[k].mean()):.3f}" for k in RUNGS)
        pairs = [self.bound[k][0] - self.bound[k][1] for k in RUNGS]
        noise = ", ".join(f"{float(pair.std() / math.sqrt(2)):.2g}" for pair in pairs)
        rungs = ", ".join(map(str, RUNGS))
        found = f"with {rungs} samples the bound is {values} nats, the noise of a value {noise}"
        if self.exact is None:
            return found
        gap = float((self.bound[RUNGS[-1]].mean(0) - self.exact).mean())
        return f"{found}; the last is {gap:+.4f} nats from the exact log-likelihood"


def _climb(subject: Subject, x: Tensor) -> Climb:
    exact_log_prob = method(subject.model.obj, "exact_log_prob")
    with torch.no_grad():
        exact = None if exact_log_prob is None else exact_log_prob(x).double().cpu()
    return Climb(
        bound={k: torch.stack([_values(subject, x, k) for _ in range(2)]) for k in RUNGS},
        single=torch.stack([_values(subject, x, 1) for _ in range(REPLAYED)]),
        exact=exact,
    )


def _values(subject: Subject, x: Tensor, samples: int) -> Tensor:
    return torch.cat([log_prob(subject, part, samples=samples) for part in x.split(CALL)])


def _finding(values: Tensor, what: str, *, upper: bool = False) -> Finding:
    mean, error = mean_error(values, CALL)
    return Finding(mean, max(error, ROUNDING), DELTA, len(values), what, upper=upper)


def _fails(found: Finding) -> bool:
    return found.check().verdict == "fail"
