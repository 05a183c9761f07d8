"""The readers: exact on what they are made for, one sentence on the rest, nothing unpickled."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.fetch import readers
from bench.errors import BenchError

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 28, 20), np.uint8)
BITS = np.random.default_rng(1).integers(0, 2, (40, 17), np.uint8)
HEAD = bytes([0, 0, 8, 3, 0, 0, 0, 50, 0, 0, 0, 28, 0, 0, 0, 20])


def text(bits: np.ndarray, separator: str) -> bytes:
    return "".join(separator.join(map(str, row)) + "\n" for row in bits).encode()


def npy(x: np.ndarray, **options: bool) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, x, **options)
    return out.getvalue()


def zipped(folder: Path, member: bytes, name: str = "x.npy") -> Path:
    file = folder / "x.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, member)
    return file


def put(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("name", ["images.gz", "images"])
def test_idx(name: str, tmp_path: Path) -> None:
    content = HEAD + IMAGES.tobytes()
    file = put(tmp_path, name, gzip.compress(content) if name.endswith("gz") else content)
    np.testing.assert_array_equal(readers.idx(file, IMAGES.shape), IMAGES)


@pytest.mark.parametrize(("read", "separator"), [(readers.amat, " "), (readers.debd, ",")])
def test_digits(read: Callable[..., np.ndarray], separator: str, tmp_path: Path) -> None:
    file = put(tmp_path, "bits", text(BITS, separator))
    np.testing.assert_array_equal(read(file, 17), BITS)
    column = put(tmp_path, "column", text(BITS[:, :1], separator))
    np.testing.assert_array_equal(read(column, 1), BITS[:, :1])
    assert read(put(tmp_path, "empty", b""), 17).shape == (0, 17)


def test_digits_in_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(tmp_path, "bits", text(BITS, ","))
    for size in (1, 34 * 7, 34 * 40):
        monkeypatch.setattr(readers, "ROWS", size)
        np.testing.assert_array_equal(readers.debd(file, 17), BITS)


def test_npz(tmp_path: Path) -> None:
    file = zipped(tmp_path, npy(IMAGES))
    np.testing.assert_array_equal(readers.npz(file, "x", "uint8", IMAGES.shape), IMAGES)
    np.savez(tmp_path / "floats.npz", x=IMAGES / 7)
    read = readers.npz(tmp_path / "floats.npz", "x", "<f8", IMAGES.shape)
    np.testing.assert_array_equal(read, IMAGES / 7)


class Bomb:
    """Unpickled, it makes the file `ran` in the current folder."""

    def __reduce__(self) -> tuple[object, ...]:
        return open, ("ran", "w")


def damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


PACKED = gzip.compress(HEAD + IMAGES.tobytes())
IDX: dict[str, bytes] = {
    "no gzip": HEAD + IMAGES.tobytes(),
    "other sizes": gzip.compress(damaged(HEAD, 7) + IMAGES.tobytes()),
    "other type": gzip.compress(damaged(HEAD, 2) + IMAGES.tobytes()),
    "short": gzip.compress(HEAD + IMAGES.tobytes()[:-1]),
    "long": gzip.compress(HEAD + IMAGES.tobytes() + b"x"),
    "bomb": gzip.compress(HEAD + IMAGES.tobytes() + bytes(10**7)),
    "cut": PACKED[:-2000],
    "flipped": damaged(PACKED, 5000),
    "empty": b"",
}
DIGITS: dict[str, bytes] = {
    "another digit": text(BITS + 2 * (BITS > 0), ","),
    "spaces": text(BITS, " "),
    "cut": text(BITS, ",")[:-1],
    "other columns": text(BITS[:, :16], ","),
    "carriage returns": text(BITS, ",").replace(b"\n", b"\r\n"),
    "lines joined": text(BITS, ",").replace(b"\n", b","),
    "letters": text(BITS, ",").replace(b"1", b"a"),
    "page": b"<html>" * 34,
}
huge = npy(IMAGES).replace(b"(50, 28, 20)", b"(50000000, 28, 20)").replace(b" " * 8, b"  ", 1)
NPZ: dict[str, bytes] = {
    "objects": npy(np.array([Bomb()]), allow_pickle=True),
    "objects of the right shape": npy(np.full(IMAGES.shape, None), allow_pickle=True),
    "other shape": npy(IMAGES[1:]),
    "other type": npy(IMAGES.astype("int64")),
    "Fortran's order": npy(np.asfortranarray(IMAGES)),
    "a shape that it has not": huge,
    "short": npy(IMAGES)[:-1],
    "long": npy(IMAGES) + b"x",
    "bomb": npy(IMAGES) + bytes(10**7),
    "no npy": b"hello" * 100,
    "code in the head": npy(IMAGES).replace(b"'shape': (50, 28, 20)", b"'shape': open('ran') "),
}


def one_sentence(caught: pytest.ExceptionInfo[BenchError], file: Path) -> None:
    assert str(caught.value).startswith(f"{file} is not ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", IDX)
def test_what_is_no_such_idx(case: str, tmp_path: Path) -> None:
    file = put(tmp_path, "x.gz", IDX[case])
    with pytest.raises(BenchError) as caught:
        readers.idx(file, IMAGES.shape)
    one_sentence(caught, file)


@pytest.mark.parametrize("case", DIGITS)
def test_what_are_no_such_digits(case: str, tmp_path: Path) -> None:
    file = put(tmp_path, "x.data", DIGITS[case])
    with pytest.raises(BenchError) as caught:
        readers.debd(file, 17)
    one_sentence(caught, file)


@pytest.mark.parametrize("case", NPZ)
def test_what_is_no_such_npz_and_runs_nothing(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = zipped(tmp_path, NPZ[case])
    dtypes = ["uint8"] + ["O"] * case.startswith("objects")
    for dtype in dtypes:  # not even if it is asked for
        shape = (1,) if case == "objects" else IMAGES.shape
        with pytest.raises(BenchError) as caught:
            readers.npz(file, "x", dtype, shape)
        one_sentence(caught, file)
    assert not (tmp_path / "ran").exists()


def test_an_npz_without_the_key_or_no_zip_at_all(tmp_path: Path) -> None:
    file = zipped(tmp_path, npy(IMAGES), "y.npy")
    for content in (None, b"PK\x03\x04" + b"x" * 100, b""):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(BenchError) as caught:
            readers.npz(file, "x", "uint8", IMAGES.shape)
        one_sentence(caught, file)


def test_no_reader_holds_more_than_two_arrays(tmp_path: Path) -> None:
    """At 20 MB, with blocks of 4 MB and what numpy compares."""
    bits = np.random.default_rng(2).integers(0, 2, (25_000, 800), np.uint8)
    characters = np.empty((*bits.shape, 2), np.uint8)
    characters[..., 0], characters[..., 1] = bits + ord("0"), ord(" ")
    characters[:, -1, 1] = ord("\n")
    head = bytes([0, 0, 8, 2]) + np.array(bits.shape, ">u4").tobytes()
    text, packed = tmp_path / "a", tmp_path / "b.gz"
    text.write_bytes(characters.tobytes())
    packed.write_bytes(gzip.compress(head + bits.tobytes(), 1))
    arrays = zipped(tmp_path, npy(bits))
    reads: dict[str, Callable[[], np.ndarray]] = {
        "amat": lambda: readers.amat(text, 800),
        "idx": lambda: readers.idx(packed, bits.shape),
        "npz": lambda: readers.npz(arrays, "x", "uint8", bits.shape),
    }
    for name, read in reads.items():
        tracemalloc.start()
        made = read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert np.array_equal(made, bits)
        assert peak < 2 * bits.nbytes, name
