"""Two profiles of the same rows: same, faster, slower or unclear, by interval.

What is compared is each row's ratio to its baseline, which was interleaved with it in its own run:
bare seconds of two runs differ by whatever else the machine did. The baseline's own time is
therefore not judged.

Ratios move between two runs of the same code too, by more than their intervals say: memory lies
elsewhere, other programs press on other resources. How much is read off the comparison itself, as
the scatter of the changes of one implementation's rows around their median, and every interval
gets that much wider. A change of all rows of an implementation does not scatter, and is judged on
their median.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.profile.rows import BRUTE, Profile, Row, Versus

CONFIRMED = ("faster", "slower", "unclear")  #: verdicts that a second measurement must bear out
SIGMAS = 1.96  #: half-width of an interval in standard errors
MARGIN = 0.02  #: log-ratios beyond it, interval and all, are a change of a row
NORMAL = 1.4826  #: standard deviation over the median absolute deviation, of a normal law
MEDIAN = 1.2533  #: standard error of the median over that of the mean, of a normal law
WHOLE = 0.03  #: the same of the median over all rows of an implementation
ROOM = 0.20  #: half-widths up to it can tell
COVERED = 0.95  #: share of the rows that an interval between runs must hold
LEAST = 4  #: rows, below which an implementation is not judged as a whole
Change = Literal["same", "faster", "slower", "unclear", "new", "gone", "wrong"]


@dataclass(frozen=True)
class Compared:
    """One row in both profiles."""

    row: Row  #: of the new profile, or of the old where it is gone
    change: Change
    ratio: float | None = None  #: old over new time, each over its baseline; > 1: faster now
    low: float | None = None
    high: float | None = None

    @property
    def moved(self) -> float:
        """log of the ratio."""
        return math.log(self.ratio or 1.0)

    @property
    def half(self) -> float:
        """Half-width of the log-ratio's interval."""
        return 0.0 if not self.low or not self.high else math.log(self.high / self.low) / 2


@dataclass(frozen=True)
class Whole:
    """All rows of one implementation and mode of a kernel together."""

    kernel: str
    implementation: str
    mode: str
    rows: int
    change: Change
    ratio: float  #: median over the rows
    low: float
    high: float


def compare(old: Profile, new: Profile) -> list[Compared]:
    """All rows of both, in the new one's order; baselines and the brute force are left out.

    Both profiles refer to the former, and nobody tunes the latter. Intervals are those of the rows
    alone: see `broadened`.
    """
    before, after = old.by_key(), new.by_key()
    found = [
        judged(before.get(key), row)
        for key, row in after.items()
        if not row.baseline and row.status in ("ok", "wrong") and row.implementation != BRUTE
    ]
    kept = [c for c in found if c is not None]
    gone = [
        r
        for k, r in before.items()
        if k not in after and r.ratio is not None and r.implementation != BRUTE
    ]
    return [*kept, *(Compared(row, "gone") for row in gone)]


def judged(old: Row | None, new: Row) -> Compared | None:
    """The verdict on one row; None where neither profile has a ratio of it."""
    if new.status == "wrong":
        return Compared(new, "wrong" if old is None or old.status == "ok" else "same")
    if new.ratio is None:
        return None
    if old is None or old.ratio is None:
        return Compared(new, "new")
    change = math.log(new.ratio.value / old.ratio.value)
    errors = spread(old.ratio), spread(new.ratio)
    if errors[0] is None or errors[1] is None:
        return Compared(new, "unclear", math.exp(change))
    return decided(new, change, math.hypot(errors[0], errors[1]))


def decided(row: Row, change: float, half: float, margin: float = MARGIN) -> Compared:
    """The verdict on a log-ratio, > 0 is faster now, with the half-width of its interval."""
    low, high = change - half, change + half
    verdict: Change = "same" if half <= ROOM else "unclear"
    if high < -margin:
        verdict = "slower"
    elif low > margin:
        verdict = "faster"
    return Compared(row, verdict, math.exp(change), math.exp(low), math.exp(high))


def spread(ratio: Versus) -> float | None:
    """Half the width of the interval's logarithm; None without one."""
    if ratio.low is None or ratio.high is None:
        return None
    return (math.log(ratio.high) - math.log(ratio.low)) / 2


def between(found: Sequence[Compared]) -> float:
    """Standard error of a ratio between runs, beyond what the rows' own intervals tell.

    The one with which the intervals of COVERED of the rows hold the median of their implementation.
    """
    pairs = []
    for rows in _by_implementation(found).values():
        if len(rows) >= LEAST:
            middle = float(np.median([c.moved for c in rows]))
            grown = math.sqrt(len(rows) / (len(rows) - 1))  # the median is one of them
            pairs += [(grown * abs(c.moved - middle), c.half / SIGMAS) for c in rows]
    if not pairs:
        return 0.0
    off, errors = (np.array(column) for column in zip(*pairs, strict=True))
    low, high = 0.0, float(off.max()) + 1e-12
    for _ in range(50):  # the share within grows with the error
        middle = (low + high) / 2
        within = float(np.mean(off <= SIGMAS * np.hypot(errors, middle)))
        low, high = (low, middle) if within >= COVERED else (middle, high)
    return high


def broadened(found: Sequence[Compared], extra: float) -> list[Compared]:
    """The verdicts with a standard error between runs added to each row's own."""
    return [
        c
        if c.ratio is None or c.low is None
        else decided(c.row, c.moved, math.hypot(c.half, SIGMAS * extra))
        for c in found
    ]


def wholes(found: Sequence[Compared]) -> list[Whole]:
    """The verdict on every implementation, from the median change of its rows."""
    judgements = []
    for (kernel, implementation, mode), rows in _by_implementation(found).items():
        if len(rows) < LEAST:
            continue
        moved = np.array([c.moved for c in rows])
        middle = float(np.median(moved))
        deviation = NORMAL * float(np.median(np.abs(moved - middle)))
        half = SIGMAS * MEDIAN * deviation / math.sqrt(len(rows))
        one = decided(rows[0].row, middle, half, WHOLE)
        assert one.ratio is not None
        assert one.low is not None
        assert one.high is not None
        judgements.append(
            Whole(kernel, implementation, mode, len(rows), one.change, one.ratio, one.low, one.high)
        )
    return judgements


def confirmed(first: Compared, second: Compared | None) -> Compared:
    """The verdict after measuring again: both count alike, and their difference is an error too."""
    if second is None or second.ratio is None or first.ratio is None:
        return second or first
    if first.low is None or second.low is None:
        return second if first.low is None else first
    logs = first.moved, second.moved
    half = math.hypot(math.hypot(first.half, second.half) / 2, (logs[0] - logs[1]) / 2)
    return decided(second.row, sum(logs) / 2, half)


def _by_implementation(
    found: Sequence[Compared],
) -> dict[tuple[str, str, str], list[Compared]]:
    groups: dict[tuple[str, str, str], list[Compared]] = defaultdict(list)
    for c in found:
        if c.ratio is not None and c.low is not None:
            groups[c.row.kernel, c.row.implementation, c.row.mode].append(c)
    return groups
