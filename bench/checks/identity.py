"""Does the density have mass one under its own sampler? On any data, without a truth.

With q the density and r a law of mass one that is fitted to other draws of the sampler, this is the
identity E_q[r / q] = 1 in the form whose weights stay between zero and one (bench.checks._bridge).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from bench import check
from bench.checks import _fit, _fit_levels
from bench.checks._base import (
    CALL,
    EXACT,
    Finding,
    NotApplicable,
    bound_samples,
    draws,
    flat,
    log_prob,
    resolved,
    usable,
)
from bench.checks._bridge import Bridge
from bench.checks._fit import Law
from bench.checks._weights import distrust
from bench.randomness import seeded
from bench.records import Check
from bench.subject import Subject

DELTAS = (0.02, 0.1, 0.5)  #: nats; the first that exceeds the standard error is the threshold
LARGEST = 512  #: dimensions; beyond, no law fitted to some thousand draws comes near a model
SIZES = (1, 3)  #: times `check_points`
UNEASY = 2.0  #: standard errors from which on the larger sample is drawn
PILOT = 0.2  #: share of the known draws that chooses the law
FINITE = 0.5  #: share of the draws that must be, for a law to be fitted
FEWEST = 50  #: draws of either side that must lie where both densities count
FARTHEST = 1e30  #: stands for infinity
SAMPLES = 16  #: of a bound: its exponential has the same mean with any number


@check(
    "identity",
    question="Does the density have mass one, as far as the model's own draws can tell?",
    remedy=(
        "A constant in log_prob, a forgotten Jacobian or log-determinant, bits for nats; where "
        "balance fails too, the sampler. Compare the mass with e to the power of each candidate."
    ),
    fast=False,
)
def identity(subject: Subject) -> Check:
    """Logarithm of the density's mass, from its own draws and those of a fitted law, nats."""
    kind = subject.likelihood
    if kind not in (*EXACT, "unbiased", "lower-bound"):
        raise NotApplicable(f"a likelihood of kind {kind} has no mass that could be judged")
    if subject.spec.dim > LARGEST:
        raise NotApplicable(
            f"no law that could be fitted overlaps in {subject.spec.dim} dimensions"
        )
    known = flat(draws(subject)).cpu()
    for times in SIZES:
        x = _fresh(subject, times)
        with seeded(31 + subject.seed):
            found = _compare(subject, _law(subject, known), x)
        if not found.known or not found.beyond(UNEASY):
            break
        known = torch.cat([known, flat(x).cpu()])
    return found.check()


def _fresh(subject: Subject, times: int) -> Tensor:
    """Draws that no other check sees, so that laws may be fitted to those."""
    assert subject.model.sample is not None
    with torch.no_grad(), seeded(8_765_432 + 1_009 * times + subject.seed):
        return subject.model.sample(times * subject.evaluation.check_points).detach()


def _law(subject: Subject, known: Tensor) -> Law:
    """Of several families fitted to known draws [n, D], the nearest one to some held out."""
    finite = known.isfinite().all(1)
    if float(finite.double().mean()) < FINITE:
        raise NotApplicable("most draws of the sampler are not finite: see balance")
    known = known[finite]
    pilot, rest = known.tensor_split([int(PILOT * len(known))])
    if subject.space.discrete:
        candidates = _fit_levels.laws(rest, subject.spec.levels or 2)
    else:
        candidates, pilot = _fit.laws(rest), _fit.tamed(pilot)
    return max(candidates, key=lambda law: float(law.log_prob(pilot).mean()))


def _compare(subject: Subject, law: Law, x: Tensor) -> Finding:
    """The log-mass that draws x [n, ...] of the sampler and as many of the law agree on."""
    exact = subject.likelihood in EXACT
    y = law.sample(len(x)).reshape(x.shape).to(x)
    there, here = _log_q(subject, y), _log_q(subject, x)
    again = there if exact else _log_q(subject, y)
    sound, own = usable(there) & usable(again), resolved(here)
    log_r = law.log_prob(flat(y).cpu())
    bridge = Bridge(
        there=(there - log_r).where(sound, -math.inf),
        here=(here - law.log_prob(_rows(x))).where(own, math.inf),
        again=None if exact else (again - log_r).where(sound, -math.inf),
    )
    log_mass, error = bridge.estimate(None if exact else CALL)
    delta = next((d for d in DELTAS if error <= d), DELTAS[-1])
    lost = int((~sound).sum() + (~own).sum())
    overlap = bridge.overlap
    found = Finding(
        effect=log_mass,
        error=error,
        threshold=delta,
        n=len(x),
        what=f"beside {law.name}, which it overlaps by {sum(overlap):.1%}, "
        f"it has mass {math.exp(min(max(log_mass, -500), 500)):.4g}",
        upper=subject.likelihood == "lower-bound",
        doubt=_doubt(max(overlap) * len(x), lost, delta),
    )
    if exact or found.doubt or (log_mass > 0 and found.check().verdict == "fail"):
        return found
    # a heavy tail of the noise pulls a mean down and never up: an excess may be believed
    return replace(found, doubt=distrust(bridge.terms()[0], None))


def _rows(x: Tensor) -> Tensor:
    """[n, *shape] as the laws take it, [n, D]; NaN, which no law takes, is far out."""
    rows = flat(x).cpu()
    return (
        rows.double().nan_to_num(nan=math.inf).clamp(-1e30, 1e30) if x.is_floating_point() else rows
    )


def _log_q(subject: Subject, x: Tensor) -> Tensor:
    """log_prob; of a bound with few samples, as its exponential has the same mean with any."""
    k = bound_samples(subject)
    return log_prob(subject, x, samples=None if k is None else min(k, SAMPLES))


def _doubt(effective: float, lost: int, delta: float) -> str:
    """Why the estimate cannot be judged, or ""."""
    if effective < FEWEST:
        return f"only {effective:.0f} draws lie where both densities count"
    return f"{lost} draws have no usable log_prob" if lost > delta * effective else ""
