"""The card of a data set: what its source declares, what its report found, which scores are known.

In sections of labelled lines, so that a terminal and the page show the same. Imports no torch.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from bench.datasets import PARTS
from bench.datasets.anchors import Anchor, anchors_of
from bench.datasets.fetch import SETS, File
from bench.leaks.findings import percent
from bench.leaks.report import DataReport, Repeats
from bench.registry import DatasetEntry

DRAWN = "drawn from the known law with fixed seeds; a smaller size is a prefix of a bigger one"


@dataclass(frozen=True)
class Section:
    """Lines (label, text) below a title; the first one has no title."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Card:
    """`headline` says in one line what a point is; `about` are paragraphs."""

    name: str
    headline: str
    about: tuple[str, ...]
    sections: tuple[Section, ...]


def card(entry: DatasetEntry, report: DataReport | None) -> Card:
    """The card, without what only a report knows where there is none."""
    parts = [
        Section("", tuple(_origin(entry))),
        Section("Splits", tuple(_splits(entry, report))),
        Section("Bounds", tuple(_bounds(entry, report))),
        Section("Known faults", tuple(("", fault) for fault in entry.faults)),
        Section("Given away", tuple(_given_away(report)) if report else ()),
        Section("Findings", _findings(report) if report else ()),
        *_anchors(entry.name),
        Section("Files", tuple(_files(SETS.get(entry.name, ())))),
    ]
    about = inspect.cleandoc(entry.about).split("\n\n")
    return Card(
        entry.name,
        headline(entry),
        tuple(" ".join(paragraph.split()) for paragraph in about if paragraph.strip()),
        tuple(section for section in parts if section.lines),
    )


