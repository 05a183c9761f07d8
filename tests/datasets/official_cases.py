"""Small files in the official formats, and data sets whose pins and counts are patched to them."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from bench.datasets import imagenet, images, images_binary, images_colour
from bench.datasets.fetch import SETS, File

Array = np.ndarray[Any, np.dtype[Any]]


def levels(*shape: int, top: int = 256) -> Array:
    return np.random.default_rng(len(shape)).integers(0, top, shape, np.uint8)


def idx(x: Array) -> bytes:
    """As LeCun's files, gzipped."""
    head = bytes([0, 0, 8, x.ndim]) + np.array(x.shape, ">u4").tobytes()
    return gzip.compress(head + x.tobytes(), 1)


def mat(**arrays: Any) -> bytes:
    out = io.BytesIO()
    savemat(out, arrays, do_compression=True)
    return out.getvalue()


def npz(**arrays: Array) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def png(x: Array) -> bytes:
    """Of [3, H, W] in colours, of bits [H, W] in one bit."""
    out = io.BytesIO()
    picture = Image.fromarray(x.transpose(1, 2, 0) if x.ndim == 3 else x.astype(bool))
    picture.save(out, "PNG")
    return out.getvalue()


def tarred(members: Mapping[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    level = {"compresslevel": 1} if mode == "w:gz" else {}
    with tarfile.open(fileobj=out, mode=mode, **level) as packed:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return out.getvalue()


def repinned(file: File, content: bytes) -> File:
    """The same file with the digests of `content`, by those that it had."""
    blob = b"blob %d\0" % len(content) + content
    made = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "git_blob": hashlib.sha1(blob, usedforsecurity=False).hexdigest(),
    }
    size = None if file.size is None else len(content)
    return replace(file, size=size, **{name: made[name] for name in file.digests})


def registered(name: str, contents: Mapping[str, bytes], patch: pytest.MonkeyPatch) -> None:
    """Pin a data set to other contents: of its files or, if it is there, of their archive."""
    made = []
    for file in SETS[name]:
        if file.archive and file.archive.file.name in contents:
            whole = repinned(file.archive.file, contents[file.archive.file.name])
            made.append(replace(file, size=None, archive=replace(file.archive, file=whole)))
        else:
            made.append(repinned(file, contents[file.name]))
    patch.setitem(SETS, name, tuple(made))


@dataclass
class Official:
    """A data set in its official format: contents by file name, counts, and what it is read as."""

    name: str
    contents: dict[str, bytes]
    splits: tuple[Array, Array, Array]
    labels: tuple[Array, Array, Array] | None = None
    counts: dict[tuple[Any, str], Any] = field(default_factory=dict)

    def place(self, mirror: Path, patch: pytest.MonkeyPatch) -> None:
        """Into a mirror, with pins and counts to match."""
        folder = mirror / SETS[self.name][0].folder
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in self.contents.items():
            (folder / file).write_bytes(content)
        registered(self.name, self.contents, patch)
        for (module, constant), value in self.counts.items():
            patch.setattr(module, constant, value)


def cut(x: Array, *bounds: int) -> tuple[Array, Array, Array]:
    a, b, c = np.split(x, bounds)
    return a, b, c


def mnist_family(name: str) -> Official:
    x, y = levels(30, 28, 28), levels(30, top=10)
    contents = {
        "train-images-idx3-ubyte.gz": idx(x[:20]),
        "t10k-images-idx3-ubyte.gz": idx(x[20:]),
        "train-labels-idx1-ubyte.gz": idx(y[:20]),
        "t10k-labels-idx1-ubyte.gz": idx(y[20:]),
    }
    counts = {(images, "ROWS"): (20, 10), (images, "TRAIN"): 15}
    return Official(name, contents, cut(x[:, None], 15, 20), cut(y, 15, 20), counts)


def cifar10() -> Official:
    x, y = levels(24, 3, 32, 32), levels(24, top=10)
    rows = np.concatenate([y[:, None], x.reshape(24, -1)], 1)
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    members = {
        f"cifar-10-batches-bin/{name}": part.tobytes()
        for name, part in zip(names, np.split(rows, 6), strict=True)
    }
    extra = {"cifar-10-batches-bin/readme.html": b"<html>", "cifar-10-batches-bin/x": b""}
    contents = {"cifar-10-binary.tar.gz": tarred(extra | members, "w:gz")}
    counts = {(images_colour, "ROWS"): 4, (images_colour, "VALID"): 3}
    return Official("cifar10", contents, cut(x, 17, 20), cut(y, 17, 20), counts)


def svhn() -> Official:
    x, y = levels(12, 3, 32, 32), np.arange(12, dtype=np.uint8) % 10
    files = {
        name: mat(X=part.transpose(2, 3, 1, 0), y=np.where(of == 0, 10, of)[:, None])
        for name, part, of in (
            ("train_32x32.mat", x[:8], y[:8]),
            ("test_32x32.mat", x[8:], y[8:]),
        )
    }
    counts = {(images_colour, "SVHN"): {"train": 8, "test": 4}, (images_colour, "VALID"): 3}
    return Official("svhn", files, cut(x, 5, 8), cut(y, 5, 8), counts)


IMAGENET = {(imagenet, "STRIDE"): 4}


def imagenet_small(size: int) -> Official:
    """PNG files in no order in the tar, beside what macOS puts there."""
    x = levels(13, 3, size, size)
    names = [f"{i + 1:07d}.png" for i in range(10)]
    train, valid = f"train_{size}x{size}", f"valid_{size}x{size}"
    members = {f"{train}/{n}": png(one) for n, one in zip(names, x[:10], strict=True)}
    junk = {f"{train}/._{names[0]}": b"x", f"{train}/README": b"x"}
    contents = {
        f"{train}.tar": tarred(dict(reversed(members.items())) | junk),
        f"{valid}.tar": tarred({f"{valid}/{i}.png": png(x[10 + i]) for i in range(3)}),
    }
    last = np.array([3, 7])
    splits = np.delete(x[:10], last, 0), x[last], x[10:]
    counts = {(imagenet, "SMALL"): {"train": 10, "test": 3}} | IMAGENET
    return Official(f"imagenet{size}-small", contents, splits, None, counts)


def imagenet_box(size: int, zips: int) -> Official:
    """Ten batches of one or two images, the tenth after the ninth and not after the first."""
    x = levels(14, 3, size, size)
    flat, mean = x.reshape(14, -1), np.zeros(3 * size**2)
    bounds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    batches = {
        f"train_data_batch_{i}.npz": npz(data=flat[a:b], labels=np.ones(b - a, int), mean=mean)
        for i, (a, b) in enumerate(zip(bounds, bounds[1:], strict=False), 1)
    }
    folder, parts = f"Imagenet{size}_train", [slice(5), slice(5, None)]
    named = [f"{folder}_part{i}_npz" for i in (1, 2)] if zips == 2 else [f"{folder}_npz"]
    names = list(batches)
    contents = {
        f"{name}.zip": zipped({f"{name}/{n}": batches[n] for n in names[part]})
        for name, part in zip(named, parts if zips == 2 else [slice(None)], strict=True)
    }
    contents[f"Imagenet{size}_val_npz.zip"] = zipped({"val_data.npz": npz(data=flat[11:])})
    last = np.array([3, 7])
    splits = np.delete(x[:11], last, 0), x[last], x[11:]
    counts = {(imagenet, "BOX"): {"train": 11, "test": 3}} | IMAGENET
    return Official(f"imagenet{size}-box", contents, splits, None, counts)


def caltech() -> Official:
    """MATLAB's rows go down the columns of an image first."""
    x = levels(12, 1, 28, 28, top=2)
    rows = (1 - x).transpose(0, 1, 3, 2).reshape(12, 784)
    splits = cut(x, 5, 9)
    parts = dict(zip(("train_data", "val_data", "test_data"), cut(rows, 5, 9), strict=True))
    names = np.array([["a", "b"]], object)
    contents = {"caltech101_silhouettes_28_split1.mat": mat(classnames=names, **parts)}
    counts = {(images_binary, "CALTECH"): {n: len(p) for n, p in parts.items()}}
    return Official("caltech-silhouettes", contents, splits, None, counts)


def omniglot(certain: bool = True) -> Official:
    """Probabilities 0 and 1, whose draws are themselves; or between."""
    x = levels(15, 1, 28, 28, top=2)
    columns = x.transpose(0, 1, 3, 2).reshape(15, 784).T.astype(float)
    if not certain:
        columns = columns * 0.5 + 0.25
    contents = {
        "chardata.mat": mat(data=columns[:, :10], testdata=columns[:, 10:], target=np.eye(10))
    }
    order = np.random.RandomState(123).permutation(10)
    splits = x[order[:-3]], x[order[-3:]], x[10:]
    return Official(
        "omniglot-28", contents, splits, None, {(images_binary, "OMNIGLOT"): (10, 5, 3)}
    )


def larochelle() -> Official:
    x = levels(9, 123, top=2)
    splits = cut(x, 4, 6)
    text = ["".join(",".join(map(str, row)) + "\n" for row in part).encode() for part in splits]
    names = [f"adult.{part}.data" for part in ("train", "valid", "test")]
    return Official("adult", dict(zip(names, text, strict=True)), splits)


OFFICIAL: dict[str, Callable[[], Official]] = {
    "mnist": lambda: mnist_family("mnist"),
    "fashion-mnist": lambda: mnist_family("fashion-mnist"),
    "kmnist": lambda: mnist_family("kmnist"),
    "cifar10": cifar10,
    "svhn": svhn,
    "imagenet32-small": lambda: imagenet_small(32),
    "imagenet64-small": lambda: imagenet_small(64),
    "imagenet32-box": lambda: imagenet_box(32, 1),
    "imagenet64-box": lambda: imagenet_box(64, 2),
    "caltech-silhouettes": caltech,
    "omniglot-28": omniglot,
    "adult": larochelle,
}
