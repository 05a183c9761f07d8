"""Tables: CSV and the like, and Parquet, as frames of pandas and as points."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.datasets.own.raw import Array, Raw, lacks, unreadable
from bench.datasets.own.schema import Read

PANDAS = (pd.errors.ParserError, pd.errors.ParserWarning)
#: pandas reads the doubles that the digits name: from 3.1 on always, before that where asked to
EXACT: dict[str, Any] = (
    {"float_precision": "round_trip"}
    if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
    else {}
)


def frame(file: Path, format: str, read: Read, columns: Sequence[str] | None = None) -> Any:
    """The columns of a table (default: all) as a frame, named by strings.

    Raises BenchError for a file that cannot be read, MissingError where pyarrow is missing.
    """
    return _parquet(file, columns) if format == "parquet" else _csv(file, read, columns)


def points(file: Path, format: str, read: Read) -> Raw:
    """The columns that an entry names as points, context and labels."""
    assert read.columns is not None
    context = read.context or []
    wanted = [*read.columns, *context, *([read.labels] if read.labels else [])]
    table = frame(file, format, read, list(dict.fromkeys(wanted)))
    for column in (*read.columns, *context):
        if not numeric(table[column]):
            raise unreadable(file, "table of numbers", f"column '{column}' holds text or objects")
    return Raw(
        matrix(table, read.columns),
        matrix(table, context).astype(np.float64) if context else None,
        table[read.labels].to_numpy() if read.labels else None,
    )


def matrix(table: Any, columns: Sequence[str]) -> Array:
    """Columns of numbers as one array [N, D] of the narrowest type that holds them all."""
    made: Array = table[list(columns)].to_numpy()
    if made.dtype.kind == "O":  # truth values beside numbers
        made = made.astype(np.float64)
    return np.ascontiguousarray(made)


def numeric(column: Any) -> bool:
    """Whether it holds real numbers, or truth values."""
    kind = pd.api.types
    return bool(kind.is_numeric_dtype(column)) and not kind.is_complex_dtype(column)


def _csv(file: Path, read: Read, columns: Sequence[str] | None) -> Any:
    try:
        with warnings.catch_warnings():  # of fields that a row has beyond the others
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                file,
                sep=r"\s+" if read.delimiter == " " else read.delimiter,
                header=0 if read.header else None,
                na_values=read.marks,
                skipinitialspace=True,
                index_col=False,
                low_memory=False,  # one type for a whole column
                encoding="utf-8-sig",
                **EXACT,
            )
    except (OSError, EOFError, ValueError, zlib.error, *PANDAS) as error:
        raise unreadable(file, "table", error) from error
    table.columns = [str(c).strip() for c in table.columns]
    return _chosen(file, table, columns)


def _parquet(file: Path, columns: Sequence[str] | None) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise lacks("pyarrow", f"the Parquet file {file.name}") from error
    try:
        names = [str(n) for n in pyarrow.parquet.read_schema(file).names]
        absent = [c for c in columns or () if c not in names]
        kept = None if absent or columns is None else list(columns)
        table = pyarrow.parquet.read_table(file, columns=kept).to_pandas(ignore_metadata=True)
    except (OSError, pyarrow.ArrowException) as error:
        raise unreadable(file, "Parquet file", error) from error
    table.columns = [str(c) for c in table.columns]
    return _chosen(file, table, columns)


def _chosen(file: Path, table: Any, columns: Sequence[str] | None) -> Any:
    if columns is None:
        return table
    if absent := [c for c in columns if c not in table.columns]:
        raise unreadable(
            file, "table of these columns", f"it has no '{absent[0]}', but {', '.join(table)}"
        )
    return table[list(columns)]
