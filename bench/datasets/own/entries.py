"""Entry files: read into what the registry lists, and written by `bench data add`."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.datasets.own.schema import DataFile, OwnEntry, Read, Split
from bench.declared import NAME, DatasetEntry, shown
from bench.errors import PluginError, did_you_mean

FOLDER = "datasets"  #: of entries, in a clone
PAGE = "docs/adding-a-data-set.md"
TABLES: dict[str, type[BaseModel]] = {"files": DataFile, "read": Read, "split": Split}


def read(file: Path) -> Iterator[DatasetEntry]:
    """The data set of one file; none of a .toml elsewhere that is something else.

    Raises PluginError, in one sentence, for an entry with anything wrong.
    """
    held = _toml(file)
    if file.parent.name != FOLDER and "files" not in held:
        return
    own = _validated(file, held)
    if not re.fullmatch(NAME, file.stem):
        raise PluginError(
            f"{shown(file)}: an entry is called like its data set, in lower-case letters, digits "
            "and single hyphens. Rename the file"
        )
    yield DatasetEntry(
        name=file.stem,
        file=file,
        function="",
        kind=own.kind,
        shape=tuple(own.shape),
        levels=own.levels,
        context_dim=own.context_dim,
        classes=len(own.read.classes or ()),
        source=own.source,
        licence=own.licence,
        citation=own.citation,
        space=own.space,
        split=in_words(own.split),
        faults=tuple(own.faults),
        about=f"Read from {', '.join(dict.fromkeys(f.path or f.url or '' for f in _files(own)))}.",
        data=tuple(dict.fromkeys(place(file, f.path) for f in _files(own) if f.path)),
    )


def parse(file: Path) -> OwnEntry:
    """What an entry file states. Raises PluginError, in one sentence, for anything wrong."""
    return _validated(file, _toml(file))


def place(file: Path, path: str) -> Path:
    """Where the path that an entry states lies; links are not resolved."""
    return Path(os.path.abspath(file.parent / Path(path).expanduser()))


def in_words(split: Split) -> str:
    """The rule of the splits, for a card."""
    shares = "/".join(f"{f:g}" for f in split.fractions)
    rules = {
        "random": f"at random with seed {split.seed}, {shares}",
        "order": f"in the file's order, {shares}",
        "stride": f"spread evenly over the file, {shares}",
        "files": "a file or key each",
    }
    return rules[split.rule]


def written(own: OwnEntry, command: str) -> str:
    """The text of an entry file; `command` made it."""
    held = {k: v for k, v in own.model_dump(exclude_none=True).items() if v not in ({}, [], 0)}
    comment = f"# {command}\n# What an entry states: {PAGE}\n\n"
    return comment + "\n".join(_lines(held, ())) + "\n"


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PluginError(f"{shown(file)} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"{shown(file)} does not parse: {error}") from error


def _validated(file: Path, held: dict[str, Any]) -> OwnEntry:
    try:
        return OwnEntry.model_validate(held)
    except ValidationError as error:
        wrong = "; ".join(_in_words(e["loc"], e["type"], e["msg"], e) for e in error.errors())
        raise PluginError(f"{shown(file)} is no valid entry: {wrong}. See {PAGE}") from error


def _in_words(loc: tuple[int | str, ...], kind: str, text: str, error: Mapping[str, Any]) -> str:
    """One wrong key: its place, what was expected, what came, the nearest key there is."""
    where = ".".join(map(str, loc))
    if kind == "extra_forbidden":
        model = TABLES.get(str(loc[0]), OwnEntry) if len(loc) > 1 else OwnEntry
        return f"{where}: unknown key.{did_you_mean(str(loc[-1]), model.model_fields)}"
    if kind == "missing":
        return f"{where}: missing"
    if kind == "value_error":
        return f"{where}: {error['ctx']['error']}" if where else str(error["ctx"]["error"])
    return f"{where}: {text[0].lower()}{text[1:]}, not {error['input']!r:.60}"


def _files(own: OwnEntry) -> list[DataFile]:
    return list(own.files.values())


def _lines(table: Mapping[str, Any], name: tuple[str, ...]) -> Iterator[str]:
    """A table's own values, then the tables in it."""
    values = {k: v for k, v in table.items() if not isinstance(v, dict)}
    if values and name:
        yield f"\n[{'.'.join(name)}]"
    for key, value in values.items():
        # a TOML string is a JSON string, but for this one character
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        yield f"{key} = {text}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _lines(value, (*name, key))
