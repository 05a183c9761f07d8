"""The lines above a table: what the data are, who wins, what the reader may trust."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bench.records import Environment
from bench.report import text
from bench.report.views import Row, View

STATUS_WORDS = {
    "failed-check": "failed a check",
    "failed-audit": "failed its audit",
    "error": "ended in an error",
    "timeout": "ran out of time",
    "diverged": "diverged",
    "missing": "missing",
    "unranked": "without a likelihood to rank by",
}


def heading(view: View) -> str:
    """Kind, dimension, levels, floor and true entropy of a data set."""
    data = view.data
    parts = [data.kind or "unknown kind"]
    if data.dim:
        parts.append(f"D = {data.dim:,}")
    if data.levels:
        parts.append(f"{data.levels} levels")
        parts.append(f"uniform: {text.fixed(math.log2(data.levels), 4)} bits/dim")
    if view.truth_nats is not None:
        entropy = text.fixed(-view.truth_nats, 4)
        parts.append(f"true entropy {entropy} nats: no model scores above {_truth(view)}")
    direction = "lower is better" if view.data.discrete else "higher is better"
    parts.append(f"score in {view.unit} ({direction})")
    return " · ".join(parts)


def _truth(view: View) -> str:
    score = text.fixed(view.score(view.truth_nats), 4)
    return f"{score} {view.unit} in the mean"


def score_text(view: View, row: Row, seeds: bool = False) -> str:
    """'−3.5121 ± 0.0081' in the table's unit, with the error over seeds on demand."""
    record = row.cell.record
    if not record or not record.score or record.score.nats.mean is None:
        return text.NONE
    nats = record.score.nats
    decimals = text.decimals_for(view.error(nats.se_test))
    parts = [
        text.fixed(view.score(nats.mean), decimals),
        text.plus_minus(view.error(nats.se_test), decimals),
    ]
    if seeds:
        parts.append(text.plus_minus(view.error(nats.se_seeds), decimals))
    return " ".join(p for p in parts if p)


def cheapest(rows: Iterable[Row]) -> Row | None:
    """The row of the lowest time per log_prob, among those timed."""
    timed = [(t, i, r) for i, r in enumerate(rows) if (t := r.cell.log_prob_us) is not None]
    return min(timed)[2] if timed else None


def takeaway(view: View) -> str:
    """One line: the best row, its ties, bounds above it, and how many rows that leaves out."""
    parts = [_winner(view)]
    above = [r.cell.model for r in view.ranked if r.place and r.place.above_exact]
    if above:
        verb, what = ("scores", "as a bound") if len(above) == 1 else ("score", "as bounds")
        names = text.listing(above)
        parts.append(f"{names} {verb} higher, {what}: ranked after the exact best.")
    parts.append(coverage(view))
    return " ".join(parts)


def _winner(view: View) -> str:
    if not view.best:
        return "No row is ranked."
    first, *ties = view.best
    score = f"{score_text(view, first)} {view.unit}"
    kind = "" if _exact(first) else " (a bound; there is no exact row)"
    if not ties:
        return f"{first.cell.model} is best{kind}: {score}."
    names = text.listing([r.cell.model for r in ties])
    line = f"{first.cell.model} leads{kind} at {score}, tied within 2 s.e. with {names}"
    cheap = cheapest(view.best)
    if cheap is None:
        return line + "."
    us = text.significant(cheap.cell.log_prob_us)
    return f"{line}; {cheap.cell.model} is the cheapest of them, {us} µs per point."


def _exact(row: Row) -> bool:
    return row.cell.likelihood in ("exact", "exact-discrete")


def coverage(view: View) -> str:
    """'12 of 14 ranked; 1 failed a check, 1 missing.'"""
    out = Counter(r.group for r in view.rows if r.group != "ranked")
    line = f"{len(view.ranked)} of {len(view.rows)} ranked"
    if out:
        line += "; " + ", ".join(f"{n} {STATUS_WORDS[group]}" for group, n in sorted(out.items()))
    return line + "."


@dataclass(frozen=True)
class Totals:
    """Counts over all cells: by status, and of their checks by verdict."""

    cells: int
    statuses: dict[str, int]
    verdicts: dict[str, int]

    @property
    def checks(self) -> str:
        """'1,204 passed, 0 failed, 31 inconclusive, 2 raised, 310 n/a'."""
        return ", ".join(f"{self.verdicts[v]:,} {word}" for v, word in VERDICT_WORDS.items())


VERDICT_WORDS = {
    "pass": "passed",
    "fail": "failed",
    "inconclusive": "inconclusive",
    "error": "raised",
    "n/a": "n/a",
}


def totals(views: Iterable[View]) -> Totals:
    """Counts of cells by status and of checks by verdict."""
    statuses: Counter[str] = Counter()
    verdicts = dict.fromkeys(VERDICT_WORDS, 0)
    for view in views:
        for row in view.rows:
            statuses[row.cell.status] += 1
            for check in row.cell.record.checks if row.cell.record else ():
                verdicts[check.verdict] += 1
    return Totals(statuses.total(), dict(statuses), verdicts)


@dataclass(frozen=True)
class Machine:
    """Where and with what `cells` cells were measured."""

    hardware: str
    software: str
    packages: str
    cells: int


def machines(views: Iterable[View]) -> list[Machine]:
    """Each distinct machine and software of the measurements, most cells first."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for view in views:
        for row in view.rows:
            if row.cell.cost.environment.torch:
                seen[_machine(row.cell.cost.environment)] += 1
    return [Machine(*names, n) for names, n in seen.most_common()]


def _machine(e: Environment) -> tuple[str, str, str]:
    hardware = f"{e.cpu or 'unknown processor'}, {e.cores} cores, {text.count(e.threads, 'thread')}"
    packages = [f"{k} {v}" for k, v in sorted(e.packages.items()) if k != "torch"]
    cuda = [f"CUDA {e.cuda}"] if e.cuda else []
    software = [e.platform, f"Python {e.python}", f"torch {e.torch}", *cuda]
    device = "" if e.device == "cpu" else f"{e.device}: "
    return device + hardware, ", ".join(software), ", ".join(packages)
