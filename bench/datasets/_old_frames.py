"""Data frames that pandas before 1.3 pickled, read without running anything that is in the file.

Every name that such a pickle calls is given a stand-in that keeps the arguments and the state; from
these the arrays of the block manager are put together. Any other name is refused. The layout is
that of pandas' own test files of 0.15 to 0.19, by Python 2 and 3; later ones moved the modules.
"""

from __future__ import annotations

import pickle
import pickletools
import re
from itertools import product
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import BenchError


class Kept:
    """What a pickle calls or makes: arguments and state are kept, and nothing is done."""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Kept:
        made = super().__new__(cls)
        made.args, made.state = args, None
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Frame(Kept):
    """A DataFrame; its state is a manager, or has it under _data or _mgr."""


class Manager(Kept):
    """A BlockManager; its state is axes, the blocks' arrays, the blocks' column names, and more."""


class Index(Kept):
    """A call of _new_Index(class, attributes)."""


class Array(Kept):
    """A call of _reconstruct; its state is version, shape, dtype, Fortran's order, content."""


class Dtype(Kept):
    """A dtype(code, ...); its state is version, byte order, and more."""


class Encoded(Kept):
    """A call of _codecs.encode(text, "latin1"): bytes in protocol 2 of Python 3."""


Sort = TypeVar("Sort", bound=Kept)

MEMO = 1 << 16  #: objects that a pickle may refer back to: the memory for them is taken at once
INDEXES = (
    "pandas.core.index",
    *(
        f"{package}.{module}"
        for package, module in product(
            ("pandas.indexes", "pandas.core.indexes"), ("base", "numeric", "range")
        )
    ),
)
STAND_INS: dict[tuple[str, str], type[Kept]] = {
    ("pandas.core.frame", "DataFrame"): Frame,
    ("pandas.core.internals", "BlockManager"): Manager,
    ("pandas.core.internals.managers", "BlockManager"): Manager,
    **{(module, "_new_Index"): Index for module in INDEXES},
    **{pair: Kept for pair in product(INDEXES, ("Index", "Int64Index", "RangeIndex"))},
    ("numpy.core.multiarray", "_reconstruct"): Array,
    ("numpy", "ndarray"): Kept,
    ("numpy", "dtype"): Dtype,
    ("_codecs", "encode"): Encoded,
    ("__builtin__", "slice"): Kept,
    ("builtins", "slice"): Kept,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[Kept]:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return STAND_INS[module, name]


def old_frame(file: Path) -> pd.DataFrame:
    """The frame of a pickle of Python 2 or 3, all columns as float64.

    Raises BenchError, in one sentence, for any other content.
    """
    try:
        with file.open("rb") as stream:
            _bounded(stream)
            return _frame(_Unpickler(stream, encoding="latin1").load())
    except Exception as error:  # a hostile pickle may raise anything
        why = " ".join(str(error).split())[:200]
        raise BenchError(
            f"{file} is not a frame of numbers that pandas before 1.3 pickled, and nothing in it "
            f"was run: {why or type(error).__name__}"
        ) from error


def _bounded(stream: IO[bytes]) -> None:
    """Look through the whole pickle, and go back to its start."""
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name.endswith("PUT") and argument is not None and argument >= MEMO:
            raise pickle.UnpicklingError(f"it has an object of number {argument}")
    stream.seek(0)


def _frame(kept: Any) -> pd.DataFrame:
    state = _a(Frame, kept).state
    if isinstance(state, dict):
        state = state.get("_data", state.get("_mgr"))
    axes, blocks, owners = _a(Manager, state).state[:3]
    columns: dict[str, NDArray[Any]] = {}
    for block, owner in zip(blocks, owners, strict=True):
        columns.update(zip(_names(owner), _matrix(block), strict=True))
    names = _names(axes[0])
    if len(set(names)) < len(names) or set(names) != set(columns):
        raise ValueError("its columns are not named each by a name of its own")
    return pd.DataFrame({name: columns[name].astype(np.float64) for name in names})


def _names(index: Any) -> list[str]:
    """The strings of an index."""
    *_, dtype, _, content = _a(Array, _a(Index, index).args[1]["data"]).state
    if _a(Dtype, dtype).args[0] not in ("O8", "O4") or not isinstance(content, list):
        raise ValueError("its columns have no names")
    if not all(isinstance(name, str) for name in content):
        raise ValueError("its columns' names are no strings")
    return content


def _matrix(block: Any) -> NDArray[Any]:
    """The numbers of a block, [columns, rows]."""
    _, shape, dtype, fortran, content = _a(Array, block).state
    code, order = str(_a(Dtype, dtype).args[0]), str(dtype.state[1])
    if not (re.fullmatch("[fiu][1248]", code) and re.fullmatch("[<>|]", order)) or len(shape) != 2:
        raise ValueError(f"a block is a {list(shape)} array of {order}{code}")
    if isinstance(content, Encoded):
        content = content.args[0]
    data = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(data, order + code).reshape(shape, order="F" if fortran else "C")


def _a(sort: type[Sort], kept: Any) -> Sort:
    if not isinstance(kept, sort):
        raise ValueError(f"it has a {type(kept).__name__} where a {sort.__name__} belongs")
    return kept
