"""What a file does not tell is asked for: one sentence, with what to state, and nothing written."""

from __future__ import annotations

import gzip
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_cases import (
    BITS,
    BYTES,
    COLOUR,
    COUNTS,
    DRAW,
    NAMES,
    REALS,
    add,
    card,
    idx,
    lines,
    npy,
    npz,
    parquet,
    pictures,
    refused,
    table,
)

Write = Callable[[Path], Path]


def both(one: Write, other: Write) -> Write:
    """Two of them, one after the other; the second one's path."""
    return lambda folder: (one(folder), other(folder))[1]


def mixed(folder: Path) -> Path:
    return both(pictures(BYTES[:3]), pictures(np.zeros((4, 6, 7), np.uint8), ".bmp"))(folder)


def alpha(folder: Path) -> Path:
    return pictures(DRAW.integers(0, 256, (3, 6, 5, 4)).astype(np.uint8))(folder)


def dated(folder: Path) -> Path:
    (folder / "x.csv").write_text("day,x\n" + "".join(f"2024-01-{i:02d},.5{i}\n" for i in range(9)))
    return folder / "x.csv"


def gap(folder: Path) -> Path:
    (folder / "x.csv").write_text("a,b\n" + "1.5,\n" * 2 + "2.5,3.25\n" * 18)
    return folder / "x.csv"


def question_marks(folder: Path) -> Path:
    (folder / "x.csv").write_text("a,b\n" + "1.5,?\n" * 2 + "2.5,3.25\n" * 18)
    return folder / "x.csv"


def pickled(folder: Path) -> Path:
    np.save(folder / "x.npy", np.array([{}, None], object), allow_pickle=True)
    return folder / "x.npy"


def pickled_zip(folder: Path) -> Path:
    np.savez(folder / "x.npz", x=np.array([{}, None], object))
    return folder / "x.npz"


