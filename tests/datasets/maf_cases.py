"""Made-up originals of MAF's five tables in their official formats, with all their oddities."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rows_of(splits: Any) -> list[Array]:
    """Train, valid and test as arrays."""
    return [getattr(splits, part).numpy() for part in ("train", "valid", "test")]


def power(n: int = 400) -> Array:
    """[n, 8] on the lattices of POWER, and some minutes recorded twice."""
    r = np.random.default_rng(0)
    x = np.empty((n, 8))
    x[:, 0] = r.integers(80, 9000, n) / 1000
    x[:, 1] = r.integers(0, 500, n) / 1000
    x[:, 2] = r.integers(23000, 25000, n) / 100
    x[:, 3] = r.integers(2, 400, n) / 10
    x[:, 4:7] = r.integers(0, 30, (n, 3))
    x[:, 7] = np.arange(n) % 1440
    x[50:54], x[350:355] = x[40:44], x[100:105]
    return x


def gas(n: int = 300) -> pd.DataFrame:
    """Ten sensors, with two decimals: 0, 1 and 2 are alike, 4 is 3 upside down; time is mixed.

    Readings wander, so that the end is unlike the beginning in the order of time.
    """
    r = np.random.default_rng(1)
    time = r.permutation(n)
    s = (r.normal(size=(n, 10)) * 5 + r.normal(size=(n, 10)).cumsum(0))[time]
    s[:, 1], s[:, 2] = 2 * s[:, 0], s[:, 0] / 2 + 30
    s[:, 4] = -s[:, 3]
    s[30:33] = s[10:13]
    table = {"Time": time / 100, "Meth": np.zeros(n), "Eth": np.arange(n)}
    return pd.DataFrame(table | {f"R{i}": np.round(s[:, i], 2) for i in range(10)})


def hepmass(n: int = 240, seed: int = 2) -> pd.DataFrame:
    """The class and 27 features: six have three values each, one has a frequent middle value."""
    r = np.random.default_rng(seed)
    x = np.round(r.normal(size=(n, 27)), 8)
    x[:, [5, 9, 13, 17, 21, 26]] = r.integers(0, 3, (n, 6)) - 1.5
    x[r.random(n) < 0.2, 3] = 0.5
    names = ["# label", *(f"f{i}" for i in range(27))]
    return pd.DataFrame(np.column_stack([r.integers(0, 2, n), x]), columns=names)


def hepmass_files(folder: Path) -> tuple[Path, Path]:
    """Train, and test with a stray last column; a test row is one of train's."""
    train, test = hepmass(), hepmass(120, 3)
    test.iloc[5] = train[train.iloc[:, 0] == 1].iloc[7]
    files = folder / "1000_train.csv", folder / "1000_test.csv"
    train.to_csv(files[0], index=False)
    test.assign(mass=1000.0).to_csv(files[1], index=False)
    return files


def miniboone(n: int = 300) -> Array:
    """[n, 43] with six significant digits; columns 4, 16 and 19 have atoms; one row is repeated."""
    r = np.random.default_rng(4)
    x = r.normal(size=(n, 43)) * 10.0 ** r.integers(-3, 4, 43) + 1
    x[r.random(n) < 0.1, 4] = 0.0
    x[:, [16, 19]] = 1 / r.integers(2, 6, (n, 2))
    x = np.array([float(f"{v:.6g}") for v in x.flat]).reshape(x.shape)
    x[290] = x[20]
    return x


def bsds300() -> dict[str, Array]:
    """[N, 63] by key: patches less their mean, without the last pixel; some in two parts."""
    r = np.random.default_rng(5)
    patches = r.normal(size=(90, 64))
    patches -= patches.mean(1, keepdims=True)
    x = patches[:, :-1]
    x[70], x[85], x[3] = x[60], x[1], x[2]
    return {"train": x[:60], "validation": x[60:72], "test": x[72:]}


def hdf5(file: Path, content: dict[str, Array]) -> Path:
    with h5py.File(file, "w") as packed:
        for key, x in content.items():
            packed[key] = x
    return file


