"""load_splits: what it draws, what it refuses and in which words; the digest; lazy imports."""

from __future__ import annotations

import dataclasses
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench import registry
from bench.contract import Splits
from bench.datasets import digest, load_splits
from bench.datasets.fetch import SETS
from bench.errors import MissingError, PluginError
from bench.registry import DatasetEntry, discover
from bench.settings import Sizes

SMALL = Sizes(train=1500, valid=300, test=700)
PARTS = ("train", "valid", "test")
BUNDLED = sorted(set(discover().datasets) - set(SETS))  #: what needs no file
HEAD = """
import math, torch
from bench import dataset
from bench.contract import Splits
class Normal:
    entropy = 1.4189385332046727
    def sample(self, n, generator):
        return torch.randn(n, 2, generator=generator)
    def log_prob(self, x):
        return torch.zeros(len(x))
"""


def plugin(folder: Path, body: str, marks: str = 'kind="continuous", shape=[2]') -> DatasetEntry:
    """The entry of a data set whose file ends in `body`, the source of its function."""
    file = folder / f"plugin_{len(list(folder.iterdir()))}.py"
    file.write_text(f'{HEAD}\n{body}\n@dataset("mine", {marks})\ndef mine():\n    return made()\n')
    (entry,) = registry.read(file)
    assert isinstance(entry, DatasetEntry)
    return entry


def density(override: str) -> str:
    """A known truth with one member replaced."""
    return f"class Mine(Normal):\n    {override}\nmade = Mine"


def thrice(expression: str) -> str:
    """Splits of three equal tensors."""
    return f"def made():\n    x = {expression}\n    return Splits(x, x, x)"


TRUTH = 'kind="continuous", shape=[2], truth=True'
DIGITS = 'kind="discrete", shape=[2], levels=3'
CLASSES = 'kind="continuous", shape=[2], classes=5'
LABELLED = """def made():
    x, y = torch.zeros(5, 2), torch.arange(5)
    return Splits(x, x, x, train_labels=y, valid_labels=y, test_labels=y)"""
