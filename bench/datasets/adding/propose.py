"""From a file and what is stated of it to an entry that has been read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contract import Splits
from bench.datasets import fetch
from bench.datasets.adding import axes, kinds, tables
from bench.datasets.adding.sources import Source, sources
from bench.datasets.adding.stated import Stated
from bench.datasets.own import images, text
from bench.datasets.own import points as shaping
from bench.datasets.own.arrays import points as array_points
from bench.datasets.own.loading import Read as Loaded
from bench.datasets.own.loading import complete, oriented, read, splits
from bench.datasets.own.raw import Array, Raw
from bench.datasets.own.schema import PARTS, TABLES, OwnEntry, Read
from bench.errors import UsageError

WINDOW = 100  #: characters of a point of text, where nothing is stated
#: options that some formats have no use for -> those that have
FOR = {
    **dict.fromkeys(("columns", "drop"), TABLES),
    **dict.fromkeys(("header", "delimiter", "mark"), ("csv",)),
    "context": (*TABLES, "npz", "hdf5", "mat"),
    "labels": (*TABLES, "npz", "hdf5", "mat", "images"),
    "missing": (*TABLES, "npy", "npz", "hdf5", "mat"),
    "rows": ("npy", "npz", "hdf5", "mat"),
    "window": (*TABLES, "npy", "npz", "hdf5", "mat", "text"),
}


@dataclass
class Proposal:
    """An entry, the splits that it makes, and what was found on the way."""

    own: OwnEntry
    splits: Splits
    dropped: int  #: rows left out for want of a value
    lacking: int  #: values that were missing or infinite
    dropped_columns: list[str]
    note: str = ""  #: what else was found


@dataclass
class _Look:
    """What one family of formats finds."""

    read: Read
    arrays: list[Array]  #: of points, their axis first
    depth: int | None = None  #: levels by the format
    whole: Sequence[str] = ()  #: columns of whole numbers
    lacking: int = 0
    context_dim: int = 0
    dropped_columns: Sequence[str] = ()


def propose(name: str, stated: Stated, entry: Path, listener: fetch.Listener) -> Proposal:
    """Look at the files, decide what is certain, ask for the rest, and read them as an entry would.

    Args:
        name: of the data set.
        stated: the options.
        entry: where the entry file will lie; the paths in it start there.
        listener: is told of downloads.

    Raises UsageError, in one sentence that says what to state, where a guess could be wrong;
    MissingError for a file or package that is not there; BenchError for one that cannot be read.
    """
    format, found = sources(name, stated, entry, listener)
    for option, formats in FOR.items():
        if getattr(stated, option) not in (None, ()) and format not in formats:
            raise UsageError(f"--{option} is for {', '.join(formats)}, and the format is {format}")
    if format == "text":
        own, look = _text(stated, found), _Look(Read(), [])
    else:
        look = _table(stated, format, found) if format in TABLES else _array(stated, format, found)
        own = _entry(stated, format, found, look)
    made = {part: read(own, part, source.path) for part, source in found.items()}
    parts = splits(own, made)
    _refuse_small(parts, made)
    return Proposal(
        own,
        parts,
        dropped=sum(m.dropped for m in made.values()),
        lacking=look.lacking,
        dropped_columns=list(look.dropped_columns),
    )


def _entry(stated: Stated, format: str, found: dict[str, Source], look: _Look) -> OwnEntry:
    series = stated.window is not None
    arrays = (
        [shaping.windows(x, stated.window) for x in look.arrays] if stated.window else look.arrays
    )
    values = kinds.seen(arrays)
    of = arrays[0].shape[-1] if look.whole else 0
    kind, levels, full = kinds.decide(stated, values, look.depth, series, look.whole, of)
    shape, channels = axes.shape(stated, arrays[0].shape[1:], kind)
    how = {"channels": channels, "window": stated.window, "reduced_from": full}
    return _checked(
        stated,
        format,
        found,
        read=look.read.model_copy(update=how),
        kind=kind,
        shape=shape,
        levels=levels,
        context_dim=look.context_dim,
        series=series,
    )


def _checked(
    stated: Stated,
    format: str,
    found: dict[str, Source],
    *,
    read: Read,
    kind: str,
    shape: list[int],
    levels: int | None,
    context_dim: int = 0,
    series: bool = False,
) -> OwnEntry:
    cut = [p for p in PARTS if p == "train" or p not in found]
    return OwnEntry(
        kind=kind,
        shape=shape,
        levels=levels,
        context_dim=context_dim,
        format=format,
        source=stated.source or next(iter(found.values())).path.name,
        licence=stated.licence,
        citation=stated.citation,
        files={part: source.file for part, source in found.items()},
        read=read,
        split=stated.rule(cut, series),
    )


def _table(stated: Stated, format: str, found: dict[str, Source]) -> _Look:
    table = tables.look(stated, format, [s.path for s in found.values()])
    return _Look(
        read=table.read,
        arrays=table.arrays,
        whole=table.whole,
        lacking=table.lacking,
        context_dim=len(table.read.context or ()),
        dropped_columns=table.dropped,
    )


def _array(stated: Stated, format: str, found: dict[str, Source]) -> _Look:
    if format == "images":
        if stated.labels not in ((), ("folder",)):
            raise UsageError("--labels of images: expected folder, the one that an image lies in")
        by_folder = bool(stated.labels)
        raws = [images.points(s.path, labelled=by_folder) for s in found.values()]
        depth = images.levels(next(iter(found.values())).path)
    else:
        raws = [array_points(s.path, format, s.file) for s in found.values()]
        by_folder, depth = False, None
    rows = None if format in ("images", "idx") else axes.rows(stated, raws[0].points)
    raws = [oriented(raw, rows) for raw in raws]
    if len({raw.points.shape[1:] for raw in raws}) > 1:
        raise UsageError("train, validation and test hold points of different shapes")
    lacking = sum(_lacking(raw) for raw in raws)
    if lacking and stated.missing != "drop-rows":
        raise UsageError(
            f"{lacking} of {sum(len(raw.points) for raw in raws)} points lack a value (NaN or "
            "infinite): state --missing drop-rows"
        )
    labels = [raw.labels for raw in raws if raw.labels is not None]
    context = raws[0].context
    return _Look(
        read=Read(
            rows=rows if format != "idx" else None,
            labels="folder" if by_folder else None,
            classes=tables.classes(labels) if labels else None,
            missing="drop-rows" if lacking else None,
        ),
        arrays=[raw.points for raw in raws],
        depth=depth,
        lacking=lacking,
        context_dim=0 if context is None else context.shape[1],
    )


def _lacking(raw: Raw) -> int:
    """Rows that lack a value."""
    return int((~complete(raw)).sum())


def _text(stated: Stated, found: dict[str, Source]) -> OwnEntry:
    letters: set[str] = set().union(*(text.characters(s.path) for s in found.values()))
    if stated.kind not in (None, "sequence") or stated.levels is not None:
        raise UsageError("a text is a sequence of its characters: leave out --kind and --levels")
    if len(letters) < 2:
        raise UsageError("the text holds fewer than two different characters")
    window = stated.window or WINDOW
    return _checked(
        stated,
        "text",
        found,
        read=Read(window=window, alphabet="".join(sorted(letters))),
        kind="sequence",
        shape=[window],
        levels=len(letters),
        series=True,
    )


def _refuse_small(parts: Splits, made: dict[str, Loaded]) -> None:
    sizes = {part: len(getattr(parts, part)) for part in PARTS}
    if few := [part for part, n in sizes.items() if n < 2]:
        whole = sum(len(m.raw.points) for m in made.values())
        raise UsageError(
            f"of {whole} points {few[0]} gets {sizes[few[0]]}, and needs 2: state other "
            "--fractions, or shorter windows"
        )
