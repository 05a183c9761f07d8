"""From an entry to its splits: what a cell reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.contract import Splits
from bench.datasets.own import files, images, tables, text
from bench.datasets.own import points as shaping
from bench.datasets.own.arrays import points as array_points
from bench.datasets.own.entries import parse
from bench.datasets.own.raw import Array, Raw, blocks, finite_rows
from bench.datasets.own.schema import PARTS, TABLES, DataFile, OwnEntry
from bench.datasets.own.splitting import Rows, parts
from bench.declared import DatasetEntry, shown
from bench.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Read:
    """One file of an entry as points [N, *shape], and how many rows were left out."""

    raw: Raw
    dropped: int


def load(entry: DatasetEntry) -> Splits:
    """The splits of an entry, bytes still in bytes.

    Raises MissingError for a file or package that is not there, BenchError for a file with other
    bytes than pinned, or one that is not what the entry says.
    """
    own = parse(entry.file)
    held = files.held(entry, own)
    try:
        return splits(own, {part: read(own, part, path) for part, path in held.items()})
    except BenchError as error:
        raise type(error)(f"data set '{entry.name}' ({shown(entry.file)}): {error}") from error


def read(own: OwnEntry, part: str, path: Path) -> Read:
    """One file of an entry, its bytes not compared."""
    raw = values(own, own.files[part], path)  # type: ignore[index]
    raw = oriented(raw, own.read.rows)
    n = len(raw.points)
    if own.read.missing and not (kept := complete(raw)).all():
        raw = raw.rows(kept)
    x = raw.points if own.read.window is None else shaping.windows(raw.points, own.read.window)
    x = shaping.arranged(x, own.shape, own.read.channels)
    if own.levels is not None:
        x = shaping.levelled(x, own.levels, own.read.reduced_from)
    labels = None if raw.labels is None else classes(raw.labels, own.read.classes or [])
    return Read(Raw(x, raw.context, labels), n - len(raw.points))


def values(own: OwnEntry, file: DataFile, path: Path) -> Raw:
    """What the file holds, as its format says."""
    if own.format in TABLES:
        return tables.points(path, own.format, own.read)
    if own.format == "images":
        return images.points(path, labelled=own.read.labels is not None)
    if own.format == "text":
        return text.points(path, own.read.alphabet or "")
    return array_points(path, own.format, file)


def oriented(raw: Raw, rows: str | None) -> Raw:
    """Points along the first axis, each with its context and label. Raises BenchError else."""
    points = np.moveaxis(raw.points, -1, 0) if rows == "last" else raw.points
    for what, other in (("contexts", raw.context), ("labels", raw.labels)):
        if other is not None and len(other) != len(points):
            raise BenchError(f"the file has {len(points)} points and {len(other)} {what}")
    return Raw(points, raw.context, raw.labels)


def complete(raw: Raw) -> NDArray[np.bool_]:
    """Which rows lack no value: [N]."""
    kept = finite_rows(raw.points)
    if raw.context is not None:
        kept &= finite_rows(raw.context)
    if raw.labels is not None:
        kept &= pd.notna(raw.labels)
    return kept


def classes(labels: Array, known: list[int | str]) -> NDArray[np.int64]:
    """The place of each label among the classes: int64 [N]."""
    place: dict[int | str | None, int] = {value: i for i, value in enumerate(known)}
    found = [place.get(plain(value), -1) for value in labels.tolist()]
    if -1 in found:
        stranger = labels.tolist()[found.index(-1)]
        raise BenchError(f"the file has the label {stranger!r}, which read.classes lacks")
    return np.array(found, np.int64)


def plain(value: object) -> int | str | None:
    """A label as TOML holds it: a whole number or a text; None for anything else."""
    if isinstance(value, bool | int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return value if isinstance(value, str) else None


def splits(own: OwnEntry, made: dict[str, Read]) -> Splits:
    """The parts, each of a file of its own or of the rows that the rule gives it."""
    first = "all" if "all" in made else "train"
    if own.split.rule == "files":
        rows: dict[str, tuple[str, Rows]] = {part: (part, slice(None)) for part in PARTS}
    else:
        cut = parts(len(made[first].raw.points), own.split, own.cut)
        rows = {p: (first, cut[p]) if p in cut else (p, slice(None)) for p in PARTS}
    found: dict[str, Tensor] = {}
    for part, (source, chosen) in rows.items():
        raw = made[source].raw
        found[part] = _tensor(raw.points, chosen, real=not own.integral)
        if raw.context is not None:
            found[f"{part}_context"] = _tensor(raw.context, chosen)
        if raw.labels is not None:
            found[f"{part}_labels"] = _tensor(raw.labels, chosen)
    return Splits(**found)


def _tensor(x: Array, rows: Rows, real: bool = False) -> Tensor:
    """Those rows, contiguous, in this machine's byte order and a type that torch has.

    Consecutive rows of memory that may be written to are not copied, others block by block.
    """
    import torch

    kind = x.dtype.newbyteorder("=")
    if kind.itemsize > 8 or (real and kind.kind != "f"):
        kind = np.dtype(np.float64)
    elif kind.kind == "u" and kind.itemsize > 1:  # torch knows little of them
        kind = np.dtype(np.int64)
    if isinstance(rows, slice):
        x, rows = x[rows], slice(None)
        if x.flags.carray and x.dtype == kind:
            return torch.from_numpy(x)
    n = len(x) if isinstance(rows, slice) else len(rows)
    out = np.empty((n, *x.shape[1:]), kind)
    step = blocks(x)
    for i in range(0, n, step):
        block = slice(i, i + step)
        out[block] = x[block] if isinstance(rows, slice) else x[rows[block]]
    return torch.from_numpy(out)
