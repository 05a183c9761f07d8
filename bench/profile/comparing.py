"""Compares two profiles, measures again what seems to have changed, and says what did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.profile import sweep
from bench.profile.compare import (
    CONFIRMED,
    Compared,
    Whole,
    between,
    broadened,
    compare,
    confirmed,
    wholes,
)
from bench.profile.plan import Options
from bench.profile.rows import Profile

SHARE = 0.5  #: of the first run's seconds, for measuring again


def verdicts(old: Profile, new: Profile) -> list[Compared]:
    """Every row's verdict, the scatter between the two runs included."""
    found = compare(old, new)
    return broadened(found, between(found))


def again(
    old: Profile,
    found: list[Compared],
    options: Options,
    said: Callable[[], sweep.Progress],
) -> list[Compared]:
    """The verdicts after measuring what is not the same once more.

    That is rows, and all rows of implementations that changed as a whole. `said` makes the report
    of progress.
    """
    changed = {(w.kernel, w.implementation, w.mode) for w in wholes(found) if w.change != "same"}
    doubtful = [
        c
        for c in found
        if c.change in CONFIRMED or (c.row.kernel, c.row.implementation, c.row.mode) in changed
    ]
    places = {sweep.place_of(c.row) for c in doubtful}
    if not places:
        return found
    shorter = replace(options, seconds=max(SHARE * options.seconds, float(len(places))))
    second = {c.row.key: c for c in verdicts(old, sweep.run(shorter, said(), places))}
    keys = {c.row.key for c in doubtful}
    return [confirmed(c, second.get(c.row.key)) if c.row.key in keys else c for c in found]


def worse(found: Sequence[Compared], judged: Sequence[Whole]) -> bool:
    """Whether an implementation is slower as a whole, or wrong.

    Single rows count only where their implementation has too few to be judged: among hundreds of
    rows some look slower by chance.
    """
    known = {(w.kernel, w.implementation, w.mode) for w in judged}
    alone = [
        c.change
        for c in found
        if c.change == "wrong" or (c.row.kernel, c.row.implementation, c.row.mode) not in known
    ]
    return bool({"slower", "wrong"} & {*alone, *(w.change for w in judged)})


def sentence(found: Sequence[Compared], judged: Sequence[Whole]) -> str:
    """`41 implementations: 40 same, 1 slower; 560 rows: 548 same, 9 slower, 3 unclear`."""
    parts = [
        _counted("implementations", [w.change for w in judged]),
        _counted("rows", [c.change for c in found]),
    ]
    return "; ".join(p for p in parts if p) or "no row is in both profiles"


def _counted(what: str, changes: Sequence[str]) -> str:
    counts = Counter(changes)
    order = ("same", "faster", "slower", "unclear", "wrong", "new", "gone")
    told = ", ".join(f"{counts[c]} {c}" for c in order if counts[c])
    return f"{len(changes)} {what}: {told}" if told else ""
