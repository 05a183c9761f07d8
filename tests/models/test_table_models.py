"""Models fitted by counting: their masses, the contexts that they choose, their scores."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from causal_cases import influence, states
from sklearn.datasets import load_digits
from table_cases import CASES, SHAPES, built, chance, discrete, spec_of
from torch import Tensor

from bench.contract import DataSpec
from bench.models import _backoff, chow_liu_classes, markov_pixels, naive_bayes_mixture, ngram
from bench.models._generation import sample_naively

ORDERED = [case for case in CASES if case != "chow-liu-classes"]


# -------------------------------------------------------------------------------------------- mass


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", SHAPES)
def test_masses_of_all_states_sum_to_one(case, shape):
    levels = SHAPES[shape]
    log_mass = built(case, shape, levels).log_prob(states(math.prod(shape), levels))
    assert log_mass.dtype == torch.float64
    assert log_mass.isfinite().all()
    assert abs(float(log_mass.exp().sum()) - 1) < 1e-12


@pytest.mark.parametrize("case", ORDERED)
def test_conditionals_are_those_of_log_prob_and_read_the_past_alone(case):
    """No coordinate reacts to itself or to a later one, to the last bit."""
    model, x = built(case, (2, 3), 3), states(6, 3)[::5]
    table = model.conditionals(x)
    assert table.logsumexp(2).abs().max() < 1e-12
    product = table.gather(2, x.unsqueeze(2)).sum((1, 2))
    assert torch.allclose(product, model.log_prob(x), atol=1e-12)
    model.dim = 6
    order = getattr(model, "order", torch.arange(6))
    future = order >= order[:, None]
    change = influence(model, 3, rows=60)
    assert (change[future] < 1e-14).all()
    assert change[~future].max() > 1e-3


def test_a_neighbour_that_comes_later_is_seen():
    """Each coordinate given the next one, in a ring: the masses do not sum to one."""
    x, base, later = spec_of((4,), 3).train, torch.arange(4), torch.tensor([[1], [2], [3], [0]])
    model = _backoff.fit(x, 3, base, later, [1.0, 1.0])
    assert influence(model, 3, rows=60).triu(1).max() > 1e-3
    assert abs(float(model.log_prob(states(4, 3)).exp().sum()) - 1) > 1e-2


@pytest.mark.parametrize("case", CASES)
def test_sampler_follows_the_masses(case):
    model = built(case, (2, 2), 3)
    torch.manual_seed(0)
    drawn = model.sample(20_000)
    assert drawn.dtype == torch.int64
    assert chance(drawn, model.log_prob(states(4, 3)), 3) > 1e-5


@pytest.mark.parametrize("case", ["markov", "ngram"])
@pytest.mark.parametrize("shape", SHAPES)
def test_cached_sampler_equals_a_pass_per_coordinate(case, shape):
    model = built(case, shape, SHAPES[shape])
    u = torch.rand(60, model.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(model.sample_from(u), sample_naively(model, u))


@pytest.mark.parametrize("case", CASES)
def test_unseen_levels_are_finite_and_bytes_are_levels(case):
    data = spec_of((5,), 17)
    zeros = replace(
        data, make_train=lambda: data.make_train() * 0, make_valid=lambda: data.make_valid() * 0
    )
    model = CASES[case](zeros)
    corners = torch.tensor([[0] * 5, [16] * 5, [0, 16, 8, 16, 0]])
    log_mass = model.log_prob(corners)
    assert log_mass.isfinite().all()
    assert torch.equal(model.log_prob(corners.byte()), log_mass)


@pytest.mark.parametrize("case", CASES)
def test_nothing_to_train_and_state_survives(case):
    fitted, again = built(case, (2, 3), 3), built(case, (2, 3), 3)
    again.load_state_dict(fitted.state_dict())
    x = states(6, 3)
    assert not list(fitted.parameters())
    assert torch.equal(fitted.log_prob(x), again.log_prob(x))


# --------------------------------------------------------------------------------------- back-off


def by_hand(x: Tensor, contexts: list[list[int]], i: int, row: list[int], k: int, w: list[float]):
    """p(row[i] = k) by counting rows one at a time, from the empty context on."""
    p = 1 / k
    for length, weight in enumerate(w):
        parents = contexts[i][:length]
        rows = [r for r in x.tolist() if all(r[j] == row[j] for j in parents)]
        same = Counter(r[i] for r in rows)
        if not rows:
            return p
        p = (same[row[i]] + weight * p) / (len(rows) + weight)
    return p


def test_backoff_equals_counting_by_hand():
    """Coordinates with two parents and their own tables."""
    x = spec_of((4,), 3, n=40).train
    parents = torch.tensor([[4, 4], [0, 4], [1, 0], [2, 0]])
    weights = [0.5, 2.0, 7.0]
    model = _backoff.fit(x, 3, torch.arange(4), parents, weights)
    contexts = [[], [0], [1, 0], [2, 0]]
    for row in states(4, 3)[::3].tolist():
        expected = 0.0
        for i in range(4):
            # a parent that is missing is one more symbol, the same in every row
            longest = weights if len(contexts[i]) == 2 else weights[: len(contexts[i]) + 1]
            p = by_hand(x, contexts, i, row, 3, longest)
            for weight in weights[len(longest) :]:
                kept = [r for r in x.tolist() if all(r[j] == row[j] for j in contexts[i])]
                if kept:
                    same = sum(r[i] == row[i] for r in kept)
                    p = (same + weight * p) / (len(kept) + weight)
            expected += math.log(p)
        got = model.log_prob(torch.tensor([row])).item()
        assert got == pytest.approx(expected, abs=1e-12)


def test_shared_tables_count_every_place():
    x = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 0]])
    model = _backoff.fit(x, 2, torch.zeros(4, dtype=torch.int64), torch.empty(4, 0).long(), [3.0])
    zeros = (4 + 3.0 / 2) / (8 + 3.0)
    assert model.log_prob(torch.zeros(1, 4)).item() == pytest.approx(4 * math.log(zeros), abs=1e-12)


NEIGHBOURS = {  # shape -> (left, above, channel before), as far as there are such
    (4,): [[4, 0, 1, 2]],
    (2, 3): [[6, 0, 1, 6, 3, 4], [6, 6, 6, 0, 1, 2]],
    (2, 2, 2): [
        [8, 0, 8, 2, 8, 4, 8, 6],
        [8, 8, 0, 1, 8, 8, 4, 5],
        [8, 8, 8, 8, 0, 1, 2, 3],
    ],
}


@pytest.mark.parametrize("shape", NEIGHBOURS)
def test_neighbours_of_a_pixel(shape):
    assert [n.tolist() for n in markov_pixels.neighbours(shape)] == NEIGHBOURS[shape]


def test_markov_chooses_the_neighbour_that_tells_more():
    """Columns that copy the pixel above nine times in ten, and know nothing of the left."""
    g = torch.Generator().manual_seed(0)
    x = torch.randint(4, (2000, 6, 6), generator=g)
    for r in range(1, 6):
        copied = torch.rand(2000, 6, generator=g) < 0.9
        x[:, r] = torch.where(copied, x[:, r - 1], x[:, r])
    x = x.flatten(1)
    data = discrete(x, (6, 6), 4)
    model = markov_pixels.build(data)
    assert model.parents[:, 0].tolist() == markov_pixels.neighbours((6, 6))[1].tolist()
    keep = 0.9 + 0.1 / 4
    entropy = 6 * math.log(4) - 30 * (keep * math.log(keep) + (1 - keep) * math.log(0.1 / 4))
    assert -model.log_prob(x).mean().item() == pytest.approx(entropy, rel=0.01)


def chain(order: int, n: int = 3000, length: int = 32, levels: int = 4) -> tuple[Tensor, float]:
    """Sequences whose next symbol depends on the last `order`, and the entropy rate, nats."""
    g = torch.Generator().manual_seed(order)
    table = torch.softmax(3 * torch.randn(*[levels] * (order + 1), generator=g), -1).double()
    x = torch.randint(levels, (n, length + 60), generator=g)
    for t in range(order, length + 60):
        context = tuple(x[:, t - k] for k in range(order, 0, -1))
        u = torch.rand(n, 1, generator=g)
        x[:, t] = (u > table[context].cumsum(-1)).sum(1).clamp(max=levels - 1)
    x = x[:, 60:]
    steps = range(order, length)
    rates = [table[(*(x[:, t - k] for k in range(order, 0, -1)), x[:, t])].log() for t in steps]
    return x, -float(torch.stack(rates).mean())


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_ngram_finds_the_order_of_its_source(order):
    """As long as the source's, and one symbol longer at the most; a shorter one costs."""
    x, rate = chain(order)
    data = discrete(x, (32,), 4)
    longest = {n: ngram.build(data, longest=n) for n in (max(order - 1, 0), 5)}
    found = longest[5]
    assert order <= found.parents.shape[1] <= order + 1
    terms = found.conditionals(x[:600]).gather(2, x[:600, :, None]).squeeze(2)[:, order:]
    assert -terms.mean().item() == pytest.approx(rate, abs=0.02)
    if order:
        short = longest[order - 1].log_prob(x[:600]).mean()
        assert found.log_prob(x[:600]).mean() - short > 32 * 0.05


