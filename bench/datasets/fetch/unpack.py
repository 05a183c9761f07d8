"""Compressed files and archives, read within bounds known before they are opened.

No archive's own path is ever written to: its members are read as bytes, and only those asked for.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bench.datasets.fetch.cache import CHUNK, written
from bench.datasets.fetch.download import Refused
from bench.datasets.fetch.files import Archive

MEMORY = 256 << 20  #: bytes that the xz decoder may take


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


class Xz(io.RawIOBase):
    """The decompressed bytes of an xz stream, at most `limit` of them. Raises Refused."""

    def __init__(self, source: IO[bytes], limit: int):
        self.source, self.left, self.limit = source, limit, limit
        self.decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = b""
            while not piece and not self.decoder.eof:
                fresh = self.source.read(1 << 16) if self.decoder.needs_input else b""
                if self.decoder.needs_input and not fresh:
                    raise Refused("is an xz file that breaks off")
                piece = self.decoder.decompress(fresh, max_length=len(buffer))
        except lzma.LZMAError as error:
            raise Refused(f"is no xz file that can be read ({error})") from error
        self.left -= len(piece)
        if self.left < 0:
            raise Refused(f"expands to more than {self.limit} bytes")
        buffer[: len(piece)] = piece
        return len(piece)


def members(
    archive: Archive, held: Path, wanted: dict[str, int]
) -> Iterator[tuple[str, IO[bytes]]]:
    """The wanted members of an archive (path -> bytes), each to be read before the next.

    Raises Refused for an archive with more bytes or members than registered, with a member outside
    it, or where a wanted one is no regular file, occurs twice or has another size.
    """
    left = dict(wanted)
    with held.open("rb") as raw:
        stream = io.BufferedReader(Xz(raw, archive.expanded), CHUNK)
        try:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for count, member in enumerate(tar, 1):
                    _check(archive, member, count, wanted)
                    if member.name in wanted:
                        if left.pop(member.name, None) is None:
                            raise Refused(f"has {member.name} twice")
                        source = tar.extractfile(member)
                        assert source is not None
                        yield member.name, source
        except tarfile.TarError as error:
            raise Refused(f"is no tar archive that can be read ({error})") from error
    if left:
        raise Refused(f"lacks {', '.join(left)}")


def _check(archive: Archive, member: tarfile.TarInfo, count: int, wanted: dict[str, int]) -> None:
    if count > archive.count:
        raise Refused(f"has more than {archive.count} members")
    if member.name.startswith(("/", "\\")) or ".." in Path(member.name).parts:
        raise Refused(f"has a member outside itself, '{member.name}'")
    if member.name in wanted:
        if not member.isreg():
            raise Refused(f"has {member.name} as something else than a regular file")
        if member.size != wanted[member.name]:
            raise Refused(f"has {member.name} with {member.size} bytes, not {wanted[member.name]}")
