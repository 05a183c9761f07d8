"""Measures again what seems to have changed, and says in one sentence what did."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from bench.profile import sweep
from bench.profile.compare import CONFIRMED, Compared, compare, confirmed
from bench.profile.plan import Options
from bench.profile.rows import Profile

ROUNDS = 2  #: times that a row is measured again at most
SHARE = 0.5  #: of the first run's seconds, for each round


def again(
    old: Profile, found: list[Compared], options: Options, said: sweep.Progress
) -> list[Compared]:
    """The verdicts after measuring the rows that are not the same up to ROUNDS times more."""
    for _ in range(ROUNDS):
        places = {sweep.place_of(c.row) for c in found if c.change in CONFIRMED}
        if not places:
            return found
        shorter = replace(options, seconds=max(SHARE * options.seconds, len(places)))
        repeated = compare(old, sweep.run(shorter, said, places))
        seconds = {c.row.key: c for c in repeated}
        found = [
            confirmed(c, seconds.get(c.row.key)) if c.change in CONFIRMED else c for c in found
        ]
    return found


def sentence(found: list[Compared]) -> str:
    """`180 rows: 176 same, 1 slower, 3 unclear`."""
    counts = Counter(c.change for c in found)
    order = ("same", "faster", "slower", "unclear", "wrong", "new", "gone")
    told = ", ".join(f"{counts[c]} {c}" for c in order if counts[c])  # type: ignore[index]
    return f"{len(found)} rows: {told}" if told else "no row is in both profiles"
