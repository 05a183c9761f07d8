"""Models fitted by counting: their masses, their choices, exact draws of missing coordinates."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from causal_cases import influence, states
from dense_cases import turned
from scipy import stats
from sklearn.datasets import load_digits
from torch import Tensor

from bench.contract import DataSpec
from bench.errors import UsageError
from bench.models import (
    _backoff,
    _mixtures,
    categorical_mixture,
    chow_liu,
    chow_liu_classes,
    markov_pixels,
    naive_bayes_mixture,
    ngram,
)
from bench.models._generation import sample_naively
from bench.models._mixtures import TableMixture
from bench.models._trees import Tree

CASES = {
    "markov": markov_pixels.build,
    "ngram": lambda data: ngram.build(data, longest=2),
    "categorical-mixture": lambda data: categorical_mixture.build(data, components=4),
    "naive-bayes-mixture": naive_bayes_mixture.build,
    "chow-liu": chow_liu.build,
    "chow-liu-classes": chow_liu_classes.build,
}
ORDERED = [case for case in CASES if case != "chow-liu-classes"]
BACKED_OFF = ["markov", "ngram"]
IMPUTING = ["categorical-mixture", "naive-bayes-mixture", "chow-liu", "chow-liu-classes"]
SHAPES = {(3, 3): 2, (2, 3): 3, (2, 1, 2): 4, (1,): 4}  #: shape -> levels


def spec_of(shape: tuple[int, ...], levels: int, n: int = 300) -> DataSpec:
    """Rows in which a coordinate often repeats one before it, in three classes of other levels."""
    g, dim = torch.Generator().manual_seed(0), math.prod(shape)
    y = torch.randint(3, (n,), generator=g)
    x = (torch.randint(levels, (n, dim), generator=g) // 2 + y[:, None]) % levels
    for i in range(1, dim):
        x[:, i] = torch.where(torch.rand(n, generator=g) < 0.5, x[:, max(i - 3, 0)], x[:, i])
    kind, cut = "binary" if levels == 2 else "discrete", n // 5
    return DataSpec(
        "test",
        kind,
        shape,
        levels,
        classes=3,
        n_train=n - cut,
        make_train=lambda: x[cut:],
        make_valid=lambda: x[:cut],
        train_labels=y[cut:],
        valid_labels=y[:cut],
    )


def built(case: str, shape: tuple[int, ...], levels: int):
    torch.manual_seed(0)
    return CASES[case](spec_of(shape, levels))


def chance(x: Tensor, log_mass: Tensor, levels: int) -> float:
    """That draws x [n, D] of the law log_mass [levels^D] differ from it so much."""
    place = levels ** torch.arange(x.shape[1] - 1, -1, -1)
    counts = (x * place).sum(1).bincount(minlength=len(log_mass)).double()
    expected = log_mass.exp() * len(x)
    if counts[expected == 0].any():
        return 0.0
    common = expected > 5
    counts = torch.cat([counts[common], counts[~common].sum()[None]])
    expected = torch.cat([expected[common], expected[~common].sum()[None] + 1e-9])
    return float(stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))


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


@pytest.mark.parametrize("case", CASES)
def test_sampler_follows_the_masses(case):
    model = built(case, (2, 2), 3)
    torch.manual_seed(0)
    drawn = model.sample(20_000)
    assert drawn.dtype == torch.int64
    assert chance(drawn, model.log_prob(states(4, 3)), 3) > 1e-5


@pytest.mark.parametrize("case", BACKED_OFF)
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
    data = DataSpec(
        "test", "discrete", (6, 6), 4, make_train=lambda: x[400:], make_valid=lambda: x[:400]
    )
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
    data = DataSpec(
        "test", "discrete", (32,), 4, make_train=lambda: x[600:], make_valid=lambda: x[:600]
    )
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
    data = DataSpec(
        "test", "discrete", (32,), 4, make_train=lambda: x[100:], make_valid=lambda: x[:100]
    )
    whole = ngram.build(data).parents.shape[1]
    monkeypatch.setattr(_backoff, "LARGEST", 4 * 6)
    assert ngram.build(data).parents.shape[1] == 1 < whole


# -------------------------------------------------------------------------------------- mixtures


class Careless(TableMixture):
    """Shares of the components without their weights."""

    def joint(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        return super().joint(x, known) - self.log_weight

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.logsumexp(super().joint(x), 1)


@pytest.mark.parametrize("kind", [TableMixture, Careless])
@pytest.mark.parametrize("shrink", [0.0, 5.0])
def test_every_step_of_em_gains(kind, shrink, monkeypatch):
    """The log-likelihood with its prior; one that forgets the weights loses at times."""
    monkeypatch.setattr(_mixtures, "TableMixture", kind)
    x, gains = spec_of((6,), 3).train, []
    for seed in range(5):
        torch.manual_seed(seed)
        mixture = _mixtures.started(x, 3, 4)
        for _ in range(30):
            before = mixture
            mixture = _mixtures.step(mixture, x, shrink)
            gains.append(_gain(before, mixture, x, shrink))
    assert (min(gains) > -1e-8) == (kind is TableMixture)


def _gain(before: TableMixture, after: TableMixture, x: Tensor, shrink: float) -> float:
    def value(mixture: TableMixture) -> float:
        if shrink:
            return _mixtures.objective(mixture, x, shrink)
        tables = mixture.log_mass.clamp(min=-1e6)  # no prior: masses may be zero
        kept = type(mixture)(mixture.log_weight, tables)
        return float(kept.log_prob(x).sum() + kept.log_weight.sum())

    return value(after) - value(before)


def test_em_explains_its_data_as_well_as_the_mixture_they_come_from():
    g = torch.Generator().manual_seed(0)
    mass = torch.softmax(3 * torch.randn(3, 8, 4, generator=g), -1).double()
    truth = TableMixture(torch.tensor([0.5, 0.3, 0.2]).double().log(), mass.log())
    torch.manual_seed(0)
    x, fresh = truth.sample(1500), truth.sample(3000)
    data = DataSpec(
        "test", "discrete", (8,), 4, make_train=lambda: x[300:], make_valid=lambda: x[:300]
    )
    fitted = categorical_mixture.build(data)
    assert 3 <= len(fitted.log_weight) <= 10
    assert fitted.log_prob(x).mean() > truth.log_prob(x).mean()
    assert 0 < (truth.log_prob(fresh) - fitted.log_prob(fresh)).mean() < 0.1
    one = categorical_mixture.build(data, components=1)
    assert (truth.log_prob(fresh) - one.log_prob(fresh)).mean() > 0.5


def test_conditionals_of_a_mixture_in_parts_as_at_once(monkeypatch):
    model, x = built("categorical-mixture", (2, 3), 3), states(6, 3)
    whole = model.conditionals(x)
    monkeypatch.setattr(_mixtures, "VALUES", 200)
    assert torch.allclose(model.conditionals(x), whole, atol=1e-13)


# --------------------------------------------------------------------------------------- classes


def test_naive_bayes_equals_counting_by_hand():
    data = spec_of((4,), 3, n=60)
    model = naive_bayes_mixture.build(data)
    x, y = data.train_valid, torch.cat([data.train_labels, data.valid_labels])
    shrinks, row = set(), torch.tensor([[1, 0, 2, 1]])
    for shrink in naive_bayes_mixture.SHRINKS:
        total = 0.0
        for c in range(3):
            mine = x[y == c]
            p = (len(mine) + 1) / (len(x) + 3)
            for i, k in enumerate(row[0].tolist()):
                marginal = (int((x[:, i] == k).sum()) + 1) / (len(x) + 3)
                p *= (int((mine[:, i] == k).sum()) + shrink * marginal) / (len(mine) + shrink)
            total += p
        shrinks.add(round(math.log(total), 10))
    assert round(model.log_prob(row).item(), 10) in shrinks


@pytest.mark.parametrize("case", ["naive-bayes-mixture", "chow-liu-classes"])
def test_classes_follow_from_the_joint_law(case):
    model, x = built(case, (2, 3), 3), states(6, 3)
    assert torch.allclose(model.joint(x).logsumexp(1), model.log_prob(x), atol=1e-12)
    assert model.classify(x).logsumexp(1).abs().max() < 1e-12
    data = spec_of((2, 3), 3)
    right = model.classify(data.train).argmax(1) == data.train_labels
    assert right.double().mean() > 0.5  # chance: a third


@pytest.mark.parametrize("build", [naive_bayes_mixture.build, chow_liu_classes.build])
def test_classes_ask_for_labels(build):
    data = replace(spec_of((4,), 3), train_labels=None)
    with pytest.raises(UsageError, match="needs labelled data; use"):
        build(data)


def test_tables_moved_to_other_marginals_keep_their_odds():
    torch.manual_seed(0)
    joint = torch.rand(3, 3, 4, 4, dtype=torch.float64) + 0.2
    joint = joint + joint.permute(1, 0, 3, 2)
    joint = joint / joint.sum((2, 3), keepdim=True)
    marginals = torch.rand(3, 4, dtype=torch.float64).softmax(1)
    moved = chow_liu_classes.given_marginals(joint, marginals)
    assert torch.allclose(moved.sum(3), marginals[:, None].expand(3, 3, 4), atol=1e-4)
    assert torch.allclose(moved.sum(2), marginals.expand(3, 3, 4), atol=1e-12)

    def odds(table: Tensor) -> Tensor:
        log = table.log()
        return log[..., 1:, 1:] + log[..., :1, :1] - log[..., 1:, :1] - log[..., :1, 1:]

    assert torch.allclose(odds(moved), odds(joint), atol=1e-9)


# --------------------------------------------------------------------------------------- imputing

KNOWN = {
    "some": [True, False, True, False],
    "the last": [False, False, False, True],
    "none": [False] * 4,
    "all": [True] * 4,
}


def law_given(model, x: Tensor, known: Tensor, levels: int) -> Tensor:
    """log p of every state given the known coordinates of x [D], by enumeration."""
    every = states(len(x), levels)
    agree = (every == x)[:, known].all(1)
    log_mass = torch.where(agree, model.log_prob(every), -torch.inf)
    return log_mass - log_mass.logsumexp(0)


@pytest.mark.parametrize("case", IMPUTING)
@pytest.mark.parametrize("known", KNOWN)
def test_imputed_coordinates_follow_the_conditional_law(case, known):
    model, mask = built(case, (2, 2), 3), torch.tensor(KNOWN[known])
    x = torch.tensor([2, 0, 0, 1])
    torch.manual_seed(0)
    drawn = model.impute(x.repeat(20_000, 1), mask)
    assert drawn.dtype == torch.int64
    assert chance(drawn, law_given(model, x, mask, 3), 3) > 1e-5


@pytest.mark.parametrize("case", IMPUTING)
def test_each_row_has_its_own_mask_and_the_rest_is_not_read(case):
    model = built(case, (2, 3), 3)
    g = torch.Generator().manual_seed(0)
    x, known = torch.randint(3, (200, 6), generator=g), torch.rand(200, 6, generator=g) < 0.5
    torch.manual_seed(1)
    first = model.impute(x, known)
    torch.manual_seed(1)
    assert torch.equal(first, model.impute(torch.where(known, x, 2 - x), known))
    assert torch.equal(first[known], x[known])


class Overwritten(TableMixture):
    """Draws everything, then puts what is known in its place."""

    def impute(self, x: Tensor, known: Tensor) -> Tensor:
        return torch.where(known, x, self.sample(len(x)))


class FromAbove(Tree):
    """Each coordinate given its parent, whatever is known further down."""

    def evidence(self, x: Tensor, known: Tensor) -> Tensor:
        found = super().evidence(x, known)
        return torch.where(known.unsqueeze(-1), found, 0.0)


WRONG = {"categorical-mixture": Overwritten, "chow-liu": FromAbove}


@pytest.mark.parametrize("case", WRONG)
def test_draws_that_ignore_what_is_known_are_seen(case):
    model, mask = turned(built(case, (2, 2), 3), WRONG[case]), torch.tensor(KNOWN["the last"])
    x = torch.tensor([2, 0, 0, 1])
    torch.manual_seed(0)
    assert chance(model.impute(x.repeat(20_000, 1), mask), law_given(model, x, mask, 3), 3) < 1e-9


@pytest.mark.parametrize("mask", list(itertools.product([True, False], repeat=4)))
def test_a_tree_knows_the_mass_of_any_of_its_coordinates(mask):
    tree, known = built("chow-liu", (2, 2), 3), torch.tensor(mask)
    every = states(4, 3)
    x = torch.tensor([[2, 0, 1, 1]])
    agree = (every == x)[:, known].all(1)
    expected = tree.log_prob(every[agree]).logsumexp(0)
    assert torch.allclose(tree.log_marginal(x, known[None]), expected, atol=1e-12)


def test_imputing_survives_masses_below_the_smallest_double():
    """A thousand coordinates known: their mass is some e^-1000 under every component."""
    mass = torch.tensor([[[0.7, 0.3]], [[0.3, 0.7]]]).double().expand(2, 2000, 2)
    model = TableMixture(torch.tensor([0.5, 0.5]).double().log(), mass.log())
    x, known = torch.zeros(20, 2000, dtype=torch.int64), torch.ones(2000, dtype=torch.bool)
    known[1000:] = False
    torch.manual_seed(0)
    share = model.impute(x, known)[:, 1000:].double().mean()
    assert abs(share - 0.3) < 0.02  # all rows come from the first component


# ---------------------------------------------------------------------------------------- numbers

DIGITS = {  # bits/dim of the last 360 rows
    "markov": (markov_pixels.build, 2.172570),
    "ngram": (ngram.build, 2.407500),
    "naive-bayes-mixture": (naive_bayes_mixture.build, 2.191500),
    "chow-liu-classes": (chow_liu_classes.build, 2.017300),
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