@dataclass
class Call:
    """`module.name(*args)`, or a new object of it, and a state for it: opcodes of a pickle."""

    module: str
    name: str
    args: tuple[Any, ...] | None = None  #: None for the name itself
    state: Any = None
    new: bool = False


def opcodes(value: Any, python: int = 2) -> bytes:
    """What pickles of protocol 2 hold for a value; texts and bytes as Python 2 or 3 wrote them."""

    def several(values: Sequence[Any]) -> bytes:
        return b"(" + b"".join(opcodes(v, python) for v in values)

    if isinstance(value, Call):
        code = f"c{value.module}\n{value.name}\n".encode()
        if value.args is not None:
            code += opcodes(value.args, python) + (b"\x81" if value.new else b"R")
        return code if value.state is None else code + opcodes(value.state, python) + b"b"
    if isinstance(value, dict):
        return b"}" + several([v for item in value.items() for v in item]) + b"u"
    if isinstance(value, list):
        return b"]" + several(value) + b"e"
    if isinstance(value, tuple):
        return several(value) + b"t"
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if python == 3 and isinstance(value, bytes):
        return opcodes(Call("_codecs", "encode", (value.decode("latin1"), "latin1")), 3)
    raw = value.encode("utf8") if isinstance(value, str) else value
    return (b"T" if python == 2 else b"X") + struct.pack("<I", len(raw)) + raw


def pickled(value: Any, python: int = 2) -> bytes:
    return b"\x80\x02" + opcodes(value, python) + b"."


def array(code: str, shape: tuple[int, ...], content: Any, fortran: bool = False) -> Call:
    """A numpy array as it is pickled."""
    order = "|" if code.startswith("O") else "<"
    dtype = Call("numpy", "dtype", (code, 0, 1), (3, order, None, None, None, -1, -1, 0))
    made = Call("numpy.core.multiarray", "_reconstruct", (Call("numpy", "ndarray"), (0,), b"b"))
    made.state = (1, shape, dtype, fortran, content)
    return made


#: where pandas had its indexes, and whether a frame's state was its manager alone
LAYOUTS = {
    "0.16": ("pandas.core.index", "pandas.core.internals", True),
    "0.18": ("pandas.indexes.base", "pandas.core.internals", False),
    "0.20": ("pandas.core.indexes.base", "pandas.core.internals", False),
    "0.23": ("pandas.core.indexes.base", "pandas.core.internals.managers", False),
}


def frame(table: pd.DataFrame, layout: str = "0.20", fortran: bool = False) -> Call:
    """A frame as such a pandas pickled it: blocks of the whole and of the other columns."""
    indexes, internals, bare = LAYOUTS[layout]

    def index(values: Call, sort: str) -> Call:
        where = indexes.replace("base", "numeric" if sort.startswith("Int") else "base")
        of = {"data": values, "name": None}
        return Call(indexes, "_new_Index", (Call(where, sort), of))

    def named(names: list[str]) -> Call:
        return index(array("O8", (len(names),), names), "Index")

    def block(names: list[str], code: str) -> Call:
        x = table[names].to_numpy().T.astype(f"<{code}")
        return array(code, x.shape, x.tobytes("F" if fortran else "C"), fortran)

    whole = [n for n in table if table[n].dtype.kind == "i"]
    kinds = {"f8": [n for n in table if n not in whole], "i8": whole}
    kinds = {code: names for code, names in kinds.items() if names}
    rows = array("i8", (len(table),), np.arange(len(table), dtype="<i8").tobytes())
    axes = [named(list(table)), index(rows, "Int64Index")]
    blocks = [block(names, code) for code, names in kinds.items()]
    more = {"values": blocks[0], "mgr_locs": Call("__builtin__", "slice", (0, 2, 1))}
    state = (axes, blocks, list(map(named, kinds.values())), {"0.14.1": {"blocks": [more]}})
    manager = Call(internals, "BlockManager", (), state, new=True)
    whole_state = manager if bare else {"_data": manager, "_typ": "dataframe", "_metadata": []}
    return Call("pandas.core.frame", "DataFrame", (), whole_state, new=True)
