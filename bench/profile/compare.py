"""Two profiles of the same rows: same, faster, slower or unclear, by interval.

What is compared is each row's ratio to its baseline, which was interleaved with it in its own run:
bare seconds of two runs differ by whatever else the machine did. The baseline's own time is
therefore not judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from bench.profile.rows import Profile, Row, Versus

CONFIRMED = ("faster", "slower", "unclear")  #: verdicts that a second measurement must bear out
MARGIN = 0.03  #: log-ratios beyond it, interval and all, are a change
ROOM = 0.10  #: intervals within it are no change
Change = Literal["same", "faster", "slower", "unclear", "new", "gone", "wrong"]


@dataclass(frozen=True)
class Compared:
    """One row in both profiles."""

    row: Row  #: of the new profile, or of the old where it is gone
    change: Change
    ratio: float | None = None  #: old over new time, each over its baseline; > 1: faster now
    low: float | None = None
    high: float | None = None


def compare(old: Profile, new: Profile) -> list[Compared]:
    """All rows of both, in the new one's order; baselines, which both refer to, are left out."""
    before, after = old.by_key(), new.by_key()
    found = [
        judged(before.get(key), row)
        for key, row in after.items()
        if not row.baseline and row.status in ("ok", "wrong")
    ]
    kept = [c for c in found if c is not None]
    gone = [r for k, r in before.items() if k not in after and r.ratio is not None]
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
    half = math.hypot(errors[0], errors[1])
    low, high = change - half, change + half
    return Compared(new, verdict(low, high), math.exp(change), math.exp(low), math.exp(high))


def spread(ratio: Versus) -> float | None:
    """Half the width of the interval's logarithm; None without one."""
    if ratio.low is None or ratio.high is None:
        return None
    return (math.log(ratio.high) - math.log(ratio.low)) / 2


def verdict(low: float, high: float) -> Change:
    """Of a log-ratio's interval: > 0 is faster now."""
    if high < -MARGIN:
        return "slower"
    if low > MARGIN:
        return "faster"
    return "same" if low > -ROOM and high < ROOM else "unclear"


def confirmed(first: Compared, second: Compared | None) -> Compared:
    """The verdict after measuring again: both count alike, and their difference is an error too."""
    if second is None or second.ratio is None or first.ratio is None:
        return second or first
    if None in (first.low, second.low):
        return second if first.low is None else first
    logs = math.log(first.ratio), math.log(second.ratio)
    halves = [_half(c) for c in (first, second)]
    change = sum(logs) / 2
    half = math.hypot(math.hypot(*halves) / 2, (logs[0] - logs[1]) / 2)
    low, high = change - half, change + half
    return Compared(second.row, verdict(low, high), math.exp(change), math.exp(low), math.exp(high))


def _half(found: Compared) -> float:
    assert found.low is not None
    assert found.high is not None
    return (math.log(found.high) - math.log(found.low)) / 2