BAD = {
    "not splits": ("made = dict", None, "should return bench.contract.Splits, but returns a"),
    "unmarked truth": ("made = Normal", None, "or be marked truth=True"),
    "no density": (thrice("torch.zeros(5, 2)"), TRUTH, "should return an object with entropy"),
    "raises": ("def made():\n    raise OSError('gone')", None, "its function raised OSError: gone"),
    "list": (thrice("[[0., 1.]]"), None, "train split as a torch tensor, but gives a builtins"),
    "shape": (thrice("torch.zeros(5, 3)"), None, r"the shape [N, 2], but has [5, 3]"),
    "scalar": (thrice("torch.tensor(1.)"), None, r"the shape [N, 2], but has []"),
    "empty": (thrice("torch.zeros(0, 2)"), None, "at least 2 points in its train split, but has 0"),
    "nan": (thrice("torch.full((5, 2), math.nan)"), None, "but has 10 NaN or infinite"),
    "integers as reals": (thrice("torch.zeros(5, 2).long()"), None, "but gives torch.int64"),
    "reals as levels": (thrice("torch.zeros(5, 2)"), DIGITS, "as integers (x.long()), but gives"),
    "levels": (thrice("torch.full((5, 2), 3)"), DIGITS, "levels 0..2 in its train split"),
    "bits": (
        thrice("torch.full((5, 2), -1)"),
        'kind="binary", shape=[2]',
        "levels 0..1 in its train split, but has -1..-1",
    ),
    "labels unstated": (LABELLED, None, "should state its classes, but has labels"),
    "labels absent": (
        thrice("torch.zeros(5, 2)"),
        CLASSES,
        "its train split's labels as a torch tensor, but gives a builtins.NoneType",
    ),
    "labels short": (
        LABELLED.replace("arange(5)", "arange(4)"),
        CLASSES,
        "train split's labels the shape [5], but has [4]",
    ),
    "labels beyond": (
        LABELLED,
        CLASSES.replace("5", "4"),
        "levels 0..3 in its train split's labels, but has 0..4",
    ),
    "entropy": (density("entropy = math.nan"), TRUTH, "as a finite float, in nats"),
    "sample raises": (
        density("def sample(self, n, generator): raise ValueError('no')"),
        TRUTH,
        "its density's sample raised ValueError: no",
    ),
    "sample short": (
        density("def sample(self, n, generator): return torch.randn(5, 2, generator=generator)"),
        TRUTH,
        "the shape [1000, 2], but has [5, 2]",
    ),
    "sample ignores generator": (
        density("def sample(self, n, generator): return torch.randn(n, 2)"),
        TRUTH,
        "should draw from the generator",
    ),
    "log_prob raises": (
        density("def log_prob(self, x): raise ValueError('no')"),
        TRUTH,
        "its density's log_prob raised ValueError: no",
    ),
    "log_prob shape": (
        density("def log_prob(self, x): return torch.zeros(len(x), 1)"),
        TRUTH,
        "a tensor [1000] from log_prob, but returns (1000, 1)",
    ),
    "log_prob infinite": (
        density("def log_prob(self, x): return torch.full((len(x),), -math.inf)"),
        TRUTH,
        "gives 1000 of 1000 a NaN or an infinity",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses_in_one_sentence_that_names_the_data_set(case, tmp_path):
    body, marks, words = BAD[case]
    entry = plugin(tmp_path, body, marks or 'kind="continuous", shape=[2]')
    with pytest.raises(PluginError) as caught:
        load_splits(entry, SMALL)
    message = str(caught.value)
    assert message.startswith("data set 'mine' (")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("name", BUNDLED)
def test_every_data_set_loads_and_the_digest_is_stable(name):
    entry = discover().dataset(name)
    splits, truth = load_splits(entry, SMALL)
    again, _ = load_splits(entry, SMALL)
    assert digest(splits) == digest(again)
    assert (truth is not None) == entry.truth
    for part in PARTS:
        x = getattr(splits, part)
        assert x.shape[1:] == entry.shape
        assert x.dtype == (torch.uint8 if entry.integral else torch.float64)


def test_labels_are_loaded_and_part_of_the_digest(tmp_path):
    one = load_splits(plugin(tmp_path, LABELLED, CLASSES), SMALL)[0]
    assert one.train_labels.tolist() == [0, 1, 2, 3, 4]
    other = dataclasses.replace(one, test_labels=one.test_labels.flip(0))
    assert digest(other) != digest(one)


@pytest.mark.parametrize("name", ["audit-image-12", "audit-image-64"])
def test_pictures_are_the_chain_in_rows_and_their_classes_say_something(name):
    entry = discover().dataset(name)
    splits, truth = load_splits(entry, SMALL)
    x, y = splits.train.long(), splits.train_labels
    torch.testing.assert_close(truth.log_prob(x), truth.chain.log_prob(x.flatten(1)))
    wrong = float(((x.flatten(1)[:, 0] > 0).long() != y).double().mean())
    assert wrong == pytest.approx(truth.wrong, abs=5 * math.sqrt(0.09 / len(y)))
    assert -float(truth.log_prob(x).mean()) == pytest.approx(truth.entropy, rel=0.03)


def test_a_smaller_draw_is_a_prefix_and_the_parts_differ():
    entry = discover().dataset("claw")
    small, big = load_splits(entry, SMALL)[0], load_splits(entry, Sizes())[0]
    for part, n in SMALL.model_dump().items():
        assert len(getattr(small, part)) == n
        assert torch.equal(getattr(small, part), getattr(big, part)[:n])
    together = torch.cat([big.train, big.valid, big.test])
    assert len(together.unique()) == len(together)


def test_data_sets_do_not_share_their_noise():
    a = load_splits(discover().dataset("audit-continuous-64"), SMALL)[0].train
    b = load_splits(discover().dataset("nonlinear-ar"), SMALL)[0].train
    assert abs(float(torch.corrcoef(torch.stack([a[:, 0], b[:, 0]]))[0, 1])) < 0.15


def test_loading_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for name in BUNDLED:
        load_splits(discover().dataset(name), SMALL)
    assert torch.equal(before, torch.get_rng_state())


def test_casts_what_loses_nothing(tmp_path):
    reals, _ = load_splits(plugin(tmp_path, thrice("torch.rand(5, 2)")), SMALL)
    assert reals.train.dtype == torch.float64
    bits = plugin(tmp_path, thrice("torch.rand(5, 2) > .5"), 'kind="binary", shape=[2]')
    assert load_splits(bits, SMALL)[0].test.dtype == torch.uint8
    bytes_ = plugin(tmp_path, thrice("torch.ones(5, 2, dtype=torch.uint8)"), DIGITS)
    assert load_splits(bytes_, SMALL)[0].test.dtype == torch.uint8
    deep = plugin(tmp_path, thrice("torch.full((5, 2), 299)"), DIGITS.replace("3", "300"))
    assert load_splits(deep, SMALL)[0].test.dtype == torch.int64


def test_a_missing_package_is_named(tmp_path):
    marks = 'kind="continuous", shape=[2], requires=["no-such-package"]'
    with pytest.raises(MissingError, match="pip install no-such-package"):
        load_splits(plugin(tmp_path, "made = dict", marks), SMALL)


def test_digest_tells_values_dtypes_shapes_and_parts_apart():
    x = torch.arange(12.0, dtype=torch.float64).reshape(6, 2)
    base = Splits(x, x + 1, x + 2)
    changed = x.clone()
    changed[5, 1] = torch.nextafter(changed[5, 1], torch.tensor(99.0).double())
    others = {
        "value": dataclasses.replace(base, test=changed + 2),
        "dtype": dataclasses.replace(base, train=x.float()),
        "shape": dataclasses.replace(base, train=x.reshape(4, 3)),
        "order": Splits(base.valid, base.train, base.test),
    }
    digests = {name: digest(s) for name, s in others.items()} | {"base": digest(base)}
    assert len(set(digests.values())) == len(digests)
    strided = torch.stack([x, x], 1)[:, 0]
    assert digest(Splits(strided, base.valid, base.test)) == digest(base)


def test_importing_the_package_loads_no_torch():
    code = "import sys, bench.datasets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "adding-a-data-set.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "points.csv").write_text("a,b,c\n" + "1.5,2,3\n0,1,2\n" * 20)
    for i, block in enumerate(blocks):
        (tmp_path / f"example_{i}.py").write_text(block)
    monkeypatch.setenv("BENCH_PLUGINS", str(tmp_path))
    found = discover()
    assert not found.problems
    mine = [e for e in found.datasets.values() if e.file.parent == tmp_path.resolve()]
    assert len(mine) == len(blocks) >= 2
    for entry in mine:
        splits, truth = load_splits(entry, SMALL)
        if truth is not None:
            surprise = -truth.log_prob(splits.test)
            assert abs(float(surprise.mean()) - truth.entropy) < 5 * float(surprise.std()) / 26
