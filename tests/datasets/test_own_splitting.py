"""The rules of splits: every row once, the sizes that were asked for, the same rows for ever."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from bench.datasets.own.schema import PARTS, Split
from bench.datasets.own.splitting import parts

RULES = {
    "random": Split(rule="random", seed=7, fractions=[0.8, 0.1, 0.1]),
    "order": Split(rule="order", fractions=[0.8, 0.1, 0.1]),
    "stride": Split(rule="stride", fractions=[0.8, 0.1, 0.1]),
    "thirds by stride": Split(rule="stride", fractions=[0.25, 0.4, 0.35]),
    "little by stride": Split(rule="stride", fractions=[0.98, 0.01, 0.01]),
    "random thirds": Split(rule="random", seed=0, fractions=[0.34, 0.33, 0.33]),
}
SIZES = [0, 1, 9, 10, 29, 100, 1003, 12345]


def rows(n: int, split: Split, names: tuple[str, ...] = PARTS) -> dict[str, list[int]]:
    return {name: np.arange(n)[chosen].tolist() for name, chosen in parts(n, split, names).items()}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n", SIZES)
def test_every_row_is_in_one_part_and_held_out_parts_have_their_share(rule: str, n: int) -> None:
    split = RULES[rule]
    found = rows(n, split)
    assert list(found) == ["train", "valid", "test"]
    assert sorted(sum(found.values(), [])) == list(range(n))
    for part, share in zip(PARTS[1:], split.fractions[1:], strict=True):
        assert abs(len(found[part]) - n * share) < 1


def test_order_is_consecutive_and_random_is_not() -> None:
    ordered, mixed = rows(1000, RULES["order"]), rows(1000, RULES["random"])
    assert ordered["train"] == list(range(800))
    assert ordered["test"] == list(range(900, 1000))
    assert mixed["test"] != sorted(mixed["test"])
    assert mixed != rows(1000, RULES["random"].model_copy(update={"seed": 8}))


def test_stride_takes_every_tenth_row_and_every_ninth_of_the_others() -> None:
    found = rows(100, RULES["stride"])
    assert found["test"] == list(range(9, 100, 10))
    rest = [i for i in range(100) if i % 10 != 9]
    assert found["valid"] == rest[8::9]
    assert found["train"] == [i for k, i in enumerate(rest) if k % 9 != 8]


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.35])
def test_stride_is_even_wherever_one_looks(share: float) -> None:
    split = Split(rule="stride", fractions=[round(1 - 2 * share, 10), share, share])
    test = np.zeros(2000)
    test[rows(2000, split)["test"]] = 1
    windows = np.convolve(test, np.ones(100), "valid")
    assert windows.max() - windows.min() <= 1


def test_two_parts_of_a_file_whose_test_points_lie_elsewhere() -> None:
    split = Split(rule="stride", fractions=[0.9, 0.1])
    found = rows(50, split, ("train", "valid"))
    assert found["valid"] == [9, 19, 29, 39, 49]


def test_the_permutation_of_a_seed_is_frozen() -> None:
    """numpy promises the stream of RandomState: these splits are those of any version."""
    order = sum(rows(1000, RULES["random"]).values(), [])
    digest = hashlib.sha256(np.array(order, "<i8").tobytes()).hexdigest()
    assert order == np.random.RandomState(7).permutation(1000).tolist()
    assert digest == "76c3562ef12ad2e5c5fa31dfd521c9355981b8129602839436e213df83612499"
