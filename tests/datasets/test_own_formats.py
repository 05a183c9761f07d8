"""Every format read back: the points are those that were written, in the file's order."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from own_cases import (
    BYTES,
    CASES,
    NAMES,
    REALS,
    add,
    entry,
    hdf5,
    loaded,
    npz,
    parquet,
    pictures,
    table,
    whole,
)

from bench import registry


@pytest.mark.parametrize("name", CASES)
def test_what_is_read_is_what_was_written(name: str, clone: Path) -> None:
    case = CASES[name]
    if case.package:
        pytest.importorskip(case.package)
    assert add("mine", case.write(clone), ["--split", "order", *case.options.split()]) == 0
    found = entry()
    assert {k: getattr(found, k) for k in case.entry} == case.entry
    points = whole(loaded())
    assert points.is_floating_point() is not found.integral
    np.testing.assert_array_equal(points.numpy(), case.points.astype(points.numpy().dtype))


LABELLED = {
    "column": (table("x.csv", np.column_stack([REALS, np.arange(40) % 3]), ""), "--labels 3", 3),
    "key": (npz(x=BYTES, y=NAMES), "--key x --labels y", 3),
    "column of text": (parquet(a=REALS[:, 0], y=NAMES), "--labels y", 3),
    "folder": (pictures(BYTES, labels=NAMES), "--labels folder", 3),
}


@pytest.mark.parametrize("name", LABELLED)
def test_labels_are_classes_in_sorted_order(name: str, clone: Path) -> None:
    write, options, classes = LABELLED[name]
    assert add("mine", write(clone), ["--split", "order", *options.split()]) == 0
    assert entry().classes == classes
    names = np.sort(NAMES) if name == "folder" else NAMES  # a folder's images come by class
    known = np.arange(40) % 3 if name == "column" else np.searchsorted(np.unique(names), names)
    assert whole(loaded(), "_labels").tolist() == known.tolist()


def test_a_context_of_columns_and_of_a_key(clone: Path) -> None:
    pytest.importorskip("h5py")
    order = ["--split", "order"]
    assert add("columns", table("x.csv", REALS)(clone), ["--context", "b,c", *order]) == 0
    assert add("key", hdf5(x=REALS[:, :1], c=REALS[:, 1:])(clone), keyed := [
        "--key", "x", "--context", "c", *order,
    ]) == 0, keyed  # fmt: skip
    for name in ("columns", "key"):
        assert (entry(name).context_dim, entry(name).shape) == (2, (1,))
        np.testing.assert_array_equal(whole(loaded(name)).numpy(), REALS[:, :1])
        np.testing.assert_array_equal(whole(loaded(name), "_context").numpy(), REALS[:, 1:])


def test_parts_from_keys_and_from_files(clone: Path) -> None:
    parts = {"train": REALS[:20], "valid": REALS[20:30], "test": REALS[30:]}
    file = npz(**parts)(clone)
    assert add("keys", file, ["--key", "train,valid,test"]) == 0
    for part, x in parts.items():
        np.save(clone / f"{part}.npy", x)
    files = ["--valid", "valid.npy", "--test", "test.npy"]
    assert add("files", "train.npy", files) == 0
    assert add("two", file, ["--key", "train,test", "--split", "order"]) == 0
    for name in ("keys", "files"):
        for part, x in parts.items():
            np.testing.assert_array_equal(getattr(loaded(name), part).numpy(), x)
    two = loaded("two")
    assert [len(x) for x in (two.train, two.valid, two.test)] == [18, 2, 10]
    np.testing.assert_array_equal(two.valid.numpy(), REALS[18:20])


MISSING = REALS.copy()
MISSING[[3, 17], [0, 1]] = np.nan
MISSING[20, 2] = np.inf
WHOLE_ROWS = np.isfinite(MISSING).all(1)


def gaps(folder: Path) -> Path:
    text = table("x.csv", MISSING)(folder).read_text().replace("nan", "?")
    (folder / "x.csv").write_text(text)
    return folder / "x.csv"


INCOMPLETE = {
    "marked": (gaps, "--mark ? --missing drop-rows", MISSING[WHOLE_ROWS]),
    "one column": (gaps, "--mark ? --columns c,a --missing drop-rows", MISSING[:, [2, 0]]),
    "array": (npz(x=MISSING), "--missing drop-rows", MISSING[WHOLE_ROWS]),
    "columns": (
        table("x.csv", np.where(np.arange(3) == 1, MISSING, REALS)),
        "--missing drop-columns",
        REALS[:, [0, 2]],
    ),
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_missing_values_go_as_stated(name: str, clone: Path) -> None:
    write, options, points = INCOMPLETE[name]
    assert add("mine", write(clone), ["--split", "order", *options.split()]) == 0
    kept = points[np.isfinite(points).all(1)]
    np.testing.assert_array_equal(whole(loaded()).numpy(), kept)


def test_bytes_are_read_in_little_more_than_their_own_size(clone: Path) -> None:
    x = np.random.default_rng(3).integers(0, 256, (2000, 64, 64)).astype(np.uint8)
    np.savez(clone / "x.npz", x=x)
    assert add("mine", clone / "x.npz") == 0
    load = registry.load_function(entry())
    load()  # what is imported is not counted
    tracemalloc.start()
    splits = load()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert splits.train.dtype == torch.uint8
    assert held < 1.1 * x.nbytes
    assert peak < 2.2 * x.nbytes
