"""Compressed files and archives, read within bounds known before they are opened.

No archive's own path is ever written to: its members are read as bytes, and only those asked for.
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from bench.datasets.fetch.cache import CHUNK, written
from bench.datasets.fetch.download import Refused
from bench.datasets.fetch.files import Archive

MEMORY = 256 << 20  #: bytes that the xz decoder may take
ENCRYPTED = 1
PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  #: what is read in pieces of bounded size
FAILURES = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)


T = TypeVar("T")
Found = Generator[T, None, None]  #: to be closed, with the archive


def copy(source: IO[bytes] | io.RawIOBase, target: Path, limit: int) -> None:
    """Copy at most `limit` bytes in pieces; what is incomplete is removed.

    Raises Refused where there are more, BenchError on a full disk.
    """
    done = 0
    try:
        with written(target):
            out = target.open("wb", buffering=0)
        with out:
            while piece := source.read(CHUNK):
                done += len(piece)
                if done > limit:
                    raise Refused(f"has more than {limit} bytes")
                with written(target):
                    out.write(piece)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


class Bounded(io.RawIOBase):
    """The bytes of a stream, at most `limit` of them. Raises Refused, also where it fails."""

    form = "an archive"  #: what it is taken for

    def __init__(self, source: IO[bytes], limit: int):
        self.source, self.left, self.limit = source, limit, limit

    def readable(self) -> bool:
        return True

    def piece(self, most: int) -> bytes:
        """At most so many bytes; empty at the end."""
        return self.source.read(most)

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self.piece(len(buffer))
        except EOFError as error:
            raise Refused(f"is {self.form} that breaks off") from error
        except (lzma.LZMAError, *FAILURES) as error:
            raise Refused(
                f"is no {self.form.partition(' ')[2]} that can be read ({error})"
            ) from error
        self.left -= len(piece)
        if self.left < 0:
            raise Refused(f"expands to more than {self.limit} bytes")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self.source.close()
        super().close()


class Gz(Bounded):
    """The decompressed bytes of a gzip file."""

    form = "a gzip file"

    def __init__(self, source: IO[bytes], limit: int):
        super().__init__(gzip.GzipFile(fileobj=source), limit)  # type: ignore[arg-type]


class Xz(Bounded):
    """The decompressed bytes of an xz stream."""

    form = "an xz file"

    def __init__(self, source: IO[bytes], limit: int):
        super().__init__(source, limit)
        self.decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)

    def piece(self, most: int) -> bytes:
        piece = b""
        while not piece and not self.decoder.eof:
            fresh = self.source.read(1 << 16) if self.decoder.needs_input else b""
            if self.decoder.needs_input and not fresh:
                raise EOFError
            piece = self.decoder.decompress(fresh, max_length=most)
        return piece


@dataclass(frozen=True)
class Member:
    """One member of an archive, to be read before the next."""

    name: str
    size: int
    regular: bool  #: a file; no link, directory or device
    open: Callable[[], IO[bytes] | None]

    def read(self) -> io.BufferedReader:
        """Its bytes, no more than stated. Raises Refused where it fails."""
        source = self.open()
        assert source is not None
        return io.BufferedReader(Bounded(source, self.size), min(CHUNK, self.size + 1))


STREAMS = {".tar": Bounded, ".tar.gz": Gz, ".tgz": Gz, ".tar.xz": Xz}


def walk(held: Path, name: str, expanded: int, count: int) -> Found[Member]:
    """The members of the archive `held`, which is a .tar, .tar.gz, .tgz, .tar.xz or .zip by `name`.

    Raises Refused for one that cannot be read, or has more than `expanded` bytes or `count`
    members, or a member outside itself.
    """
    form = next((form for form in (".zip", *STREAMS) if name.endswith(form)), None)
    if form is None:
        raise Refused(f"is no archive of a known sort: {', '.join((*STREAMS, '.zip'))}")
    found = _zip(held, expanded) if form == ".zip" else _tar(held, STREAMS[form], expanded)
    try:
        with closing(found):
            for number, member in enumerate(found, 1):
                if number > count:
                    raise Refused(f"has more than {count} members")
                if member.name.startswith(("/", "\\")) or ".." in Path(member.name).parts:
                    raise Refused(f"has a member outside itself, '{member.name}'")
                yield member
    except FAILURES as error:
        raise Refused(f"is no {form[1:4]} archive that can be read ({error})") from error


def members(
    archive: Archive, held: Path, wanted: dict[str, int | None]
) -> Found[tuple[str, io.BufferedReader]]:
    """The wanted members of an archive (path -> bytes or None), each to be read before the next.

    Raises Refused where `walk` does, or where a wanted member is no regular file, occurs twice, is
    lacking or has another size.
    """
    left = dict(wanted)
    with closing(walk(held, archive.file.name, archive.expanded, archive.count)) as found:
        for member in found:
            name = member.name.removeprefix("./")
            if name not in wanted:
                continue
            if name not in left:
                raise Refused(f"has {name} twice")
            if not member.regular:
                raise Refused(f"has {name} as something else than a regular file")
            size = left.pop(name)
            if size is not None and member.size != size:
                raise Refused(f"has {name} with {member.size} bytes, not {size}")
            with member.read() as source:
                yield name, source
    if left:
        raise Refused(f"lacks {', '.join(left)}")


def _tar(held: Path, stream: type[Bounded], expanded: int) -> Found[Member]:
    with held.open("rb") as raw:
        source = io.BufferedReader(stream(raw, expanded), CHUNK)
        with source, tarfile.open(fileobj=source, mode="r|") as tar:
            while (info := tar.next()) is not None:
                yield Member(info.name, info.size, info.isreg(), partial(tar.extractfile, info))
                tar.members.clear()  # type: ignore[attr-defined]  # else a million stay


def _zip(held: Path, expanded: int) -> Found[Member]:
    with zipfile.ZipFile(held) as packed:
        infos = packed.infolist()
        if sum(info.file_size for info in infos) > expanded:
            raise Refused(f"expands to more than {expanded} bytes")
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            regular = not info.is_dir() and kind in (0, stat.S_IFREG)
            readable = info.compress_type in PLAIN and not info.flag_bits & ENCRYPTED
            yield Member(
                info.filename, info.file_size, regular and readable, partial(packed.open, info)
            )
