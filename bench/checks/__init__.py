"""The battery: what a reported likelihood and a sampler must satisfy before a row is ranked.

One file per check, each with `check(subject) -> Check`, which never raises. Questions, statistics,
thresholds and blind spots: docs/checks.md.
"""

from __future__ import annotations

from bench.checks import (
    balance,
    bound,
    copies,
    invariance,
    logdet,
    quadrature,
    round_trip,
    sums,
    truth,
)
from bench.records import Check
from bench.subject import Subject

CHECKS = (
    invariance.check,
    quadrature.check,
    sums.check,
    logdet.check,
    round_trip.check,
    truth.check,
    balance.check,
    copies.check,
    bound.check,
)


def run(subject: Subject) -> list[Check]:
    """Every check in its fixed order: the same subject gives the same verdicts, bit for bit.

    A check that does not apply says why (`n/a`); one whose model raised is `inconclusive`.
    """
    return [check(subject) for check in CHECKS]
