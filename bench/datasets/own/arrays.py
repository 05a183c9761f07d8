"""Arrays: npy, npz, HDF5, MAT and idx. Nothing is unpickled."""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.fetch import readers
from bench.datasets.own.raw import Array, Raw, lacks, shape_text, unreadable
from bench.datasets.own.schema import DataFile
from bench.errors import BenchError

FAILURES = (OSError, EOFError, KeyError, ValueError, TypeError, zlib.error, zipfile.BadZipFile)
HDF5 = b"\x89HDF\r\n\x1a\n"
OBJECTS = "it holds objects (a pickle), which are never read: save numbers"


@dataclass(frozen=True)
class Held:
    """An array that a file holds."""

    key: str
    shape: tuple[int, ...]
    type: str

    def __str__(self) -> str:
        return f"{self.key} {shape_text(self.shape)} {self.type}"


def points(file: Path, format: str, part: DataFile) -> Raw:
    """The array of a file, or those that an entry names, points along the axis they have there."""
    if part.key is None:
        return Raw(single(file, format))
    context = _keyed(file, format, part.context) if part.context else None
    if context is not None:
        context = context.reshape(len(context), -1).astype(np.float64)
    labels = _keyed(file, format, part.labels).reshape(-1) if part.labels else None
    return Raw(_keyed(file, format, part.key), context, labels)


def single(file: Path, format: str) -> Array:
    """The one array of an npy or idx file, gzipped where its name ends in .gz.

    A plain npy file is mapped, not read. Raises BenchError for a file that cannot be read.
    """
    if format == "idx":
        return readers.idx(file, idx_shape(file))
    made: Array
    try:
        if file.suffix != ".gz":
            made = np.load(file, mmap_mode="r", allow_pickle=False)
        else:
            with gzip.open(file) as stream:
                made = np.lib.format.read_array(stream, allow_pickle=False)
    except FAILURES as error:
        why = OBJECTS if "allow_pickle" in str(error) or "Python objects" in str(error) else error
        raise unreadable(file, "npy file", why) from error
    if not isinstance(made, np.ndarray) or made.ndim == 0:
        raise unreadable(file, "npy file of points", "it holds one value, or several arrays")
    return made


def idx_shape(file: Path) -> tuple[int, ...]:
    """What the head of an idx file of bytes states. Raises BenchError for any other type."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or not 1 <= magic[3] <= 8:
                raise unreadable(file, "idx file", "its first bytes are not those of one")
            if magic[2] != 8:
                why = f"its values are of type 0x{magic[2]:02x}, not bytes: save them as npy"
                raise unreadable(file, "idx file", why)
            return tuple(int(n) for n in np.frombuffer(stream.read(4 * magic[3]), ">u4"))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise unreadable(file, "idx file", error) from error


def held(file: Path, format: str) -> list[Held]:
    """The arrays of an npz, HDF5 or MAT file that have numbers and two values or more."""
    found: list[Held] = []
    try:
        if format == "npz":
            with np.load(file, allow_pickle=False) as packed:
                for key in packed.files:
                    with packed.zip.open(f"{key}.npy") as stream:
                        found.append(Held(key, *_npy_head(stream)))
        elif _is_hdf5(file):
            with _hdf5(file) as opened:
                opened.visititems(_lister(found, format))
        else:
            found = [Held(k, tuple(s), t) for k, s, t in _matlab(file, "whosmat")]
    except BenchError:
        raise
    except (*FAILURES, NotImplementedError) as error:
        raise unreadable(file, f"{format} file", error) from error
    return [h for h in found if math.prod(h.shape) > 1]


def _keyed(file: Path, format: str, key: str) -> Array:
    try:
        if format == "npz":
            with np.load(file, allow_pickle=False) as packed:
                made = packed[key]
        elif _is_hdf5(file):
            with _hdf5(file) as opened:
                made = opened[key][()]
            if format == "mat":
                made = made.T  # MATLAB's columns are HDF5's rows
        else:
            made = _matlab(file, "loadmat", variable_names=[key])[key]
    except KeyError as error:
        names = ", ".join(h.key for h in held(file, format))
        raise unreadable(file, f"{format} file with '{key}'", f"it has {names}") from error
    except BenchError:
        raise
    except (*FAILURES, NotImplementedError) as error:
        why = OBJECTS if "allow_pickle" in str(error) else error
        raise unreadable(file, f"{format} file with '{key}'", why) from error
    if not isinstance(made, np.ndarray) or made.dtype.kind not in "biufUS" or made.ndim == 0:
        what = getattr(made, "dtype", type(made).__name__)
        raise unreadable(file, f"{format} file with numbers in '{key}'", f"it holds {what}")
    return made


def _matlab(file: Path, function: str, **options: Any) -> Any:
    """A function of scipy.io, with an error that is a ValueError."""
    import scipy.io
    from scipy.io.matlab import MatReadError

    try:
        return getattr(scipy.io, function)(file, **options)
    except MatReadError as error:
        raise ValueError(str(error)) from error


def _npy_head(stream: Any) -> tuple[tuple[int, ...], str]:
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, _, dtype = read[np.lib.format.read_magic(stream)](stream)
    return shape, str(dtype)


def _is_hdf5(file: Path) -> bool:
    """HDF5 starts so at byte 0, in MATLAB's v7.3 files at byte 512."""
    with file.open("rb") as stream:
        head = stream.read(520)
    return HDF5 in (head[:8], head[512:])


def _hdf5(file: Path) -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise lacks("h5py", f"the HDF5 file {file.name}") from error
    return h5py.File(file, "r")


def _lister(found: list[Held], format: str) -> Callable[[str, Any], None]:
    def visit(name: str, node: Any) -> None:
        if hasattr(node, "shape") and node.shape is not None:
            shape = tuple(reversed(node.shape)) if format == "mat" else tuple(node.shape)
            found.append(Held(name, shape, str(node.dtype)))

    return visit
