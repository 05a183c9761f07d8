"""How an anchor's rows are cut out of a data set's own splits, by the name in the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.datasets.anchors.sources import Source

THRESHOLD = 128  #: a level of at least this is a 1 in binary images


@dataclass(frozen=True)
class Cut:
    """The rows that are fitted, those that are scored, and their levels (0: real values)."""

    fit: Any
    test: Any
    levels: int


Split = Callable[[Source], Cut]


def _parts(fit: tuple[str, ...], step: int = 1, test_step: int = 1) -> Split:
    """The named splits together, and the test split; every `step`-th row of both."""

    def split(source: Source) -> Cut:
        rows = source.joined(*fit) if len(fit) > 1 else source.parts[fit[0]]
        return Cut(rows[::step], source.parts["test"][::test_step], source.levels)

    return split


def _every(step: int) -> Split:
    """The last of each `step` rows is test."""

    def split(source: Source) -> Cut:
        rows = source.joined()
        test = np.arange(len(rows)) % step == step - 1
        return Cut(rows[~test], rows[test], source.levels)

    return split


def _ends(first: int, last: int) -> Split:
    """So many of the first rows, and of the last."""
    return lambda source: Cut(source.joined()[:first], source.joined()[-last:], source.levels)


def _binary(split: Split) -> Split:
    def binarized(source: Source) -> Cut:
        cut = split(source)
        fit, test = ((rows >= THRESHOLD).astype(np.uint8) for rows in (cut.fit, cut.test))
        return Cut(fit, test, 2)

    return binarized


TRAIN, BOTH = _parts(("train",)), _parts(("train", "valid"))

SPLITS: dict[str, Split] = {
    "train -> test": TRAIN,
    "train+valid -> test": BOTH,
    "train+valid -> test, whole": BOTH,
    "(train+valid)[::30] -> test[::20]": _parts(("train", "valid"), 30, 20),
    "train[::25] -> test[::20]": _parts(("train",), 25, 20),
    "level >= 128, train -> test": _binary(TRAIN),
    "level >= 128, train+valid -> test": _binary(BOTH),
    "all -> all": lambda source: Cut(source.joined(), source.joined(), source.levels),
    "all, i % 5 == 4 test": _every(5),
    "all, i % 10 == 9 test": _every(10),
    "all with sex, i % 5 == 4 test": _every(5),
    "all[:1000] -> all[-500:]": _ends(1000, 500),
    "series, last 61 years test": TRAIN,
}
