"""Binary images of digits, characters and outlines, read from files that `bench data get` fetches.

Where the files have grey levels or probabilities, one draw of a stated seed makes the bits: the
draws of the literature differ from epoch to epoch in train, and from run to run elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench import dataset
from bench.contract import Splits
from bench.datasets.fetch import kept, local, matlab, pictures, readers
from bench.datasets.images import split_rows
from bench.errors import BenchError

IMAGES = 70000  #: of MNIST, train and then test
BOUNDS = 50000, 60000  #: of them before these: train, valid
DRAWS = 777, 778  #: seeds: of valid, then test, as in vae_vampprior; of train
ROWS = 1000  #: drawn together: the stream of draws does not depend on it
OMNIGLOT = 24345, 8070, 1345  #: rows of data and testdata; of data that are valid
IWAE = 123  #: seed of the order of data, the last rows of which are valid
CALTECH = {"train_data": 4100, "val_data": 2264, "test_data": 2307}
CHARACTERS = 242  #: of eight alphabets, each with 20 drawers
SPLIT = CHARACTERS * 14, CHARACTERS * 16  #: by drawers: 14 train, 2 valid, 4 test
SMALL = 2 << 20, 5000  #: bytes and members of an archive of OMNIGLOT

Bytes = NDArray[np.uint8]


def _draw(x: NDArray[Any], top: float, random: np.random.RandomState, out: Bytes) -> None:
    """Bits that are 1 with probability x / top, in single precision, as one call would draw them.

    In blocks: `random.binomial(1, x / top)` needs 12 bytes for each.
    """
    for start in range(0, len(out), ROWS):
        rows = slice(start, start + ROWS)
        out[rows] = random.binomial(1, x[rows].astype(np.float32) / top)


def _static(files: list[Path], out: Bytes) -> None:
    """Train, valid and test one after the other, [70000, 28, 28]."""
    rows = out.reshape(-1, 784)
    for file, part in zip(files, np.split(rows, BOUNDS), strict=True):
        readers.amat(file, 784, part)


@dataset(
    "binarized-mnist",
    kind="binary",
    shape=[1, 28, 28],
    levels=2,
    source="the fixed draw of Salakhutdinov and Murray 2008, as Larochelle's amat files",
    licence="none stated",
    citation="Salakhutdinov, Murray 2008 (ICML); Larochelle, Murray 2011 (AISTATS)",
    split="the files' own 50000 / 10000 / 10000",
    faults=[
        "Train and valid are a random mix of all 60000 train images of MNIST: valid is not its "
        "last 10000.",
        "Test is sorted by class, its first rows are zeros alone: take a stride, not a prefix.",
    ],
)
def binarized_mnist() -> Splits:
    """One draw of each pixel with probability level / 255: static binarized MNIST."""
    bits = kept("binarized-mnist", "bits", (IMAGES, 28, 28), _static)
    return split_rows(torch.from_numpy(bits)[:, None], BOUNDS)


def _dynamic(files: list[Path], out: Bytes) -> None:
    """Train, valid and test one after the other, [70000, 28, 28]."""
    first, second = BOUNDS
    x = np.empty_like(out)
    for file, rows in zip(files, (x[:second], x[second:]), strict=True):
        readers.idx(file, rows.shape, rows)
    drawn, later = (np.random.RandomState(seed) for seed in DRAWS)
    _draw(x[first:], 255.0, drawn, out[first:])
    _draw(x[:first], 255.0, later, out[:first])


@dataset(
    "dynamic-binarized-mnist",
    kind="binary",
    shape=[1, 28, 28],
    levels=2,
    source="the official files of MNIST, with the draws of github.com/jmtomczak/vae_vampprior",
    licence="none stated",
    citation="Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519",
    split="first 50000 train images train, last 10000 valid; the official test images test",
    faults=[
        "Train is one draw (RandomState(778)), where the literature draws each epoch anew: a model "
        "that overfits bits is worse here than there.",
        "Valid and test are one draw (RandomState(777), valid first), as in vae_vampprior; IWAE "
        "draws them at each evaluation, so that its figures scatter.",
    ],
)
def dynamic_binarized_mnist() -> Splits:
    """Each pixel of MNIST is 1 with probability level / 255, independently: 50000 / 10000 / 10000.

    The probabilities are single precision, as PyTorch's conversion makes them.
    """
    bits = kept("dynamic-binarized-mnist", "bits", (IMAGES, 28, 28), _dynamic)
    return split_rows(torch.from_numpy(bits)[:, None], BOUNDS)


def _upright(columns: NDArray[Any]) -> NDArray[Any]:
    """Rows of 784 in MATLAB's order, column after column, as images [N, 28, 28]."""
    return columns.reshape(-1, 28, 28).transpose(0, 2, 1)


