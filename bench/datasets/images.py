"""Images in levels, read from files that `bench data get` fetches."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import dataset
from bench.contract import Splits
from bench.datasets.fetch import local, readers

TRAIN = 50000  #: of the 60000 train images of the MNIST family; the last 10000 are valid
FREY = 1565, 1765  #: frames before these: train, valid; the last 200 are test
CIFAR = 2500, 3000  #: of 4000


def _split(x: Tensor, bounds: tuple[int, int]) -> Splits:
    """Consecutive rows, in the file's order."""
    train_valid = bounds[1]
    return Splits(x[: bounds[0]], x[bounds[0] : train_valid], x[train_valid:])


def _of_mnist_family(name: str) -> Splits:
    """First 50000 train images train, last 10000 valid; the official test images test."""
    train, test = (
        torch.from_numpy(readers.idx(file, (rows, 28, 28)))[:, None]
        for file, rows in zip(local(name), (60000, 10000), strict=True)
    )
    return Splits(train[:TRAIN], train[TRAIN:], test)


@dataset(
    "mnist",
    kind="discrete",
    shape=[1, 28, 28],
    levels=256,
    source="LeCun, Cortes, Burges: the MNIST database of handwritten digits",
    licence="none stated",
)
def mnist() -> Splits:
    """Levels 0..255 in the file's order: 50000 / 10000 / 10000."""
    return _of_mnist_family("mnist")


@dataset(
    "kmnist",
    kind="discrete",
    shape=[1, 28, 28],
    levels=256,
    source="Clanuwat et al. 2018 (arXiv 1812.01718), files of 5 February 2019",
    licence="CC BY-SA 4.0",
)
def kmnist() -> Splits:
    """Kuzushiji-MNIST, cursive Japanese characters, split as MNIST."""
    return _of_mnist_family("kmnist")


@dataset(
    "frey-faces",
    kind="discrete",
    shape=[1, 28, 20],
    levels=256,
    source="Roweis and Saul; a repack of freyfaces.pkl of github.com/jmtomczak/vae_vampprior",
    licence="none stated",
)
def frey_faces() -> Splits:
    """1965 frames of one film, levels 8..238: first 1565 train, next 200 valid, last 200 test.

    In the film's order, because the literature's shuffles are unseeded and put neighbouring frames
    into two splits: figures on those are better, and not of this data set.
    """
    (file,) = local("frey-faces")
    x = torch.from_numpy(readers.npz(file, "x", "uint8", (1965, 560)))
    return _split(x.reshape(-1, 1, 28, 20), FREY)


@dataset(
    "cifar10-sample",
    kind="discrete",
    shape=[3, 32, 32],
    levels=256,
    source="the first 4000 train images of CIFAR-10 (Krizhevsky 2009), by way of ConvNetJS",
    licence="none stated",
)
def cifar10_sample() -> Splits:
    """A fifteenth of CIFAR-10, under its own name: 2500 / 500 / 1000 rows in the file's order.

    No figure on it is one on CIFAR-10.
    """
    (file,) = local("cifar10-sample")
    return _split(torch.from_numpy(readers.npz(file, "x", "uint8", (4000, 3, 32, 32))), CIFAR)
