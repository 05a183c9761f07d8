"""From a data set's name to its files on this machine, every byte as pinned.

Looked at in this order: the cache, the mirror that BENCH_DATA_MIRROR names, the official addresses.
Loading a data set looks at the first two alone; `bench data get` at all three.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from bench.datasets.fetch import cache, mirror, unpack
from bench.datasets.fetch.download import Refused, Unreachable, discard, download
from bench.datasets.fetch.files import Archive, File
from bench.datasets.fetch.registry import SETS
from bench.errors import MissingError

TOGETHER = 256 << 20  #: bytes of an archive up to which all its files are unpacked at once


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
    for file in files:
        _noted(file)
    return [cache.path(f) for f in files]


def _noted(file: File) -> None:
    """Note the sha256 of a file that was put there by hand, where none is registered."""
    held = cache.path(file)
    if file.sha256 is None and cache.note_of(file) is None and os.access(held.parent, os.W_OK):
        _note(file, held, "first use")


def _note(file: File, held: Path, origin: str) -> None:
    """Note the sha256 of `held`, and what says that these are the file's bytes."""
    published = ", ".join(file.digests).replace("_", " ")
    cache.note(file, cache.digests(held, ["sha256"])["sha256"], published or origin)


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
        archives = dict.fromkeys(f.archive for f in left if f.archive)
        for archive in archives:
            theirs = [f for f in left if f.archive == archive]
            self._unpacked(archive, theirs, self.official and not any(f.urls for f in theirs))
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

    def _unpacked(self, archive: Archive, files: list[File], fetch: bool) -> None:
        """Take files out of their archive, which stays in the cache; `fetch` it if need be."""
        if state(archive.file) != "ok":
            self._clear(archive.file)
            if not (self._mirrored(archive.file) or fetch and self._downloaded(archive.file)):
                return
        _noted(archive.file)
        asked = set(files)
        if archive.expanded <= TOGETHER:
            of_all = (f for each in SETS.values() for f in each if f.archive == archive)
            files = list(dict.fromkeys([*files, *(f for f in of_all if state(f) == "missing")]))
        members = {archive.member(f): f for f in files}
        sizes = {member: f.size for member, f in members.items()}
        pinned = bool(archive.file.pins)
        try:
            held = cache.path(archive.file)
            with closing(unpack.members(archive, held, sizes)) as found:
                for member, source in found:
                    file, where = members[member], archive.file.name
                    fill, told = partial(_copied, source, file.most), file in asked
                    self._taken(file, where, fill, where, noted=not pinned, told=told)
        except Refused as refused:
            for file in files:
                self._reason(file, f"{archive.file.name} {refused}")

    def _downloaded(self, file: File) -> bool:
        for url in file.urls:
            fill = partial(_fetched, url, file)
            if self._taken(file, url, fill, urlsplit(url).netloc):
                return True
        return False

    def _taken(
        self,
        file: File,
        source: str,
        fill: Callable[[Path, Callable[[int], None]], bool],
        where: str,
        noted: bool = True,
        told: bool = True,
    ) -> bool:
        """Let `fill` write the file beside its place; check every byte; move it there.

        What was `noted` of an earlier copy is compared too: not where a pinned archive has it. The
        listener is `told`: not of what comes out of an archive beside what is asked for.
        """
        target = cache.path(file)
        part = target.with_name(f"{file.name}.part")
        progress = partial(self.listener.progress, file)
        try:
            resumed = fill(part, progress)
            why = cache.wrong(file, part, noted)
            if why and resumed:  # two files in one: begin anew
                discard(part)
                fill(part, progress)
                why = cache.wrong(file, part, noted)
            if why:
                discard(part)
                raise Refused(f"is another file: {why}")
        except Refused as refused:
            self._reason(file, f"{where} {refused}")
            if isinstance(refused, Unreachable) and source == self.mirror:
                self.mirror = None
            return False
        if file.sha256 is None:
            origin = "first use" if noted else f"archive {where}"
            _note(file, part, origin)
        cache.place(part, target)
        discard(part)
        if told:
            self.listener.fetched(file, source)
        return True

    def _reason(self, file: File, text: str) -> None:
        self.reasons.setdefault(file.name, []).append(text)

    def _sentence(self, name: str, file: File) -> str:
        archive = file.archive.file if file.archive and file.archive.file.urls else None
        ways = [f"put it by hand at {cache.path(file)}"]
        if archive:
            ways += [f"put {archive.name} ({_identity(archive)}) beside that place"]
        if not self.official and (file.urls or archive):
            ways.insert(0, f"fetch it: bench data get {name}")
        places = [each.place for each in (file, archive) if each]
        ways += [f"name a folder or address that holds {' or '.join(places)} in {mirror.VARIABLE}"]
        reasons = self.reasons.get(file.name, [])
        reasons += self.reasons.get(file.archive.file.name, []) if file.archive else []
        tried = [r for r in dict.fromkeys(reasons) if not r.endswith(mirror.LACKS)]
        return (
            f"{name} needs the file {file.name} ({_identity(file)}), "
            f"which is not on this machine{''.join(f'; {r}' for r in tried)}. Either "
            f"{', or '.join(ways)} (all its files: bench data where {name})"
        )


def _identity(file: File) -> str:
    """What tells the file from others, in words."""
    words = [f"a {file.note}, no official file"] if file.note else []
    if file.archive and file.archive.file.urls:
        words += [f"{file.archive.member(file)} in {file.archive.file.name}"]
    words += [] if file.size is None else [f"{file.size} bytes"]
    words += [f"{digest.replace('_', ' ')} {value}" for digest, value in file.digests.items()]
    return ", ".join(words if file.pins else [*words, "no digest of it is published"])


def _fetched(url: str, file: File, part: Path, progress: Callable[[int], None]) -> bool:
    return download(url, part, file.most, file.size is not None, progress)


def _copied(
    source: io.BufferedReader, most: int, part: Path, progress: Callable[[int], None]
) -> bool:
    unpack.copy(source, part, most)
    return False
