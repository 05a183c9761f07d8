"""The report of a data set: schema, reading, writing. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from bench.atomic import write_text
from bench.records import Part, finite

SCHEMA = 1
DIGITS = 6  #: significant ones that are kept: the last bits differ between machines
Severity = Literal["note", "warning"]


class Finding(Part):
    """One sentence with its numbers. A warning is what a score on this data set hinges on."""

    severity: Severity
    text: str


class Repeats(Part):
    """Rows of one split that occur, in every coordinate, among the training rows."""

    n: int
    count: int
    share: float
    chance: float | None = None  #: share that independent draws of one law would give
    chance_by: Literal["truth", "held-out rows"] | None = None
    z: float | None = None  #: how far beyond chance, in standard errors


class Rows(Part):
    """Exact repetitions. Of conditional data a row is a point with its context."""

    test_in_train: Repeats
    valid_in_train: Repeats
    repeated_in_train: float  #: share of training rows that an earlier one equals
    repeated_in_test: float


class Nearest(Part):
    """Distances to the nearest training row: of test rows, and of training rows held out for this.

    Without a leak, and with splits drawn at random, the two kinds are exchangeable.
    """

    test: int  #: rows compared, of each kind
    held_out: int
    train: int  #: rows that they are compared with
    nearer: float  #: probability that a test row is nearer than a held-out one; .5 by chance
    z: float
    closest: int  #: rows at the smallest 2 % of these distances (40 at least), ties included
    closest_share: float  #: of test rows among them
    closest_chance: float
    closest_z: float


class Column(Part):
    """One coordinate of continuous data, over all splits unless the field says else."""

    index: int  #: in the flattened point
    distinct: int
    distinct_share: float  #: of all rows
    top_share: float  #: of the most frequent value
    tied_test: float  #: share of test values that are values of the training split too
    smallest_gap: float | None  #: between distinct values, the data's own units
    spacing: float | None  #: b of a grid a + k b that holds all values; None where there is none
    spacing_sd: float | None  #: the same in standard deviations
    gain: float  #: nats per row that tenfold narrower kernels gain by the ties, time and again


class Columns(Part):
    """Coordinates, and how they depend on each other, in the training split."""

    constant: list[int] = []  #: one value in all of the training split
    copies: list[list[int]] = []  #: groups of equal columns, constant ones left out
    rank: int | None = None  #: of the correlations of columns that vary; continuous data only
    varying: int = 0
    eigenvalue_ratio: float | None = None  #: smallest over largest of the correlation matrix
    each: list[Column] = []  #: continuous columns with a tie or on a grid; the others are sound


class Preview(Part):
    """A few training points in small whole numbers: what a picture of them is drawn from.

    Tiles [n, H, W] of greys 0..15 or of colours 36 r + 6 g + b; rows of symbols [n, D] as greys;
    curves [n, D] of 0..255; counts of bars [B] up to 255, and on the plane [Y, X] up to 63, y
    upwards; correlations [D, D] from 0 (-1) to 30 (1).
    """

    form: Literal["greys", "colours", "symbols", "curves", "bars", "plane", "correlations"]
    shape: list[int]
    values: str  #: bytes in the order of C, deflated, in base64
    ranges: list[tuple[float, float]] = []  #: of the axes, x first


class DataReport(Part):
    """`results/data/<data set>.json`."""

    schema_version: int = SCHEMA
    dataset: str
    kind: str
    shape: list[int]
    levels: int | None = None
    context_dim: int = 0
    dtype: str
    sizes: dict[str, int]  #: rows of train, valid and test
    truth: bool = False
    entropy: float | None = None  #: of a known truth, nats
    digest: str  #: sha256 of the processed splits (bench.datasets.digest)
    inputs: str  #: sha256 of what made this report: source, sizes, its own code
    rows: Rows
    nearest: Nearest | None = None
    columns: Columns
    preview: Preview | None = None
    findings: list[Finding] = []


def report_path(results: Path, dataset: str) -> Path:
    """`<results>/data/<dataset>.json`."""
    return results / "data" / f"{dataset}.json"


def write(file: Path, report: DataReport) -> None:
    """Write a report atomically, with sorted keys and a final newline."""
    data = finite(report.model_dump(mode="json"))
    write_text(file, json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read(file: Path) -> DataReport | None:
    """The report of a file; None where it is absent, damaged or of another schema."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        report = DataReport.model_validate(data)
    except (OSError, ValueError, ValidationError):
        return None
    return report if report.schema_version == SCHEMA else None


def read_all(results: Path) -> dict[str, DataReport]:
    """All readable reports under a folder of results, by data set, names sorted."""
    files = sorted((results / "data").glob("*.json"))
    return {f.stem: report for f in files if (report := read(f)) is not None}


def rounded(report: DataReport) -> DataReport:
    """The same with DIGITS significant digits, so that the same data give the same bytes."""
    return DataReport.model_validate(_rounded(report.model_dump(mode="json")))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value
