"""What all checks share: the verdict rule, densities in big batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.records import Check
from bench.subject import Subject

EXACT = ("exact", "exact-discrete")
SIGMAS = 6.0  #: no verdict is `fail` on fewer standard errors
SUSPICIOUS = 3.0  #: from here on a bigger sample is drawn before anything is said
POINTS = 4096  #: per call of log_prob
CALL = 256  #: per call of an inexact one, whose noise the points of a call may share
NOISY_POINTS = 16_384  #: points times samples per call of a bound
UNRESOLVED = 1e6  #: nats, beyond which float32 resolves no nat


class NotApplicable(Exception):
    """The check says nothing about this subject; the message says why."""


@dataclass(frozen=True)
class Finding:
    """An estimated deviation, and the one rule that turns it into a verdict."""

    effect: float  #: deviation from what an honest model gives, in the statistic's own unit
    error: float  #: its standard error
    threshold: float  #: the smallest effect that matters
    n: int  #: points it rests on
    what: str  #: the finding in words
    upper: bool = False  #: only a positive effect is a fault
    doubt: str = ""  #: why the estimate is untrustworthy; no verdict rests on it then
    lower: bool = False  #: only a negative effect is a fault
    sees: float | None = None  #: largest standard error of a pass; None: the threshold

    @property
    def z(self) -> float:
        """Effect in standard errors; an error of zero makes any effect infinite."""
        if self.error > 0:
            return self.effect / self.error
        return math.copysign(math.inf, self.effect) if self.effect else 0.0

    @property
    def known(self) -> bool:
        """Both numbers are numbers and nothing speaks against them."""
        return not (self.doubt or math.isnan(self.effect) or math.isnan(self.error))

    def beyond(self, sigmas: float) -> bool:
        """The effect is on the wrong side by more than so many standard errors."""
        return self._wrong(self.z) > sigmas

    @property
    def blind(self) -> bool:
        """The error hides effects that matter, and the estimate does not exclude them.

        A one-sided finding far on the honest side excludes them, whatever its error.
        """
        if self.error <= self.visible:
            return False
        return self._wrong(self.effect) + SUSPICIOUS * self.error > self.threshold

    @property
    def visible(self) -> float:
        """The largest standard error with which an absent effect is a finding."""
        return self.threshold if self.sees is None else self.sees

    def check(self) -> Check:
        """`fail` iff effect > threshold and > 6 standard errors; blind or in doubt, no verdict."""
        verdict, tail = "pass", f"standard error {self.error:.1g}"
        if not self.known:
            verdict, tail = "inconclusive", self.doubt or "not a number"
        elif abs(self.effect) > self.threshold and self.beyond(SIGMAS):
            z = f"{self.z:+.1f} standard errors"
            verdict, tail = "fail", z if math.isfinite(self.z) else "beyond any error"
        elif self.blind:
            verdict, tail = "inconclusive", f"{tail}, too large to see {self.visible:.2g}"
        return Check(
            verdict=verdict,
            statistic=self.effect,
            threshold=self.threshold,
            n=self.n,
            detail=f"{self.what} ({tail}).",
        )

    def _wrong(self, effect: float) -> float:
        """How far an effect lies on the side that is a fault."""
        if self.upper or self.lower:
            return effect if self.upper else -effect
        return abs(effect)


def refined(attempt: Callable[[int], Finding], sizes: Sequence[int]) -> Finding:
    """The first finding that a bigger sample would not settle, else the last one.

    A suspicion (beyond 3 standard errors) is settled on fresh, bigger samples; so is a finding too
    uncertain to see its threshold, if the largest size can be expected to. Sizes rise, and the
    error falls with their square root. An effect without error, or in doubt, is final.
    """
    for size in sizes:
        found = attempt(size)
        if not found.known or found.error == 0:
            break
        reachable = found.error * math.sqrt(size / max(sizes[-1], 1)) <= found.visible
        if not (found.beyond(SUSPICIOUS) or (found.blind and reachable)):
            break
    return found


def mean_error(values: Tensor, call: int | None = None) -> tuple[float, float]:
    """Mean and standard error of values [n], float64.

    Args:
        values: independent, but for those evaluated by one call.
        call: rows per call, where these may share noise; the error is then the larger of the
            independent values' and of the calls' (cluster-robust: Liang and Zeger, 1986).
    """
    values = values.double()
    mean, error = float(values.mean()), float(values.std(correction=1) / math.sqrt(len(values)))
    if call is not None and len(values) > call:
        sums = torch.stack([part.sum() for part in (values - mean).split(call)])
        shared = float((sums.square().sum() * len(sums) / (len(sums) - 1)).sqrt()) / len(values)
        error = max(error, shared)  # NaN stays NaN
    return mean, error


def bound_samples(subject: Subject) -> int | None:
    """K of the reported bound; None for other kinds."""
    return subject.evaluation.bound_samples if subject.likelihood == "lower-bound" else None


def log_prob(subject: Subject, y: Tensor, samples: int | None = None) -> Tensor:
    """Log-density of model-space points y [n, ...] in nats, float64 [n], in batches of up to 4096.

    A bound takes `samples` (default: the reported K). Inexact kinds meet batches of 256.
    """
    samples = samples or bound_samples(subject)
    chunk = POINTS if subject.likelihood in EXACT else min(CALL, NOISY_POINTS // (samples or 1))
    with torch.no_grad():
        parts = [
            subject.model.log_prob(part.to(subject.device), samples=samples).double().cpu()
            for part in y.split(max(chunk, 1))
        ]
    return torch.cat(parts)


def data_log_prob(subject: Subject, x: Tensor, samples: int | None = None) -> Tensor:
    """`log_prob` of points in the data's own units [n, *shape], ledger included. float64 [n]"""
    y, ledger = subject.space.forward(x, None)
    return log_prob(subject, y, samples) + ledger


def draws(subject: Subject, times: int = 1) -> Tensor:
    """The model's own draws in random order, [n, ...]; the same for all checks that need some.

    n is `check_points` times `times`, half of it beyond 8 dimensions: there a sampler costs more
    and each point says more. Some samplers return their draws sorted by component, hence the
    permutation.
    """
    if subject.model.sample is None:
        raise NotApplicable("the model has no sampler")
    points = subject.evaluation.check_points * times
    drawn = subject.samples(points if subject.spec.dim <= 8 else points // 2)
    return drawn[torch.randperm(len(drawn), generator=subject.generator(101))]


def resolved(log_q: Tensor) -> Tensor:
    """Which are finite, and small enough that float32 still resolves a nat."""
    return log_q.isfinite() & (log_q.abs() < UNRESOLVED)


def usable(log_q: Tensor) -> Tensor:
    """Which are resolved, or zero density."""
    return (log_q == -math.inf) | resolved(log_q)


def difference(a: Tensor, b: Tensor) -> Tensor:
    """a - b, 0 where both are the same infinity, NaN where either is NaN."""
    return torch.where(a == b, 0.0, a - b)


def spread(x: Tensor) -> tuple[Tensor, Tensor]:
    """Median and robust standard deviation (IQR / 1.35) of x [n, D] per coordinate, float64 [D].

    A coordinate without spread gets 1.
    """
    x = x.double().cpu()
    levels = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    low, median, high = torch.quantile(x, levels, dim=0)
    scale = (high - low) / 1.35
    scale = torch.where(scale > 0, scale, x.std(0, correction=0))
    return median, torch.where(scale > 0, scale, 1.0)


def flat(x: Tensor) -> Tensor:
    """[n, *shape] as [n, D]."""
    return x.reshape(len(x), -1)
