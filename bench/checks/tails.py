"""Is there mass without end far away? A floor under the density (clipping, log(p + eps)) puts it.

Of a density of mass one no shell around the data holds more than one. The mass of the shell of
radii [R, e R], in units of each coordinate's spread, is the mean over random directions and
log-radii s of q(y) |S| e^(s D) prod scale, and a mean above one is refuted by betting, however
uneven its terms are.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from bench import check
from bench.checks._base import Finding, NotApplicable, flat, log_prob, spread
from bench.checks._mass import certain
from bench.subject import Subject

FARTHEST = 14  #: logarithm of the largest radius: 1.2e6 standard deviations
EACH = 64  #: points per shell
EXCESS = 14.0  #: nats at which log-weights are cut
MASS = 0.02


@check(
    "tails",
    question="Does the density fall off far from the data, or is there mass without end?",
    remedy=(
        "A floor under the density: log(p + eps), clamp(min=...), a constant for points that the "
        "model does not cover. Use log-sum-exp, and minus infinity outside the support."
    ),
)
def tails(subject: Subject) -> Finding:
    """The largest mass that a shell holds for certain, minus one."""
    if subject.space.discrete:
        raise NotApplicable("the model is discrete: see sum")
    if subject.likelihood in ("none", "upper-bound"):
        raise NotApplicable("the model reports no density, or more than its density")
    found = _heaviest(subject)
    double = subject.double() if found.effect > 0 else None
    if double is not None:  # far out, float32 overflows first
        found = min(found, _heaviest(replace(subject, model=double), torch.float64), key=_effect)
    return found


def _effect(found: Finding) -> float:
    return found.effect


def _heaviest(subject: Subject, dtype: torch.dtype = torch.float32) -> Finding:
    """The shell with the largest certain mass."""
    dim = subject.spec.dim
    centre, scale = spread(flat(subject.spec.train))
    generator = subject.generator(191)
    directions = torch.randn(FARTHEST * EACH, dim, generator=generator, dtype=torch.float64)
    directions = directions / directions.norm(dim=1, keepdim=True)
    shell = torch.arange(FARTHEST).repeat_interleave(EACH)
    s = shell + torch.rand(len(shell), generator=generator, dtype=torch.float64)
    y = centre + scale * directions * s.exp()[:, None]
    values = log_prob(subject, y.to(dtype).reshape(-1, *subject.spec.train.shape[1:]))
    surface = math.log(2) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)
    weights = values + surface + dim * s + scale.log().sum()
    masses = [certain(part, EXCESS) for part in _finite(weights).split(EACH)]
    far = max(range(FARTHEST), key=masses.__getitem__)
    return Finding(
        effect=math.expm1(masses[far]),
        error=0.0,
        threshold=MASS,
        n=len(shell),
        what=_told(masses[far], far),
        upper=True,
    )


def _finite(weights: Tensor) -> Tensor:
    """Weights of no value count as zero: an infinite one is another check's business."""
    return weights.nan_to_num(nan=-math.inf, posinf=-math.inf)


def _told(log_mass: float, far: int) -> str:
    if log_mass <= 0:
        return "no shell around the data holds a mass above one"
    mass, radius = math.exp(log_mass), math.exp(far)
    return f"a shell {radius:.2g} standard deviations from the data has mass {mass:.3g} at least"
