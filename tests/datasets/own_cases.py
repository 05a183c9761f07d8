"""Files of a user's own in every format, what is stated of them, and what their points are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench import cli, registry
from bench.contract import Splits
from bench.datasets import load_splits
from bench.registry import DatasetEntry
from bench.settings import Sizes

Array = NDArray[Any]
DRAW = np.random.default_rng(0)
REALS = DRAW.normal(size=(40, 3))
BYTES = DRAW.integers(0, 256, (40, 6, 5)).astype(np.uint8)
COLOUR = DRAW.integers(0, 256, (40, 6, 5, 3)).astype(np.uint8)
WIDE = DRAW.integers(0, 65536, (40, 6, 5)).astype(np.uint16)
BITS = DRAW.integers(0, 2, (40, 6)).astype(np.uint8)
COUNTS = DRAW.integers(0, 9, (40, 2))
NAMES = np.array(["cat", "dog", "eel"])[DRAW.integers(0, 3, 40)]
TEXT = "Grüße, 世界!\r\n" * 50


@dataclass
class Case:
    """A file, the options that it needs, and the entry and points that must come of it."""

    write: Callable[[Path], Path]
    points: Array  #: in the file's order
    options: str = ""
    entry: dict[str, Any] = field(default_factory=dict)  #: some fields of the DatasetEntry
    package: str | None = None  #: that reads it


def add(name: str, path: Path | str, options: Iterable[str] = ()) -> int:
    """`bench data add` in this process: the exit code."""
    return cli.main(["data", "add", name, str(path), *options])


def refused(capsys: pytest.CaptureFixture[str], path: Path | str, options: str = "") -> str:
    """The one sentence with which a file is refused."""
    assert add("mine", path, options.split()) in (1, 2, 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "internal error" not in err
    return err.removeprefix("error: ").rstrip()


def entry(name: str = "mine") -> DatasetEntry:
    """The data set as the registry finds it."""
    found = registry.discover()
    assert found.problems == []
    return found.dataset(name)


def loaded(name: str = "mine") -> Splits:
    """Its splits, validated as every data set's are."""
    return load_splits(entry(name), Sizes())[0]


def whole(splits: Splits, of: str = "") -> torch.Tensor:
    """Train, valid and test after each other."""
    return torch.cat([getattr(splits, f"{part}{of}") for part in ("train", "valid", "test")])


