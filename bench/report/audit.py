"""The verdict on a model: what all its checks on known truths say together.

The rule. `failed`: a check failed on some truth. Else `not audited`: on some planned truth it came
to no checks, or it meets no truth at all. Else `inconclusive`: a check raised, or no check passed
on some truth. Else `audited`; single checks may still be inconclusive, as they often are on truths
of many dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.records import Check
from bench.report import text
from bench.report.cells import Cell, DataSet

GLYPHS = {"audited": "✓", "failed": "✗", "inconclusive": "?", "not audited": "○"}


@dataclass(frozen=True)
class Met:
    """A truth that a model met: its checks, or the reason why there are none."""

    truth: str
    checks: Sequence[Check]
    reason: str = ""


@dataclass(frozen=True)
class Audit:
    """A model's verdict: audited, failed, inconclusive or not audited; `failed` names checks."""

    verdict: str
    failed: tuple[str, ...] = ()
    reason: str = ""

    @property
    def words(self) -> str:
        """The verdict with what it rests on: 'failed: balance, truth'."""
        why = ", ".join(self.failed) or self.reason
        return f"{self.verdict}: {why}" if why else self.verdict

    @property
    def refusal(self) -> str | None:
        """Why a row of this model is not ranked, or None."""
        if self.verdict != "failed":
            return None
        return f"its audit failed {text.listing(self.failed)}"


NOT_PLANNED = Audit("not audited", reason="it meets no known truth")


def judge(met: Iterable[Met]) -> Audit:
    """The one verdict on a model, from all the truths that it met."""
    met = list(met)
    if not met:
        return NOT_PLANNED
    failed = sorted({c.name for m in met for c in m.checks if c.verdict == "fail"})
    if failed:
        return Audit("failed", tuple(failed))
    absent = [m for m in met if not m.checks]
    if absent:
        everywhere = len(absent) == len(met) and len({m.reason for m in absent}) == 1
        where = "" if everywhere else f"{absent[0].truth}: "
        return Audit("not audited", reason=where + absent[0].reason)
    raised = sorted({c.name for m in met for c in m.checks if c.verdict == "error"})
    if raised:
        return Audit("inconclusive", reason=f"{text.listing(raised)} raised")
    open_ = [m.truth for m in met if not any(c.verdict == "pass" for c in m.checks)]
    if open_:
        return Audit("inconclusive", reason=f"no check passed on {text.listing(open_)}")
    return Audit("audited")


def judged(truths: Iterable[DataSet]) -> Mapping[str, Audit]:
    """Verdict of every model with a planned audit."""
    met: dict[str, list[Met]] = {}
    for cell in (c for truth in truths for c in truth.cells):
        met.setdefault(cell.model, []).append(_met(cell))
    return {model: judge(all_met) for model, all_met in met.items()}


def _met(cell: Cell) -> Met:
    checks = cell.record.checks if cell.record else []
    return Met(cell.dataset, checks, cell.reason or f"{cell.status}, without checks")
