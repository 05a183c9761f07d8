"""What is known of a file before it is fetched: its bytes, and where they are to be had."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file of a data set, pinned: nothing with other bytes is ever read."""

    folder: str  #: of the data set, in the mirror and in the cache
    name: str  #: the official file name, or that of a repack or sample
    size: int  #: bytes, decompressed where a mirror adds .xz
    sha256: str  #: of the same bytes
    licence: str
    urls: tuple[str, ...] = ()  #: official addresses, in the order in which they are tried
    archive: Archive | None = None  #: a mirror may hold the file in this archive instead
    #: "repack" or "sample": no official file, so to be had from a mirror alone
    note: str | None = None

    @property
    def place(self) -> str:
        """Where a mirror holds it, below its root."""
        return f"{self.folder}/{self.name}"


@dataclass(frozen=True)
class Archive:
    """A tar.xz of a mirror with several files of one folder."""

    file: File
    members: str  #: path of a member in it, with {name} and {stem} of the file
    expanded: int  #: bytes of the whole tar, decompressed: what reading it may cost
    count: int  #: members

    def member(self, file: File) -> str:
        """The path of a file in the archive."""
        return self.members.format(name=file.name, stem=file.name.partition(".")[0])


def official(
    folder: str, bases: tuple[str, ...], licence: str, *files: tuple[str, int, str]
) -> tuple[File, ...]:
    """Files (name, bytes, sha256) that lie beside each other at each of the `bases`."""
    return tuple(
        File(folder, name, size, sha256, licence, tuple(base + name for base in bases))
        for name, size, sha256 in files
    )
