"""Arrays of MATLAB files of version 5: numbers alone, within bounds known before they are read."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bench.errors import BenchError

CLASSES = ("uint8", "logical", "single", "double")
HEAD, COMPRESSED = 128, 15  #: bytes before the first element; its type where it is deflated
CHUNK = 1 << 20


def arrays(
    file: Path, shapes: Mapping[str, Sequence[int]], names: Sequence[str] | None = None
) -> dict[str, NDArray[Any]]:
    """The variables of these names and shapes: uint8, float32 or float64, in Fortran's order.

    Of those that the file must have only `names` are read, by default all. No other variable is,
    and none that is no array of numbers: objects, functions and cells are refused by what `whosmat`
    says of them. Raises BenchError for anything else than expected.
    """
    from scipy.io import loadmat, whosmat

    expected = ", ".join(f"'{name}' {list(shape)}" for name, shape in shapes.items())
    form = f"{file} is not a MATLAB 5 file with the numbers {expected}"
    limit = CHUNK + 16 * sum(math.prod(shape) for shape in shapes.values())
    try:
        if _expanded(file, limit) > limit:
            raise BenchError(f"{form}: it expands to more than {limit} bytes")
        found = {name: (list(shape), kind) for name, shape, kind in whosmat(file, appendmat=False)}
        for name, shape in shapes.items():
            got, kind = found.get(name, ([], "nothing"))
            if got != list(shape) or kind not in CLASSES:
                raise BenchError(f"{form}: '{name}' is {kind} {got}")
        wanted = list(shapes if names is None else names)
        read = loadmat(file, appendmat=False, variable_names=wanted)
    except BenchError:
        raise
    except Exception as error:  # whatever scipy's reader meets in a broken file
        message = " ".join(str(error).split())
        raise BenchError(f"{form} ({type(error).__name__}: {message})") from error
    return {name: read[name] for name in wanted}


def _expanded(file: Path, limit: int) -> int:
    """Bytes of all elements, decompressed; counting stops beyond the limit."""
    total = 0
    with file.open("rb") as stream:
        order = {b"IM": "<", b"MI": ">"}.get(stream.read(HEAD)[-2:])
        if order is None:
            raise ValueError("no mark of its byte order")
        while total <= limit and len(tag := stream.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            if kind != COMPRESSED:
                total += size
                stream.seek(size, 1)
                continue
            unpacker = zlib.decompressobj()
            while size and total <= limit and (piece := stream.read(min(size, CHUNK))):
                size -= len(piece)
                while total <= limit and (out := unpacker.decompress(piece, CHUNK)):
                    total += len(out)
                    piece = unpacker.unconsumed_tail
    return total
