"""Mixtures, classes and trees: expectation maximisation, and exact draws of missing coordinates."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from causal_cases import states
from dense_cases import turned
from table_cases import built, chance, discrete, spec_of
from torch import Tensor

from bench.errors import UsageError
from bench.levels import log_marginals
from bench.models import _mixtures, categorical_mixture, chow_liu_classes, naive_bayes_mixture
from bench.models._mixtures import TableMixture
from bench.models._trees import Tree

IMPUTING = ["categorical-mixture", "naive-bayes-mixture", "chow-liu", "chow-liu-classes"]


# -------------------------------------------------------------------------------------- mixtures


def without_weights(mixture: TableMixture, x: Tensor, shrink: float) -> tuple[TableMixture, float]:
    """A step in which all components have the same share beforehand."""
    flat = torch.full_like(mixture.log_weight, -math.log(len(mixture.log_weight)))
    wrong, _ = _mixtures.step(TableMixture(flat, mixture.log_mass), x, shrink)
    return wrong, _mixtures.step(mixture, x, shrink)[1]


@pytest.mark.parametrize("step", [_mixtures.step, without_weights])
@pytest.mark.parametrize("shrink", [1e-9, 5.0])
@pytest.mark.parametrize("dense", [0, 17])
def test_no_step_of_em_loses(step, shrink, dense, monkeypatch):
    """Of the log-likelihood with its prior, counted either way; a wrong step does at times."""
    monkeypatch.setattr(_mixtures, "DENSE", dense)
    x, gains = spec_of((6,), 3).train, []
    for seed in range(5):
        torch.manual_seed(seed)
        mixture, values = _mixtures.started(x, 3, 4), []
        for _ in range(30):
            mixture, value = step(mixture, x, shrink)
            values.append(value)
        gains += [after - before for before, after in itertools.pairwise(values)]
    assert (min(gains) > -1e-8) == (step is _mixtures.step)


def test_the_objective_of_em_is_the_likelihood_and_the_prior():
    x = spec_of((4,), 3).train
    mixture = _mixtures.started(x, 3, 3)
    _, value = _mixtures.step(mixture, x, 2.0)
    prior = 2.0 * (log_marginals(x, 3).exp() * mixture.log_mass).sum() + mixture.log_weight.sum()
    assert value == pytest.approx((mixture.log_prob(x).sum() + prior).item(), abs=1e-9)


def test_em_finds_the_mixture_that_its_data_come_from(monkeypatch):
    monkeypatch.setattr(_mixtures, "LADDER", (1, 3, 10))
    g = torch.Generator().manual_seed(0)
    mass = torch.softmax(3 * torch.randn(3, 8, 4, generator=g), -1).double()
    truth = TableMixture(torch.tensor([0.5, 0.3, 0.2]).double().log(), mass.log())
    torch.manual_seed(0)
    x, fresh = truth.sample(1500), truth.sample(3000)
    data = discrete(x, (8,), 4)
    fitted = categorical_mixture.build(data)
    assert len(fitted.log_weight) == 3
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
