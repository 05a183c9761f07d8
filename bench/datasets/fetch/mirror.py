"""A folder or an address that has the files of several data sets: <mirror>/<data set>/<file>."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from bench.datasets.fetch.download import Refused, discard, download
from bench.datasets.fetch.files import File
from bench.datasets.fetch.unpack import Xz, copy
from bench.errors import MissingError

VARIABLE = "BENCH_DATA_MIRROR"
LACKS = "does not have it"
SLACK = 1 << 16  #: bytes by which a file that does not compress may grow as .xz


def named() -> str | None:
    """What BENCH_DATA_MIRROR names: a folder that is there, or an http address.

    Raises MissingError for anything else.
    """
    mirror = os.environ.get(VARIABLE)
    if not mirror or mirror.startswith(("https://", "http://")):
        return mirror or None
    if not Path(mirror).expanduser().is_dir():
        raise MissingError(
            f"{VARIABLE} names '{mirror}', which is neither a folder nor an http address. Correct "
            "or unset the variable"
        )
    return mirror


def stage(
    mirror: str, file: File, suffix: str, part: Path, progress: Callable[[int], None]
) -> bool:
    """Put the mirror's copy to `part`, decompressed where `suffix` is .xz; True where resumed.

    Raises Refused where the mirror lacks it, or has more bytes than pinned.
    """
    if not mirror.startswith(("https://", "http://")):
        _unpack(Path(mirror).expanduser() / (file.place + suffix), suffix, part, file.most)
        return False
    url = f"{mirror.rstrip('/')}/{quote(file.place + suffix)}"
    if not suffix:
        return download(url, part, file.most, file.size is not None, progress)
    packed = part.with_name(f"{part.name}{suffix}")
    resumed = download(url, packed, file.most + SLACK, False, progress)
    try:
        _unpack(packed, suffix, part, file.most)
    finally:
        discard(packed)
    return resumed


def _unpack(held: Path, suffix: str, part: Path, size: int) -> None:
    try:
        source = held.open("rb")
    except FileNotFoundError as error:
        raise Refused(LACKS) from error
    except OSError as error:
        raise Refused(error.strerror or str(error)) from error
    with source:
        copy(Xz(source, size) if suffix else source, part, size)
