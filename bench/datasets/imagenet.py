"""ImageNet of 32 and 64 pixels: two sets at each size, which are not to be taken for each other.

`small` is van den Oord's resampling with 49999 test images, on which most densities are published;
`box` is Chrabaszcz's, with 50000.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, cast

import numpy as np
import torch
from numpy.typing import NDArray

from bench import dataset
from bench.contract import Splits
from bench.datasets.fetch import kept, pictures, readers, unpack
from bench.datasets.fetch.download import Refused
from bench.errors import BenchError

SMALL = {"train": 1281149, "test": 49999}
BOX = {"train": 1281167, "test": 50000}
STRIDE = 256  #: the last of so many train images is valid
LIMIT = 64 << 30  #: bytes of an archive, expanded

Bytes = NDArray[np.uint8]


def rows_of(count: int) -> NDArray[np.int64]:
    """For each train image the row that it is put at: valid images after all others."""
    valid = np.arange(count) % STRIDE == STRIDE - 1
    row = np.empty(count, np.int64)
    row[~valid] = np.arange(count - valid.sum())
    row[valid] = np.arange(count - valid.sum(), count)
    return row


def _splits(
    name: str, size: int, counts: dict[str, int], fill: Callable[[str, list[Path], Bytes], None]
) -> Splits:
    """Train images but every 256th, those, and test, each mapped from the cache."""
    read = {
        part: torch.from_numpy(kept(name, part, (n, 3, size, size), partial(fill, part)))
        for part, n in counts.items()
    }
    train = counts["train"] - counts["train"] // STRIDE
    return Splits(read["train"][:train], read["train"][train:], read["test"])


def _fill_small(part: str, files: list[Path], out: Bytes) -> None:
    """The PNG files of a tar in the order of their names."""
    file = dict(zip(SMALL, files, strict=True))[part]
    count = 2 * len(out) + 16  # macOS adds one to each, which is passed over
    names = pictures.names(file, LIMIT, count)
    if len(names) != len(out):
        raise BenchError(f"{file} has {len(names)} PNG files, not {len(out)}")
    rows = rows_of(len(names)) if part == "train" else np.arange(len(names))
    pictures.read(file, dict(zip(names, rows.tolist(), strict=True)), out, LIMIT, count)


def _fill_box(part: str, files: list[Path], out: Bytes) -> None:
    """The batches of npz files in zips, in the order of their numbers."""
    *train, test = files
    rows = rows_of(len(out)) if part == "train" else np.arange(len(out))
    done = 0
    with closing(_batches(train if part == "train" else [test], part)) as found:
        for file, batch in found:
            x = readers.npz(file, "data", "uint8", (-1, out[0].size), batch)
            if done + len(x) <= len(out):
                out[rows[done : done + len(x)]] = x.reshape(-1, *out.shape[1:])
            done += len(x)
    if done != len(out):
        raise BenchError(f"{test.parent} has {done} images in its {part} files, not {len(out)}")


def _batches(files: list[Path], part: str) -> unpack.Found[tuple[Path, IO[bytes]]]:
    """The npz files in the zips by their numbers, in whatever folder they are there."""
    train = [f"train_data_batch_{i}.npz" for i in range(1, 11)]
    for name in train if part == "train" else ["val_data.npz"]:
        count = 0
        for file in files:
            with closing(_named(file, name)) as found:
                for batch in found:
                    count += 1
                    yield file / name, batch
        if count != 1:
            names = " and ".join(file.name for file in files)
            raise BenchError(f"{name} is {count} times in {names}, not once")


def _named(file: Path, name: str) -> unpack.Found[IO[bytes]]:
    try:
        with closing(unpack.walk(file, file.name, LIMIT, 100)) as found:
            for member in found:
                if member.regular and member.name.rpartition("/")[2] == name:
                    with cast(IO[bytes], member.open()) as batch:
                        yield batch
    except Refused as refused:
        raise BenchError(f"{file} {refused}") from refused


@dataset(
    "imagenet32-small",
    kind="discrete",
    shape=[3, 32, 32],
    levels=256,
    requires=["pillow"],
    source="van den Oord et al.: downsampled ImageNet (image-net.org/small), 32 x 32",
    licence="ImageNet's terms of access: research alone, no commercial use",
    citation="van den Oord, Kalchbrenner, Kavukcuoglu 2016, arXiv 1601.06759",
    split="of 1281149 train images, by name, every 256th is valid; the 49999 valid images are test",
    faults=[
        "No address of image-net.org has the files any more: they are to be had by the torrent "
        "bf62f5051ef878b9c357e6221e879629a9b4b172 of academictorrents.com.",
        "The literature reports its valid images, on which models were chosen too: they are test "
        "here.",
        "Figures on imagenet32-box, another resampling, are lower and not of this set.",
    ],
)
def imagenet32_small() -> Splits:
    """Levels 0..255 as in the literature on densities: 1276145 / 5004 / 49999."""
    return _splits("imagenet32-small", 32, SMALL, _fill_small)


@dataset(
    "imagenet64-small",
    kind="discrete",
    shape=[3, 64, 64],
    levels=256,
    requires=["pillow"],
    source="van den Oord et al.: downsampled ImageNet (image-net.org/small), 64 x 64",
    licence="ImageNet's terms of access: research alone, no commercial use",
    citation="van den Oord, Kalchbrenner, Kavukcuoglu 2016, arXiv 1601.06759",
    split="of 1281149 train images, by name, every 256th is valid; the 49999 valid images are test",
    faults=[
        "No address of image-net.org has the files any more: they are to be had by the torrent "
        "96816a530ee002254d29bf7a61c0c158d3dedc3b of academictorrents.com.",
        "The literature reports its valid images, on which models were chosen too: they are test "
        "here.",
        "Figures on imagenet64-box, another resampling, are lower and not of this set.",
    ],
)
def imagenet64_small() -> Splits:
    """Levels 0..255 as in the literature on densities: 1276145 / 5004 / 49999."""
    return _splits("imagenet64-small", 64, SMALL, _fill_small)


@dataset(
    "imagenet32-box",
    kind="discrete",
    shape=[3, 32, 32],
    levels=256,
    source="Chrabaszcz et al.: ImageNet resampled by boxes to 32 x 32 (npz)",
    licence="ImageNet's terms of access: research alone, no commercial use",
    citation="Chrabaszcz, Loshchilov, Hutter 2017, arXiv 1707.08819",
    split="of 1281167 train images, in order, every 256th is valid; the 50000 val images are test",
    faults=[
        "Resampled with anti-aliasing, it is easier than imagenet32-small: flows get near 3.80 "
        "instead of about 4 bits/dim, and papers mix the two.",
        "The files may be asked of image-net.org with a login alone.",
    ],
)
def imagenet32_box() -> Splits:
    """Levels 0..255 of the files that image-net.org has today: 1276163 / 5004 / 50000."""
    return _splits("imagenet32-box", 32, BOX, _fill_box)


@dataset(
    "imagenet64-box",
    kind="discrete",
    shape=[3, 64, 64],
    levels=256,
    source="Chrabaszcz et al.: ImageNet resampled by boxes to 64 x 64 (npz)",
    licence="ImageNet's terms of access: research alone, no commercial use",
    citation="Chrabaszcz, Loshchilov, Hutter 2017, arXiv 1707.08819",
    split="of 1281167 train images, in order, every 256th is valid; the 50000 val images are test",
    faults=[
        "Resampled with anti-aliasing, it is easier than imagenet64-small, and papers mix the two.",
        "The files may be asked of image-net.org with a login alone.",
    ],
)
def imagenet64_box() -> Splits:
    """Levels 0..255 of the files that image-net.org has today: 1276163 / 5004 / 50000."""
    return _splits("imagenet64-box", 64, BOX, _fill_box)
