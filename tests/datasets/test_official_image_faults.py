"""Files of the right bytes and the wrong content: one sentence, nothing kept of them, nothing run.

As when a registry is wrong, or where nobody publishes a digest and the first bytes are trusted.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fetch_cases import listing
from official_cases import OFFICIAL, idx, levels, mat, npz, png, tarred, zipped

from bench.datasets import load_splits
from bench.datasets.fetch import SETS, matlab
from bench.errors import BenchError
from bench.registry import discover
from bench.settings import Sizes

DECLARED = discover()
RAN = "ran"


class Bomb:
    """Unpickled, it makes the file `ran` in the current folder."""

    def __reduce__(self) -> tuple[object, ...]:
        return open, (RAN, "w")


def pickled(key: str, rows: int) -> bytes:
    out = io.BytesIO()
    np.savez(out, **{key: np.array([Bomb()] * rows)}, allow_pickle=True)
    return out.getvalue()


def linked(name: str) -> bytes:
    """A gzipped tar that has a symbolic link in the place of a file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(info)
    return out.getvalue()


def element(content: bytes) -> bytes:
    """A compressed element of a MATLAB file."""
    packed = zlib.compress(content)
    return struct.pack("<II", 15, len(packed)) + packed


def cifar(**changes: bytes) -> dict[str, bytes]:
    made = OFFICIAL["cifar10"]().contents["cifar-10-binary.tar.gz"]
    with tarfile.open(fileobj=io.BytesIO(made)) as packed:
        members = {m.name: packed.extractfile(m).read() for m in packed}  # type: ignore[union-attr]
    changed = {f"cifar-10-batches-bin/{n}.bin": content for n, content in changes.items()}
    return {"cifar-10-binary.tar.gz": tarred(changed | members | changed, "w:gz")}


IDX = gzip.decompress(idx(levels(10, 28, 28)))
CELLS = np.array([[1.0, "a"]], object)
X, Y = levels(32, 32, 3, 8), np.arange(1, 9, dtype=np.uint8)[:, None]
HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
HDF5 = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + b"\x89HDF" * 99
TRAIN, CHARS = "train_32x32.mat", "chardata.mat"
PNGS = {f"train_32x32/{i}.png": png(levels(3, 32, 32)) for i in range(10)}
BOX = {f"a/train_data_batch_{i}.npz": npz(data=levels(1, 3072)) for i in range(1, 11)}
TWO = dict.fromkeys(
    ["a/train_data_batch_1.npz", "a/train_data_batch_2.npz"], npz(data=levels(2, 3072))
)
LARGE = png(np.zeros((3, 3000, 3000), np.uint8))
SILHOUETTES = "caltech101_silhouettes_28_split1.mat"
ZEROS = {"train_data": np.zeros((5, 784)), "val_data": np.zeros((4, 784))}

