"""Twins: the same architecture in two implementations. Same score? How many times faster?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bench.records import Converted, Times
from bench.report.cells import Cell
from bench.report.ranking import Difference, Entrant, difference


@dataclass(frozen=True)
class Pair:
    """An in-house model and its reference on one data set.

    `score` is in-house minus reference, nats. The ratios are reference time over in-house time:
    above 1, in-house is faster. `log_prob_ratio` and `sample_ratio` come from the two rows' own
    timings (two trainings, two runs); `converted` from the reference's weights in both, interleaved
    in one run: only that one compares implementations.
    """

    dataset: str
    model: str
    reference: str
    score: Difference | None
    log_prob_ratio: float | None
    sample_ratio: float | None
    converted: Converted | None

    @property
    def verdict(self) -> str:
        """same, better or worse (in-house against the reference, 2 s.e.), or unknown."""
        if self.score is None:
            return "unknown"
        if self.score.within:
            return "same"
        return "better" if self.score.mean > 0 else "worse"


def pairs(cells: Iterable[Cell], entrants: Mapping[str, Entrant]) -> Iterator[Pair]:
    """Twins among the cells of one data set, each pair once, in the order of the cells."""
    by_name = {c.model: c for c in cells}
    seen: set[frozenset[str]] = set()
    for cell in by_name.values():
        other = by_name.get(cell.twin or "")
        if other is None or other is cell or frozenset((cell.model, other.model)) in seen:
            continue
        seen.add(frozenset((cell.model, other.model)))
        reference, own = (cell, other) if cell.implementation != "in-house" else (other, cell)
        yield _pair(own, reference, entrants)


def _pair(own: Cell, reference: Cell, entrants: Mapping[str, Entrant]) -> Pair:
    a, b = entrants.get(own.model), entrants.get(reference.model)
    ours, theirs = own.cost.cost, reference.cost.cost
    return Pair(
        dataset=own.dataset,
        model=own.model,
        reference=reference.model,
        score=difference(a, b) if a and b else None,
        log_prob_ratio=_ratio(theirs.log_prob_us, ours.log_prob_us),
        sample_ratio=_ratio(theirs.sample_us, ours.sample_us),
        converted=theirs.converted or ours.converted,
    )


def _ratio(theirs: Times | None, ours: Times | None) -> float | None:
    return theirs.p50 / ours.p50 if theirs and ours and ours.p50 > 0 else None
