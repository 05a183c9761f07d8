"""What an entry file may state, as validated types. Imports no numpy: listing stays fast."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

PARTS = ("train", "valid", "test")
TABLES = ("csv", "parquet")
KEYED = ("npz", "hdf5", "mat")  #: files of several arrays, told apart by their keys
TABLE_KEYS = ("columns", "context", "labels", "classes", "missing", "channels", "window")
ARRAY_KEYS = ("rows", "channels", "missing", "window", "reduced_from")
#: what `[read]` may state, by format
READ = {
    "csv": (*TABLE_KEYS, "reduced_from", "delimiter", "header", "marks"),
    "parquet": (*TABLE_KEYS, "reduced_from"),
    "npy": ARRAY_KEYS,
    **{name: (*ARRAY_KEYS, "classes") for name in KEYED},
    "idx": ("channels", "reduced_from"),
    "images": ("channels", "labels", "classes", "reduced_from"),
    "text": ("window", "alphabet"),
}

Positive = Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """Unknown keys are errors; instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataFile(Strict):
    """One file, or one array of it: at a path (from the entry's folder) or at an address."""

    path: str | None = None
    url: str | None = None
    bytes: int = Field(ge=0)  #: of a folder of images: of all of them
    sha256: str = Field(pattern="^[0-9a-f]{64}$")  #: of a folder: bench.datasets.own.files
    key: str | None = None  #: of the array, in a file of several
    context: str | None = None  #: of the contexts' array there
    labels: str | None = None  #: of the labels' array there

    @model_validator(mode="after")
    def _one_place(self) -> DataFile:
        if (self.path is None) == (self.url is None):
            raise ValueError("states either a path or a url")
        return self


class Read(Strict):
    """How the file becomes points."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = (
        None  #: of a CSV file; " " is any run of blanks
    )
    header: bool | None = None  #: its first line names the columns; else they are "0", "1", ...
    marks: list[str] | None = None  #: of missing values, beside those that pandas knows
    columns: list[str] | None = None  #: of a table, in the order of a point's coordinates
    context: list[str] | None = None  #: columns of the context
    labels: str | None = None  #: column of the labels; of images "folder", the one they lie in
    classes: list[int | str] | None = None  #: the labels' values, in the order of the classes
    missing: Literal["drop-rows"] | None = None  #: rows that lack a value are left out
    rows: Literal["first", "last"] | None = None  #: the array's axis along which points lie
    channels: Literal["first", "last"] | None = None  #: the point's axis of channels in the file
    window: Positive | None = None  #: so many consecutive rows, or characters, are a point
    #: levels in the file, of which x becomes x * levels // reduced_from
    reduced_from: Positive | None = None
    alphabet: str | None = None  #: the characters, in the order of their symbols


class Split(Strict):
    """Which points are train, validation and test."""

    rule: Literal["random", "order", "stride", "files"]
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    #: of the parts that one file is split into: train, then valid and test
    fractions: list[Annotated[float, Field(gt=0, lt=1)]] = []

    @model_validator(mode="after")
    def _complete(self) -> Split:
        if (self.seed is None) == (self.rule == "random"):
            raise ValueError("a seed belongs to rule random, and to no other")
        if self.rule == "files" and self.fractions:
            raise ValueError("rule files takes no fractions")
        if self.rule != "files" and not math.isclose(sum(self.fractions), 1, abs_tol=1e-9):
            raise ValueError(f"fractions {self.fractions} do not add up to 1")
        return self


class OwnEntry(Strict):
    """One entry: it alone determines the data."""

    kind: Literal["continuous", "discrete", "binary", "sequence"]
    shape: list[Positive] = Field(min_length=1)
    levels: Annotated[int, Field(ge=2, le=65536)] | None = None
    context_dim: int = Field(0, ge=0)
    format: Literal["csv", "parquet", "npy", "npz", "hdf5", "mat", "idx", "images", "text"]
    source: str | None = None
    licence: str | None = None
    citation: str | None = None
    space: str | None = None  #: in which continuous models meet the data (docs/spaces.md)
    faults: list[Annotated[str, Field(pattern=r"\.$")]] = []
    files: dict[Literal["all", "train", "valid", "test"], DataFile]
    read: Read = Read()
    split: Split

    @property
    def integral(self) -> bool:
        """Points are integers."""
        return self.levels is not None

    @property
    def cut(self) -> tuple[str, ...]:
        """The parts that the first file is split into: those without a file of their own."""
        return tuple(part for part in PARTS if part == "train" or part not in self.files)

    @model_validator(mode="after")
    def _coherent(self) -> OwnEntry:
        if problems := self._problems():
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> list[str]:
        names, read = set(self.files), self.read
        strange = [k for k, v in read if v is not None and k not in READ[self.format]]
        found = [f"read.{k} is not for format {self.format}" for k in strange]
        if self.kind == "discrete" and self.levels is None:
            found.append("discrete data state their levels")
        if self.kind == "continuous" and self.levels is not None:
            found.append("continuous data have no levels")
        if self.kind == "binary" and self.levels != 2:
            found.append("binary data have levels = 2")
        if names != {"all"} and not ("train" in names and "all" not in names and len(names) > 1):
            found.append("files are either [files.all], or [files.train] and others")
        if (self.split.rule == "files") != (names == set(PARTS)):
            found.append("split.rule is files where train, valid and test have one each, only then")
        if self.split.rule != "files" and len(self.split.fractions) != len(self.cut):
            found.append(f"split.fractions are one each for {', '.join(self.cut)}")
        return found + self._problems_of_reading()

    def _problems_of_reading(self) -> list[str]:
        read, keyed = self.read, self.format in KEYED
        parts = self.files.values()
        found = []
        if any((f.key is None) == keyed for f in parts):
            found.append("a key names the array of an npz, HDF5 or MAT file, and of no other")
        if not keyed and any(f.context or f.labels for f in parts):
            found.append("context and labels of a file are keys in an npz, HDF5 or MAT file")
        if self.format == "images" and any(f.path is None for f in parts):
            found.append("images are in a folder: path, not url")
        labelled = read.labels is not None or any(f.labels for f in parts)
        if labelled != (read.classes is not None):
            found.append("read.classes lists the values of the labels, and needs labels")
        given = self.context_dim if any(f.context for f in parts) else len(read.context or [])
        if given != self.context_dim:
            found.append(f"context_dim is {self.context_dim}, and read.context has {given} columns")
        if self.format == "text" and not (read.alphabet and read.window and self.levels):
            found.append("text states read.alphabet, read.window and levels")
        if self.format in TABLES and not read.columns:
            found.append("a table states read.columns")
        if self.format == "csv" and (read.delimiter is None or read.header is None):
            found.append("a CSV file states read.delimiter and read.header")
        if read.window and (read.missing or labelled or self.context_dim):
            found.append("windows take every row, and have neither context nor labels")
        if read.reduced_from and (self.levels is None or self.levels > read.reduced_from):
            found.append("read.reduced_from is more than levels")
        return found
