"""Images on their real bytes: sizes of the splits, labels that belong to them, draws, no overlap.

Needs BENCH_DATA_MIRROR: `pytest -m slow` on this file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from bench import load
from bench.contract import Splits

SIZES = {
    "mnist": (50000, 10000, 10000),
    "kmnist-test": (4000, 1000, 5000),
    "frey-faces": (1565, 200, 200),
    "cifar10-sample": (2500, 500, 1000),
    "binarized-mnist": (50000, 10000, 10000),
    "dynamic-binarized-mnist": (50000, 10000, 10000),
    "omniglot-small": (3388, 484, 968),
}
#: of the classes 0 to 9 among the test images
COUNTS = {
    "mnist": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("BENCH_DATA_MIRROR"), reason="needs the files: set BENCH_DATA_MIRROR"
    ),
]


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of this file's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_the_splits(name: str) -> None:
    splits = load(name)
    assert (len(splits.train), len(splits.valid), len(splits.test)) == SIZES[name]


def nearest_mean(splits: Splits) -> float:
    """Share of the test images whose class's mean train image is the nearest one."""
    assert splits.train_labels is not None
    assert splits.test_labels is not None
    train, test = (x.flatten(1).float() for x in (splits.train, splits.test))
    means = torch.stack([train[splits.train_labels == k].mean(0) for k in range(10)])
    nearest = torch.cdist(test, means).argmin(1)
    return float((nearest == splits.test_labels).double().mean())


@pytest.mark.parametrize(("name", "least"), [("mnist", 0.8), ("kmnist-test", 0.5)])
def test_labels_belong_to_their_images(name: str, least: float) -> None:
    """A tenth would be right by chance, or where the rows are out of step."""
    splits = load(name)
    assert nearest_mean(splits) > least
    for part in ("train", "valid", "test"):
        labels = getattr(splits, f"{part}_labels")
        assert labels.bincount().shape == (10,)
        assert part != "test" or name not in COUNTS or labels.bincount().tolist() == COUNTS[name]


def test_the_draws_of_dynamic_mnist_have_its_probabilities() -> None:
    """The number of ones is within five standard deviations of what they sum to."""
    bits, levels = load("dynamic-binarized-mnist"), load("mnist")
    for part in ("train", "valid", "test"):
        p = getattr(levels, part).double() / 255
        x = getattr(bits, part).double()
        assert abs(float((x - p).sum())) < 5 * float((p * (1 - p)).sum().sqrt())
        assert bool((x[p == 0] == 0).all() and (x[p == 1] == 1).all())
    assert not torch.equal(bits.train[:1000], bits.test[:1000])


def test_omniglot_has_ink_and_no_image_twice() -> None:
    splits = load("omniglot-small")
    rows = torch.cat([splits.train, splits.valid, splits.test]).flatten(1)
    assert 0.02 < float(rows.double().mean()) < 0.2
    assert len(rows.unique(dim=0)) == len(rows)
