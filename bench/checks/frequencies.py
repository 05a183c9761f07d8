"""Do draws of a discrete model occur as often as its density says? Where all states can be listed.

Exact means and variances of log p and of each coordinate's levels under the model's own
probabilities, against the draws': the mean of log p tells a temperature of the sampler from none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench import check
from bench.checks._base import Finding, NotApplicable, draws, flat, log_prob, refined
from bench.checks.sums import ALL_STATES, EXACT_TOLERANCE, states
from bench.subject import Subject

SHIFT = 0.04  #: of a mean, in the quantity's own standard deviations
SIZES = (1, 4, 16)  #: times the usual number of draws
FLOOR = 20.0  #: nats below the mean at which log p is cut


@check(
    "frequencies",
    question="Do a discrete model's draws occur as often as its density says?",
    remedy=(
        "A temperature in the sampler, levels drawn from logits of another call, an order of "
        "coordinates that sampler and density do not share."
    ),
)
def frequencies(subject: Subject) -> Finding:
    """Shift of the least likely mean among those of log p and of all levels, in deviations."""
    if not subject.space.discrete:
        raise NotApplicable("the model is continuous: see stein and identity")
    if subject.likelihood != "exact-discrete":
        raise NotApplicable(f"a likelihood of kind {subject.likelihood} gives no exact means")
    levels, dim = subject.spec.levels or 2, subject.spec.dim
    if levels**dim > ALL_STATES:
        raise NotApplicable("there are too many states to list: see identity")
    everything = states(levels, subject.spec)
    log_p = log_prob(subject, everything)
    probability = log_p.exp()
    if not abs(float(probability.sum()) - 1) < EXACT_TOLERANCE:
        raise NotApplicable("the probabilities do not sum to one: see sum")
    entropy = -float((probability * log_p.clamp(min=-1e3)).sum())
    floor = -entropy - FLOOR

    def quantities(x: Tensor, values: Tensor) -> Tensor:
        """Log p and the indicators of every coordinate's levels, [n, 1 + D levels]."""
        indicators = torch.nn.functional.one_hot(flat(x).long(), levels).flatten(1)
        return torch.cat([values.clamp(min=floor)[:, None], indicators.double()], 1)

    exact = quantities(everything, log_p)
    mean = probability @ exact
    deviation = (probability @ (exact - mean).square()).sqrt()

    def shift(times: int) -> Finding:
        y = draws(subject, times).cpu()
        inside = ((flat(y) >= 0) & (flat(y) < levels)).all(1)
        if not bool(inside.all()):
            return _outside(int((~inside).sum()), len(y))
        drawn = quantities(y, log_prob(subject, y)).mean(0)
        shifts = (drawn - mean) / deviation.clamp(min=1 / math.sqrt(len(y)))
        i = int(shifts.abs().argmax())
        name = "of log p" if i == 0 else f"of level {(i - 1) % levels} at {(i - 1) // levels}"
        return Finding(
            effect=float(shifts[i]),
            error=1 / math.sqrt(len(y)),
            threshold=SHIFT,
            n=len(y),
            what=f"the draws' mean {name} is {float(shifts[i]):+.3f} deviations from the density's",
        )

    return refined(shift, SIZES)


def _outside(lost: int, n: int) -> Finding:
    return Finding(
        effect=lost / n,
        error=0.0,
        threshold=0.0,
        n=n,
        what=f"{lost} of {n} draws are not levels of the data",
    )
