"""Every registered anchor comes out again, to the digits once printed, on the real bytes.

What needs fetched files needs BENCH_DATA_MIRROR, or the files in the cache: `pytest -m slow` on
this file.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator

import pytest

from bench.datasets.anchors import ANCHORS, Anchor, anchors_of, sources
from bench.datasets.anchors.compute import Outcome, compute
from bench.datasets.anchors.models import MODELS
from bench.datasets.anchors.splits import SPLITS
from bench.datasets.fetch import SETS, state
from bench.registry import discover

BUNDLED = ("digits", "iris", "wine", "breast-cancer", "diabetes", "sunspots")
FETCHED = sorted({a.dataset for a in ANCHORS} - {*BUNDLED, "spoken-digits"})
HAVE = bool(os.environ.get("BENCH_DATA_MIRROR")) or all(
    state(f) == "ok" for name in FETCHED for f in SETS[name]
)

#: train, valid, test rows of the 20 sets of DEBD, and of two of Larochelle's
SIZES = {
    "nltcs": (16181, 2157, 3236),
    "msnbc": (291326, 38843, 58265),
    "kdd": (180092, 19907, 34955),
    "plants": (17412, 2321, 3482),
    "baudio": (15000, 2000, 3000),
    "jester": (9000, 1000, 4116),
    "bnetflix": (15000, 2000, 3000),
    "accidents": (12758, 1700, 2551),
    "tretail": (22041, 2938, 4408),
    "pumsb-star": (12262, 1635, 2452),
    "dna": (1600, 400, 1186),
    "kosarek": (33375, 4450, 6675),
    "msweb": (29441, 3270, 5000),
    "book": (8700, 1159, 1739),
    "tmovie": (4524, 1002, 591),
    "cwebkb": (2803, 558, 838),
    "cr52": (6532, 1028, 1540),
    "c20ng": (11293, 3764, 3764),
    "bbc": (1670, 225, 330),
    "ad": (2461, 327, 491),
    "mushrooms": (2000, 500, 5624),
    "nips": (400, 100, 1240),
}


def agree(outcomes: Iterator[Outcome]) -> None:
    """None missing, none off, with all that are in the message."""
    bad = [o for o in outcomes if o.verdict != "agrees"]
    assert bad == []


@pytest.mark.parametrize("name", BUNDLED)
def test_of_what_comes_with_packages(name: str) -> None:
    agree(compute(anchors_of(name)))


def test_a_wrong_digit_differs_and_a_rounded_one_agrees() -> None:
    def verdict(printed: str) -> str:
        anchor = Anchor("iris", "train+valid -> test", "Gaussian full", "nats", printed)
        (outcome,) = compute([anchor])
        return outcome.verdict

    assert verdict("-3.315219") == "differs"
    assert verdict("-3.315221") == "differs"
    assert verdict("-3.31522") == verdict("-3.315") == verdict("-3") == "agrees"


def test_the_table_names_what_there_is_once() -> None:
    keys = [(a.dataset, a.split, a.model, a.unit) for a in ANCHORS]
    assert len(set(keys)) == len(keys)
    assert {a.dataset for a in ANCHORS} <= set(discover().datasets)
    assert set(sources.WHOLE) <= {(a.dataset, a.split) for a in ANCHORS}
    assert {a.split for a in ANCHORS} == set(SPLITS)
    assert {a.model for a in ANCHORS} == set(MODELS)
    assert all(math.isfinite(a.value) for a in ANCHORS)
    # compute() groups neighbours: a data set, and a split of it, must stand together
    order = list(dict.fromkeys((a.dataset, a.split) for a in ANCHORS))
    runs = [k for i, k in enumerate(keys) if i == 0 or keys[i - 1][:2] != k[:2]]
    assert [run[:2] for run in runs] == order
    assert list(dict.fromkeys(d for d, _ in order)) == [
        d for i, (d, _) in enumerate(order) if i == 0 or order[i - 1][0] != d
    ]


def test_what_is_not_on_this_machine_is_missing_with_its_remedy(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path_factory.mktemp("none")))
    monkeypatch.delenv("BENCH_DATA_MIRROR", raising=False)
    for name, remedy in {
        "binarized-mnist": "bench data get binarized-mnist",
        "spoken-digits": "free-spoken-digit-dataset-1.0.10.tar.gz",
    }.items():
        outcomes = list(compute(anchors_of(name)))
        assert outcomes
        assert {o.verdict for o in outcomes} == {"missing"}
        assert all(o.computed is None and remedy in (o.missing or "") for o in outcomes)


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of this file's own where there is a mirror."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("BENCH_DATA_MIRROR"):
            patch.setenv("BENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield


def on_fetched_files(test: Callable[..., None]) -> Callable[..., None]:
    """Marks of what needs them."""
    skipped = pytest.mark.skipif(not HAVE, reason="needs the files: set BENCH_DATA_MIRROR")
    return pytest.mark.slow(skipped(pytest.mark.usefixtures("own_cache")(test)))


@on_fetched_files
@pytest.mark.parametrize("name", FETCHED)
def test_of_what_is_fetched(name: str) -> None:
    agree(compute(anchors_of(name)))


@on_fetched_files
@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_debd(name: str) -> None:
    parts = sources.of(f"debd-{name}", "train -> test").parts
    assert tuple(len(parts[p]) for p in ("train", "valid", "test")) == SIZES[name]


@on_fetched_files
def test_frey_faces_have_the_levels_of_the_film() -> None:
    rows = sources.of("frey-faces", "train -> test").joined()
    assert (rows.min(), rows.max()) == (8, 238)
