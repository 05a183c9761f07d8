"""Colour images of 32 x 32 pixels, read from files that `bench data get` fetches."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench import dataset
from bench.contract import Splits
from bench.datasets.fetch import kept, local, matlab, readers
from bench.datasets.images import split_rows
from bench.errors import BenchError

ROWS = 10000  #: of a batch of CIFAR-10
SAMPLE = 2500, 3000  #: of 4000
VALID = 5000  #: the last of CIFAR-10's 50000 and of SVHN's 73257 train images
SVHN = {"train": 73257, "test": 26032}


@dataset(
    "cifar10",
    kind="discrete",
    shape=[3, 32, 32],
    levels=256,
    classes=10,
    source="Krizhevsky: CIFAR-10, binary version (cifar-10-binary.tar.gz)",
    licence="none stated",
    citation="Krizhevsky 2009, Learning multiple layers of features from tiny images",
    split="first 45000 train images train, last 5000 valid; the official test images test",
    faults=[
        "3.3 % of the test images have a near-duplicate among the train images (Barz and Denzler "
        "2020, arXiv 1902.00423).",
        "MAF's figures double the train images by horizontal flips, others do not.",
    ],
)
def cifar10() -> Splits:
    """Levels 0..255 of ten classes of photographs, in the files' order: 45000 / 5000 / 10000."""
    *train, test = local("cifar10")
    images, labels = readers.cifar(train, ROWS)
    test_images, test_labels = readers.cifar([test], ROWS)
    x, y = torch.from_numpy(images), torch.from_numpy(labels).long()
    return Splits(
        x[:-VALID],
        x[-VALID:],
        torch.from_numpy(test_images),
        train_labels=y[:-VALID],
        valid_labels=y[-VALID:],
        test_labels=torch.from_numpy(test_labels).long(),
    )


@dataset(
    "cifar10-sample",
    kind="discrete",
    shape=[3, 32, 32],
    levels=256,
    source="the first 4000 train images of CIFAR-10 (Krizhevsky 2009), by way of ConvNetJS",
    licence="none stated",
    citation="Krizhevsky 2009, Learning multiple layers of features from tiny images",
    split="first 2500 images train, next 500 valid, last 1000 test",
    faults=[
        "No figure on it is one on CIFAR-10, of which it has a fifteenth.",
        "Its bytes come by way of a third party: its first pixels alone are known to be official.",
    ],
)
def cifar10_sample() -> Splits:
    """A fifteenth of CIFAR-10, under its own name: 2500 / 500 / 1000 rows in the file's order."""
    (file,) = local("cifar10-sample")
    x = torch.from_numpy(readers.npz(file, "x", "uint8", (4000, 3, 32, 32)))
    return split_rows(x, SAMPLE)


def _variables(count: int) -> dict[str, tuple[int, ...]]:
    return {"X": (32, 32, 3, count), "y": (count, 1)}


def _digits(index: int, files: list[Path], out: NDArray[np.uint8]) -> None:
    """Images [N, 3, 32, 32] of a file that has them as [32, 32, 3, N]."""
    file = files[index]
    x = matlab.arrays(file, _variables(len(out)), ["X"])["X"]
    if x.dtype != np.uint8:
        raise BenchError(f"{file} is not SVHN: its 'X' is {x.dtype}, not uint8")
    out[:] = x.transpose(3, 2, 0, 1)


def _digit_labels(index: int, files: list[Path], out: NDArray[np.uint8]) -> None:
    """Labels [N] of a file that has 10 for the digit 0."""
    file = files[index]
    y = matlab.arrays(file, _variables(len(out)), ["y"])["y"][:, 0]
    if not np.isin(y, np.arange(1, 11)).all():
        raise BenchError(f"{file} is not SVHN: its 'y' is not 1 to 10")
    out[:] = y % 10


@dataset(
    "svhn",
    kind="discrete",
    shape=[3, 32, 32],
    levels=256,
    classes=10,
    source="Netzer et al.: Street View House Numbers, cropped digits (format 2)",
    licence="for non-commercial use",
    citation="Netzer, Wang, Coates, Bissacco, Wu, Ng 2011, NIPS Workshop on Deep Learning",
    split="first 68257 train images train, last 5000 valid; the official test images test",
    faults=[
        "The 531131 extra images, with which some figures are trained, are not among these.",
        "Digits of one house number are cropped from one photograph and overlap: they lie beside "
        "each other in the file, so that train and valid are cut at one place, not shuffled.",
    ],
)
def svhn() -> Splits:
    """Levels 0..255 of digits on houses, in the files' order: 68257 / 5000 / 26032.

    Label 0 is the digit 0, which the files label 10.
    """
    read = {}
    for index, (part, count) in enumerate(SVHN.items()):
        images = kept("svhn", part, (count, 3, 32, 32), partial(_digits, index))
        labels = kept("svhn", f"{part}-labels", (count,), partial(_digit_labels, index))
        read[part] = torch.from_numpy(images), torch.from_numpy(labels).long()
    (x, y), (test, test_labels) = read["train"], read["test"]
    return Splits(
        x[:-VALID],
        x[-VALID:],
        test,
        train_labels=y[:-VALID],
        valid_labels=y[-VALID:],
        test_labels=test_labels,
    )
