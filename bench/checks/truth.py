"""Against a known truth p*: no density scores above it on average, and its mass is one.

The first (Gibbs' inequality) catches impossible scores; the second any error of mass, by the
truth's draws alone, E_p*[q / p*] = 1, or by those and the model's own.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench import check
from bench.checks._base import (
    CALL,
    EXACT,
    Finding,
    NotApplicable,
    data_log_prob,
    draws,
    mean_error,
    refined,
)
from bench.checks._mass import bridge, certain
from bench.checks._noise import DRAWS, Noise, noise_of
from bench.checks._truths import Defensive, Dequantized, log_ratio
from bench.checks._weights import distrust
from bench.contract import Density
from bench.records import Check
from bench.subject import Subject

MASS = 0.02
ROUGHLY = 0.05  #: standard error of a pass where MASS would take too many points
CEILING = 0.002  #: nats, times the square root of the dimension
COVERAGE = 1000  #: draws of the model that look for mass which the truth's draws do not reach
DEFENSIVE = 4  #: largest dimension in which a wide normal covers the surroundings
VARIANCE = 0.1  #: of a point's averaged noise, nats^2; beyond, its correction is a guess
SIZES, NOISY_SIZES = (1, 4, 16), (1, 4)
EXCESS, LACK = 14.0, 4.6  #: nats at which weights are cut: a few wrong values convict nobody


@check(
    "truth",
    question=(
        "Against the known density: does the model score no better than the truth, with mass "
        "one as far as draws of both can tell?"
    ),
    remedy=(
        "A score above the truth with mass one means a wrong truth: look at the data set. Else "
        "as for quadrature; where the model's own draws were used, also the sampler."
    ),
)
def truth(subject: Subject) -> Check:
    """Paired mean of log q - log p* over fresh draws of p*, then the mass of q."""
    if subject.truth is None:
        raise NotApplicable("the data's density is not known")
    if subject.likelihood == "none":
        raise NotApplicable("the model reports no likelihood")
    known = subject.truth
    if subject.space.noise:
        known = Dequantized(known, subject.space.levels or 2)
    noise = noise_of(subject, math.inf if subject.likelihood == "unbiased" else VARIANCE)
    sizes = SIZES if subject.likelihood in EXACT else NOISY_SIZES
    return refined(lambda times: _compare(subject, known, noise, times), sizes).check()


def _compare(subject: Subject, known: Density, noise: Noise, times: int) -> Finding:
    """The first of the ceiling, the certain bounds and the mass that is a failure, else the mass.

    All on `times` the usual number of draws, fewer where each takes many evaluations.
    """
    exact = subject.likelihood in EXACT
    n = times * subject.evaluation.check_points // max(noise.draws // DRAWS[0], 1)
    x = known.sample(n, subject.generator(1400 + times)).double()
    covered = subject.spec.dim <= DEFENSIVE and not (subject.space.noise or subject.space.discrete)
    wide = Defensive(known, x) if covered else None
    points = x
    if wide is not None:
        points = torch.cat([x, wide.draw(n, subject.generator(1500 + times))])
    values = noise.values(lambda samples: data_log_prob(subject, points, samples))
    log_p = known.log_prob(x).double()
    ceiling = _ceiling(subject, noise.level(values[:, :n]) - log_p)
    if subject.likelihood != "upper-bound" and ceiling.check().verdict == "fail":
        return ceiling
    own: Tensor | None = None
    bridged = subject.model.sample is not None and noise.sd**2 / noise.draws <= VARIANCE
    if bridged and not noise.doubt:
        y = draws(subject, times)[:n]
        own = noise.values(lambda samples: log_ratio(subject, known, y, samples))
    log_w = values[:, :n] - log_p
    if exact and (certainly := _certain(log_w[0], None if own is None else own[0])) is not None:
        return certainly
    mean = ceiling.effect
    found = _importance(subject, noise, values, points, wide or known, known, mean)
    if own is not None and (found.blind or not found.known):
        both = _bridge(subject, noise, log_w, own, mean)
        found = both if both.known else found
    return found


def _ceiling(subject: Subject, excess: Tensor) -> Finding:
    """Mean of log q - log p* at draws of p*, [n]."""
    mean, error = mean_error(excess, None if subject.likelihood in EXACT else CALL)
    return Finding(
        effect=mean,
        error=error if math.isfinite(mean) else 0.0,
        threshold=CEILING * math.sqrt(subject.spec.dim),
        n=len(excess),
        what=f"it scores {mean:+.4f} nats against the truth on the truth's own draws",
        upper=True,
    )


def _certain(log_w: Tensor, own_log_w: Tensor | None) -> Finding | None:
    """A mass that is wrong for certain, however badly the model fits; None where nothing is.

    E_p*[q / p*] <= 1 by the truth's draws, and E_q[p* / q] <= 1 by the model's own.
    """
    more = certain(log_w, EXCESS)
    less = 0.0 if own_log_w is None else certain(_usable(own_log_w).neg(), LACK)
    if max(more, less) <= math.log1p(MASS):
        return None
    if more >= less:
        mass, what = more, "the truth's draws leave it a mass of {:.4g} at least"
    else:
        mass, what = -less, "its own draws leave it a mass of {:.4g} at most, or are not its own"
    n = len(log_w) if own_log_w is None or more >= less else len(own_log_w)
    return Finding(
        effect=math.expm1(mass), error=0.0, threshold=MASS, n=n, what=what.format(math.exp(mass))
    )


def _usable(own_log_w: Tensor) -> Tensor:
    """Where the density is zero at a draw, rounding has moved it out of the support: left out."""
    return own_log_w.where(own_log_w != -math.inf, math.nan)


def _importance(
    subject: Subject,
    noise: Noise,
    values: Tensor,
    x: Tensor,
    proposal: Density | Defensive,
    known: Density,
    excess: float,
) -> Finding:
    """Mean of (q - p*) / m over draws x of m: what q and p* share cancels in the variance.

    m = p*, or half p* and half a wide normal where that can cover the surroundings.
    """
    log_m = proposal.log_prob(x).double()
    weights = (noise.log_density(values) - log_m).exp()
    difference = weights - (known.log_prob(x).double() - log_m).exp()
    mean, error = mean_error(difference, None if subject.likelihood in EXACT else CALL)
    doubt = noise.doubt or distrust(weights, _reach(subject, proposal))
    if not doubt and subject.model.sample is None and mean < 0:
        doubt = "without a sampler nothing shows whether the draws reach all of the model's mass"
    halved = torch.cat([noise.log_density(half) - log_m for half in noise.halves(values)])
    if not doubt and not abs(float(halved.exp().mean() - weights.mean())) < MASS / 2:
        doubt = f"{noise.sd:.2g} nats of noise are too many to correct for"
    return Finding(
        effect=mean,
        error=error,
        threshold=MASS,
        n=len(x),
        what=f"the truth's draws give it a mass of {1 + mean:.4f} and {excess:+.4f} nats",
        upper=subject.likelihood == "lower-bound",
        lower=subject.likelihood == "upper-bound",
        doubt=doubt,
        sees=_visible(subject),
    )


def _visible(subject: Subject) -> float:
    """Largest standard error of a pass: looser where draws cover badly, or each costs many."""
    near = subject.spec.dim <= DEFENSIVE and subject.likelihood in EXACT
    return MASS if near else ROUGHLY


def _reach(subject: Subject, proposal: Density | Defensive) -> Tensor | None:
    """Weights at some of the model's draws, which show what the proposal does not reach."""
    if subject.model.sample is None:
        return None
    return log_ratio(subject, proposal, draws(subject)[:COVERAGE]).exp()


def _bridge(
    subject: Subject, noise: Noise, log_w: Tensor, own_log_w: Tensor, excess: float
) -> Finding:
    """Mass by draws of the truth and of the model, where neither alone can tell."""
    mass, error, doubt = bridge(noise, log_w, own_log_w, MASS / 2)
    effect = mass - 1
    return Finding(
        effect=effect,
        error=error * (effect / math.log(mass) if effect and not doubt else 1.0),
        threshold=MASS,
        n=log_w.shape[1] + own_log_w.shape[1],
        what=f"the truth's and its own draws give it a mass of {mass:.4f} and {excess:+.4f} nats",
        upper=subject.likelihood == "lower-bound",
        lower=subject.likelihood == "upper-bound",
        doubt=doubt,
        sees=_visible(subject),
    )
