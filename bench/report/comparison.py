"""What changed between two result sets: same, better, worse or unclear, by interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.records import Times
from bench.report import text
from bench.report.artifacts import read_artifact
from bench.report.cells import Cell, read_results
from bench.report.ranking import WIDTH, Entrant, difference

#: nats per point (bits/dim where scores are) within which an interval means "same"
MARGIN = 0.01


@dataclass(frozen=True)
class Change:
    """One cell in both result sets.

    `score`: same, better, worse, unclear, new, removed or n/a. `difference` is new minus old, in
    nats, or bits/dim where the data are discrete, `error` its standard error. Ratios are new over
    old: below 1 is cheaper; `cost` says whether the quantiles of log_prob's time overlap.
    """

    dataset: str
    model: str
    score: str
    difference: float | None = None
    error: float | None = None
    status: str = ""
    cost: str = "n/a"
    log_prob_ratio: float | None = None
    sample_ratio: float | None = None
    train_ratio: float | None = None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Fields in their order."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """All cells of either set, in the new plan's order, those removed last."""

    rows: tuple[Change, ...]

    @property
    def text(self) -> str:
        """A summary line, then a line per cell that changed."""
        counts = Counter(r.score for r in self.rows)
        summary = ", ".join(f"{n} {score}" for score, n in sorted(counts.items()))
        changed = [r for r in self.rows if r.score != "same" or r.status or r.cost != "same"]
        lines = [f"{text.count(len(self.rows), 'cell')}: {summary or 'nothing to compare'}"]
        return "\n".join([*lines, *map(_line, changed)]) + "\n"


def compare(old: Path, new: Path, margin: float = MARGIN) -> Comparison:
    """Compare two result folders (each with records/).

    A score is better or worse where 0 lies outside the difference ± 2 s.e. (paired where both sets
    have the per-point scores of the same data), same where the interval lies within ± `margin`,
    else unclear. Raises MissingError for a folder without records.
    """
    before, after = _cells(old), _cells(new)
    names = [*after, *(name for name in before if name not in after)]
    return Comparison(tuple(_change(before.get(n), after.get(n), margin) for n in names))


def _cells(results: Path) -> dict[tuple[str, str], Cell]:
    found = read_results(results)
    return {
        (c.dataset, c.model): c for data in [*found.datasets, *found.audits] for c in data.cells
    }


def _change(old: Cell | None, new: Cell | None, margin: float) -> Change:
    if old is None or new is None:
        cell = new or old
        assert cell is not None
        return Change(cell.dataset, cell.model, "new" if new else "removed", status=cell.status)
    status = "" if old.status == new.status else f"{old.status} -> {new.status}"
    ratios = _ratios(old, new)
    cost = _cost(old, new)
    score, delta, error, reason = _score(old, new, margin)
    return Change(
        new.dataset, new.model, score, delta, error, status, cost, *ratios,
        reason=reason or (new.reason or "" if status else ""),
    )  # fmt: skip


def _score(old: Cell, new: Cell, margin: float) -> tuple[str, float | None, float | None, str]:
    if old.nats is None or new.nats is None:
        return "n/a", None, None, ""
    assert old.record is not None
    assert new.record is not None
    same_data = old.record.digests.data == new.record.digests.data
    if not same_data:
        return "unclear", None, None, "the data differ"
    d = difference(_entrant(new, "new", same_data), _entrant(old, "old", same_data))
    unit = _unit(new)
    mean, se = d.mean * unit, d.se * abs(unit)
    if d.mean == 0:
        return "same", mean, se, ""
    if abs(mean) + WIDTH * se <= margin:
        return "same", mean, se, ""
    if d.within:
        return "unclear", mean, se, ""
    return ("better" if d.mean > 0 else "worse"), mean, se, ""


def _unit(cell: Cell) -> float:
    """From nats to the unit of the cell's score: bits/dim for discrete data."""
    score = cell.record.score if cell.record else None
    if score and score.bits_per_dim and score.bits_per_dim.mean and score.nats.mean:
        return score.bits_per_dim.mean / score.nats.mean
    return 1.0


def _entrant(cell: Cell, side: str, paired: bool) -> Entrant:
    assert cell.nats is not None
    assert cell.record is not None
    assert cell.record.score is not None
    nats = cell.record.score.nats
    points = read_artifact(cell.artifact).points if paired else None
    return Entrant(side, cell.nats, cell.likelihood, nats.se_test, nats.se_seeds, points)


def _ratios(old: Cell, new: Cell) -> tuple[float | None, float | None, float | None]:
    a, b = old.cost.cost, new.cost.cost
    return (
        _over(_median(b.log_prob_us), _median(a.log_prob_us)),
        _over(_median(b.sample_us), _median(a.sample_us)),
        _over(b.train_seconds, a.train_seconds),
    )


def _median(times: Times | None) -> float | None:
    return times.p50 if times else None


def _over(new: float | None, old: float | None) -> float | None:
    return new / old if new is not None and old else None


def _cost(old: Cell, new: Cell) -> str:
    """same, faster, slower by the 20-80 % quantiles of log_prob; unclear between two machines."""
    a, b = old.cost.cost.log_prob_us, new.cost.cost.log_prob_us
    if a is None or b is None:
        return "n/a"
    if _machine(old) != _machine(new) or a.noisy or b.noisy:
        return "unclear"
    if b.p80 < a.p20:
        return "faster"
    return "slower" if b.p20 > a.p80 else "same"


def _machine(cell: Cell) -> tuple[str, str, int]:
    e = cell.cost.environment
    return e.device, e.cpu, e.threads


def _line(row: Change) -> str:
    decimals = text.decimals_for(row.error)
    parts: Iterable[str] = (
        f"{row.dataset} x {row.model}: {row.score}",
        f"{text.fixed(row.difference, decimals, sign=True)} {text.plus_minus(row.error, decimals)}"
        if row.difference
        else "",
        f"status {row.status}" if row.status else "",
        f"log_prob {row.cost} (x {text.significant(row.log_prob_ratio)})"
        if row.cost in ("faster", "slower")
        else "",
        row.reason,
    )
    return "  ".join(p.strip() for p in parts if p)