#: data set, its files that are replaced, words of the sentence
FAULTS: dict[str, tuple[str, Callable[[], dict[str, bytes]], str]] = {
    "idx: other count": (
        "mnist",
        lambda: {"train-images-idx3-ubyte.gz": idx(levels(19, 28, 28))},
        "is not an idx file of bytes [20, 28, 28]",
    ),
    "idx: bomb": (
        "mnist",
        lambda: {
            "t10k-images-idx3-ubyte.gz": gzip.compress(
                gzip.decompress(idx(levels(10, 28, 28))) * 999
            )
        },
        "is not an idx file of 7840 bytes after its head",
    ),
    "cifar: another label": (
        "cifar10",
        lambda: cifar(data_batch_3=b"\x0a" * 4 * 3073),
        "data_batch_3.bin is not a batch of CIFAR-10: a label is above 9",
    ),
    "cifar: fewer rows": (
        "cifar10",
        lambda: cifar(test_batch=b"\0" * 3073),
        "4 rows of 3073 bytes",
    ),
    "cifar: outside": (
        "cifar10",
        lambda: cifar(**{"../../../x": b""}),
        "a member outside",
    ),
    "cifar: bomb": (
        "cifar10",
        lambda: cifar(more=bytes(201 << 20)),
        "expands to more",
    ),
    "cifar: link": (
        "cifar10",
        lambda: {"cifar-10-binary.tar.gz": linked("cifar-10-batches-bin/test_batch.bin")},
        "test_batch.bin as something else than a regular file",
    ),
    "svhn: other count": (
        "svhn",
        lambda: {TRAIN: mat(X=X[..., 1:], y=Y)},
        "[32, 32, 3, 7]",
    ),
    "svhn: floats": ("svhn", lambda: {TRAIN: mat(X=X / 2, y=Y)}, "its 'X' is float64, not uint8"),
    "svhn: another label": ("svhn", lambda: {TRAIN: mat(X=X, y=Y - 1)}, "its 'y' is not 1 to 10"),
    "svhn: lacking": ("svhn", lambda: {TRAIN: mat(X=X)}, "'y' is nothing []"),
    "svhn: cells": (
        "svhn",
        lambda: {TRAIN: mat(X=CELLS, y=Y)},
        "cell [1, 2]",
    ),
    "svhn: cells of the right shape": (
        "svhn",
        lambda: {TRAIN: mat(X=X, y=Y.astype(object))},
        "'y' is cell [8, 1]",
    ),
    "svhn: structure": ("svhn", lambda: {TRAIN: mat(X={"a": 1}, y=Y)}, "'X' is struct [1, 1]"),
    "svhn: bomb": (
        "svhn",
        lambda: {TRAIN: HEAD + element(bytes(10**8))},
        "expands to more than",
    ),
    "svhn: cut": ("svhn", lambda: {TRAIN: mat(X=X, y=Y)[:-300]}, "is not a MATLAB 5 file"),
    "svhn: version 7.3": ("svhn", lambda: {TRAIN: HDF5}, "is not a MATLAB 5 file"),
    "svhn: no MATLAB file": ("svhn", lambda: {TRAIN: b"hello" * 100}, "is not a MATLAB 5 file"),
    "imagenet: more": (
        "imagenet32-small",
        lambda: {"train_32x32.tar": tarred(PNGS | {"a.png": b""})},
        "has 11 PNG files, not 10",
    ),
    "imagenet: fewer": (
        "imagenet32-small",
        lambda: {"valid_32x32.tar": tarred({"a.png": png(levels(3, 32, 32))})},
        "has 1 PNG files, not 3",
    ),
    "imagenet: larger": (
        "imagenet32-small",
        lambda: {"train_32x32.tar": tarred(PNGS | {"train_32x32/3.png": LARGE})},
        "is not a PNG of 32 x 32 pixels: it has 3000 x 3000",
    ),
    "imagenet: no PNG": (
        "imagenet32-small",
        lambda: {"train_32x32.tar": tarred(PNGS | {"train_32x32/3.png": b"GIF89a" * 9})},
        "train_32x32/3.png of",
    ),
    "imagenet: cut": (
        "imagenet32-small",
        lambda: {"train_32x32.tar": tarred(PNGS)[:-20000]},
        "train_32x32.tar",
    ),
    "imagenet: objects": (
        "imagenet32-box",
        lambda: {
            "Imagenet32_train_npz.zip": zipped(
                BOX | {"a/train_data_batch_4.npz": pickled("data", 1)}
            )
        },
        "but it holds object [1]",
    ),
    "imagenet: more in a batch": (
        "imagenet32-box",
        lambda: {"Imagenet32_train_npz.zip": zipped(BOX | TWO)},
        "has 12 images in its train files, not 11",
    ),
    "imagenet: no batch": (
        "imagenet32-box",
        lambda: {"Imagenet32_train_npz.zip": zipped({n: BOX[n] for n in BOX if "_7" not in n})},
        "train_data_batch_7.npz is 0 times in Imagenet32_train_npz.zip, not once",
    ),
    "omniglot: beyond one": (
        "omniglot-28",
        lambda: {CHARS: mat(data=np.full((784, 10), 1.1), testdata=np.zeros((784, 5)))},
        "its values are not in [0, 1]",
    ),
    "omniglot: NaN": (
        "omniglot-28",
        lambda: {CHARS: mat(data=np.full((784, 10), np.nan), testdata=np.zeros((784, 5)))},
        "its values are not in [0, 1]",
    ),
    "caltech: three values": (
        "caltech-silhouettes",
        lambda: {SILHOUETTES: mat(**ZEROS, test_data=np.full((3, 784), 2.0))},
        "'test_data' has other values than 0 and 1",
    ),
    "larochelle: other columns": (
        "adult",
        lambda: {"adult.test.data": b"0,1\n" * 9},
        "rows of 123 digits",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_wrong_content_is_one_sentence(
    case: str, mirror: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, changed, words = FAULTS[case]
    made = OFFICIAL[name]()
    made.contents |= changed()
    made.place(mirror.parent, monkeypatch)
    with pytest.raises(BenchError) as caught:
        load_splits(DECLARED.dataset(name), Sizes())
    sentence = str(caught.value)
    assert words in sentence
    assert "\n" not in sentence
    assert "raised" not in sentence  # the data set says it, not who calls it
    folder = cache.parent / SETS[name][0].folder
    for file, content in made.contents.items():
        if (folder / file).exists():
            assert (folder / file).read_bytes() == content
    kept = folder / "arrays"
    assert not kept.exists() or not [n for n in listing(kept) if ".part" in n]
    assert not (tmp_path / RAN).exists()
    assert not list(tmp_path.rglob("x.bin"))


def test_a_matlab_file_is_not_expanded_beyond_what_it_may_have(tmp_path: Path) -> None:
    """Ten elements of 100 MB of zeros: counting stops at the first."""
    file = tmp_path / "x.mat"
    file.write_bytes(HEAD + element(bytes(10**8)) * 10)
    limit = 10**6
    assert limit < matlab._expanded(file, limit) <= limit + matlab.CHUNK


def test_one_variable_is_read_out_of_a_file_with_bigger_ones(tmp_path: Path) -> None:
    """As the labels of SVHN beside its images, which alone are beyond any slack."""
    file, x = tmp_path / "x.mat", levels(1024, 3000)
    file.write_bytes(mat(X=x, y=np.ones((5, 1))))
    assert file.stat().st_size > 2 * matlab.CHUNK
    (y,) = matlab.arrays(file, {"X": x.shape, "y": (5, 1)}, ["y"]).values()
    assert y.tolist() == [[1]] * 5


def test_other_variables_of_a_matlab_file_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "x.mat"
    file.write_bytes(mat(a=np.eye(3), names=np.array([["b"]], object), b={"c": 1}))
    read = matlab.arrays(file, {"a": (3, 3)})
    np.testing.assert_array_equal(read["a"], np.eye(3))
    assert set(read) == {"a"}
