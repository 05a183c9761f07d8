"""Bytes of known formats as numpy arrays: each array is made once and filled in place.

Nothing is unpickled. Shapes are stated by the caller and checked before anything is read.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bench.errors import BenchError

ROWS = 1 << 22  #: bytes of text that are looked at together
UNREADABLE = (OSError, EOFError, KeyError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile)
Bytes = NDArray[np.uint8]


def idx(file: Path, shape: Sequence[int], out: Bytes | None = None) -> Bytes:
    """The unsigned bytes of an idx file, gzipped where it ends in .gz: [*shape], into `out`.

    Raises BenchError for another magic number, other sizes, or bytes that lack or remain.
    """
    magic = bytes([0, 0, 8, len(shape)])
    sizes = np.asarray(shape, ">u4").tobytes()
    out = np.empty(tuple(shape), np.uint8) if out is None else out
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            if stream.read(len(magic) + len(sizes)) != magic + sizes:
                raise _broken(file, f"an idx file of bytes {_text(shape)}")
            if _fill(stream, out) != out.nbytes or stream.read(1):
                raise _broken(file, f"an idx file of {out.nbytes} bytes after its head")
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(file, f"readable: {error}") from error
    return out


def cifar(files: Sequence[Path], rows: int) -> tuple[Bytes, Bytes]:
    """Batches of `rows` in CIFAR-10's binary format: images [N, 3, 32, 32] and labels [N], 0 to 9.

    Each row is a label and 1024 red, green and blue values. Raises BenchError for another size or
    label.
    """
    images = np.empty((len(files) * rows, 3, 32, 32), np.uint8)
    labels = np.empty(len(images), np.uint8)
    for number, file in enumerate(files):
        of_file = slice(number * rows, (number + 1) * rows)
        if file.stat().st_size != rows * 3073:
            raise _broken(file, f"a batch of CIFAR-10: {rows} rows of 3073 bytes")
        read = np.fromfile(file, np.uint8).reshape(rows, 3073)
        labels[of_file] = read[:, 0]
        images[of_file] = read[:, 1:].reshape(rows, 3, 32, 32)
        if labels[of_file].max() > 9:
            raise _broken(file, "a batch of CIFAR-10: a label is above 9")
    return images, labels


def npz(
    file: Path,
    key: str,
    dtype: DTypeLike,
    shape: Sequence[int],
    stream: IO[bytes] | None = None,
) -> NDArray[Any]:
    """The array `key` of an npz file, of exactly this dtype and shape; any number of rows for -1.

    Its bytes come from `stream` where that is given: `file` then names it in sentences.

    Raises BenchError for anything else, an array of objects (a pickle) above all: it is not read.
    """
    expected = f"an npz file with '{key}', {np.dtype(dtype).name} {_text(shape)}"
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        with zipfile.ZipFile(stream or file) as packed, packed.open(f"{key}.npy") as source:
            head = read[np.lib.format.read_magic(source)](source)
            rows = head[0][:1] if shape[0] == -1 else tuple(shape[:1])
            if head != ((*rows, *shape[1:]), False, np.dtype(dtype)) or head[2].hasobject:
                raise _broken(file, f"{expected}, but it holds {head[2]} {_text(head[0])}")
            out = np.empty(head[0], head[2])
            if _fill(source, out) != out.nbytes or source.read(1):
                raise _broken(file, f"{expected} and no more")
    except UNREADABLE as error:
        raise _broken(file, f"{expected} ({error})") from error
    return out


def amat(file: Path, columns: int, out: Bytes | None = None) -> Bytes:
    """Rows of binary digits between single spaces, as in Larochelle's .amat: [N, columns]."""
    return _digits(file, columns, " ", out)


def debd(file: Path, columns: int) -> Bytes:
    """Rows of binary digits between commas, as in the .data files of DEBD: [N, columns]."""
    return _digits(file, columns, ",")


def _digits(file: Path, columns: int, separator: str, out: Bytes | None = None) -> Bytes:
    """Each row is `columns` characters 0 or 1, one separator between them, and a line feed."""
    width = 2 * columns
    rows, rest = divmod(file.stat().st_size, width)
    form = f"rows of {columns} digits 0 or 1 between '{separator}'"
    if rest:
        raise _broken(file, f"{form}: its size is no multiple of {width}")
    after = np.full(columns, ord(separator), np.uint8)
    after[-1] = ord("\n")
    out = np.empty((rows, columns), np.uint8) if out is None else out
    if len(out) != rows:
        raise _broken(file, f"{form}: it has {rows} rows, not {len(out)}")
    step = max(1, ROWS // width)
    with file.open("rb") as stream:
        for start in range(0, rows, step):
            block = out[start : start + step]
            text = np.frombuffer(stream.read(block.shape[0] * width), np.uint8)
            pairs = text.reshape(-1, columns, 2)
            np.subtract(pairs[..., 0], ord("0"), out=block)
            if (block > 1).any() or (pairs[..., 1] != after).any():
                raise _broken(file, form)
    return out


def _fill(stream: Any, out: NDArray[Any]) -> int:
    """Read into an array until it is full or the stream ends: the bytes read."""
    view, done = out.reshape(-1).view(np.uint8).data, 0
    while done < len(view) and (got := stream.readinto(view[done : done + (1 << 20)])):
        done += got
    return done


def _text(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _broken(file: Path, expected: str) -> BenchError:
    return BenchError(f"{file} is not {expected}")
