"""Convolutional autoregressive models: their mass, their samplers, their heads."""

from __future__ import annotations

import math

import pytest
import torch
from convolutional_cases import CASES, ONE_ORDER, SHAPES, images, shaken, states
from scipy import stats

from bench.errors import UsageError
from bench.levels import scaled
from bench.models import (
    _pixels,
    pixelcnn_gated_classes,
    pixelcnn_logistics,
)
from bench.models._dropout import Dropout
from bench.models._generation import sample_naively


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_masses_of_all_states_sum_to_one(case, shape):
    levels = SHAPES[shape]
    model = shaken(CASES[case](images(shape, levels)))
    log_mass = model.log_prob(states(shape, levels))
    assert log_mass.shape == (levels ** math.prod(shape),)
    assert abs(log_mass.exp().sum() - 1) < 1e-12


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", ONE_ORDER)
def test_conditionals_multiply_to_the_mass_and_sum_to_one(case, shape):
    levels = SHAPES[shape]
    model = shaken(ONE_ORDER[case](images(shape, levels)))
    x = states(shape, levels)[::7]
    tables = model.conditionals(x)
    assert tables.exp().sum(2).sub(1).abs().max() < 1e-12
    chosen = tables.gather(2, x.flatten(1)[..., None]).sum((1, 2))
    assert (chosen - model.log_prob(x)).abs().max() < 1e-11


def test_log_mean_of_orders_is_at_least_the_mean_of_logs():
    model = shaken(CASES["orders"](images((1, 3, 3), 2)))
    x = states((1, 3, 3), 2)
    each = model.log_probs(x)
    assert (each.exp().sum(1) - 1).abs().max() < 1e-12
    assert (model.log_prob(x) >= each.mean(0)).all()
    assert each.std(0).max() > 1e-3


@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 2, 3), (3, 4)], ids=str)
@pytest.mark.parametrize("case", sorted(set(ONE_ORDER) - {"classes"}))
def test_cached_sampler_equals_a_pass_per_coordinate(case, shape):
    model = shaken(ONE_ORDER[case](images(shape, 4)))
    u = torch.rand(20, model.dim, dtype=torch.float64)
    assert torch.equal(model.net.levels_of(u), sample_naively(model, u, model.order))


class Given:
    """A network's conditionals in one order and given labels."""

    def __init__(self, net, order: int = 0, labels: torch.Tensor | None = None) -> None:
        self.net, self.given = net, (order, labels)
        self.dim = net.pixels * net.channels

    def conditionals(self, x: torch.Tensor) -> torch.Tensor:
        return self.net.tables(x, *self.given)


@pytest.mark.parametrize("shape", [(1, 4, 3), (3, 2, 2)], ids=str)
def test_cached_sampler_equals_a_pass_per_coordinate_in_each_order(shape):
    net = shaken(CASES["orders"](images(shape, 4))).net
    u = torch.rand(16, math.prod(shape), dtype=torch.float64)
    mixed = net.levels_of(u, torch.arange(16) % 8)
    for order in range(8):
        expected = sample_naively(Given(net, order), u, net.positions(order))
        assert torch.equal(net.levels_of(u, torch.tensor([order])), expected)
        assert torch.equal(mixed[order::8], expected[order::8])


def test_cached_sampler_equals_a_pass_per_coordinate_given_classes():
    net = shaken(ONE_ORDER["classes"](images((3, 3, 2), 4))).net
    u = torch.rand(12, 18, dtype=torch.float64)
    labels = torch.arange(12) % 3
    expected = sample_naively(Given(net, 0, labels), u, net.positions())
    assert torch.equal(net.levels_of(u, labels=labels), expected)
    assert not torch.equal(net.levels_of(u, labels=labels.flip(0)), expected)


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    net = shaken(CASES["orders"](images((1, 3, 3), 4))).net
    u, orders = torch.rand(10, 9, dtype=torch.float64), torch.arange(10) % 8
    together = net.levels_of(u, orders)
    monkeypatch.setattr(_pixels, "VALUES", 3 * 10 * sum((2, 6, 6)))
    assert net._at_once() == 3
    assert torch.equal(net.levels_of(u, orders), together)
    assert net.levels_of(u[:0]).shape == (0, 9)


@pytest.mark.parametrize("case", CASES)
def test_sampler_follows_the_masses(case):
    model = shaken(CASES[case](images((1, 2, 2), 3)))
    torch.manual_seed(0)
    drawn = model.sample(20_000)
    assert drawn.shape == (20_000, 1, 2, 2)
    assert drawn.dtype == torch.int64
    expected = model.log_prob(states((1, 2, 2), 3)).exp() * 20_000
    index = (drawn.flatten(1) * 3 ** torch.arange(3, -1, -1)).sum(1)
    counts = index.bincount(minlength=81)
    common = expected > 5
    chi2 = ((counts - expected).square() / expected)[common].sum()
    assert stats.chi2.sf(chi2.item(), int(common.sum())) > 1e-5


def test_coupled_head_is_the_mixture_of_products():
    """PixelCNN++, equation 3 and what follows it, channel by channel."""
    head = pixelcnn_logistics.Coupled(5, 2, 3)
    outputs = torch.randn(1, 1, head.size, dtype=torch.float64)
    x = torch.tensor([[[1, 4, 2]]])
    weight, rest = outputs[0, 0, :2].softmax(0), outputs[0, 0, 2:]
    mean, steep, slope = rest[:6].view(3, 2), rest[6:12].view(3, 2), rest[12:].view(3, 2).tanh()
    y = scaled(x[0, 0], 5)
    means = [mean[0], mean[1] + slope[0] * y[0], mean[2] + slope[1] * y[0] + slope[2] * y[1]]
    each = weight.clone()
    for c in range(3):
        upper = torch.sigmoid((y[c] + 0.25 - means[c]) * steep[c].exp()) if x[0, 0, c] < 4 else 1.0
        lower = torch.sigmoid((y[c] - 0.25 - means[c]) * steep[c].exp()) if x[0, 0, c] > 0 else 0.0
        each = each * (upper - lower)
    assert head.terms(outputs, x).sum().item() == pytest.approx(each.sum().log().item(), abs=1e-12)


def test_classes_are_judged_by_bayes():
    model = shaken(ONE_ORDER["classes"](images((1, 3, 3), 2)))
    x = states((1, 3, 3), 2)
    joint = model.joint(x)
    assert torch.allclose(joint.exp().sum(0), model.log_prior.exp(), atol=1e-12)
    assert torch.allclose(model.classify(x).exp().sum(1), torch.ones(512).double())
    y = torch.randint(3, (512,))
    given = model.conditional_log_prob(x, y)
    assert torch.allclose(model.loss(x, y), -joint.gather(1, y[:, None])[:, 0])
    assert (model.log_prob(x) >= given + model.log_prior[y]).all()


def test_dropout_keeps_the_mean_and_is_off_outside_training():
    drop = Dropout(0.3)
    torch.manual_seed(0)
    y = drop(torch.ones(100_003))
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.7], rel=1e-4)
    assert abs(y.mean() - 1) < 0.01
    assert torch.equal(drop.eval()(y), y)


@pytest.mark.parametrize("case", CASES)
def test_points_without_rows_and_columns_are_refused(case):
    with pytest.raises(UsageError, match="no images"):
        CASES[case](images((5,), 3))


def test_classes_need_labels():
    spec = images((1, 2, 2), 3)
    spec.train_labels = None
    with pytest.raises(UsageError, match="needs labelled data"):
        pixelcnn_gated_classes.build(spec)