def wide_colour(folder: Path) -> Path:
    """A PNG file of 16 bits a channel, which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    lines = b"".join(b"\0" + bytes(30) for _ in range(6))
    head = struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    (folder / "d").mkdir()
    (folder / "d" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return folder / "d"


def pages(folder: Path) -> Path:
    from PIL import Image

    (folder / "d").mkdir()
    one, *others = map(Image.fromarray, BYTES[:3])
    one.save(folder / "d" / "x.tif", save_all=True, append_images=others)
    return folder / "d"


CUBES = DRAW.normal(size=(40, 3, 5, 3))
ASKED: dict[str, tuple[Write, str, str]] = {
    "an integer column": (
        parquet(a=REALS[:, 0], n=COUNTS[:, 0]),
        "",
        "whole numbers alone are in 1 of 2 columns (n), which may be codes or counts: state "
        "--kind continuous to take them for real numbers, or leave them out: --drop n",
    ),
    "integer columns alone": (
        parquet(n=COUNTS[:, 0], m=COUNTS[:, 1]),
        "",
        "state --kind discrete --levels 9 (or more), or --kind continuous",
    ),
    "bits": (npz(x=BITS), "", "state --kind binary, or --kind discrete --levels K"),
    "bytes of few levels": (npz(x=BYTES // 16), "", "--levels 16 (or more), or --kind continuous"),
    "negative whole numbers": (npy("x.npy", COUNTS - 3), "", "-3..5, which may be levels or count"),
    "shifted levels": (
        npy("x.npy", COUNTS - 3),
        "--kind discrete --levels 9",
        "levels are 0, 1, ..., and the values are -3..5: shift them",
    ),
    "too few levels": (
        npy("x.npy", COUNTS),
        "--levels 4",
        "state --levels 9, or --reduce-from 9 to make k the level k * 4 // 9",
    ),
    "levels of reals": (npy("x.npy", REALS), "--levels 4", "the values are no whole numbers"),
    "binary of counts": (npy("x.npy", COUNTS), "--kind binary", "--kind discrete --levels 9"),
    "levels of continuous": (npy("x.npy", REALS), "--kind continuous --levels 3", "has no levels"),
    "symbols or reals": (npy("x.npy", COUNTS), "--kind sequence", "how many levels there are"),
    "bytes over 255": (npy("x.npy", BYTES / 255), "", "save round(255 x) as bytes, or state --kin"),
    "more levels than the image has": (pictures(BYTES), "--levels 999", "cannot be made of 256"),
    "channels": (npy("x.npy", CUBES), "", "state --channels first or --channels last"),
    "channels of a table": (table("x.csv", REALS), "--channels last", "images of three axes"),
    "points last": (
        npz(x=np.moveaxis(COLOUR, 0, -1)),
        "",
        "[6, 5, 3, 40]: state --rows first if it has 6 points, --rows last if it has 40",
    ),
    "shape": (npy("x.npy", REALS), "--shape 2,2", "has 4 values, and a point of the file 3"),
    "shape in words": (npy("x.npy", REALS), "--shape 2x2", "expected numbers between commas"),
    "several arrays": (npz(x=BYTES, y=NAMES), "", "holds x [40, 6, 5] uint8; y [40] <U3: state"),
    "no such key": (npz(x=BYTES, y=NAMES), "--key z", "it has x, y"),
    "keys and parts": (
        npz(x=BYTES, y=NAMES),
        "--key x,x,x,x",
        "expected one, or one each for trai",
    ),
    "key of a table": (table("x.csv", REALS), "--key x", "--key is for npz, HDF5 and MAT files"),
    "points of text": (npz(x=NAMES), "", "values of type <U3, which are no real numbers"),
    "fewer labels than points": (npz(x=BYTES, y=NAMES[:30]), "--key x --labels y", "30 labels"),
    "labels of every row": (npz(x=BYTES, y=np.arange(40)), "--key x --labels y", "name no classes"),
    "real labels": (table("x.csv", REALS), "--labels c", "neither whole numbers nor text"),
    "missing values": (
        gap,
        "",
        "2 values are missing or infinite, in 2 of 20 rows and 1 of 2 columns (b): state "
        "--missing drop-rows or --missing drop-columns",
    ),
    "missing values in an array": (
        npy("x.npy", np.where(np.eye(40, 3) > 0, np.nan, REALS)),
        "",
        "3 of 40 points lack a value (NaN or infinite): state --missing drop-rows",
    ),
    "marks of missing values": (question_marks, "", "or, if '?' marks a missing value: --mark '?'"),
    "dates": (dated, "", "such as '2024-01-00' in day: leave them out: --drop day"),
    "misspelt column": (table("x.csv", REALS, "age,size,mass"), "--drop sise", "you mean 'size'?"),
    "no column left": (table("x.csv", REALS), "--drop a,b,c", "no column is left"),
    "heading or row": (table("x.csv", REALS, "a,2,3"), "", "state --header or --no-header"),
    "delimiter": (lines("a,b;c\nd,e;f\n", "x.csv"), "", "any of ',' ';': state --delimiter comma|"),
    "ragged lines": (lines("1,2\n1,2,3\n", "x.csv"), "", "lines of different numbers of fields"),
    "fields beyond the heading": (
        lines("a,b\n1.5,2.5,3.5\n", "x.csv"),
        "--delimiter comma --header",
        "is no table that can be read",
    ),
    "delimiter of two characters": (table("x.csv", REALS), "--delimiter ::", "or one character"),
    "no rows": (lines("a,b\n", "x.csv"), "", "x.csv holds no rows"),
    "nothing at all": (lines("", "x.csv"), "", "is no table that can be read"),
    "an array of no points": (npy("x.npy", REALS[:0]), "", "the file holds no value"),
    "an array of one value": (npy("x.npy", np.array(1.5)), "", "holds one value"),
    "windows longer than the series": (npy("x.npy", REALS), "--window 99", "windows are longer"),
    "images of two sizes": (mixed, "", "pictures/000.bmp is 6 x 7 pixels of mode L and"),
    "images with alpha": (alpha, "", "mode RGBA: convert it to grey (8 or 16 bits) or RGB first"),
    "images of 16 bits a channel": (wide_colour, "", "x.png has 16 bits a channel: convert it fir"),
    "images of several frames": (pages, "", "d/x.tif has 3 frames: convert it first"),
    "labels of images": (pictures(BYTES), "--labels x", "expected folder"),
    "images outside of classes": (
        both(pictures(BYTES[:3], labels=NAMES), pictures(BYTES[:3], ".bmp")),
        "--labels folder",
        "outside of the folders that name their classes",
    ),
    "no image": (
        lambda f: both(lines("x"), lambda f: f / "d")((f / "d").mkdir() or f),
        "",
        "holds",
    ),
    "format": (lines("x", "x.bin"), "", "does not tell its format: state --format csv|parquet|npy"),
    "no such format": (lines("x"), "--format xls", "--format xls: expected one of csv, parquet"),
    "gzipped npz": (lines("x", "x.npz.gz"), "", "npz is not read gzipped; unpack it first"),
    "option of another format": (lines("ab"), "--columns a", "--columns is for csv, parquet, and"),
    "kind of a text": (lines("ab" * 9), "--kind discrete", "leave out --kind and --levels"),
    "not UTF-8": (
        lambda f: (f / "x.txt").write_bytes(b"\xff") and f / "x.txt",
        "",
        "convert it fir",
    ),
    "text of one character": (lines("a" * 99), "", "fewer than two different characters"),
    "a pickle": (pickled, "", "a pickle), which are never read: save numbers"),
    "a pickle in a zip": (pickled_zip, "--key x", "a pickle), which are never read: save numbers"),
    "idx of floats": (idx("x.idx", BYTES, 13), "", "of type 0x0d, not bytes: save them as npy"),
    "no idx": (lines("something", "x.idx"), "", "first bytes are not those of one"),
    "no npy": (lines("something", "x.npy"), "", "is no npy file that can be read"),
    "no npz": (lines("something", "x.npz"), "", "is no npz file that can be read"),
    "no mat": (lines("something", "x.mat"), "", "is no mat file that can be read"),
    "no parquet": (lines("something", "x.parquet"), "", "is no Parquet file that can be read"),
    "no image file": (lambda f: both(lines("x", "a.png"), lambda f: f)(f), "", "is no image that"),
    "no gzip": (lambda f: (f / "x.csv.gz").write_bytes(b"a,b\n") and f / "x.csv.gz", "", "table"),
    "cut gzip": (
        lambda f: (f / "x.npy.gz").write_bytes(gzip.compress(b"x" * 999)[:20]) and f / "x.npy.gz",
        "",
        "is no npy file that can be read",
    ),
    "few points": (
        npy("x.npy", REALS[:12]),
        "",
        "of 12 points valid gets 1, and needs 2: state oth",
    ),
    "rule": (
        npy("x.npy", REALS),
        "--split shuffle",
        "expected random:SEED, order, stride or files",
    ),
    "seed": (npy("x.npy", REALS), "--split random:a", "the seed is a whole number"),
    "fractions": (npy("x.npy", REALS), "--fractions .5,.4,.2", "expected 3 that add up to 1"),
    "one file for all parts": (npy("x.npy", REALS), "--split files", "state --test and --valid"),
    "sha256": (npy("x.npy", REALS), f"--sha256 {'0' * 64}", "as --sha256 says"),
    "no sha256": (npy("x.npy", REALS), "--sha256 123", "no sha256 in lower-case hex digits"),
    "sha256 of each": (
        npy("x.npy", REALS),
        f"--sha256 {'0' * 64},{'0' * 64}",
        "expected 1, one for",
    ),
    "no such file": (lambda f: f / "x.csv", "", "there is no file or folder"),
}


@pytest.mark.parametrize("case", ASKED)
def test_one_sentence_says_what_to_state(
    case: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write, options, words = ASKED[case]
    for package, cases in {"pyarrow": "an integer column integer columns alone no parquet"}.items():
        if case in cases:
            pytest.importorskip(package)
    path = write(clone)
    assert words in refused(capsys, path, options)
    assert not (clone / "datasets").exists()


ANSWERED = {
    "an integer column": ["--kind continuous", "--drop n"],
    "integer columns alone": ["--kind discrete --levels 9", "--kind continuous", "--levels 12"],
    "bits": ["--kind binary", "--kind discrete --levels 3", "--kind continuous"],
    "bytes of few levels": ["--kind discrete --levels 16", "--levels 256"],
    "too few levels": ["--levels 9", "--levels 4 --reduce-from 9"],
    "channels": ["--channels first", "--channels last"],
    "points last": ["--rows last"],
    "several arrays": ["--key x"],
    "missing values": ["--missing drop-rows", "--missing drop-columns"],
    "missing values in an array": ["--missing drop-rows"],
    "marks of missing values": ["--mark ? --missing drop-rows", "--drop b"],
    "dates": ["--drop day --fractions .5,.25,.25"],
    "heading or row": ["--header"],
    "bytes over 255": ["--kind continuous"],
}


@pytest.mark.parametrize("case", ANSWERED)
def test_what_the_sentence_says_is_enough(
    case: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    path = ASKED[case][0](clone)
    for i, answer in enumerate(ANSWERED[case]):
        few = ["--fractions", ".6,.2,.2"] if "--fractions" not in answer else []
        assert add(f"mine-{i}", path, [*answer.split(), *few, "--json"]) == 0
        assert card(capsys)["name"] == f"mine-{i}"


ABSENT = {
    "h5py": (
        lambda f: (f / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n") and f / "x.h5",
        "density-bench[data]",
    ),
    "pyarrow": (lines("PAR1", "x.parquet"), "density-bench[data]"),
    "PIL": (lambda f: (f / "x.png").write_bytes(b"x") and f, "pip install pillow"),
}


@pytest.mark.parametrize("package", ABSENT)
def test_a_package_that_is_not_installed_is_named(
    package: str, clone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, remedy = ABSENT[package]
    path = write(clone)
    monkeypatch.setitem(sys.modules, package, None)
    assert add("mine", path) == 3
    assert remedy in capsys.readouterr().err
