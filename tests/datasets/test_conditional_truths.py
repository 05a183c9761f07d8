"""Known conditional laws against themselves, and how data with a context are loaded."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch import Tensor

from bench.contract import ConditionalDensity, Splits
from bench.datasets import digest, load_splits
from bench.datasets.conditional import audit_conditional_2, conditional_claw
from bench.errors import PluginError
from bench.registry import DatasetEntry, discover, read
from bench.settings import Sizes

SMALL = Sizes(train=1500, valid=300, test=700)
TRUTHS: dict[str, ConditionalDensity] = {
    "conditional-claw": conditional_claw(),
    "audit-conditional-2": audit_conditional_2(),
}


def pairs(name: str, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    context = TRUTHS[name].draw_context(n, generator)
    return TRUTHS[name].sample(context, generator), context


@pytest.mark.parametrize("name", TRUTHS)
def test_the_entropy_is_the_mean_over_contexts_of_each_slices(name: str) -> None:
    x, context = pairs(name, 40_000)
    truth = TRUTHS[name]
    surprise = -truth.log_prob(x, context)
    error = float(surprise.std()) / 200
    assert float(surprise.mean()) == pytest.approx(truth.entropy, abs=4 * error)
    each = torch.tensor([truth.given(c).entropy for c in context[:4000]])
    assert float(each.mean()) == pytest.approx(truth.entropy, abs=4 * float(each.std()) / 63)


@pytest.mark.parametrize("name", TRUTHS)
def test_a_slice_has_mass_one_its_entropy_and_the_conditional_law(name: str) -> None:
    truth = TRUTHS[name]
    _, contexts = pairs(name, 3, seed=5)
    for context in contexts:
        part = truth.given(context)
        x = part.sample(20_000, torch.Generator().manual_seed(1))
        torch.testing.assert_close(
            part.log_prob(x), truth.log_prob(x, context.expand(len(x), -1)), rtol=1e-9, atol=1e-9
        )
        low, high = x.min(0).values, x.max(0).values
        low, high = low - 0.6 * (high - low), high + 0.6 * (high - low)
        side = 4001 if x.shape[1] == 1 else 701
        axes = [
            torch.linspace(float(a), float(b), side).double()
            for a, b in zip(low, high, strict=True)
        ]
        grid = torch.cartesian_prod(*axes).reshape(-1, x.shape[1])
        log_p, area = part.log_prob(grid), float(((high - low) / (side - 1)).prod())
        assert float(log_p.exp().sum()) * area == pytest.approx(1, abs=1e-6)
        entropy = -float((log_p.exp() * log_p).sum()) * area
        assert entropy == pytest.approx(part.entropy, abs=1e-5)


def test_the_entropies_of_the_specification() -> None:
    assert TRUTHS["conditional-claw"].entropy == pytest.approx(-0.4166736967, abs=1e-10)
    shape = TRUTHS["audit-conditional-2"].entropy - math.log(0.1 * 30)
    assert shape == pytest.approx(1.4203085805, abs=1e-10)


def test_claw_draws_follow_the_law_at_their_own_context() -> None:
    x, context = pairs("conditional-claw", 2000)
    truth = conditional_claw()
    ranks = [float(truth.given(c).cdf(v[None])) for v, c in zip(x, context, strict=True)]
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3


def test_draws_of_the_plane_balance_against_their_density() -> None:
    """E[p(x - d | c) / p(x | c)] = 1 for any shift d, whatever the context."""
    x, context = pairs("audit-conditional-2", 40_000)
    truth, shift = TRUTHS["audit-conditional-2"], torch.tensor([0.005, 1.5])
    weight = (truth.log_prob(x - shift, context) - truth.log_prob(x, context)).exp()
    assert float(weight.mean()) == pytest.approx(1, abs=5 * float(weight.std()) / 200)


@pytest.mark.parametrize("name", TRUTHS)
def test_splits_hold_contexts_that_the_digest_covers(name: str) -> None:
    entry = discover().dataset(name)
    small, truth = load_splits(entry, SMALL)
    big, _ = load_splits(entry, Sizes(train=2500, valid=2, test=2))
    assert isinstance(truth, ConditionalDensity)
    assert small.train_context.shape == (1500, entry.context_dim)
    assert torch.equal(big.train_context[:1500], small.train_context)
    assert torch.equal(big.train[:1500], small.train)
    moved = replace(small, test_context=small.test_context + 1)
    assert len({digest(small), digest(moved), digest(replace(small, test_context=None))}) == 3
    bare = Splits(small.train, small.valid, small.test)
    assert digest(replace(bare, train_context=None)) == digest(bare)


HEAD = """
import torch
from bench import dataset
from bench.contract import Splits
from bench.datasets._densities import GaussianMixture
class Normal:
    entropy = 1.4189385332046727
    def draw_context(self, n, generator):
        return torch.randn(n, 2, generator=generator)
    def sample(self, context, generator):
        return context[:, :1] + torch.randn(len(context), 1, generator=generator)
    def log_prob(self, x, context):
        return -(x - context[:, :1]).square().sum(1) / 2 - 0.9189385332046727
    def given(self, context):
        return GaussianMixture([1.0], [context[:1].tolist()], [1.0], self.entropy)
"""
TRUTH, SPLITS = "shape=[1], truth=True, context_dim=2", "shape=[1], context_dim=2"


def mine(override: str) -> str:
    return f"class Mine(Normal):\n    {override}\nmade = Mine"


def splits(contexts: str) -> str:
    return f"def made():\n    x = torch.randn(5, 1)\n    return Splits(x, x, x, {contexts})"


BAD = {
    "no given": (mine("given = property()"), TRUTH, "draw_context, sample, log_prob and given"),
    "contexts of another size": (
        mine("def draw_context(self, n, g): return torch.zeros(n, 3)"),
        TRUTH,
        "the shape [1000, 2], but has [1000, 3]",
    ),
    "contexts of their own generator": (
        mine("def draw_context(self, n, g): return torch.randn(n, 2)"),
        TRUTH,
        "draw from the generator",
    ),
    "given another law": (
        mine("def given(self, c): return GaussianMixture([1.0], [[0.0]], [2.0], 1.0)"),
        TRUTH,
        "have one law in given(context) and log_prob(x, context), but they give one point",
    ),
    "no context": (splits("None"), SPLITS, "train split's context as a torch tensor"),
    "too few contexts": (
        splits("torch.zeros(4, 2)"),
        SPLITS,
        "train split's context the shape [5, 2], but has [4, 2]",
    ),
    "nan": (splits("torch.full((5, 2), torch.nan)"), SPLITS, "10 NaN or infinite"),
    "unannounced": (splits("torch.zeros(5, 2)"), "shape=[1]", "state its context_dim"),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses_in_one_sentence(case: str, tmp_path: Path) -> None:
    body, marks, words = BAD[case]
    file = tmp_path / "mine.py"
    file.write_text(
        f'{HEAD}\n{body}\n@dataset("mine", kind="continuous", {marks})\n'
        "def data():\n    return made()\n"
    )
    (entry,) = read(file)
    assert isinstance(entry, DatasetEntry)
    with pytest.raises(PluginError, match="data set 'mine'") as caught:
        load_splits(entry, SMALL)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
