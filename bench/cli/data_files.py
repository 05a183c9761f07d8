"""`bench data get|verify|where`: the files of data sets that do not come with a package."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import output
from bench.errors import BenchError, MissingError

if TYPE_CHECKING:
    from bench.datasets.fetch import File

FRAME, HEARTBEAT = 0.2, 30.0  #: seconds between live lines on a terminal, and between plain ones


def fetched_names() -> list[str]:
    """For completion: the data sets that are read from fetched files."""
    from bench.datasets.fetch import SETS

    return sorted(SETS)


Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=fetched_names)]
Fetched = Annotated[list[str], typer.Argument(metavar="NAME...", autocompletion=fetched_names)]
Maybe = Annotated[str | None, typer.Argument(metavar="[NAME]", autocompletion=fetched_names)]


def get_command(names: Fetched, json: output.Json = False) -> None:
    """Fetch the files of data sets; NAME may be a glob such as 'debd-*'.

    Looks in the cache (BENCH_DATA), then in BENCH_DATA_MIRROR, then at the official addresses; size
    and sha256 are pinned. What broke off is continued.
    """
    from bench.datasets import fetch

    rows, errors = [], []
    for name in _expanded(names):
        if name not in fetch.SETS:
            output.note(f"{name} is read where its file lies: bench data where {name}")
            continue
        listener = _Listener(live=sys.stderr.isatty() and not json)
        try:
            paths = fetch.obtain(name, official=True, listener=listener)
        except MissingError as error:
            errors.append(error)
            continue
        finally:
            listener.clear()
        rows += [
            {"dataset": name, "file": file.name, "source": listener.sources.get(file.name, "cache")}
            | {"bytes": path.stat().st_size, "path": path}
            for file, path in zip(fetch.SETS[name], paths, strict=True)
        ]
    output.emit(rows, json)
    for earlier in errors[:-1]:
        output.error(str(earlier), earlier.exit_code, json)
    if errors:
        raise errors[-1]


def verify_command(name: Maybe = None, json: output.Json = False) -> None:
    """Compare files with their pinned size and sha256; by default all that are on this machine.

    Changes nothing. Ends with 1 where a file is damaged, 3 where one of NAME is missing.
    """
    from bench.datasets import fetch
    from bench.datasets.own import files as own

    rows: list[dict[str, Any]] = []
    for each in _expanded(["*" if name is None else name]):
        for file, path in _files(each):
            state = own.state(file, path)
            if state == "missing" and name is None:
                continue
            damage = None if state in ("ok", "missing") else state
            rows.append(
                {"dataset": each, "file": file.name, "status": "damaged" if damage else state}
                | {"pinned_by": fetch.pinned_by(file), "path": path, "reason": damage}
            )
    output.emit(rows, json)
    if not rows:
        output.note("no file to verify: none is on this machine, or none is needed")
    if bad := [r for r in rows if r["status"] == "damaged"]:
        sets = " ".join(dict.fromkeys(r["dataset"] for r in bad))
        raise BenchError(
            f"{len(bad)} damaged: {', '.join(r['file'] for r in bad)}. Fetch again: bench data get "
            f"{sets}; a file of your own: bench data add --force"
        )
    if absent := [r["file"] for r in rows if r["status"] == "missing"]:
        raise MissingError(
            f"not on this machine: {', '.join(absent)}. Fetch: bench data get {name}, or see: "
            f"bench data where {name}"
        )


def where_command(name: Name, json: output.Json = False, wide: output.Wide = False) -> None:
    """Say where the files of a data set lie, or belong when put there by hand."""
    from bench.datasets import fetch

    rows = [
        {"file": file.name, "path": path, "present": path.exists()}
        | {"bytes": file.size, "sha256": file.sha256, "md5": file.md5, "git_blob": file.git_blob}
        | {"pinned_by": fetch.pinned_by(file), "mirror": file.place}
        | {"archive": file.archive.file.place if file.archive else None}
        | {"licence": file.licence, "note": file.note}
        for each in _expanded([name])
        for file, path in _files(each)
    ]
    output.emit(rows, json, wide)


def _expanded(names: list[str]) -> list[str]:
    """Data sets with files, globs expanded. Raises UsageError for a name nobody has."""
    from bench.datasets.fetch import SETS
    from bench.registry import discover

    found: list[str] = []
    own = _own()  # enters those at addresses
    for name in names:
        some = [n for n in dict.fromkeys([*SETS, *own]) if fnmatchcase(n, name)]
        if not some:
            discover().dataset(name)  # a misspelt name ends here
            output.note(f"{name} needs no file: it is generated, or comes with a package")
        found += some
    return list(dict.fromkeys(found))


def _own() -> dict[str, list[tuple[File, Path]]]:
    """Of each data set that an entry describes, its local files."""
    from bench.datasets.own import files
    from bench.registry import discover

    return files.entries(discover().datasets.values())


def _files(name: str) -> Iterator[tuple[File, Path]]:
    """The files of a data set, and where they lie: fetched ones, then a user's own."""
    from bench.datasets import fetch

    yield from ((file, fetch.path(file)) for file in fetch.SETS.get(name, ()))
    yield from _own().get(name, [])


class _Listener:
    """One live line on a terminal, plain lines elsewhere; remembers where each file came from."""

    def __init__(self, live: bool):
        self.live = live
        self.sources: dict[str, str] = {}
        self.drawn = self.spoken = monotonic()

    def progress(self, file: File, done: int) -> None:
        now = monotonic()
        line = f"{file.place}  {done / 1e6:.1f} MB"
        if file.size:
            share, whole = 100 * done // file.size, f"{file.size / 1e6:.1f} MB"
            line = f"{file.place}  {share}%  {done / 1e6:.1f} of {whole}"
        if self.live and now - self.drawn >= FRAME:
            columns = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[2K{line[:columns]}")
            sys.stderr.flush()
            self.drawn = now
        elif not self.live and now - self.spoken >= HEARTBEAT:
            output.note(line)
            self.spoken = now

    def fetched(self, file: File, source: str) -> None:
        from bench.datasets import fetch

        self.clear()
        self.sources[file.name] = source
        size = file.size or fetch.path(file).stat().st_size
        output.note(f"{file.place}  {size / 1e6:.1f} MB  from {source}")

    def damaged(self, text: str) -> None:
        self.clear()
        output.note(text)

    def clear(self) -> None:
        """Take the live line away."""
        if self.live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
