"""The rows behind the anchors: those of each data set's own loader, before any split is joined.

Of three data sets an anchor is fitted to what the loader starts from: the whole series of the
sunspots, the whole recordings of the spoken digits, and the table of diabetes with all its columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.registry import discover, load_function

Rows = NDArray[Any]


@dataclass(frozen=True)
class Source:
    """Rows [N, D] by the data set's own splits; `levels` is 0 for real values.

    Of a series the rows are its values [T], of sounds a list of arrays.
    """

    parts: dict[str, Any]
    levels: int

    def joined(self, *parts: str) -> Any:
        """Several splits as one; all, in the file's order where the splits keep it, for none."""
        chosen = [self.parts[part] for part in parts or self.parts]
        return sum(chosen, []) if isinstance(chosen[0], list) else np.concatenate(chosen)


def of(dataset: str, split: str) -> Source:
    """What a split cuts. Raises what the data set's loader raises: MissingError without files."""
    return WHOLE[dataset, split]() if (dataset, split) in WHOLE else _loaded(dataset)


@lru_cache(maxsize=1)
def _loaded(dataset: str) -> Source:
    """From the data set's own function: no copy in the harness' 64-bit types is made."""
    entry = discover().dataset(dataset)
    splits = load_function(entry)()
    parts = {p: getattr(splits, p).flatten(1).numpy() for p in ("train", "valid", "test")}
    return Source(parts, (entry.levels or 2) if entry.integral else 0)


def _sunspots() -> Source:
    """The yearly numbers; the last years are test, as in the windows."""
    from bench.datasets.sequences import SUNSPOTS_TEST, series

    number = series("sunspots")[:, 1]
    return Source({"train": number[:-SUNSPOTS_TEST], "test": number[-SUNSPOTS_TEST:]}, 0)


def _spoken_digits() -> Source:
    """The recordings whole, in mu-law levels."""
    from bench.datasets.sequences import spoken

    parts = spoken("spoken-digits")
    return Source({part: [r.levels for r in sounds] for part, sounds in parts.items()}, 256)


def _diabetes() -> Source:
    """All ten columns, with the two values of `sex`."""
    from sklearn.datasets import load_diabetes

    return Source({"train": load_diabetes(scaled=False).data}, 0)


#: (data set, split) of the anchors that are fitted to what the loader starts from
WHOLE: dict[tuple[str, str], Callable[[], Source]] = {
    ("sunspots", "series, last 61 years test"): _sunspots,
    ("spoken-digits", "train+valid -> test, whole"): _spoken_digits,
    ("diabetes", "all with sex, i % 5 == 4 test"): _diabetes,
}
