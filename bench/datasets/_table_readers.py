"""Tables in official files as arrays and frames of numbers: nothing is unpickled.

Each raises BenchError, in one sentence, for a file that holds something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import BenchError

Array = NDArray[np.float64]


def npy(file: Path, columns: int) -> Array:
    """The matrix of numbers [N, columns] of an npy file, whose head agrees with its size."""
    with _broken(file, f"an npy file with a matrix of numbers in {columns} columns"):
        with file.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"its version is {version[0]}.{version[1]}")
            read = np.lib.format.read_array_header_1_0
            if version == (2, 0):
                read = np.lib.format.read_array_header_2_0
            shape, _, dtype = read(stream)
            _check(shape, dtype, columns)
            stated = stream.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
        if (size := file.stat().st_size) != stated:
            raise ValueError(f"its head states {stated} bytes, and it has {size}")
        return np.ascontiguousarray(np.load(file, allow_pickle=False), np.float64)


def hdf5(file: Path, keys: Sequence[str], columns: int) -> list[Array]:
    """Matrices of numbers [N, columns] of an HDF5 file, all in the file itself."""
    import h5py

    with (
        _broken(file, f"an HDF5 file with {', '.join(keys)} in {columns} columns"),
        h5py.File(file, "r") as packed,
    ):
        return [_dataset(packed, key, columns) for key in keys]


def _dataset(packed: Any, key: str, columns: int) -> Array:
    import h5py

    found = packed[key] if isinstance(packed.get(key, getlink=True), h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        raise ValueError(f"it has no {key} of its own")
    _check(found.shape, found.dtype, columns)
    return np.asarray(found[:], np.float64)


def csv(file: Path) -> pd.DataFrame:
    """A table of numbers with a head; no column is taken for the rows' names.

    Where rows have more fields than the head, the last ones are left out, with a warning.
    """
    with _broken(file, "a table of numbers with a head, between commas"):
        table = pd.read_csv(file, index_col=False, low_memory=False)  # one type for a column
        if other := [str(name) for name, kind in table.dtypes.items() if kind.kind not in "fiu"]:
            raise ValueError(f"no numbers are in {', '.join(other)}")
        return table


def _check(shape: tuple[int, ...], dtype: np.dtype, columns: int) -> None:
    if dtype.kind not in "fiu":
        raise ValueError(f"it holds {dtype}")
    if len(shape) != 2 or shape[1] != columns:
        raise ValueError(f"it has the shape {list(shape)}")


@contextmanager
def _broken(file: Path, expected: str) -> Iterator[None]:
    """What a library says of a file becomes one sentence."""
    try:
        yield
    except (OSError, EOFError, KeyError, ValueError, MemoryError) as error:
        why = " ".join(str(error).split())[:200]
        raise BenchError(f"{file} is not {expected}: {why}") from error
