"""What a table is: its delimiter, its head, its columns, the values that it lacks."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.datasets.adding.stated import Stated
from bench.datasets.own import tables
from bench.datasets.own.raw import Array, unreadable
from bench.datasets.own.schema import Read
from bench.errors import UsageError, did_you_mean

LOOKED_AT = 50  #: lines that tell the delimiter
DELIMITERS = (",", ";", "\t", "|")
WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}


@dataclass
class Table:
    """A proposal of how to read some tables of the same columns."""

    read: Read
    arrays: list[Array]  #: of the points of each file
    whole: list[str] = field(default_factory=list)  #: columns of whole numbers alone
    lacking: int = 0  #: values that are missing, or infinite
    dropped: list[str] = field(default_factory=list)  #: columns, for want of values


def look(stated: Stated, format: str, paths: Sequence[Path]) -> Table:
    """Raises UsageError, in one sentence that says what to state, for what is not certain."""
    head = Read()
    if format == "csv":
        delimiter = _delimiter(stated, paths[0])
        header = _header(stated, paths[0], delimiter)
        head = Read(delimiter=delimiter, header=header, marks=list(stated.mark) or None)
    frames = [tables.frame(path, format, head) for path in paths]
    if empty := [path.name for path, frame in zip(paths, frames, strict=True) if frame.empty]:
        raise UsageError(f"{empty[0]} holds no rows")
    context, labels = _known(frames[0], stated.context), _known(frames[0], stated.labels)
    if len(labels) > 1:
        raise UsageError("--labels: expected one column")
    columns = _known(frames[0], stated.columns)
    left = {*_known(frames[0], stated.drop), *context, *labels}
    columns = columns or [c for c in frames[0].columns if c not in left]
    for frame in frames[1:]:
        _known(frame, [*columns, *context, *labels])
    _refuse_text(frames, [*columns, *context])
    wanted = columns
    columns = _without_missing(stated, frames, columns, [*context, *labels])
    if not columns:
        raise UsageError("no column is left for the points: see --columns and --drop")
    rows = sum(int(_lacking(f, [*columns, *context, *labels]).any(axis=1).sum()) for f in frames)
    return Table(
        read=head.model_copy(
            update={
                "columns": columns,
                "context": context or None,
                "labels": labels[0] if labels else None,
                "classes": classes([f[labels[0]].to_numpy() for f in frames]) if labels else None,
                "missing": "drop-rows" if rows else None,
            }
        ),
        arrays=[tables.matrix(f, columns) for f in frames],
        whole=[c for c in columns if all(_whole(f[c]) for f in frames)],
        lacking=sum(
            int(_lacking(f, [*wanted, *context, *labels]).to_numpy().sum()) for f in frames
        ),
        dropped=[c for c in wanted if c not in columns],
    )


def classes(labels: Sequence[Array]) -> list[int | str]:
    """The values of labels, sorted. Raises UsageError where they are no classes."""
    from bench.datasets.own.loading import plain

    every = {v for array in labels for v in array[pd.notna(array)].tolist()}
    known = {plain(v) for v in every}
    if None in known:
        raise UsageError("the labels are neither whole numbers nor text, so they name no classes")
    if len(known) > max(2, sum(map(len, labels)) // 2):
        raise UsageError(
            f"the labels have {len(known)} values in {sum(map(len, labels))} rows, so they name no "
            "classes"
        )
    return sorted(known, key=lambda v: (isinstance(v, str), v))  # type: ignore[arg-type]


def _delimiter(stated: Stated, path: Path) -> str:
    if stated.delimiter is not None:
        given = WORDS.get(stated.delimiter, stated.delimiter)
        if len(given) != 1:
            raise UsageError(f"--delimiter {given}: expected {', '.join(WORDS)}, or one character")
        return given
    if path.name.removesuffix(".gz").endswith(".tsv"):
        return "\t"
    lines = [line for line in _lines(path) if line.strip()]
    fitting = []
    for delimiter in DELIMITERS:
        counts = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
        if len(counts) == 1 and counts != {1}:
            fitting.append(delimiter)
    if len(fitting) > 1:
        raise UsageError(
            f"{path.name} could be split at any of {' '.join(map(repr, fitting))}: state "
            f"--delimiter {'|'.join(WORDS)}"
        )
    blanks = {len(line.split()) for line in lines}
    if not fitting and len(blanks) == 1 and blanks != {1}:
        return " "
    ragged = not fitting and any(d in line for line in lines for d in DELIMITERS)
    if ragged:
        raise UsageError(
            f"{path.name} has lines of different numbers of fields, whatever they are split at: "
            f"state --delimiter {'|'.join(WORDS)}, or remove the lines that are no rows"
        )
    return fitting[0] if fitting else ","


def _header(stated: Stated, path: Path, delimiter: str) -> bool:
    """Whether the first line names the columns: no field of it is a number, and none repeats."""
    if stated.header is not None:
        return stated.header
    first = next(iter(_lines(path)), "").rstrip("\r\n")
    fields = first.split() if delimiter == " " else next(csv.reader([first], delimiter=delimiter))
    numbers = [_number(f) for f in fields]
    if all(numbers):
        return False
    if any(numbers) or len({f.strip() for f in fields}) < len(fields):
        raise UsageError(
            f"the first line of {path.name} may be a heading or a row: state --header or "
            "--no-header"
        )
    return True


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _lines(path: Path) -> list[str]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig")
            return [line for _, line in zip(range(LOOKED_AT), text, strict=False)]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise unreadable(path, "table", error) from error


def _known(frame: Any, names: Sequence[str]) -> list[str]:
    for name in names:
        if name not in frame.columns:
            shown = ", ".join(frame.columns[:20]) + (", ..." if len(frame.columns) > 20 else "")
            raise UsageError(
                f"no column '{name}'.{did_you_mean(name, frame.columns)} There are: {shown}"
            )
    return list(names)


def _lacking(frame: Any, columns: Sequence[str]) -> Any:
    """Which values are missing or infinite."""
    chosen = frame[list(columns)]
    numbers = [c for c in columns if tables.numeric(chosen[c])]
    missing = chosen.isna()
    missing[numbers] |= np.isinf(chosen[numbers].to_numpy(dtype=float, na_value=np.nan))
    return missing


def _without_missing(
    stated: Stated, frames: Sequence[Any], columns: list[str], others: list[str]
) -> list[str]:
    """The columns that stay; raises UsageError where values are missing and nothing is stated."""
    missing = {
        c: sum(int(_lacking(f, [c]).to_numpy().sum()) for f in frames) for c in (*columns, *others)
    }
    incomplete = [c for c, n in missing.items() if n]
    if not incomplete or stated.missing == "drop-rows":
        return columns
    kept = [c for c in columns if not missing[c]]
    if stated.missing == "drop-columns" and not set(incomplete) & set(others):
        return kept
    rows = sum(int(_lacking(f, [*columns, *others]).any(axis=1).sum()) for f in frames)
    named = ", ".join(incomplete[:5]) + (", ..." if len(incomplete) > 5 else "")
    raise UsageError(
        f"{sum(missing.values())} values are missing or infinite, in {rows} of "
        f"{sum(map(len, frames))} rows and {len(incomplete)} of {len(missing)} columns ({named}): "
        "state --missing drop-rows or --missing drop-columns"
    )


def _refuse_text(frames: Sequence[Any], columns: Sequence[str]) -> None:
    for frame in frames:
        if text := [c for c in columns if not tables.numeric(frame[c])]:
            values = frame[text[0]].dropna()
            odd = pd.to_numeric(values.astype(str), errors="coerce").isna()
            value = str(values[odd].iloc[0] if odd.any() else values.iloc[0])
            marked = f", or, if {value!r} marks a missing value: --mark '{value}'"
            raise UsageError(
                f"{len(text)} columns hold what is no number, such as {value!r} in {text[0]}: "
                f"leave them out: --drop {','.join(text[:5])}{marked if odd.mean() < 0.5 else ''}"
            )


def _whole(column: Any) -> bool:
    values = column.to_numpy(dtype=float, na_value=np.nan)
    values = values[np.isfinite(values)]
    return bool((values == np.floor(values)).all())
