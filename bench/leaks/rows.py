"""Rows of the test split that training has seen: exactly, and nearly."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from bench.checks._ranks import rank_test
from bench.contract import Density, Splits
from bench.leaks.report import Nearest, Repeats, Rows

Ids = NDArray[np.int64]

HELD_OUT = 0.2  #: share of the training rows that are held out to say what is chance
QUERIES = 2000  #: rows of each kind whose nearest training row is sought
WORK = 3e9  #: largest product of queries, training rows and dimensions
CLOSEST, AT_LEAST = 0.02, 40  #: share and number of all distances that count as close


def repeats(splits: Splits, truth: Density | None) -> Rows:
    """Exact repetitions between and within the splits.

    Chance is the mass of the training rows where a truth of levels is known (draws of a density
    never repeat), else the share of held-out training rows that the others repeat.
    """
    train, valid, test = _identities(*(_rows(splits, p) for p in ("train", "valid", "test")))
    mass = None if truth is None else _mass(splits.train, truth)
    return Rows(
        test_in_train=_repeated(test, train, mass),
        valid_in_train=_repeated(valid, train, mass),
        repeated_in_train=1 - len(np.unique(train)) / len(train),
        repeated_in_test=1 - len(np.unique(test)) / len(test),
    )


def nearest(splits: Splits) -> Nearest | None:
    """Are test rows nearer to training rows than training rows are to each other?

    Euclidean distances; of continuous data in units of each column's standard deviation. None for
    splits too small to hold rows out. Large sets are subsampled at random, with a fixed seed.
    """
    train, test = _rows(splits, "train"), _rows(splits, "test")
    held, rest = _held_out(len(train))
    held = held[:QUERIES]
    test = test[_shuffled(len(test), 1)[: len(held)]]
    rest = rest[: max(int(WORK / (len(held) + len(test)) / train.shape[1]), QUERIES)]
    if min(len(held), len(test), len(rest)) < 20:
        return None
    points = train.double().numpy()
    centre, scale = np.zeros(points.shape[1]), np.ones(points.shape[1])
    if splits.train.is_floating_point():
        centre, spread = points.mean(0), points.std(0)
        scale = np.where(spread > 0, spread, 1.0)
    tree = KDTree((points[rest] - centre) / scale)
    of_test, of_held = (
        torch.from_numpy(tree.query((x - centre) / scale)[0])
        for x in (test.double().numpy(), points[held])
    )
    ranks = rank_test(of_held, of_test)
    close = _closest(of_test, of_held)
    return Nearest(
        test=len(test),
        held_out=len(held),
        train=len(rest),
        nearer=ranks.probability,
        z=ranks.z,
        **close,
    )


def _closest(of_test: Tensor, of_held: Tensor) -> dict[str, float | int]:
    """Test rows among the closest of all: a hypergeometric number where rows are exchangeable."""
    n, m = len(of_test), len(of_held)
    pooled = torch.cat([of_test, of_held])
    wanted = min(max(int(CLOSEST * len(pooled)), AT_LEAST), len(pooled))
    limit = pooled.kthvalue(wanted).values
    k, seen = int((pooled <= limit).sum()), int((of_test <= limit).sum())
    chance = n / (n + m)
    variance = k * chance * (1 - chance) * (n + m - k) / (n + m - 1)
    z = (seen - k * chance) / math.sqrt(variance) if variance > 0 else 0.0
    return {"closest": k, "closest_share": seen / k, "closest_chance": chance, "closest_z": z}


def _rows(splits: Splits, part: str) -> Tensor:
    """Points [n, dim], with their contexts beside them where there are some."""
    x: Tensor = getattr(splits, part)
    context: Tensor | None = getattr(splits, f"{part}_context")
    flat = x.reshape(len(x), -1)
    return flat if context is None else torch.cat([flat.double(), context], 1)


def _identities(*parts: Tensor) -> list[Ids]:
    """A number for each row of each part [n, D]; equal rows, and no others, share one."""
    known: dict[bytes, int] = {}
    # adding zero makes -0 and 0 the same
    return [
        np.fromiter(
            (known.setdefault(row.tobytes(), len(known)) for row in (part + 0).numpy()),
            np.int64,
            len(part),
        )
        for part in parts
    ]


def _repeated(some: Ids, train: Ids, mass: float | None) -> Repeats:
    seen = np.isin(some, train)
    n, share = len(some), float(seen.mean())
    found = Repeats(n=n, count=int(seen.sum()), share=share)
    if mass is not None:
        error = math.sqrt(max(mass * (1 - mass), 1 / n) / n)
        return found.model_copy(
            update={"chance": mass, "chance_by": "truth", "z": (share - mass) / error}
        )
    held, rest = _held_out(len(train))
    if len(held) < 20:
        return found
    beside, expected = np.isin(some, train[rest]), np.isin(train[held], train[rest])
    pooled = float(np.concatenate([beside, expected]).mean())
    error = math.sqrt(max(pooled * (1 - pooled), 1 / n) * (1 / n + 1 / len(held)))
    z = float(beside.mean() - expected.mean()) / error
    return found.model_copy(
        update={"chance": float(expected.mean()), "chance_by": "held-out rows", "z": z}
    )


def _mass(train: Tensor, truth: Density) -> float:
    """Probability that a draw of the truth equals some training row."""
    if train.is_floating_point():
        return 0.0
    distinct = torch.unique(train.reshape(len(train), -1), dim=0).reshape(-1, *train.shape[1:])
    return min(float(truth.log_prob(distinct.long()).double().exp().sum()), 1.0)


def _held_out(n: int) -> tuple[Ids, Ids]:
    """Indices of the training rows that are held out, and of the others, in random order."""
    order, cut = _shuffled(n, 0), int(HELD_OUT * n)
    return order[:cut], order[cut:]


def _shuffled(n: int, seed: int) -> Ids:
    return np.random.default_rng(seed).permutation(n)
