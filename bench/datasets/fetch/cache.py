"""The folder of fetched files: where each lies, whether its bytes are the pinned ones, its lock."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.fetch.files import File
from bench.errors import BenchError

VARIABLE = "BENCH_DATA"
CHUNK = 1 << 20
ALGORITHMS = {"sha256": "sha256", "md5": "md5", "git_blob": "sha1"}
NOTE = re.compile(r"# pinned by: (?P<origin>[^\n]+)\n(?P<sha256>[0-9a-f]{64})  [^\n]+\n")
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


def wrong(file: File, held: Path, noted: bool = True) -> str | None:
    """Why `held` is not the file, in words; None where every byte is as pinned.

    Compares the size, all digests that are registered and, where `noted`, the sha256 that was noted
    when the file came. Raises OSError where it is not there or cannot be read.
    """
    size = held.stat().st_size
    with held.open("rb") as stream:
        like = _resembles(stream.read(512))
    if file.size is not None and size != file.size:
        return f"it has {size} bytes, not {file.size}{like}"
    if like and not file.digests:
        return f"it has {size} bytes{like}"
    expected, whose = file.digests, ""
    if noted and file.sha256 is None and (note := note_of(file)):
        expected |= {"sha256": note.sha256}
        whose = f" as noted in {note.path.name}"
    for name, got in digests(held, expected).items():
        if got != expected[name]:
            what = name.replace("_", " ")
            of_note = whose if name == "sha256" else ""
            return f"its {what} is {got}, not {expected[name]}{of_note}{like}"
    return None


def digests(held: Path, names: Iterable[str]) -> dict[str, str]:
    """Digests (hex) of a file's bytes by the names of DIGESTS, all in one reading."""
    made = {name: hashlib.new(ALGORITHMS[name], usedforsecurity=False) for name in names}
    if not made:
        return {}
    if "git_blob" in made:
        made["git_blob"].update(b"blob %d\0" % held.stat().st_size)
    piece = memoryview(bytearray(CHUNK))
    with held.open("rb", buffering=0) as stream:
        while count := stream.readinto(piece):
            for each in made.values():
                each.update(piece[:count])
    return {name: each.hexdigest() for name, each in made.items()}


@dataclass(frozen=True)
class Note:
    """What was noted of a file without a registered sha256 when it came."""

    path: Path
    sha256: str
    origin: str  #: what said that these are its bytes: md5, git blob, archive, first use


def note_of(file: File) -> Note | None:
    """The note beside a file; None where there is none.

    Raises BenchError where it is none that can be read.
    """
    beside = path(file).with_name(f"{file.name}.sha256")
    try:
        text = beside.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        text = ""
    if not (found := NOTE.fullmatch(text)):
        raise BenchError(
            f"{beside} is not the note of one file's sha256. Remove it, to note again what is there"
        )
    return Note(beside, found["sha256"], found["origin"])


def pinned_by(file: File) -> str:
    """What a file on this machine is compared with, in words."""
    note = None if file.sha256 else note_of(file)
    own = ", ".join(file.digests).replace("_", " ")
    if own:
        return f"{own}, sha256 noted" if note else own
    if note:
        return note.origin
    return "archive, when unpacked" if file.pins else "nothing yet"


def note(file: File, sha256: str, origin: str) -> None:
    """Note a file's sha256 beside its place, so that damage is seen later."""
    beside = path(file).with_name(f"{file.name}.sha256")
    part = beside.with_name(f"{beside.name}.part")
    with written(beside):
        part.write_text(f"# pinned by: {origin}\n{sha256}  {file.name}\n", encoding="utf-8")
        os.replace(part, beside)


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
