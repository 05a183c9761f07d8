"""PNG files of an archive as one array, read in the order of their names."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.datasets.fetch import unpack
from bench.datasets.fetch.download import Refused
from bench.errors import BenchError

LARGEST = 1 << 20  #: bytes of one PNG


def names(file: Path, expanded: int, count: int) -> list[str]:
    """Sorted paths of the PNG files in the archive; raises BenchError where it cannot be read."""
    with closing(_pictures(file, expanded, count)) as found:
        return sorted(member.name for member in found)


def read(
    file: Path, rows: Mapping[str, int], out: NDArray[np.uint8], expanded: int, count: int
) -> None:
    """Put each PNG at its row of `out` [N, channels, height, width]; 1 channel or 3.

    A picture of one channel is read as its grey levels, 0 or 255 where it is of one bit.
    """
    left = dict(rows)
    with closing(_pictures(file, expanded, count)) as found:
        for member in found:
            row = left.pop(member.name, None)
            if row is None:
                continue
            if member.size > LARGEST:
                raise BenchError(f"{file} has {member.name} with {member.size} bytes: no picture")
            out[row] = _png(f"{member.name} of {file}", _whole(file, member), out.shape[1:])
    if left:
        raise BenchError(f"{file} lacks {len(left)} pictures, {next(iter(left))} for one")


def _pictures(file: Path, expanded: int, count: int) -> unpack.Found[unpack.Member]:
    """The members that are regular files named *.png; macOS adds others that begin with a dot."""
    try:
        with closing(unpack.walk(file, file.name, expanded, count)) as found:
            for member in found:
                name = member.name.rpartition("/")[2]
                if member.regular and name.endswith(".png") and not name.startswith("."):
                    yield member
    except Refused as refused:
        raise BenchError(f"{file} {refused}") from refused


def _whole(file: Path, member: unpack.Member) -> bytes:
    try:
        with member.read() as source:
            return source.read()
    except Refused as refused:
        raise BenchError(f"{file}: {member.name} {refused}") from refused


def _png(what: str, content: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    from PIL import Image

    channels, height, width = shape
    form = f"{what} is not a PNG of {width} x {height} pixels"
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            if picture.size != (width, height):
                got = "{} x {}".format(*picture.size)
                raise BenchError(f"{form}: it has {got}")
            pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    except BenchError:
        raise
    except Exception as error:  # whatever Pillow meets in a broken file
        raise BenchError(f"{form} ({' '.join(str(error).split())})") from error
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)
