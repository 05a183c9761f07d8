"""What is known of a file before it is fetched: its bytes, and where they are to be had.

A file is pinned by what is published of it: `sha256`, `md5` and `git_blob` may each be None, and so
may `size` where nobody states it. `File` raises ValueError where nothing pins it. These do:

- a digest of its own: all that are given are compared, in one pass;
- `archive`, an official archive whose own file is pinned: the bytes are then the archive's, and the
  sha256 is noted beside the file when it is unpacked;
- `first_use=True`, where nobody publishes a digest: the bytes that are used first are noted, and
  others refused from then on.

The note is `<name>.sha256` beside the file, as `sha256sum --check` reads it; every file without a
registered sha256 gets one. For example:

    File("svhn", "test_32x32.mat", 64275384, "cdce...", "non-commercial", urls=("https://...",))
    File("toy", "toy.npy", None, None, "none stated", urls=("https://...",), md5="0123...")

Several files of one official archive: names here, which are those in the cache and in a mirror too,
then paths in the archive, with the size where it is known:

    MAF = Archive(
        File("maf", "data.tar.gz", None, None, "UCI", urls=("https://...",), md5="9b9c..."),
        expanded=8 << 30,  # bytes of all that is in it, or a bound on them
        count=1000,  # members, or a bound on them
    )
    SETS = {
        "power": members_of(MAF, {"power.npy": "data/power/data.npy"}),
        "hepmass": members_of(
            MAF,
            {
                "hepmass-train.csv": "data/hepmass/1000_train.csv",
                "hepmass-test.csv": ("data/hepmass/1000_test.csv", 123456789),
            },
        ),
    }  # local("hepmass") gives the two paths, in this order

An archive is a .tar, .tar.gz, .tgz, .tar.xz or .zip by its name. It is in the folder of its files,
in the cache and in a mirror; a mirror may have it or the files themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MOST = 64 << 30  #: bytes that a file of unknown size may have
DIGESTS = {"sha256": 64, "md5": 32, "git_blob": 40}  #: what may pin a file: its hex digits


@dataclass(frozen=True)
class File:
    """One file of a data set, pinned: nothing with other bytes is ever read."""

    folder: str  #: of the data set, in the mirror and in the cache
    name: str  #: the official file name, or that of a repack or sample
    size: int | None  #: bytes, decompressed where a mirror adds .xz
    sha256: str | None  #: of the same bytes
    licence: str
    urls: tuple[str, ...] = ()  #: official addresses, in the order in which they are tried
    archive: Archive | None = None  #: has the file too: an official one, or one of a mirror
    #: "repack" or "sample": no official file, so to be had from a mirror alone
    note: str | None = None
    md5: str | None = None
    git_blob: str | None = None  #: sha1 of b"blob <size>\0" and the bytes, as git names them
    member: str | None = None  #: path in the archive, where that does not follow its rule
    first_use: bool = False  #: nobody publishes a digest

    def __post_init__(self) -> None:
        for name, value in self.digests.items():
            if not re.fullmatch(f"[0-9a-f]{{{DIGESTS[name]}}}", value):
                raise ValueError(f"{self.place}: '{value}' is no {name} in lower-case hex digits")
        if not (self.pins or self.first_use):
            raise ValueError(
                f"{self.place} is pinned by nothing: give sha256, md5 or git_blob, an archive "
                "whose own file is pinned, or first_use=True where nobody publishes a digest"
            )

    @property
    def place(self) -> str:
        """Where a mirror holds it, below its root."""
        return f"{self.folder}/{self.name}"

    @property
    def digests(self) -> dict[str, str]:
        """The published digests of its bytes, by their names."""
        given = {name: getattr(self, name) for name in DIGESTS}
        return {name: value for name, value in given.items() if value}

    @property
    def pins(self) -> tuple[str, ...]:
        """What pins it: names of digests, else "archive"; empty where that is its first use."""
        if own := tuple(self.digests):
            return own
        return ("archive",) if self.archive and self.archive.file.pins else ()

    @property
    def most(self) -> int:
        """Bytes that it may have."""
        return MOST if self.size is None else self.size


@dataclass(frozen=True)
class Archive:
    """Several files of one folder in a .tar, .tar.gz, .tgz, .tar.xz or .zip."""

    file: File
    members: str = "{name}"  #: path of a member in it, with {name} and {stem} of the file
    expanded: int = MOST  #: bytes of all that is in it: what reading it may cost
    count: int = 100_000  #: members

    def member(self, file: File) -> str:
        """The path of a file in the archive."""
        stem = file.name.partition(".")[0]
        return file.member or self.members.format(name=file.name, stem=stem)


def official(
    folder: str, bases: tuple[str, ...], licence: str, *files: tuple[str, int, str]
) -> tuple[File, ...]:
    """Files (name, bytes, sha256) that lie beside each other at each of the `bases`."""
    return tuple(
        File(folder, name, size, sha256, licence, tuple(base + name for base in bases))
        for name, size, sha256 in files
    )


def members_of(archive: Archive, members: Mapping[str, str | tuple[str, int]]) -> tuple[File, ...]:
    """Files of one archive: name -> path in it, or (path, bytes), with the archive's licence."""
    folder, licence = archive.file.folder, archive.file.licence
    files = []
    for name, where in members.items():
        path, size = (where, None) if isinstance(where, str) else where
        made = File(
            folder,
            name,
            size,
            None,
            licence,
            archive=archive,
            member=path,
            first_use=not archive.file.pins,
        )
        files.append(made)
    return tuple(files)
