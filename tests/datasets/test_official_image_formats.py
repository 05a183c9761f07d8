"""Data sets that no mirror here has, read from small files in exactly their official formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fetch_cases import listing
from official_cases import OFFICIAL, Official, idx, levels, omniglot

from bench.datasets import images_binary, load_splits
from bench.datasets.fetch import SETS
from bench.errors import MissingError
from bench.registry import discover
from bench.settings import Sizes

PARTS = ("train", "valid", "test")
DECLARED = discover()


@pytest.fixture
def official(
    request: pytest.FixtureRequest, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> Official:
    made = OFFICIAL[request.param]()
    made.place(mirror.parent, monkeypatch)
    return made


@pytest.mark.parametrize("official", OFFICIAL, indirect=True)
def test_it_is_read_as_it_was_written(official: Official, cache: Path) -> None:
    for _ in range(2):  # from the files, then from the arrays that were kept
        splits, truth = load_splits(DECLARED.dataset(official.name), Sizes())
        assert truth is None
        for part, expected in zip(PARTS, official.splits, strict=True):
            np.testing.assert_array_equal(getattr(splits, part), expected, err_msg=part)
        for part, labels in zip(PARTS, official.labels or (None,) * 3, strict=True):
            got = getattr(splits, f"{part}_labels")
            assert (got is None) == (labels is None)
            if labels is not None:
                np.testing.assert_array_equal(got, labels, err_msg=part)


def flipped(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGE = {
    "flipped": (flipped, "its (sha256|md5|git blob) is "),
    "truncated": (lambda content: content[:-40], "it has|its (md5|git blob) is|breaks off"),
    "page": (lambda content: b"<!DOCTYPE html><html>Log in</html>", "an HTML page"),
    "pointer": (lambda content: b"version https://git-lfs.github.com/spec/v1\n", "git-LFS pointer"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("official", OFFICIAL, indirect=True)
def test_other_bytes_are_refused_and_nothing_is_kept(
    official: Official, damage: str, mirror: Path, cache: Path
) -> None:
    change, words = DAMAGE[damage]
    name = next(iter(official.contents))
    folder = SETS[official.name][0].folder
    (mirror.parent / folder / name).write_bytes(change(official.contents[name]))
    with pytest.raises(MissingError, match=words) as caught:
        load_splits(DECLARED.dataset(official.name), Sizes())
    assert "\n" not in str(caught.value)
    kept = listing(cache.parent / folder)
    assert name not in kept
    assert not any(file.startswith(("arrays", f"{name}.")) for file in kept)
    (mirror.parent / folder / name).write_bytes(official.contents[name])
    load_splits(DECLARED.dataset(official.name), Sizes())


def test_omniglot_is_drawn_once_as_its_card_says(
    mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = omniglot(certain=False)
    made.place(mirror.parent, monkeypatch)
    entry = DECLARED.dataset("omniglot-28")
    splits, again = (load_splits(entry, Sizes())[0] for _ in range(2))
    train, valid, test = (p.astype(np.float32) * 0.5 + 0.25 for p in made.splits)
    first, second = np.random.RandomState(777), np.random.RandomState(778)
    np.testing.assert_array_equal(splits.valid, first.binomial(1, valid))
    np.testing.assert_array_equal(splits.test, first.binomial(1, test))
    np.testing.assert_array_equal(splits.train, second.binomial(1, train))
    assert all((getattr(splits, part) == getattr(again, part)).all() for part in PARTS)


@pytest.mark.parametrize("rows", [1000, 7])
def test_dynamic_mnist_is_drawn_as_its_card_says(
    rows: int, mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vae_vampprior draws valid, then test, after numpy.random.seed(777)."""
    x = levels(30, 28, 28)
    contents = {
        "train-images-idx3-ubyte.gz": idx(x[:20]),
        "t10k-images-idx3-ubyte.gz": idx(x[20:]),
    }
    counts = {
        (images_binary, "IMAGES"): 30,
        (images_binary, "BOUNDS"): (15, 20),
        (images_binary, "ROWS"): rows,
    }
    parts = x[:15], x[15:20], x[20:]
    Official("dynamic-binarized-mnist", contents, parts, None, counts).place(
        mirror.parent, monkeypatch
    )
    splits, _ = load_splits(DECLARED.dataset("dynamic-binarized-mnist"), Sizes())
    first, second = np.random.RandomState(777), np.random.RandomState(778)
    probability = (x[:, None].astype(np.float32) / 255.0).astype(np.float32)
    np.testing.assert_array_equal(splits.valid, first.binomial(1, probability[15:20]))
    np.testing.assert_array_equal(splits.test, first.binomial(1, probability[20:]))
    np.testing.assert_array_equal(splits.train, second.binomial(1, probability[:15]))
