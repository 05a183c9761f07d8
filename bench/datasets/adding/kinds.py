"""Of which kind values are, and of how many levels: decided only where it cannot be wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.datasets.adding.stated import Stated
from bench.datasets.own.raw import Array, blocks
from bench.errors import UsageError

BYTE = 255  #: of which images in [0, 1] are often multiples
HALF = 127  #: a byte above it is hardly a count of few levels


@dataclass(frozen=True)
class Seen:
    """What the values of some arrays are like, missing ones left out."""

    low: float
    high: float
    whole: bool  #: all are whole numbers
    bytes: bool  #: all are unsigned bytes, by their type
    truth: bool  #: all are truth values, by their type
    scaled: bool  #: all are multiples of 1/255 between 0 and 1


def seen(arrays: Iterable[Array]) -> Seen:
    """One look at each array, in blocks. Raises UsageError for text and complex numbers."""
    low, high, whole, scaled = np.inf, -np.inf, True, True
    kinds = set()
    for x in arrays:
        if x.dtype.kind not in "biuf":
            raise UsageError(f"the file holds values of type {x.dtype}, which are no real numbers")
        kinds.add(x.dtype)
        step = blocks(x)
        for i in range(0, len(x), step):
            block = x[i : i + step]
            if x.dtype.kind == "f":
                block = block[np.isfinite(block)]
                whole = whole and bool((block == np.floor(block)).all())
                scaled = scaled and _multiples(block)
            if block.size:
                low, high = min(low, float(block.min())), max(high, float(block.max()))
    if low > high:
        raise UsageError("the file holds no value, or windows are longer than it")
    floats = any(k.kind == "f" for k in kinds)
    return Seen(
        low=low,
        high=high,
        whole=whole,
        bytes=kinds == {np.dtype(np.uint8)},
        truth={k.kind for k in kinds} == {"b"},
        scaled=floats and scaled and not whole,
    )


def _multiples(block: Array) -> bool:
    if block.size and not (block.min() >= 0 and block.max() <= 1):
        return False
    times = block.astype(np.float64) * BYTE
    return bool((np.abs(times - np.round(times)) < 1e-4).all())


def decide(
    stated: Stated, values: Seen, depth: int | None, series: bool, whole: Sequence[str], of: int
) -> tuple[str, int | None, int | None]:
    """Kind, levels, and the levels of the file where they are reduced.

    Raises UsageError, in one sentence that says what to state, where more than one would do.

    Args:
        stated: what is stated.
        values: what the values are like.
        depth: levels by the format, of images.
        series: points are windows of one.
        whole: the columns of a table that hold whole numbers alone; empty for others.
        of: how many columns there are.
    """
    kind = stated.kind or _kind(stated, values, depth, series, whole, of)
    if kind == "continuous":
        if stated.levels is not None:
            raise UsageError("--kind continuous has no levels: leave out --levels, or the kind")
        return kind, None, None
    if kind == "binary":
        if not values.whole or values.low < 0 or values.high > 1 or stated.levels not in (None, 2):
            raise UsageError(
                f"--kind binary takes 0 and 1 alone, and the values are {_range(values)}: state "
                f"--kind discrete --levels {_least(values)}"
                if values.whole
                else "--kind binary takes 0 and 1 alone, and the values are real numbers"
            )
        return kind, 2, None
    if kind == "sequence" and stated.levels is None and not (values.whole or depth):
        return kind, None, None
    return (kind, *_levels(stated, values, depth, kind))


def _kind(
    stated: Stated, values: Seen, depth: int | None, series: bool, whole: Sequence[str], of: int
) -> str:
    if series:
        return "sequence"
    if stated.levels is not None:
        return "discrete"
    if depth is not None:
        return "binary" if depth == 2 else "discrete"
    if values.truth:
        return "binary"
    if values.whole and (values.low, values.high) == (0, 1):
        raise UsageError(
            "the values are 0 and 1 alone: state --kind binary, or --kind discrete --levels K "
            "where others could occur"
        )
    if values.bytes and values.high > HALF:
        return "discrete"
    if values.whole:
        raise UsageError(
            f"the values are whole numbers, {_range(values)}, which may be levels or counts: state "
            f"{_as_levels(values)}--kind continuous"
        )
    if whole:
        named = ", ".join(whole[:5]) + (", ..." if len(whole) > 5 else "")
        raise UsageError(
            f"whole numbers alone are in {len(whole)} of {of} columns ({named}), which may be "
            "codes or counts: state --kind continuous to take them for real numbers, or leave "
            f"them out: --drop {','.join(whole[:5])}"
        )
    if values.scaled:
        raise UsageError(
            "the values are multiples of 1/255 between 0 and 1, which are levels: save "
            "round(255 x) as bytes, or state --kind continuous"
        )
    return "continuous"


def _levels(stated: Stated, values: Seen, depth: int | None, kind: str) -> tuple[int, int | None]:
    """Levels, and those of the file where they are more."""
    full = stated.reduce_from or depth
    levels = stated.levels or full or (256 if values.bytes and values.high > HALF else None)
    if levels is None:
        real = ", or save floats for real values" if kind == "sequence" else ""
        raise UsageError(
            f"the values are {_range(values)}: state how many levels there are, --levels "
            f"{_least(values)} or more{real}"
        )
    if not values.whole:
        raise UsageError(f"--kind {kind} has levels, and the values are no whole numbers")
    if values.low < 0:
        raise UsageError(f"levels are 0, 1, ..., and the values are {_range(values)}: shift them")
    if full is None and values.high >= levels:
        raise UsageError(
            f"the values are {_range(values)}, more than --levels {levels}: state --levels "
            f"{_least(values)}, or --reduce-from {_least(values)} to make k the level "
            f"k * {levels} // {_least(values)}"
        )
    if full is not None and (values.high >= full or levels > full):
        raise UsageError(
            f"{levels} levels cannot be made of {full}, of which the values are {_range(values)}"
        )
    return levels, full if full is not None and full > levels else None


def _as_levels(values: Seen) -> str:
    return f"--kind discrete --levels {_least(values)} (or more), or " if values.low >= 0 else ""


def _least(values: Seen) -> int:
    return int(values.high) + 1


def _range(values: Seen) -> str:
    return f"{values.low:g}..{values.high:g}"
