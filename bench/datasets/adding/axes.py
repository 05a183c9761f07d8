"""Which axes of an array are points, rows, columns and channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.datasets.adding.stated import Stated
from bench.datasets.own.raw import Array, shape_text
from bench.errors import UsageError

CHANNELS = (1, 3, 4)  #: how many an image usually has


def rows(stated: Stated, x: Array) -> str | None:
    """The axis along which points lie; None where the array has but one. Raises UsageError."""
    if x.ndim < 2:
        return None
    if stated.rows is None and x.ndim > 2 and x.shape[-1] > x.shape[0]:
        raise UsageError(
            f"the array is {shape_text(x.shape)}: state --rows first if it has {x.shape[0]} "
            f"points, --rows last if it has {x.shape[-1]}"
        )
    return stated.rows or "first"


def shape(stated: Stated, stored: Sequence[int], kind: str) -> tuple[list[int], str | None]:
    """The shape of a point, channels first, and where the file has them; of images alone.

    Raises UsageError where the channels could be the first axis as well as the last.
    """
    if stated.shape and math.prod(stated.shape) != math.prod(stored):
        raise UsageError(
            f"--shape {','.join(map(str, stated.shape))} has {math.prod(stated.shape)} values, and "
            f"a point of the file {math.prod(stored)}"
        )
    axes = list(stated.shape or stored) or [1]
    if stated.channels and (len(axes) != 3 or kind == "sequence"):
        raise UsageError(
            f"--channels is for images of three axes, and a point is {shape_text(axes)}"
        )
    if kind == "sequence" or len(axes) not in (2, 3):
        return axes, None
    if len(axes) == 2:
        return [1, *axes], None
    where = stated.channels or _channels(axes)
    return ([axes[2], *axes[:2]] if where == "last" else axes), where


def _channels(axes: Sequence[int]) -> str:
    first, last = axes[0] in CHANNELS, axes[2] in CHANNELS
    if first == last:
        raise UsageError(
            f"a point is {shape_text(axes)}, whose channels could be the first axis or the last: "
            "state --channels first or --channels last"
        )
    return "first" if first else "last"
