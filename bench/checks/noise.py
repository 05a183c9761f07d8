"""Is the noise of a flow's own draws that of its base? And has the base, as scored, mass one?

With z = f(x) for x from the sampler, each of the n D coordinates follows the base's law, so that
the probability integral transform (Rosenblatt 1952) of all of them is uniform. log_prob minus the
reported log-determinant is the base's log-density.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench import check
from bench.checks._base import Finding, NotApplicable, draws, flat, log_prob, refined
from bench.checks._bridge import Bridge
from bench.checks._flows import require_flow
from bench.records import Check
from bench.subject import Subject

POINTS = 256  #: test points at which the base is recognised
TOLERANCE, RELATIVE = 1e-3, 2e-5  #: rounding of log_prob: nats, and share of its size
SPREAD = 0.02  #: of what is called constant, over its size
MASS = 0.02  #: nats
MASS_DRAWS = 1000
BACK = 1e-3  #: of 1 + |z|; noise that does not come back so closely lies outside the map's range
SIZES = (1, 4)  #: times the usual number of draws
DELTA = 0.015  #: of the distribution functions, and of the logarithm of the noise's width
CUT, OUTSIDE = 4.0, 6.0  #: standard deviations
KOLMOGOROV = 0.54  #: of six such errors over sqrt(N) the chance is 2 exp(-2 (6 x .54)^2) = 2e-9

Transform = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Base:
    """A base of independent coordinates."""

    name: str
    log_density: Callable[[Tensor], Tensor]  #: of each coordinate
    cdf: Callable[[Tensor], Tensor]


NORMAL = Base(
    "the standard normal",
    lambda z: -0.5 * z.square() - 0.5 * math.log(2 * math.pi),
    torch.special.ndtr,
)
UNIFORM = Base(
    "the uniform on [0, 1]",
    lambda z: torch.where((z >= 0) & (z <= 1), 0.0, -math.inf),
    lambda z: z.clamp(0, 1),
)
LOGISTIC = Base(
    "the standard logistic",
    lambda z: -z.abs() - 2 * torch.log1p((-z.abs()).exp()),
    torch.sigmoid,
)


@check(
    "pit",
    question="Is the noise of a flow's own draws that of its base?",
    remedy=(
        "A temperature in the sampler, a sampler that goes another way than the inverse; a "
        "constant: a log_prob that does not use the transform it shows, a base without its "
        "normaliser."
    ),
)
def pit(subject: Subject) -> Check:
    """The mass of the base as scored, then the law of the noise of the model's own draws."""
    transform = require_flow(subject)
    base, constant, rounding = _recognised(subject, transform)
    if abs(constant) > max(MASS, rounding):
        return _mass(subject, transform, base, constant)
    return refined(lambda times: _law(subject, transform, base, times), SIZES).check()


def _law(subject: Subject, transform: Transform, base: Base, times: int) -> Finding:
    """Of the noise's width and its distribution the one that does not pass; else the width."""
    with torch.no_grad():
        z = flat(transform(draws(subject, times))[0]).double().cpu()
    found = [_uniformity(base, z)]
    if base is NORMAL:
        found.insert(0, _width(z))
    return next((f for f in found if f.check().verdict != "pass"), found[0])


def _recognised(subject: Subject, transform: Transform) -> tuple[Base, float, float]:
    """The base that differs from log_prob - log-det by a constant alone, it, and its rounding.

    A normal of another mean or scale, or a learned base, differs by an amount that changes with z.
    """
    x = subject.test[:POINTS]
    with torch.no_grad():
        z, logdet = transform(x)
    log_q, logdet, z = log_prob(subject, x), logdet.double().cpu(), flat(z).double().cpu()
    rounding = TOLERANCE + RELATIVE * float((log_q.abs() + logdet.abs()).median())
    levels = torch.tensor([0.02, 0.5, 0.98], dtype=torch.float64)
    for base in (NORMAL, UNIFORM, LOGISTIC):
        excess = log_q - logdet - base.log_density(z).sum(1)
        if float(excess.isfinite().double().mean()) < float(levels[-1]):
            continue
        low, middle, high = torch.quantile(excess[excess.isfinite()], levels).tolist()
        if high - low <= max(rounding, SPREAD * abs(middle)):
            return base, middle, rounding
    raise NotApplicable("the base is neither normal nor uniform nor logistic, all standard")


