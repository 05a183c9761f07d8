"""The folder of fetched files: where each lies, whether its bytes are the pinned ones, its lock."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.datasets.fetch.files import File
from bench.errors import BenchError

VARIABLE = "BENCH_DATA"
CHUNK = 1 << 20
LFS, ANNEX = b"version https://git-lfs", b"/annex/objects/"


def root() -> Path:
    """BENCH_DATA, else the user's own cache folder."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("density-bench", appauthor=False) / "data"


def path(file: File) -> Path:
    """Where a file lies, once it is fetched or put there by hand."""
    return root() / file.folder / file.name


def wrong(file: File, held: Path) -> str | None:
    """Why `held` is not the file, in words; None where every byte is as pinned.

    Raises OSError where it is not there or cannot be read.
    """
    if (size := held.stat().st_size) != file.size:
        with held.open("rb") as stream:
            return f"it has {size} bytes, not {file.size}{_resembles(stream.read(512))}"
    with held.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return None if sha256 == file.sha256 else f"its sha256 is {sha256}, not {file.sha256}"


def _resembles(head: bytes) -> str:
    """What was taken for the file, where its first bytes tell."""
    if head.startswith(LFS):
        return ": a git-LFS pointer, not what it points to"
    if ANNEX in head:
        return ": a git-annex pointer, not what it points to"
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return ": an HTML page"
    return ""


def set_aside(held: Path) -> Path:
    """Rename a damaged file to <name>.damaged beside it, which is never read."""
    aside = held.with_name(f"{held.name}.damaged")
    with written(held):
        os.replace(held, aside)
    return aside


def place(part: Path, target: Path) -> None:
    """Move a file whose bytes have been checked to its place, in one step."""
    with written(target):
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(part, target)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone in `folder`, made where it is missing: two processes do not fetch one file twice."""
    from filelock import FileLock

    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def written(target: Path) -> Iterator[None]:
    """A full disk, a quota or a missing permission becomes one sentence, a BenchError."""
    try:
        yield
    except OSError as error:
        raise BenchError(
            f"{target} could not be written: {error.strerror or error}. Free space, correct the "
            f"permissions, or name another folder in {VARIABLE}; then run again: files that are "
            "complete are kept"
        ) from error