def test_contexts_stop_where_tables_would_be_too_large(monkeypatch):
    x, _ = chain(2, n=500)
    data = discrete(x, (32,), 4)
    whole = ngram.build(data).parents.shape[1]
    monkeypatch.setattr(_backoff, "LARGEST", 4 * 6)
    assert ngram.build(data).parents.shape[1] == 1 < whole


# ---------------------------------------------------------------------------------------- numbers

DIGITS = {  # bits/dim of the last 360 rows
    "markov": (markov_pixels.build, 2.172583),
    "ngram": (ngram.build, 2.407544),
    "naive-bayes-mixture": (naive_bayes_mixture.build, 2.191535),
    "chow-liu-classes": (chow_liu_classes.build, 2.017282),
}


@pytest.mark.parametrize("case", DIGITS)
def test_digits(case):
    build, expected = DIGITS[case]
    digits = load_digits()
    x, y = torch.from_numpy(digits.data).long(), torch.from_numpy(digits.target).long()
    data = DataSpec(
        "digits",
        "discrete",
        (1, 8, 8),
        17,
        classes=10,
        make_train=lambda: x[:1237],
        make_valid=lambda: x[1237:1437],
        train_labels=y[:1237],
        valid_labels=y[1237:1437],
    )
    bits = -build(data).log_prob(x[1437:]).mean() / (64 * math.log(2))
    assert bits.item() == pytest.approx(expected, abs=1e-6)
