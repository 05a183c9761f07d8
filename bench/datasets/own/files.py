"""Where the files of an entry lie, and whether their bytes are the pinned ones.

A local file stays where it is and is never written to. One at an address is a file of
`bench.datasets.fetch`, kept in its cache. A folder of images has the sha256 of what
`sha256sum` prints of them, in the order of their names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bench.datasets import fetch
from bench.datasets.fetch import cache
from bench.datasets.own.entries import parse, place
from bench.datasets.own.schema import OwnEntry
from bench.declared import DatasetEntry, shown
from bench.errors import BenchError
from bench.registry import ENTRY

NONE = "none stated"
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".webp")


def images(folder: Path) -> list[Path]:
    """The images at or below a folder, hidden ones left out, sorted by their path in it."""
    found = [
        f
        for f in folder.rglob("*")
        if f.suffix.lower() in IMAGES
        and not any(part.startswith(".") for part in f.relative_to(folder).parts)
    ]
    return sorted(found, key=lambda f: f.relative_to(folder).as_posix())


def fingerprint(path: Path) -> tuple[int, str]:
    """Bytes and sha256 (hex) of a file, or of the images of a folder. Raises OSError."""
    if not path.is_dir():
        return path.stat().st_size, cache.digests(path, ["sha256"])["sha256"]
    whole, size = hashlib.sha256(), 0
    for file in images(path):
        size += file.stat().st_size
        name = file.relative_to(path).as_posix()
        whole.update(f"{cache.digests(file, ['sha256'])['sha256']}  {name}\n".encode())
    return size, whole.hexdigest()


def held(entry: DatasetEntry, own: OwnEntry) -> dict[str, Path]:
    """Part -> its file on this machine, every byte as pinned.

    Raises MissingError for a file that is not there (local ones: bench.registry.check_requires),
    BenchError for one with other bytes.
    """
    for file, path in local(entry, own):
        if (wrong := state(file, path)) != "ok":
            raise BenchError(
                f"{shown(path)} changed since {shown(entry.file)} was written: {wrong}. Put the "
                "old bytes back, or describe the new ones: the command in the entry's first line, "
                "with --force"
            )
    addressed = register(entry.name, own)
    fetched = dict(zip(addressed, fetch.local(entry.name) if addressed else [], strict=True))
    return {
        part: fetched[f.url] if f.url else place(entry.file, str(f.path))
        for part, f in own.files.items()
    }


def register(name: str, own: OwnEntry) -> tuple[str, ...]:
    """Enter the files at addresses among those that `bench.datasets.fetch` knows; the addresses."""
    pinned = {f.url: (f.bytes, f.sha256) for f in own.files.values() if f.url}
    licence = own.licence or NONE
    if pinned:
        fetch.SETS[name] = tuple(
            fetch.File(name, file_name(url, list(pinned)), *held, licence, (url,))
            for url, held in pinned.items()
        )
    return tuple(pinned)


def file_name(url: str, all_of_them: list[str]) -> str:
    """What the file at an address is called in the cache: by its own name where no other has it."""
    names = [unquote(urlsplit(u).path).rpartition("/")[2] or "data" for u in all_of_them]
    index = all_of_them.index(url)
    return f"{index}-{names[index]}" if names.count(names[index]) > 1 else names[index]


def local(entry: DatasetEntry, own: OwnEntry) -> list[tuple[fetch.File, Path]]:
    """The files, or folders, of an entry that have a path, each with where it lies."""
    return [
        (
            fetch.File(entry.name, path.name, file.bytes, file.sha256, own.licence or NONE),
            path,
        )
        for file in dict.fromkeys(f for f in own.files.values() if f.path)
        for path in [place(entry.file, str(file.path))]
    ]


def state(file: fetch.File, path: Path) -> str:
    """ok, missing, or why it is damaged."""
    try:
        if not path.is_dir():
            return cache.wrong(file, path) or "ok"
        size, sha256 = fingerprint(path)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    if sha256 == file.sha256:
        return "ok"
    return f"its images have {size} bytes and sha256 {sha256}, not {file.size} and {file.sha256}"


def entries(datasets: Iterable[DatasetEntry]) -> dict[str, list[tuple[fetch.File, Path]]]:
    """Of each data set that an entry describes, its local files; those at addresses are entered."""
    found = {}
    for entry in datasets:
        if entry.file.suffix == ENTRY:
            own = parse(entry.file)
            register(entry.name, own)
            found[entry.name] = local(entry, own)
    return found