def card(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `--json` has printed."""
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    return row


def zipped(path: Path, content: bytes) -> Path:
    """Write bytes, gzipped where the name ends in .gz."""
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def table(name: str, rows: Array, head: str = "a,b,c", comma: str = ",") -> Callable[[Path], Path]:
    """A CSV file of these numbers, each as Python writes it."""
    lines = [head.replace(",", comma)] if head else []
    lines += [comma.join(map(repr, row)) for row in rows.tolist()]
    return lambda folder: zipped(folder / name, "\n".join([*lines, ""]).encode())


def npy(name: str, x: Array) -> Callable[[Path], Path]:
    """An npy file."""

    def write(folder: Path) -> Path:
        import io

        out = io.BytesIO()
        np.save(out, x)
        return zipped(folder / name, out.getvalue())

    return write


def npz(**arrays: Array) -> Callable[[Path], Path]:
    """An npz file."""

    def write(folder: Path) -> Path:
        np.savez_compressed(folder / "x.npz", **arrays)
        return folder / "x.npz"

    return write


def idx(name: str, x: Array, kind: int = 8) -> Callable[[Path], Path]:
    """An idx file of bytes."""
    head = bytes([0, 0, kind, x.ndim]) + np.asarray(x.shape, ">u4").tobytes()
    return lambda folder: zipped(folder / name, head + x.tobytes())


def hdf5(**arrays: Array) -> Callable[[Path], Path]:
    """An HDF5 file."""

    def write(folder: Path) -> Path:
        import h5py

        with h5py.File(folder / "x.h5", "w") as file:
            for key, x in arrays.items():
                file[key] = x
        return folder / "x.h5"

    return write


def mat(**arrays: Array) -> Callable[[Path], Path]:
    """A MATLAB file of version 5."""

    def write(folder: Path) -> Path:
        import scipy.io

        scipy.io.savemat(folder / "x.mat", arrays)
        return folder / "x.mat"

    return write


def mat73(**arrays: Array) -> Callable[[Path], Path]:
    """A MATLAB file of version 7.3: HDF5 after 512 bytes, with the axes reversed."""

    def write(folder: Path) -> Path:
        import h5py

        with h5py.File(folder / "x.mat", "w", userblock_size=512) as file:
            for key, x in arrays.items():
                file[key] = x.T
        return folder / "x.mat"

    return write


def parquet(**columns: Any) -> Callable[[Path], Path]:
    """A Parquet file."""

    def write(folder: Path) -> Path:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table(columns), folder / "x.parquet")
        return folder / "x.parquet"

    return write


def pictures(x: Array, suffix: str = ".png", labels: Array | None = None) -> Callable[[Path], Path]:
    """A folder of images, in folders by label where there are some."""

    def write(folder: Path) -> Path:
        from PIL import Image

        for i, one in enumerate(x):
            place = folder / "pictures" / ("" if labels is None else str(labels[i]))
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(one).save(place / f"{i:03d}{suffix}")
        return folder / "pictures"

    return write


def windows(text: str, length: int) -> Array:
    """Consecutive windows of a text as places in its sorted alphabet."""
    place = {c: i for i, c in enumerate(sorted(set(text)))}
    codes = [place[c] for c in text]
    n = len(codes) // length
    return np.array(codes[: n * length]).reshape(n, length)


def lines(text: str, name: str = "x.txt") -> Callable[[Path], Path]:
    """A text file, its line ends as they are."""
    return lambda folder: zipped(folder / name, text.encode())


REAL = {"kind": "continuous", "levels": None}
LEVELS = {"kind": "discrete", "levels": 256}
FIRST = np.moveaxis(COLOUR, -1, 1)
CASES = {
    "csv": Case(table("x.csv", REALS), REALS, entry={**REAL, "shape": (3,)}),
    "csv without a head": Case(table("x.csv", REALS, ""), REALS, entry=REAL),
    "csv gzipped": Case(table("x.csv.gz", REALS), REALS),
    "tsv": Case(table("x.tsv", REALS, comma="\t"), REALS),
    "semicolons": Case(table("x.csv", REALS, comma=";"), REALS),
    "blanks": Case(table("x.dat", REALS, "", "  "), REALS, "--format csv"),
    "a byte order mark": Case(table("x.csv", REALS, "\ufeffa,b,c"), REALS, "--columns a,b,c"),
    "columns in another order": Case(table("x.csv", REALS), REALS[:, [2, 0]], "--columns c,a"),
    "columns dropped": Case(table("x.csv", REALS), REALS[:, [0, 2]], "--drop b"),
    "levels in a table": Case(
        table("x.csv", COUNTS, "a,b"),
        COUNTS,
        "--kind discrete --levels 9",
        {"kind": "discrete", "levels": 9, "shape": (2,)},
    ),
    "counts in a table": Case(table("x.csv", COUNTS, "a,b"), COUNTS, "--kind continuous", REAL),
    "images in a table": Case(
        table("x.csv", BYTES.reshape(40, 30), ""),
        BYTES[:, None],
        "--kind discrete --levels 256 --shape 6,5",
        {**LEVELS, "shape": (1, 6, 5)},
    ),
    "parquet": Case(parquet(a=REALS[:, 0], b=REALS[:, 1]), REALS[:, :2], package="pyarrow"),
    "parquet with an integer column": Case(
        parquet(a=REALS[:, 0], n=COUNTS[:, 0]),
        np.stack([REALS[:, 0], COUNTS[:, 0]], 1),
        "--kind continuous",
        REAL,
        package="pyarrow",
    ),
    "truth values beside numbers": Case(
        parquet(a=REALS[:, 0], b=BITS[:, 0] > 0),
        np.stack([REALS[:, 0], BITS[:, 0]], 1),
        "--kind continuous",
        REAL,
        package="pyarrow",
    ),
    "npy": Case(npy("x.npy", REALS), REALS),
    "npy gzipped": Case(npy("x.npy.gz", REALS), REALS),
    "npy of another byte order": Case(npy("x.npy", REALS.astype(">f8")), REALS),
    "npy in columns": Case(npy("x.npy", np.asfortranarray(REALS)), REALS),
    "npy of numbers": Case(npy("x.npy", REALS[:, 0]), REALS[:, :1], entry={"shape": (1,)}),
    "npy of truth values": Case(npy("x.npy", BITS > 0), BITS, entry={"kind": "binary"}),
    "npz, channels last": Case(npz(x=COLOUR), FIRST, entry={**LEVELS, "shape": (3, 6, 5)}),
    "npz, channels first": Case(npz(x=FIRST), FIRST, entry={"shape": (3, 6, 5)}),
    "npz by key": Case(npz(x=BYTES, y=NAMES), BYTES[:, None], "--key x"),
    "npz of bits": Case(npz(x=BITS), BITS, "--kind binary", {"kind": "binary", "levels": 2}),
    "levels reduced": Case(
        npz(x=BYTES), BYTES[:, None] // 8, "--levels 32 --reduce-from 256", {"levels": 32}
    ),
    "hdf5": Case(hdf5(x=REALS), REALS, package="h5py"),
    "hdf5 in a group": Case(
        hdf5(**{"group/x": BYTES, "y": REALS}),
        BYTES[:, None],
        "--key group/x",
        package="h5py",
    ),
    "mat": Case(mat(x=REALS), REALS),
    "mat, points last": Case(
        mat(x=np.moveaxis(COLOUR, 0, -1)), FIRST, "--rows last", {**LEVELS, "shape": (3, 6, 5)}
    ),
    "mat 7.3": Case(mat73(x=REALS), REALS, package="h5py"),
    "idx": Case(idx("x-ubyte", BYTES), BYTES[:, None], entry={**LEVELS, "shape": (1, 6, 5)}),
    "idx gzipped, not square": Case(idx("x-idx3-ubyte.gz", BYTES), BYTES[:, None], entry=LEVELS),
    "grey images": Case(pictures(BYTES), BYTES[:, None], entry={**LEVELS, "shape": (1, 6, 5)}),
    "colour images": Case(pictures(COLOUR), FIRST, entry={**LEVELS, "shape": (3, 6, 5)}),
    "grey images of 16 bits": Case(pictures(WIDE), WIDE[:, None], entry={"levels": 65536}),
    "16 bits reduced to 8": Case(
        pictures(WIDE), WIDE[:, None] // 256, "--levels 256", {"levels": 256}
    ),
    "pgm of 16 bits": Case(pictures(WIDE, ".pgm"), WIDE[:, None], entry={"levels": 65536}),
    "images of one bit": Case(
        pictures(BYTES > 127), (BYTES > 127)[:, None], entry={"kind": "binary", "levels": 2}
    ),
    "text": Case(
        lines(TEXT),
        windows(TEXT, 7),
        "--window 7",
        {"kind": "sequence", "levels": len(set(TEXT)), "shape": (7,)},
    ),
    "text gzipped": Case(lines(TEXT, "x.txt.gz"), windows(TEXT, 7), "--window 7"),
    "a series in windows": Case(
        npy("x.npy", REALS[:, 0]),
        REALS[:, 0].reshape(10, 4),
        "--window 4 --fractions .6,.2,.2",
        {"kind": "sequence", "levels": None, "shape": (4,)},
    ),
    "a series of three channels in windows": Case(
        table("x.csv", REALS),
        REALS.reshape(10, 4, 3),
        "--window 4 --fractions .6,.2,.2",
        {"kind": "sequence", "shape": (4, 3)},
    ),
}