def declared(entry: DatasetEntry) -> dict[str, Any]:
    """What the source declares, with the files and the registered anchors, for JSON."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "shape": entry.shape,
        "dim": entry.dim,
        "levels": entry.levels,
        "truth": entry.truth,
        "context_dim": entry.context_dim,
        "classes": entry.classes,
        "uniform_bits_per_dim": uniform(entry),
        "requires": entry.requires,
        "licence": entry.licence,
        "source": entry.source,
        "citation": entry.citation,
        "split": entry.split,
        "faults": entry.faults,
        "about": entry.about,
        "anchors": [
            {"split": a.split, "model": a.model, "unit": a.unit, "value": a.value}
            for a in anchors_of(entry.name)
        ],
        "files": [
            {"file": f.place, "bytes": f.size, "licence": f.licence, **f.digests}
            for f in SETS.get(entry.name, ())
        ],
        "file": entry.file,
    }


def headline(entry: DatasetEntry) -> str:
    """Kind, coordinates, levels, context, classes, and whether the law is known."""
    coordinates = f"{entry.dim:,} coordinate{'s' * (entry.dim != 1)}"
    if len(entry.shape) > 1:
        coordinates = f"{' x '.join(map(str, entry.shape))} = {coordinates}"
    parts = [entry.kind, coordinates]
    parts += [f"{entry.levels} levels"] if entry.levels else []
    parts += [f"given {entry.context_dim}"] if entry.context_dim else []
    parts += [f"{entry.classes} classes"] if entry.classes else []
    parts += ["known law"] if entry.truth else []
    return ", ".join(parts)


def uniform(entry: DatasetEntry) -> float | None:
    """Bits/dim of the uniform law on the levels; None for real values."""
    return math.log2(entry.levels or 2) if entry.integral else None


def _origin(entry: DatasetEntry) -> Iterator[tuple[str, str]]:
    yield from (
        (label, text)
        for label, text in (
            ("source", entry.source),
            ("citation", entry.citation),
            ("licence", entry.licence),
            ("needs", ", ".join(entry.requires)),
        )
        if text
    )


def _splits(entry: DatasetEntry, report: DataReport | None) -> Iterator[tuple[str, str]]:
    if report:
        yield "rows", ", ".join(f"{report.sizes[part]:,} {part}" for part in PARTS)
    if rule := entry.split or (DRAWN if entry.truth else None):
        yield "rule", rule
    if report:
        yield "sha256", report.digest


def _bounds(entry: DatasetEntry, report: DataReport | None) -> Iterator[tuple[str, str]]:
    if (bits := uniform(entry)) is not None:
        nats = entry.dim * math.log(entry.levels or 2)
        yield "uniform", f"{bits:.6g} bits/dim = {nats:.6g} nats"
    if report and report.entropy is not None:
        nats = report.entropy
        if bits is None:
            yield "entropy", f"{nats:.6g} nats: the best mean score is {0 - nats:.6g}"
        else:
            best = nats / entry.dim / math.log(2)
            yield "entropy", f"{nats:.6g} nats = {best:.6g} bits/dim, the best mean score"


def _given_away(report: DataReport) -> Iterator[tuple[str, str]]:
    rows, near, columns = report.rows, report.nearest, report.columns
    yield "test rows", _seen(rows.test_in_train)
    yield "valid rows", _seen(rows.valid_in_train)
    yield (
        "repeated",
        f"{percent(rows.repeated_in_train)} of train, {percent(rows.repeated_in_test)} of test "
        "rows equal an earlier one of their split",
    )
    if near is not None:
        yield (
            "nearness",
            f"a test row is nearer to train than a held-out row with probability {near.nearer:.3f} "
            f"({near.z:+.1f} standard errors from 1/2)",
        )
    yield "columns", _columns(report)
    tied = [c for c in columns.each if c.tied_test > 0]
    if tied:
        worst = max(tied, key=lambda c: c.tied_test)
        gain = sum(c.gain for c in tied)
        yield (
            "ties",
            f"{percent(worst.tied_test)} of the test values of column {worst.index} are values of "
            f"train; tenfold narrower kernels gain {gain:.2g} nats per row in all",
        )


def _findings(report: DataReport) -> tuple[tuple[str, str], ...]:
    found = tuple((f.severity, f.text) for f in report.findings)
    return found or (("", "nothing found: no leak, no tie, no near-atom, no dependent column"),)


def _seen(repeats: Repeats) -> str:
    text = f"{percent(repeats.share)} seen in train ({repeats.count:,} of {repeats.n:,})"
    if repeats.chance is None:
        return text
    return f"{text}; {percent(repeats.chance)} by chance"


def _columns(report: DataReport) -> str:
    columns = report.columns
    text = f"{columns.varying:,} of {columns.varying + len(columns.constant):,} vary in train"
    if columns.rank is None:
        return text
    ratio = f", eigenvalue ratio {columns.eigenvalue_ratio:.3g}" if columns.eigenvalue_ratio else ""
    return f"{text}, rank {columns.rank:,}{ratio}"


def _anchors(name: str) -> Iterator[Section]:
    """A section for each split, a line for each model."""
    for split, of_split in groupby(anchors_of(name), lambda a: a.split):
        lines = groupby(of_split, lambda a: a.model)
        yield Section(
            f"Anchors, {split}", tuple((model, "; ".join(map(_figure, of))) for model, of in lines)
        )


def _figure(anchor: Anchor) -> str:
    return (
        f"2 s.e. {anchor.printed}" if anchor.unit == "2 s.e." else f"{anchor.printed} {anchor.unit}"
    )


def _files(files: Iterable[File]) -> Iterator[tuple[str, str]]:
    """Each file, then each archive that holds some of them."""
    files = tuple(files)
    for file in files:
        inside = [f"in {file.archive.file.name}"] if file.archive else []
        text = ", ".join(_identity(file) + inside)
        yield file.name, text or "no digest is published: pinned by its first use"
    for archive in dict.fromkeys(file.archive.file for file in files if file.archive):
        yield archive.name, ", ".join(_identity(archive))


def _identity(file: File) -> list[str]:
    words = [] if file.size is None else [_size(file.size)]
    words += [f"{name.replace('_', ' ')} {value}" for name, value in file.digests.items()]
    return words + ([file.note] if file.note else [])


def _size(count: int) -> str:
    unit, word = (1e6, "MB") if count >= 1e6 else (1e3, "kB")
    return f"{count / unit:,.1f} {word}"
