"""From a data set's name to its files on this machine, every byte as pinned.

Looked at in this order: the cache, the mirror that BENCH_DATA_MIRROR names, the official addresses.
Loading a data set looks at the first two alone; `bench data get` at all three.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from bench.datasets.fetch import cache, mirror, unpack
from bench.datasets.fetch.download import Refused, Unreachable, discard, download
from bench.datasets.fetch.files import Archive, File
from bench.datasets.fetch.registry import SETS
from bench.errors import MissingError


class Listener(Protocol):
    """Is told what happens."""

    def progress(self, file: File, done: int) -> None:
        """So many bytes of a file have come."""

    def fetched(self, file: File, source: str) -> None:
        """A file is in its place."""

    def damaged(self, text: str) -> None:
        """A file of the cache is not what it should be: one sentence."""


class Quiet:
    """Warns of damage and is silent else."""

    def progress(self, file: File, done: int) -> None: ...

    def fetched(self, file: File, source: str) -> None: ...

    def damaged(self, text: str) -> None:
        warnings.warn(text, stacklevel=2)


def local(name: str) -> list[Path]:
    """The files of a data set, in the registry's order: from the cache, else from the mirror.

    Raises MissingError, in one sentence that says how to get them.
    """
    return obtain(name)


def obtain(name: str, official: bool = False, listener: Listener | None = None) -> list[Path]:
    """The files of a data set; `official` addresses are asked where they are nowhere else.

    A damaged file of the cache is kept aside as <name>.damaged and fetched again. Raises
    MissingError for the first file that no source has, BenchError on a full disk.
    """
    files = SETS[name]
    if absent := [f for f in files if state(f) != "ok"]:
        with cache.locked(cache.path(absent[0]).parent):
            _Fetch(listener or Quiet(), official).all(name, absent)
    return [cache.path(f) for f in files]


def state(file: File) -> str:
    """ok, missing, or why it is damaged."""
    try:
        return cache.wrong(file, cache.path(file)) or "ok"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"


class _Fetch:
    """One attempt at some files of one folder, whose lock is held."""

    def __init__(self, listener: Listener, official: bool):
        self.listener, self.official = listener, official
        self.mirror = mirror.named()
        self.reasons: dict[str, list[str]] = {}

    def all(self, name: str, files: Sequence[File]) -> None:
        """Every file, or a MissingError that names the first that cannot be had."""
        for file in files:
            self._clear(file)
        left = [f for f in files if state(f) != "ok"]  # another process may have been first
        left = [f for f in left if not self._mirrored(f)]
        for archive in dict.fromkeys(f.archive for f in left if f.archive):
            self._unpacked(archive, [f for f in left if f.archive == archive])
        for file in [f for f in left if state(f) != "ok"]:
            if not (self.official and self._downloaded(file)):
                raise MissingError(self._sentence(name, file))

    def _clear(self, file: File) -> None:
        """Set a damaged file aside."""
        if (now := state(file)) not in ("ok", "missing"):
            held = cache.path(file)
            aside = cache.set_aside(held)
            self._reason(file, f"the copy on this machine was damaged, now {aside.name}")
            self.listener.damaged(f"{held} is damaged: {now}; kept as {aside.name}")

    def _mirrored(self, file: File) -> bool:
        for suffix in ("", ".xz"):
            if self.mirror is None:
                return False
            fill = partial(mirror.stage, self.mirror, file, suffix)
            if self._taken(file, self.mirror, fill, f"mirror, {file.place}{suffix}"):
                return True
        return False

    def _unpacked(self, archive: Archive, files: list[File]) -> None:
        """Take files out of the archive of a mirror, which stays in the cache."""
        if state(archive.file) != "ok":
            self._clear(archive.file)
            if not self._mirrored(archive.file):
                return
        members = {archive.member(f): f for f in files}
        sizes = {member: f.size for member, f in members.items()}
        try:
            for member, source in unpack.members(archive, cache.path(archive.file), sizes):
                file = members[member]
                fill = partial(_copied, source, file.size)
                self._taken(file, archive.file.name, fill, archive.file.name)
        except Refused as refused:
            for file in files:
                self._reason(file, f"{archive.file.name} {refused}")

    def _downloaded(self, file: File) -> bool:
        for url in file.urls:
            fill = partial(_fetched, url, file.size)
            if self._taken(file, url, fill, urlsplit(url).netloc):
                return True
        return False

    def _taken(
        self,
        file: File,
        source: str,
        fill: Callable[[Path, Callable[[int], None]], bool],
        where: str,
    ) -> bool:
        """Let `fill` write the file beside its place; check every byte; move it there."""
        target = cache.path(file)
        part = target.with_name(f"{file.name}.part")
        progress = partial(self.listener.progress, file)
        try:
            resumed = fill(part, progress)
            why = cache.wrong(file, part)
            if why and resumed:  # two files in one: begin anew
                discard(part)
                fill(part, progress)
                why = cache.wrong(file, part)
            if why:
                discard(part)
                raise Refused(f"is another file: {why}")
        except Refused as refused:
            self._reason(file, f"{where} {refused}")
            if isinstance(refused, Unreachable) and source == self.mirror:
                self.mirror = None
            return False
        cache.place(part, target)
        discard(part)
        self.listener.fetched(file, source)
        return True

    def _reason(self, file: File, text: str) -> None:
        self.reasons.setdefault(file.name, []).append(text)

    def _sentence(self, name: str, file: File) -> str:
        ways = [] if self.official or not file.urls else [f"fetch it: bench data get {name}"]
        ways += [f"put it by hand at {cache.path(file)}"]
        ways += [f"name a folder or address that holds {file.place} in {mirror.VARIABLE}"]
        what = f"a {file.note}, no official file, " if file.note else ""
        reasons = dict.fromkeys(self.reasons.get(file.name, []))
        tried = [r for r in reasons if not r.endswith(mirror.LACKS)]
        return (
            f"{name} needs the file {file.name} ({what}{file.size} bytes, sha256 {file.sha256}), "
            f"which is not on this machine{''.join(f'; {r}' for r in tried)}. Either "
            f"{', or '.join(ways)} (all its files: bench data where {name})"
        )


def _fetched(url: str, size: int, part: Path, progress: Callable[[int], None]) -> bool:
    return download(url, part, size, True, progress)


def _copied(source: object, size: int, part: Path, progress: Callable[[int], None]) -> bool:
    unpack.copy(source, part, size)  # type: ignore[arg-type]
    return False
