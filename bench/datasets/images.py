"""Small grey images in levels, read from files that `bench data get` fetches."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench import dataset
from bench.contract import Splits
from bench.datasets.fetch import kept, local, readers

ROWS = 60000, 10000  #: train and test images of the MNIST family
TRAIN = 50000  #: of its train images; the last 10000 are valid
FREY = 1565, 1765  #: frames before these: train, valid; the last 200 are test
KMNIST = 4000, 5000  #: of the 10000 test images


def split_rows(x: Tensor, bounds: tuple[int, int], labels: Tensor | None = None) -> Splits:
    """Consecutive rows: those before the first bound train, then valid, from the second test."""
    first, second = bounds
    parts = [x[:first], x[first:second], x[second:]]
    if labels is None:
        return Splits(*parts)
    of_parts = [labels[:first], labels[first:second], labels[second:]]
    names = ("train_labels", "valid_labels", "test_labels")
    return Splits(*parts, **dict(zip(names, of_parts, strict=True)))


def _fill(index: int, files: list[Path], out: NDArray[np.uint8]) -> None:
    readers.idx(files[index], out.shape, out)


def mnist_family(name: str) -> Splits:
    """First 50000 train images train, last 10000 valid; the official test images test."""
    x, test = (
        torch.from_numpy(kept(name, part, (rows, 28, 28), partial(_fill, index)))[:, None]
        for index, (part, rows) in enumerate(zip(("train", "test"), ROWS, strict=True))
    )
    y, test_labels = (
        torch.from_numpy(readers.idx(file, (rows,))).long()
        for file, rows in zip(local(name)[2:], ROWS, strict=True)
    )
    return Splits(
        x[:TRAIN],
        x[TRAIN:],
        test,
        train_labels=y[:TRAIN],
        valid_labels=y[TRAIN:],
        test_labels=test_labels,
    )


@dataset(
    "mnist",
    kind="discrete",
    shape=[1, 28, 28],
    levels=256,
    classes=10,
    source="LeCun, Cortes, Burges: the MNIST database of handwritten digits",
    licence="none stated",
    citation="LeCun, Bottou, Bengio, Haffner 1998, Proceedings of the IEEE 86 (11)",
    split="first 50000 train images train, last 10000 valid; the official test images test",
    faults=[
        "67 of the 784 pixels are constant in the 60000 train images: without noise the covariance "
        "is singular, and a density has no bound there.",
        "Figures on pixels divided by 256 and on pixels divided by 255 differ, as do logits with "
        "other alphas: bits/dim are compared at equal coordinates alone.",
    ],
)
def mnist() -> Splits:
    """Levels 0..255 of handwritten digits, in the files' order: 50000 / 10000 / 10000."""
    return mnist_family("mnist")


@dataset(
    "fashion-mnist",
    kind="discrete",
    shape=[1, 28, 28],
    levels=256,
    classes=10,
    source="Zalando Research, github.com/zalandoresearch/fashion-mnist",
    licence="MIT",
    citation="Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747",
    split="first 50000 train images train, last 10000 valid; the official test images test",
    faults=[
        "Its files have the names of those of MNIST and of KMNIST: their bytes alone tell them "
        "apart.",
    ],
)
def fashion_mnist() -> Splits:
    """Levels 0..255 of articles of clothing, in the files' order: 50000 / 10000 / 10000."""
    return mnist_family("fashion-mnist")


@dataset(
    "kmnist",
    kind="discrete",
    shape=[1, 28, 28],
    levels=256,
    classes=10,
    source="Center for Open Data in the Humanities, files of 5 February 2019",
    licence="CC BY-SA 4.0",
    citation="Clanuwat et al. 2018, arXiv 1812.01718",
    split="first 50000 train images train, last 10000 valid; the official test images test",
    faults=["Copies from before 5 February 2019 have other pixels: they are refused."],
)
def kmnist() -> Splits:
    """Kuzushiji-MNIST, cursive Japanese characters: 50000 / 10000 / 10000, levels 0..255."""
    return mnist_family("kmnist")


@dataset(
    "kmnist-test",
    kind="discrete",
    shape=[1, 28, 28],
    levels=256,
    classes=10,
    source="the test images of Kuzushiji-MNIST alone (kmnist-test-imgs.npz)",
    licence="CC BY-SA 4.0",
    citation="Clanuwat et al. 2018, arXiv 1812.01718",
    split="of the 10000 test images the first 4000 train, the next 1000 valid, the last 5000 test",
    faults=["A figure on it is none on KMNIST: it is fitted to a twelfth of the train images."],
)
def kmnist_test() -> Splits:
    """The 10000 test images of KMNIST as a small set of their own: 4000 / 1000 / 5000."""
    images, labels = local("kmnist-test")
    x = torch.from_numpy(readers.npz(images, "arr_0", "uint8", (10000, 28, 28)))
    y = torch.from_numpy(readers.npz(labels, "arr_0", "uint8", (10000,))).long()
    return split_rows(x[:, None], KMNIST, y)


@dataset(
    "frey-faces",
    kind="discrete",
    shape=[1, 28, 20],
    levels=256,
    source="Roweis and Saul; a repack of freyfaces.pkl of github.com/jmtomczak/vae_vampprior",
    licence="none stated",
    citation="Roweis, Saul 2000, Science 290 (5500)",
    split="first 1565 frames train, next 200 valid, last 200 test, in the film's order",
    faults=[
        "The literature shuffles the frames without a seed, which puts neighbouring frames into "
        "two splits: figures on those are better, cannot be reproduced, and are not of this set.",
        "The test frames are the end of the film: they are not drawn like the train frames.",
    ],
)
def frey_faces() -> Splits:
    """1965 frames of one film of a face, levels 8..238: 1565 / 200 / 200."""
    (file,) = local("frey-faces")
    x = torch.from_numpy(readers.npz(file, "x", "uint8", (1965, 560)))
    return split_rows(x.reshape(-1, 1, 28, 20), FREY)
