"""Arrays that take long to read out of fetched files: made once, then mapped into memory."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.datasets.fetch import cache, matlab, pictures, readers
from bench.datasets.fetch.files import File
from bench.datasets.fetch.obtain import local, state
from bench.datasets.fetch.registry import SETS

Bytes = NDArray[np.uint8]
KEY = 16  #: digits of the key in a name
Fill = Callable[[list[Path], Bytes], None]


def kept(name: str, part: str, shape: Sequence[int], fill: Fill) -> Bytes:
    """The bytes [*shape] that `fill(files, out)` writes, from a data set's files, into `out`.

    They lie in the folder `arrays` beside the data set's files, with their sha256, which is
    compared each time; other pins, shapes or code of `fill`'s file make them anew. Where nothing
    can be written there, they are made in memory. What is changed in the array stays in this
    process.
    """
    if not all(file.digests for file in SETS[name]):
        local(name)  # which notes what the array is to be known by
    file = _file(name, part, shape, fill)
    held = cache.path(file)
    if not _intact(file):
        files = local(name)
        if not os.access(cache.path(SETS[name][0]).parent, os.W_OK):
            out = np.empty(tuple(shape), np.uint8)
            fill(files, out)
            return out
        with cache.locked(held.parent):
            if not _intact(file):  # another process may have been first
                _make(file, shape, partial(fill, files))
    return np.asarray(np.load(held, mmap_mode="c", allow_pickle=False))


def _intact(file: File) -> bool:
    return state(file) == "ok" and cache.note_of(file) is not None


def _make(file: File, shape: Sequence[int], fill: Callable[[Bytes], None]) -> None:
    held = cache.path(file)
    fresh = held.with_name(f"{held.name}.part")
    try:
        with cache.written(fresh):
            _reserve(fresh, shape)
        out = np.load(fresh, mmap_mode="r+")
        fill(out)
        with cache.written(fresh):
            out.flush()
        del out
        for old in held.parent.glob(f"{file.name[: -KEY - 4]}{'[0-9a-f]' * KEY}.npy"):
            with suppress(OSError):  # of other pins or code; on Windows perhaps in use
                old.unlink()
                old.with_name(f"{old.name}.sha256").unlink()
        cache.note(file, cache.digests(fresh, ["sha256"])["sha256"], "made of the fetched files")
        cache.place(fresh, held)
    finally:
        fresh.unlink(missing_ok=True)


def _reserve(fresh: Path, shape: Sequence[int]) -> None:
    """An npy file of zeros. On a full disk this raises, where writing to the map would kill."""
    head = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
    with fresh.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, head)
        start, size = stream.tell(), int(np.prod(shape, dtype=np.int64))
        stream.truncate(start + size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, start + size)


def _file(name: str, part: str, shape: Sequence[int], fill: Fill) -> File:
    """Named by what the array depends on."""
    key = hashlib.sha256(repr((name, tuple(shape))).encode())
    for file in SETS[name]:
        key.update(repr(_pin(file)).encode())
    for source in (sys.modules[_function(fill).__module__], matlab, pictures, readers):
        assert source.__file__ is not None
        key.update(Path(source.__file__).read_bytes())
    first = SETS[name][0]
    made = f"{name}-{part}-{key.hexdigest()[:KEY]}.npy"
    return File(f"{first.folder}/arrays", made, None, None, first.licence, first_use=True)


def _function(fill: Fill) -> Fill:
    return _function(fill.func) if isinstance(fill, partial) else fill


def _pin(file: File) -> tuple[object, ...]:
    """What its bytes are known by: its digests, or what was noted when it came."""
    note = None if file.digests else cache.note_of(file)
    return file.place, file.digests, note and note.sha256