def _mass(subject: Subject, transform: Transform, base: Base, constant: float) -> Check:
    """The mass of a density that is e^constant times the base's at the test points.

    A base cut off at an edge, or one part of a mixture, has such a constant as well: honest if the
    map does not reach all noise, or draws come from elsewhere. Noise of the base and that of the
    model's own draws show how much does.
    """
    told = f"log_prob - log-det is the log-density of {base.name} {constant:+.4f} nats"
    inverse = subject.model.inverse
    if inverse is None or subject.model.sample is None or base is not NORMAL:
        raise NotApplicable(f"{told}, and no inverse and sampler show how much noise is reached")
    with torch.no_grad():
        shape = transform(subject.test[:1])[0].shape[1:]
        z = torch.randn(MASS_DRAWS, *shape, generator=subject.generator(171)).to(subject.test)
        x = inverse(z)
    there, back = _excess(subject, transform, x)
    reached = (flat(back) - flat(z).double().cpu()).abs() <= BACK * (1 + flat(back).abs())
    here, _ = _excess(subject, transform, draws(subject)[:MASS_DRAWS])
    bridge = Bridge(
        there=there.where(reached.all(1) & ~there.isnan(), -math.inf),
        here=here.nan_to_num(nan=math.inf),
    )
    log_mass, error = bridge.estimate()
    found = Finding(
        effect=log_mass,
        error=error,
        threshold=MASS,
        n=MASS_DRAWS,
        what=f"{told} at the test points: with all noise that the map reaches, it has mass "
        f"{math.exp(min(max(log_mass, -500), 500)):.4g}",
    ).check()
    if found.verdict == "pass":
        raise NotApplicable(f"the base is a part of {base.name}")
    return found


def _excess(subject: Subject, transform: Transform, x: Tensor) -> tuple[Tensor, Tensor]:
    """log_prob - log-det minus the normal's log-density at x [n, ...], [n]; the noise [n, D]."""
    with torch.no_grad():
        z, logdet = transform(x)
    z = flat(z).double().cpu()
    return log_prob(subject, x) - logdet.double().cpu() - NORMAL.log_density(z).sum(1), z


def _width(z: Tensor) -> Finding:
    """Half the logarithm of the mean square of the noise [n, D], beyond 4 cut, over the normal's.

    An imprecise inverse can only add to it: where as much may come from a few coordinates far
    outside, nothing is said.
    """
    square = z.square().nan_to_num(nan=CUT**2).clamp(max=CUT**2)
    density = math.exp(-0.5 * CUT**2) / math.sqrt(2 * math.pi)
    tail = float(torch.special.ndtr(torch.tensor(-CUT, dtype=torch.float64)))
    mean = 1 - 2 * tail - 2 * CUT * density + 2 * tail * CUT**2
    fourth = 3 * (1 - 2 * tail) - 2 * density * (CUT**3 + 3 * CUT) + 2 * tail * CUT**4
    ratio = float(square.mean()) / mean
    outside = float((~(z.abs() <= OUTSIDE)).double().mean())
    effect = 0.5 * math.log(ratio) if ratio > 0 else -math.inf
    broken = effect > 0 and 0.5 * outside * CUT**2 / mean > max(0.5 * effect, DELTA)
    return Finding(
        effect=effect,
        error=0.5 * math.sqrt((fourth - mean**2) / z.numel()) / mean,
        threshold=DELTA,
        n=len(z),
        what=f"the noise of the model's own draws is {math.exp(effect):.3f} times a normal's width",
        doubt=f"{outside:.1%} of it lies beyond 6: see round-trip" if broken else "",
    )


def _uniformity(base: Base, z: Tensor) -> Finding:
    """Kolmogorov's distance between the noise's pooled coordinates and the base."""
    u = base.cdf(z.flatten())
    u = u[~u.isnan()].sort().values
    missing = 1 - len(u) / z.numel()
    grid = torch.arange(len(u) + 1, dtype=torch.float64) / max(len(u), 1)
    gap = float(torch.maximum((grid[1:] - u).max(), (u - grid[:-1]).max())) if len(u) else math.nan
    return Finding(
        effect=gap,
        error=KOLMOGOROV / math.sqrt(z.numel()),
        threshold=DELTA,
        n=len(z),
        what=f"its distribution function is within {gap:.4f} of {base.name}'s",
        upper=True,
        doubt=f"{missing:.1%} of the noise is NaN: see round-trip" if missing > DELTA else "",
    )
