"""Official formats, as they are and damaged; pickles that would do something; sets by file."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import maf_cases as cases
import numpy as np
import pandas as pd
import pytest
from maf_cases import Call, array, frame, pickled

from bench import load
from bench.datasets import _table_readers as readers
from bench.datasets import maf_power
from bench.datasets._old_frames import STAND_INS, Kept, old_frame
from bench.datasets.fetch import SETS
from bench.errors import BenchError
from bench.registry import discover

MATRIX = np.random.default_rng(0).normal(size=(30, 6))
TABLE = pd.DataFrame({"Time": np.arange(5) / 10, "n": np.arange(5), "R0": MATRIX[:5, 0]})


def npy(x: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, x, **options)
    return out.getvalue()


def put(folder: Path, content: bytes, name: str = "file") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def refused(read: Callable[[], object], file: Path, words: str) -> None:
    """In one sentence that begins with the file's name."""
    with pytest.raises(BenchError) as caught:
        read()
    assert str(caught.value).startswith(f"{file} is not ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(file))


@pytest.mark.parametrize("kind", ["<f8", "<f4", ">f8", "<i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(kind: str, order: Any, tmp_path: Path) -> None:
    x = np.asarray(MATRIX * 9, dtype=kind, order=order)
    made = readers.npy(put(tmp_path, npy(x)), 6)
    np.testing.assert_array_equal(made, x)
    assert made.dtype == np.float64
    assert made.flags.c_contiguous


NPY = {
    "cut at a round size": (npy(MATRIX)[:512], "its head states 1568 bytes, and it has 512"),
    "longer": (npy(MATRIX) + b"x", "it has 1569"),
    "of a shape that would not fit": (
        npy(MATRIX).replace(b"(30, 6), }" + b" " * 8, b"(3" + b"0" * 9 + b", 6), }"),
        "its head states 144000000128 bytes, and it has 1568",
    ),
    "objects": (npy(np.array([[print] * 6]), allow_pickle=True), "it holds object"),
    "other columns": (npy(MATRIX[:, :5]), "it has the shape [30, 5]"),
    "a row": (npy(MATRIX[0]), "it has the shape [6]"),
    "texts": (npy(MATRIX.astype(str)), "it holds <U"),
    "a page": (b"<!doctype html>" * 9, ""),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize("case", NPY)
def test_what_is_no_such_npy(case: str, tmp_path: Path) -> None:
    content, words = NPY[case]
    file = put(tmp_path, content)
    refused(lambda: readers.npy(file, 6), file, words)


def test_hdf5(tmp_path: Path) -> None:
    content = cases.bsds300()
    file = cases.hdf5(tmp_path / "file", {k: x.astype("<f4") for k, x in content.items()})
    for x, made in zip(content.values(), readers.hdf5(file, list(content), 63), strict=True):
        np.testing.assert_array_equal(made, x.astype(np.float32))
        assert made.dtype == np.float64


def test_hdf5_that_reaches_out_of_the_file(tmp_path: Path) -> None:
    cases.hdf5(tmp_path / "other", {"x": MATRIX})
    put(tmp_path, MATRIX.tobytes(), "raw")
    file = tmp_path / "file"
    with h5py.File(file, "w") as packed:
        packed["link"] = h5py.ExternalLink(tmp_path / "other", "x")
        packed["soft"] = h5py.SoftLink("/link")
        raw = [(str(tmp_path / "raw"), 0, MATRIX.nbytes)]
        packed.create_dataset("external", MATRIX.shape, MATRIX.dtype, external=raw)
        layout = h5py.VirtualLayout(MATRIX.shape, MATRIX.dtype)
        layout[:] = h5py.VirtualSource(tmp_path / "other", "x", MATRIX.shape)
        packed.create_virtual_dataset("virtual", layout)
        packed["own"] = MATRIX
    np.testing.assert_array_equal(readers.hdf5(file, ["own"], 6)[0], MATRIX)
    for key in ("link", "soft", "external", "virtual", "absent"):
        refused(lambda key=key: readers.hdf5(file, [key], 6), file, f"it has no {key} of its own")


def test_what_is_no_such_hdf5(tmp_path: Path) -> None:
    file = cases.hdf5(tmp_path / "file", {"x": MATRIX})
    refused(lambda: readers.hdf5(file, ["x"], 63), file, "it has the shape [30, 6]")
    put(tmp_path, file.read_bytes()[:900])
    refused(lambda: readers.hdf5(file, ["x"], 6), file, "")


def test_csv(tmp_path: Path) -> None:
    train, test = cases.hepmass_files(tmp_path)
    pd.testing.assert_frame_equal(readers.csv(train), cases.hepmass())
    made = readers.csv(test)
    assert list(made.columns) == [*cases.hepmass().columns, "mass"]
    assert made.index.equals(pd.RangeIndex(120))


def test_fields_without_a_head_are_left_out_and_name_no_rows(tmp_path: Path) -> None:
    file = put(tmp_path, b"a,b\n1,2,3\n4,5,6\n")
    with pytest.warns(pd.errors.ParserWarning, match="loss of data"):
        assert readers.csv(file).to_numpy().tolist() == [[1, 2], [4, 5]]


CSV = {"text": b"a,b\n1,x\n", "an empty file": b"", "zeros": bytes(99), "a page": b"<html>\n<body>"}


@pytest.mark.parametrize("case", CSV)
def test_what_is_no_such_csv(case: str, tmp_path: Path) -> None:
    file = put(tmp_path, CSV[case])
    refused(lambda: readers.csv(file), file, "")


@pytest.mark.parametrize("python", [2, 3])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("layout", cases.LAYOUTS)
def test_a_frame_of_an_old_pandas(layout: str, fortran: bool, python: int, tmp_path: Path) -> None:
    file = put(tmp_path, pickled(frame(TABLE, layout, fortran), python))
    pd.testing.assert_frame_equal(old_frame(file), TABLE.astype(np.float64), check_exact=True)


def test_a_frame_of_todays_pandas_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    TABLE.to_pickle(file)
    refused(lambda: old_frame(file), file, "it names ")


def changed(part: str, value: Any) -> Call:
    """The frame with something else in it."""
    made = frame(TABLE)
    manager = made.state["_data"]
    axes, blocks, names, _ = manager.state
    if part == "frame":
        return value
    if part == "names":
        axes[0].args[1]["data"].state = (*axes[0].args[1]["data"].state[:4], value)
    elif part == "block":
        blocks[0].state = (*blocks[0].state[:4], value)
    elif part == "array":
        blocks[0] = value
    elif part == "manager":
        manager.state = value
    return made


RUN = ("touch ran",)
TOO_MANY = array("f8", (10**9, 10**9), b"")
#: what a pickle holds, and what is said of it
HOSTILE: dict[str, tuple[Any, str]] = {
    "a command": (Call("os", "system", RUN), "it names os.system"),
    "a command by its other name": (Call("posix", "system", RUN), "it names posix.system"),
    "an evaluation": (Call("__builtin__", "eval", ("open('ran', 'w')",)), "__builtin__.eval"),
    "code in the place of a block": (
        changed("array", Call("subprocess", "call", (list(RUN),))),
        "it names subprocess.call",
    ),
    "code in the state of a manager": (
        changed("manager", (Call("os", "system", RUN), [], [])),
        "it names os.system",
    ),
    "a name in a name": (Call("pandas.core.frame", "DataFrame.eval", ("1",)), "DataFrame.eval"),
    "numpy's own loader": (Call("numpy", "load", ("file",)), "it names numpy.load"),
    "pandas' own loader": (Call("pandas", "read_pickle", ("file",)), "pandas.read_pickle"),
    "a state for a class": (
        Call("pandas.core.frame", "DataFrame", None, {"__setstate__": None}),
        "",
    ),
    "a number": (42, "it has a int where a Frame belongs"),
    "a manager alone": (frame(TABLE).state["_data"], "it has a Manager where a Frame belongs"),
    "names that are numbers": (changed("names", [1, 2, 3]), "names are no strings"),
    "a name twice": (changed("names", ["Time", "n", "R0", "R0"]), "each by a name of its own"),
    "a name of no block": (changed("names", ["Time", "n", "R9"]), "each by a name of its own"),
    "a block that is too short": (changed("block", b"x" * 8), ""),
    "a block of objects": (changed("array", array("O8", (2, 5), [1])), "array of |O8"),
    "a block of another type": (changed("array", array("V8", (2, 5), b"")), "array of <V8"),
    "a block that is too big": (changed("array", TOO_MANY), ""),
    "a block in three axes": (changed("array", array("f8", (1, 1, 1), b"x" * 8)), "[1, 1, 1]"),
    "a block without a state": (changed("array", array("f8", (2, 5), b"").args[0]), ""),
    "a manager without blocks": (changed("manager", ([], [], [])), ""),
}
MEMO = b"\x80\x02]r" + struct.pack("<I", 2**31 - 1) + b"."
PAGES = {
    "no pickle": b"<!doctype html>",
    "nothing": b"",
    "cut": pickled(frame(TABLE))[:-100],
    "a persistent object": b"\x80\x02X\x01\x00\x00\x00xQ.",
    "a text of many gigabytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "an extension": b"\x80\x02\x82\x01.",
    "an attribute by dots": b"\x80\x04\x8c\x06pandas\x8c\x0bread_pickle\x93.",
    "an instance": b"(S'touch ran'\nios\nsystem\n.",
    "an out-of-band buffer": b"\x80\x05\x97.",
}


@pytest.mark.parametrize("case", [*HOSTILE, *PAGES])
def test_a_hostile_pickle_is_refused_and_nothing_runs(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, words = HOSTILE.get(case, (None, ""))
    file = put(tmp_path, PAGES[case] if case in PAGES else pickled(content))
    refused(lambda: old_frame(file), file, words)
    assert [f.name for f in tmp_path.iterdir()] == ["file"]


def test_no_memory_is_taken_for_objects_that_are_not_there(tmp_path: Path) -> None:
    file = put(tmp_path, MEMO)
    refused(lambda: old_frame(file), file, "it has an object of number 2147483647")


def test_the_ordinary_unpickler_would_have_run_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickled(Call("os", "system", RUN)))
    assert (tmp_path / "ran").exists()


def test_stand_ins_have_no_doings_of_their_own() -> None:
    for stand_in in set(STAND_INS.values()):
        assert issubclass(stand_in, Kept)
        assert set(vars(stand_in)) <= set(vars(Kept)) | {"__doc__", "__module__"}


NAMES = ("power", "gas", "hepmass", "miniboone", "bsds300")


@pytest.fixture
def by_hand(cache: Path) -> Path:
    """Made-up files in the places of the official ones."""
    folder = cache.parent / "maf"
    folder.mkdir(parents=True)
    put(folder, npy(cases.power(10 * maf_power.WEEK)), "power.npy")
    put(folder, official_miniboone(), "miniboone.npy")
    put(folder, pickled(frame(cases.gas())), "ethylene_CO.pickle")
    cases.hdf5(folder / "BSDS300.hdf5", cases.bsds300())
    cases.hepmass_files(folder)
    return folder


def official_miniboone() -> bytes:
    """Other values under the official file's head, which is of the 80 bytes of an old numpy."""
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': (36488, 43), }"
    x = np.random.default_rng(6).normal(size=(36488, 43))
    return b"\x93NUMPY\x01\x00F\x00" + head.ljust(69).encode() + b"\n" + x.tobytes()


#: rows of the made-up splits
ROWS = {
    "power": "81648 / 9072 / 10080",
    "gas": "243 / 27 / 30",
    "hepmass": "99 / 10 / 74",
    "bsds300": "60 / 12 / 18",
}


@pytest.mark.parametrize("name", ROWS)
def test_a_published_set_is_read_and_its_rows_are_counted(name: str, by_hand: Path) -> None:
    with pytest.raises(BenchError, match=f"{name} has {ROWS[name]} rows, but papers state"):
        load(name)


def test_miniboone_of_the_official_size(by_hand: Path) -> None:
    parts = cases.rows_of(load("miniboone"))
    assert [x.shape for x in parts] == [(29556, 43), (3284, 43), (3648, 43)]


@pytest.mark.parametrize("name", NAMES)
def test_an_audited_set_is_read_from_the_same_file(name: str, by_hand: Path) -> None:
    parts = cases.rows_of(load(f"{name}-audited"))
    assert SETS[f"{name}-audited"] == SETS[name]
    assert {x.shape[1:] for x in parts} == {discover().dataset(f"{name}-audited").shape}
