"""Against a known truth p*: no density scores above it on average, and E_p*[q / p*] = 1.

The first (Gibbs' inequality) catches impossible scores; the second any error of mass.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bench import check
from bench.checks._base import (
    Finding,
    NotApplicable,
    data_log_prob,
    draws,
    mean_error,
    refined,
)
from bench.checks._weights import distrust
from bench.contract import Density
from bench.records import Check
from bench.subject import Subject

MASS = 0.02
CEILING = 0.002  #: nats, times the square root of the dimension
COVERAGE = 1000  #: draws of the model that look for mass which the truth's draws do not reach
DEFENSIVE = 4  #: largest dimension in which a wide normal covers the surroundings
WIDE = 2.0  #: standard deviations

LogProb = Callable[[Tensor], Tensor]


@check(
    "truth",
    question=(
        "Against the known density: does the model score no better than the truth, with mass "
        "one where the truth's draws can tell?"
    ),
    remedy=(
        "A score above the truth with mass one means a wrong truth: look at the data set. Else "
        "as for quadrature."
    ),
)
def truth(subject: Subject) -> Check:
    """Paired mean of log q - log p* over fresh draws of p*, then the mean weight q / p*."""
    truth = subject.truth
    if truth is None:
        raise NotApplicable("the data's density is not known")
    if subject.space.noise or subject.space.discrete:
        raise NotApplicable("the truth is a density, the data are levels")
    if subject.likelihood in ("none", "upper-bound"):
        raise NotApplicable(f"a likelihood of kind {subject.likelihood} may exceed the truth")
    known = truth
    points = subject.evaluation.check_points
    return refined(lambda times: _compare(subject, known, times * points), (1, 10)).check()


def _compare(subject: Subject, truth: Density, n: int) -> Finding:
    """The ceiling's finding where it is a failure, else the mass's."""
    x = truth.sample(n, subject.generator(141)).double()
    log_q = data_log_prob(subject, x)
    mean, error = mean_error(log_q - truth.log_prob(x).double())
    ceiling = Finding(
        effect=mean,
        error=error if math.isfinite(mean) else 0.0,
        threshold=CEILING * math.sqrt(subject.spec.dim),
        n=n,
        what=f"it scores {mean:+.4f} nats against the truth on the truth's own draws",
        upper=True,
    )
    if subject.likelihood == "stochastic" or ceiling.check().verdict == "fail":
        return ceiling
    return _mass(subject, truth, x, log_q, mean)


def _mass(subject: Subject, truth: Density, x: Tensor, log_q: Tensor, excess: float) -> Finding:
    """Mean of (q - p*) / m: both have mass one, and what they share cancels in the variance.

    m = p*, or half p* and half a wide normal where that can cover the surroundings.
    """
    proposal: LogProb = truth.log_prob
    if subject.spec.dim <= DEFENSIVE:
        mixture = _Defensive(truth, x)
        wide = mixture.draw(len(x), subject.generator(142))
        log_q = torch.cat([log_q, data_log_prob(subject, wide)])
        x, proposal = torch.cat([x, wide]), mixture.log_prob
    log_m = proposal(x).double()
    weights = (log_q - log_m).exp()
    mean, error = mean_error(weights - (truth.log_prob(x).double() - log_m).exp())
    doubt = distrust(weights, _weights_of_draws(subject, proposal))
    if not doubt and subject.model.sample is None and mean < 0:
        doubt = "without a sampler nothing shows whether the draws reach all of the model's mass"
    return Finding(
        effect=mean,
        error=error,
        threshold=MASS,
        n=len(x),
        what=f"the truth's draws give it a mass of {1 + mean:.4f} and {excess:+.4f} nats",
        upper=subject.likelihood == "lower-bound",
        doubt=doubt,
    )


def _weights_of_draws(subject: Subject, proposal: LogProb) -> Tensor | None:
    """Weights at the model's own draws, which show what the proposal does not reach."""
    if subject.model.sample is None:
        return None
    raw = subject.space.inverse(draws(subject)[:COVERAGE])
    return (data_log_prob(subject, raw) - proposal(raw).double()).exp()


class _Defensive:
    """p* / 2 + N(mean, (2 sd)^2) / 2, coordinate by coordinate, of draws x [n, D] of p*."""

    def __init__(self, truth: Density, x: Tensor) -> None:
        self.truth, self.shape = truth, x.shape[1:]
        flat = x.reshape(len(x), -1)
        normal = torch.distributions.Normal(flat.mean(0), WIDE * flat.std(0))
        self.normal = torch.distributions.Independent(normal, 1)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """n draws of the normal part alone."""
        base = self.normal.base_dist
        noise = torch.randn(n, len(base.loc), generator=generator, dtype=torch.float64)
        return (base.loc + base.scale * noise).reshape(n, *self.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of the mixture, [n]."""
        near = self.truth.log_prob(x).double() + math.log(0.5)
        wide = self.normal.log_prob(x.reshape(len(x), -1).double()) + math.log(0.5)
        return torch.logaddexp(near, wide)