def _omniglot(files: list[Path], out: Bytes) -> None:
    """Train, valid and test one after the other."""
    count, tests, valid = OMNIGLOT
    read = matlab.arrays(files[0], {"data": (784, count), "testdata": (784, tests)})
    data, test = _upright(read["data"].T), _upright(read["testdata"].T)
    if not all(x.min() >= 0 and x.max() <= 1 for x in (data, test)):
        raise BenchError(f"{files[0]} is not OMNIGLOT: its values are not in [0, 1]")
    order = np.random.RandomState(IWAE).permutation(count)
    drawn, later = (np.random.RandomState(seed) for seed in DRAWS)
    _draw(data[order[-valid:]], 1.0, drawn, out[count - valid : count])
    _draw(test, 1.0, drawn, out[count:])
    _draw(data[order[:-valid]], 1.0, later, out[: count - valid])


@dataset(
    "omniglot-28",
    kind="binary",
    shape=[1, 28, 28],
    levels=2,
    source="chardata.mat of github.com/yburda/iwae: OMNIGLOT in 28 x 28 pixels, real in [0, 1]",
    licence="none stated",
    citation="Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519",
    split="data by RandomState(123).permutation: last 1345 rows valid, the others train; testdata",
    faults=[
        "Train is one draw of its probabilities (RandomState(778)), where the literature draws "
        "each epoch anew.",
        "Valid and test are one draw (RandomState(777), valid first), as in vae_vampprior, whose "
        "valid rows are unseeded; IWAE draws them at each evaluation: figures differ by the draw.",
        "It is not the OMNIGLOT of 105 x 105 pixels.",
    ],
)
def omniglot_28() -> Splits:
    """Handwritten characters of 50 alphabets, each pixel drawn once: 23000 / 1345 / 8070."""
    count, tests, valid = OMNIGLOT
    bits = kept("omniglot-28", "bits", (count + tests, 28, 28), _omniglot)
    return split_rows(torch.from_numpy(bits)[:, None], (count - valid, count))


@dataset(
    "caltech-silhouettes",
    kind="binary",
    shape=[1, 28, 28],
    levels=2,
    source="Marlin: Caltech 101 Silhouettes, caltech101_silhouettes_28_split1.mat",
    licence="none stated",
    citation="Marlin, Swersky, Chen, de Freitas 2010 (AISTATS)",
    split="the file's own train_data, val_data and test_data: 4100 / 2264 / 2307",
    faults=[
        "The literature takes 1 - x, and so does this set: nats of a model of independent pixels "
        "are the same, samples are not.",
        "The file is known by an MD5 alone, which DeepMind's dm_nevis publishes.",
    ],
)
def caltech_silhouettes() -> Splits:
    """Filled outlines of objects of 101 classes, in 28 x 28 pixels."""
    (file,) = local("caltech-silhouettes")
    read = matlab.arrays(file, {name: (rows, 784) for name, rows in CALTECH.items()})
    parts = []
    for name, x in read.items():
        if not np.isin(x, (0, 1)).all():
            raise BenchError(f"{file} is not binary: '{name}' has other values than 0 and 1")
        parts.append(torch.from_numpy(1 - _upright(x.astype(np.uint8)))[:, None])
    return Splits(*parts)


def _small(files: list[Path], out: Bytes) -> None:
    """Ink 1 [4840, 1, 105, 105], by drawers; Greek and Latin are in both archives."""
    found = {
        name.partition("/")[2]: (name, file)
        for file in reversed(files)
        for name in pictures.names(file, *SMALL)
    }
    order = sorted(found, key=lambda path: (path[-6:-4], path))  # of 0108_14.png the drawer is 14
    if len(order) != len(out):
        raise BenchError(f"{files[0].parent} has {len(order)} images, not {len(out)}")
    for file in files:
        rows = {found[p][0]: row for row, p in enumerate(order) if found[p][1] == file}
        pictures.read(file, rows, out, *SMALL)
    np.equal(out, 0, out=out.view(bool))


@dataset(
    "omniglot-small",
    kind="binary",
    shape=[1, 105, 105],
    levels=2,
    requires=["pillow"],
    source="images_background_small1 and small2 of github.com/brendenlake/omniglot, 105 x 105",
    licence="MIT",
    citation="Lake, Salakhutdinov, Tenenbaum 2015, Science 350 (6266)",
    split="of each character's 20 drawers, the first 14 train, 2 valid, the last 4 test",
    faults=[
        "It is not the OMNIGLOT of 28 x 28 pixels on which densities are published.",
        "It has eight of the 50 alphabets, and the same characters in all three splits.",
    ],
)
def omniglot_small() -> Splits:
    """Handwritten characters of eight alphabets, ink 1: 3388 / 484 / 968."""
    x = torch.from_numpy(kept("omniglot-small", "bits", (CHARACTERS * 20, 1, 105, 105), _small))
    return split_rows(x, SPLIT)
