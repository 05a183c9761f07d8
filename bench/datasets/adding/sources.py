"""Which files a statement names, where they lie, and in which format they are."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.datasets import fetch
from bench.datasets.adding.stated import Stated
from bench.datasets.own.arrays import held
from bench.datasets.own.files import file_name, fingerprint
from bench.datasets.own.schema import KEYED, PARTS, DataFile
from bench.errors import BenchError, MissingError, UsageError

#: ends of names, without .gz -> format
SUFFIXES = {
    **dict.fromkeys((".csv", ".tsv", ".data"), "csv"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), "hdf5"),
    **dict.fromkeys((".npy", ".npz", ".mat"), ""),
    **dict.fromkeys((".idx", "-ubyte", ".ubyte"), "idx"),
    **dict.fromkeys((".txt", ".text", ".md"), "text"),
}
PACKED = ("csv", "npy", "text", "idx")  #: formats that are read gzipped


@dataclass(frozen=True)
class Source:
    """One part's file on this machine, and what the entry says of it."""

    path: Path
    file: DataFile


def sources(
    name: str, stated: Stated, entry: Path, listener: fetch.Listener
) -> tuple[str, dict[str, Source]]:
    """The format, and part -> file; what has an address is downloaded into the cache.

    Raises UsageError for what is not stated or contradicts itself, MissingError for a file that is
    not there, BenchError for one with another sha256 than stated.
    """
    given = {"train": stated.source_file, "valid": stated.valid, "test": stated.test}
    named = {part: place for part in PARTS if (place := given[part])}
    paths = _local(name, list(dict.fromkeys(named.values())), stated, listener)
    formats = {part: stated.format or format_of(paths[place]) for part, place in named.items()}
    if len(set(formats.values())) > 1:
        raise UsageError(
            "the files are of several formats: "
            + ", ".join(f"{part} {format}" for part, format in formats.items())
        )
    format = formats["train"]
    if format in KEYED:
        return format, _keyed(stated, named, paths, format, entry)
    if stated.key:
        raise UsageError(f"--key is for npz, HDF5 and MAT files, and the format here is {format}")
    return format, _named(
        {part: Source(paths[p], _described(p, paths[p], entry)) for part, p in named.items()}
    )


def format_of(path: Path) -> str:
    """The format by the file's name. Raises UsageError where that does not tell."""
    if path.is_dir():
        return "images"
    bare = path.name.lower().removesuffix(".gz")
    for suffix, format in SUFFIXES.items():
        if bare.endswith(suffix):
            found = format or suffix[1:]
            if path.suffix == ".gz" and found not in PACKED:
                raise UsageError(f"{path.name}: {found} is not read gzipped; unpack it first")
            return found
    raise UsageError(
        f"the name {path.name} does not tell its format: state --format "
        "csv|parquet|npy|npz|hdf5|mat|idx|images|text"
    )


def is_address(place: str) -> bool:
    """Whether it is to be downloaded."""
    return bool(re.match("https?://", place))


def _local(
    name: str, places: Sequence[str], stated: Stated, listener: fetch.Listener
) -> dict[str, Path]:
    """Path or address -> path on this machine, of the stated sha256 where there is one."""
    if stated.sha256 and len(stated.sha256) != len(places):
        raise UsageError(
            f"--sha256: expected {len(places)}, one for each of {', '.join(places)}, between commas"
        )
    sha256 = dict(zip(places, stated.sha256, strict=False))
    for each in stated.sha256:
        if not re.fullmatch("[0-9a-f]{64}", each):
            raise UsageError(f"--sha256: '{each}' is no sha256 in lower-case hex digits")
    urls = [p for p in places if is_address(p)]
    found: dict[str, Path] = {}
    if urls:
        fetch.SETS[name] = tuple(_fetched(name, url, urls, sha256.get(url), stated) for url in urls)
        found = dict(zip(urls, fetch.obtain(name, official=True, listener=listener), strict=True))
    for place in places:
        if place in found:
            continue
        path = Path(os.path.abspath(Path(place).expanduser()))
        if not path.exists():
            raise MissingError(f"there is no file or folder {place}. Correct the path")
        found[place] = path
        if (digest := sha256.get(place)) and (got := fingerprint(path)[1]) != digest:
            raise BenchError(f"{place} has sha256 {got}, not {digest}, as --sha256 says")
    return found


def _fetched(
    name: str, url: str, urls: list[str], sha256: str | None, stated: Stated
) -> fetch.File:
    licence = stated.licence or "none stated"
    return fetch.File(
        name, file_name(url, urls), None, sha256, licence, (url,), first_use=sha256 is None
    )


def _described(place: str, path: Path, entry: Path) -> DataFile:
    size, sha256 = fingerprint(path)
    if is_address(place):
        return DataFile(url=place, bytes=size, sha256=sha256)
    # as the entry sees it where both are in one clone or plugin folder, so that they move together
    base = entry.parent.parent if entry.parent.name == "datasets" else entry.parent
    near = path.is_relative_to(base)
    stored = Path(os.path.relpath(path, entry.parent)) if near else path
    return DataFile(path=stored.as_posix(), bytes=size, sha256=sha256)


def _keyed(
    stated: Stated, named: dict[str, str], paths: dict[str, Path], format: str, entry: Path
) -> dict[str, Source]:
    """One array of each file, or several of the only one: train, (validation,) test."""
    keys = stated.key or (_only_key(paths[named["train"]], format),)
    places = list(named.items())
    if len(places) == 1 and len(keys) in (2, 3):
        parts = PARTS if len(keys) == 3 else ("train", "test")
        places = [(part, named["train"]) for part in parts]
    context, labels = (
        _each("context", stated.context, places),
        _each("labels", stated.labels, places),
    )
    found = {}
    for (part, place), key, c, y in zip(
        places, _each("key", keys, places), context, labels, strict=True
    ):
        described = _described(place, paths[place], entry)
        stated_keys = {"key": key, "context": c, "labels": y}
        found[part] = Source(paths[place], described.model_copy(update=stated_keys))
    return _named(found)


def _each(
    option: str, keys: Sequence[str], places: Sequence[tuple[str, str]]
) -> Sequence[str | None]:
    """One key for each part, or one for all."""
    if len(keys) in (0, 1):
        return [keys[0] if keys else None] * len(places)
    if len(keys) != len(places):
        parts = ", ".join(part for part, _ in places)
        raise UsageError(f"--{option} {','.join(keys)}: expected one, or one each for {parts}")
    return keys


def _only_key(path: Path, format: str) -> str:
    """The key of the array, where the file has one. Raises UsageError, listing them, else."""
    arrays = held(path, format)
    if not arrays:
        raise UsageError(f"{path.name} holds no array of numbers")
    if len(arrays) > 1:
        raise UsageError(
            f"{path.name} holds {'; '.join(map(str, arrays))}: state --key NAME, or "
            "--key TRAIN,TEST or --key TRAIN,VALID,TEST"
        )
    return arrays[0].key


def _named(found: dict[str, Source]) -> dict[str, Source]:
    """A file that all parts come from is called so."""
    return {"all": found["train"]} if len(found) == 1 else found
