"""`bench data add`: an entry for a data set of one's own file."""

from __future__ import annotations

import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import paths, registry
from bench.cli import output
from bench.errors import MissingError, UsageError


class Kind(StrEnum):
    """Kinds of data (bench.contract.KINDS)."""

    continuous = "continuous"
    discrete = "discrete"
    binary = "binary"
    sequence = "sequence"


class End(StrEnum):
    """Which axis of an array."""

    first = "first"
    last = "last"


class Missing(StrEnum):
    """What becomes of missing values."""

    rows = "drop-rows"
    columns = "drop-columns"
    error = "error"


Text = Annotated[str | None, typer.Option(metavar="TEXT")]


def add_command(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    path: Annotated[str, typer.Argument(metavar="PATH|URL", help="A file, or a folder of images.")],
    kind: Annotated[Kind | None, typer.Option(help="Default: by the values.")] = None,
    levels: Annotated[
        int | None, typer.Option(min=2, metavar="K", help="Values are 0..K-1.")
    ] = None,
    reduce_from: Annotated[
        int | None,
        typer.Option(min=2, metavar="F", help="The file has F levels; k becomes k * K // F."),
    ] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="H,W,C", help="Of a point, as the file has it.")
    ] = None,
    channels: Annotated[
        End | None, typer.Option(help="The channels' axis of a point of three.")
    ] = None,
    rows: Annotated[End | None, typer.Option(help="The axis that points lie along.")] = None,
    window: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="A point is N characters, or rows.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="K", help="Array of an npz, HDF5 or MAT file; or TRAIN,TEST."),
    ] = None,
    columns: Annotated[str | None, typer.Option(metavar="A,B", help="Of a table.")] = None,
    drop: Annotated[str | None, typer.Option(metavar="A,B", help="Columns left out.")] = None,
    context: Annotated[
        str | None, typer.Option(metavar="A,B", help="Columns, or keys, that points are given.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="A", help="Column or key of classes; of images: folder.")
    ] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Of a CSV file.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="C", help="comma, semicolon, tab, bar, space.")
    ] = None,
    mark: Annotated[
        str | None, typer.Option(metavar="A,B", help="What stands for a missing value.")
    ] = None,
    missing: Annotated[Missing | None, typer.Option(help="Default: error.")] = None,
    split: Annotated[
        str | None, typer.Option(metavar="RULE", help="random:SEED, order, stride or files.")
    ] = None,
    fractions: Annotated[
        str | None, typer.Option(metavar=".8,.1,.1", help="Train, validation, test.")
    ] = None,
    test: Annotated[str | None, typer.Option(metavar="PATH|URL")] = None,
    valid: Annotated[str | None, typer.Option(metavar="PATH|URL")] = None,
    format: Annotated[
        str | None, typer.Option(metavar="F", help="Default: by the file's name.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Of each file, between commas.")
    ] = None,
    source: Text = None,
    licence: Text = None,
    citation: Text = None,
    into: Annotated[
        Path | None,
        typer.Option(help="Folder. Default: datasets/ of the clone, or of BENCH_PLUGINS."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the entry.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the entry only.")] = False,
    json: output.Json = False,
) -> None:
    """Describe a file of your own as a data set: writes `datasets/NAME.toml`.

    Looks at the file, shows what was found, and asks, in one sentence, for what it does not tell.
    The file stays where it is; one at an address is downloaded into the cache.
    """
    entry = _entry_file(name, into)
    _refuse_taken(name, entry, force or dry_run)
    from bench.cli.data_files import _Listener
    from bench.datasets.adding.card import card
    from bench.datasets.adding.propose import propose
    from bench.datasets.adding.stated import Stated
    from bench.datasets.own.entries import written

    stated = Stated(
        source_file=path,
        test=test,
        valid=valid,
        format=_format(format),
        kind=kind and kind.value,
        levels=levels,
        reduce_from=reduce_from,
        shape=tuple(_numbers("shape", shape, int)),
        channels=channels and channels.value,
        rows=rows and rows.value,
        window=window,
        key=_listed(key),
        columns=_listed(columns),
        drop=_listed(drop),
        context=_listed(context),
        labels=_listed(labels),
        header=header,
        delimiter=delimiter,
        mark=_listed(mark),
        missing=missing and missing.value,
        split=split,
        fractions=tuple(_numbers("fractions", fractions, float)),
        sha256=_listed(sha256),
        source=source,
        licence=licence,
        citation=citation,
    )
    listener = _Listener(live=sys.stderr.isatty() and not json)
    try:
        proposal = propose(name, stated, entry, listener)
    finally:
        listener.clear()
    facts = card(name, proposal, entry)
    text = written(proposal.own, stated.command(name))
    if not dry_run:
        from bench.atomic import write_text

        write_text(entry, text)
    _show(facts, entry, text if dry_run else None, json)
    if not dry_run:
        _next(name, entry)


def _show(facts: dict[str, Any], entry: Path, text: str | None, json: bool) -> None:
    if json:
        shown = {"entry": registry.shown(entry), "written": text is None}
        output.emit([shown | facts], as_json=True)
        return
    for key, value in facts.items():
        print(f"{key:<16}{output.whole(value)}")
    if text is not None:
        print(f"\n{text}", end="")


def _next(name: str, entry: Path) -> None:
    output.note(f"written: {registry.shown(entry)}")
    planned, suite = False, "SUITE"
    if (root := paths.find_root()) is not None:
        from bench.settings import read_params

        params = read_params(root / "params.yaml")
        suite = params.suite
        planned = name in params.suites[suite].datasets
    where = f"write `{name}: {{}}` below suites.{suite}.datasets in params.yaml; then: "
    output.note(
        f"next: {'' if planned else where}bench run -d {name}. Leaks and ties: bench data show "
        f"{name}"
    )
    if entry not in set(registry.plugin_files()):
        output.note(f"it is found once its folder is named: export BENCH_PLUGINS={entry.parent}")


def _entry_file(name: str, into: Path | None) -> Path:
    if not re.fullmatch(registry.NAME, name):
        raise UsageError(
            f"'{name}' is no data set's name: lower-case letters, digits and single hyphens, such "
            "as 'my-points'"
        )
    if into is not None and not into.is_dir():
        raise MissingError(f"{into} is no folder. Make it first: mkdir -p {into}")
    folder = into
    if folder is None and (root := paths.find_root()) is not None:
        folder = root / "datasets"
    if folder is None and (first := os.environ.get("BENCH_PLUGINS", "").split(os.pathsep)[0]):
        folder = Path(first)
    if folder is None:
        raise MissingError(
            "there is no clone here and BENCH_PLUGINS is not set. Change into the clone, or name a "
            "folder: --into FOLDER"
        )
    return folder.resolve() / f"{name}.toml"


def _refuse_taken(name: str, entry: Path, allowed: bool) -> None:
    found = registry.discover().datasets
    if name in found and found[name].file != entry:
        raise UsageError(
            f"data set '{name}' exists: {registry.shown(found[name].file)}. Choose another name"
        )
    if entry.exists() and not allowed:
        raise UsageError(f"{registry.shown(entry)} exists. Replace it: --force")


def _format(format: str | None) -> str | None:
    from bench.datasets.own.schema import READ

    if format is not None and format not in READ:
        raise UsageError(f"--format {format}: expected one of {', '.join(READ)}")
    return format


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()


def _numbers(option: str, text: str | None, kind: type) -> list[Any]:
    try:
        return [kind(part) for part in _listed(text)]
    except ValueError as error:
        raise UsageError(
            f"--{option} {text}: expected numbers between commas, such as "
            f"{'28,28,1' if kind is int else '.8,.1,.1'}"
        ) from error
