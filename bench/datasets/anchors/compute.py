"""Computes the registered anchors on the real bytes and compares them with their figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from bench.datasets.anchors import sources
from bench.datasets.anchors.models import MODELS
from bench.datasets.anchors.score import Score
from bench.datasets.anchors.splits import SPLITS
from bench.datasets.anchors.table import Anchor
from bench.errors import MissingError


@dataclass(frozen=True)
class Outcome:
    """What became of an anchor: its computed value, or why there is none, in one sentence."""

    anchor: Anchor
    computed: float | None
    missing: str | None = None

    @property
    def difference(self) -> float | None:
        """Computed minus registered."""
        return None if self.computed is None else self.computed - self.anchor.value

    @property
    def verdict(self) -> str:
        """agrees (to the registered digits), differs or missing."""
        if self.difference is None:
            return "missing"
        return "agrees" if abs(self.difference) <= self.anchor.tolerance else "differs"


def compute(anchors: Iterable[Anchor]) -> Iterator[Outcome]:
    """Each anchor in turn; those of one data set, and of one split, should stand together.

    Raises what loading a data set raises, but MissingError: its anchors are then missing.
    """
    for (dataset, split), group in groupby(anchors, lambda a: (a.dataset, a.split)):
        try:
            cut = SPLITS[split](sources.of(dataset, split))
        except MissingError as error:
            yield from (Outcome(a, None, str(error)) for a in group)
            continue
        scores: dict[str, Score] = {}
        for anchor in group:
            if anchor.model not in scores:
                scores[anchor.model] = MODELS[anchor.model](cut.fit, cut.test, cut.levels)
            yield Outcome(anchor, scores[anchor.model].of(anchor.unit))
