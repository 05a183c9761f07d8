"""Dense autoregressive models: what reads what, their mass, their samplers, their orders."""

from __future__ import annotations

import itertools

import dense_cases as d
import pytest
import torch
from causal_cases import shaken, spec_of, states
from dense_cases import MIXTURES, ORDERED, first_of, pattern, turned
from table_cases import chance
from torch import Tensor

from bench.checks._capabilities import order_of
from bench.errors import UsageError
from bench.models import eonade, fvsbn, made, made_orders, nade
from bench.models._generation import sample_naively

SHAPES = {(3, 3): 2, (2, 3): 3, (1,): 5}  #: shape -> levels, exact in float32 when scaled
EVERY = {**ORDERED, **MIXTURES}


def built(case: str, shape: tuple[int, ...], levels: int):
    torch.manual_seed(1)
    return shaken(EVERY[case](spec_of(shape, levels)))


# --------------------------------------------------------------------------------- what reads what


@pytest.mark.parametrize("case", ORDERED)
@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 2, 3)])
def test_all_of_the_past_is_read_and_nothing_else(case, shape):
    assert pattern(ORDERED[case], spec_of(shape, 3)) == (0, 0)


@pytest.mark.parametrize("build", [made.build, nade.build, fvsbn.build])
def test_all_of_an_image_is_read(build):
    assert pattern(build, spec_of((1, 8, 8), 17), inits=1) == (0, 0)


LEAKS = {
    "nade, sum not moved": lambda data: turned(nade.build(data, hidden=12), d.SeesItself),
    "made, output mask": d.lax("output"),
    "made, hidden mask": d.lax("hidden"),
    "made, direct mask": d.lax("direct"),
    "fvsbn, mask": d.self_regression,
    "order not moved back": lambda data: first_of(
        turned(MIXTURES["made-orders"](data), d.NotMovedBack)
    ),
    "eonade, values unmasked": lambda data: first_of(turned(MIXTURES["eonade"](data), d.Unmasked)),
}


@pytest.mark.parametrize("case", LEAKS)
def test_a_leak_is_seen(case):
    assert pattern(LEAKS[case], spec_of((1, 4, 4), 3))[0] > 0


def test_missing_dependencies_are_counted():
    """Of degrees 1 to 3: coordinate i > 3 reads the first three."""
    assert pattern(d.few_units, spec_of((8,), 3)) == (0, sum(max(i - 3, 0) for i in range(8)))


# -------------------------------------------------------------------------------------------- mass


@pytest.mark.parametrize("case", EVERY)
@pytest.mark.parametrize("shape", SHAPES)
def test_masses_of_all_states_sum_to_one(case, shape):
    levels = SHAPES[shape]
    model = built(case, shape, levels)
    log_mass = model.log_prob(states(spec_of(shape, levels).dim, levels))
    assert log_mass.isfinite().all()
    assert abs(float(log_mass.exp().sum()) - 1) < 1e-12


@pytest.mark.parametrize("case", ORDERED)
def test_conditionals_sum_to_one_and_their_product_is_log_prob(case):
    model, x = built(case, (2, 3), 3), states(6, 3)[::7]
    table = model.conditionals(x)
    assert table.logsumexp(2).abs().max() < 1e-12
    product = table.gather(2, x.unsqueeze(2)).sum((1, 2))
    assert torch.allclose(product, model.log_prob(x), atol=1e-12)


@pytest.mark.parametrize("case", EVERY)
def test_levels_never_seen_and_single_precision_are_finite(case):
    x = torch.zeros(30, 5, dtype=torch.int64)
    data = spec_of((5,), 17)
    data.make_train = data.make_valid = lambda: x
    model = EVERY[case](data).eval()
    corners = torch.tensor([[0] * 5, [16] * 5, [0, 16, 8, 16, 0]])
    assert model.log_prob(corners).isfinite().all()


# ---------------------------------------------------------------------------------------- sampling


@pytest.mark.parametrize("case", ORDERED)
@pytest.mark.parametrize("shape", SHAPES)
def test_cached_sampler_equals_a_pass_per_coordinate(case, shape):
    """At the same uniforms."""
    levels = SHAPES[shape]
    model = built(case, shape, levels)
    torch.manual_seed(2)
    u = torch.rand(40, model.dim, dtype=torch.float64)
    torch.manual_seed(2)
    drawn = model.sample(40)
    assert drawn.dtype == torch.int64
    assert torch.equal(drawn, sample_naively(model, u, order_of(model, model.dim)))


def test_a_wrong_cache_is_seen():
    model = turned(built("nade", (2, 3), 3), d.WrongTerm)
    u = torch.rand(40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert not torch.equal(model.sample_from(u), sample_naively(model, u))


@pytest.mark.parametrize("case", EVERY)
def test_sampler_follows_the_masses(case):
    model = built(case, (2, 2), 3)
    torch.manual_seed(0)
    assert chance(model.sample(20_000), model.log_prob(states(4, 3)), 3) > 1e-5


def test_each_draw_of_a_mixture_has_an_order_of_its_own():
    """With weights that tell orders apart: draws in one of them do not follow the mean."""
    model = built("eonade", (2, 2), 3)
    torch.manual_seed(0)
    assert chance(first_of(model).sample(20_000), model.log_prob(states(4, 3)), 3) < 1e-9


# -------------------------------------------------------------------------------------------- NADE


def test_nade_cumulative_sum_equals_recursion_and_sums_from_scratch():
    net = shaken(nade.build(spec_of((1, 8, 8), 17), hidden=32))
    x = torch.randint(17, (20, 64), generator=torch.Generator().manual_seed(0))
    step = net.stepper(x)
    recursion = torch.stack([step(t) for t in range(64)], 1)
    scratch = d.nade_from_scratch(net, x)
    assert (net.network(x) - scratch).abs().max() < 1e-13
    assert (recursion - scratch).abs().max() < 1e-13


def test_nade_scores_in_parts_as_at_once(monkeypatch):
    net, x = built("nade", (2, 3), 3), states(6, 3)
    whole = net.log_prob(x)
    monkeypatch.setattr(nade, "VALUES", 500)
    assert torch.allclose(net.log_prob(x), whole, atol=1e-12)


def test_fvsbn_of_two_levels_is_a_sigmoid_of_a_linear_form():
    net = built("fvsbn", (5,), 2)
    x = states(5, 2)
    weight, y = net.linear.weight * net.linear.mask, 2 * x.double() - 1
    logits = (y @ weight.T + net.linear.bias).unflatten(1, (5, 2)) + net.start
    on = torch.sigmoid(logits[..., 1] - logits[..., 0])
    expected = torch.where(x == 1, on, 1 - on).log().sum(1)
    assert torch.allclose(net.log_prob(x), expected, atol=1e-12)


# ------------------------------------------------------------------------------------------ orders


@pytest.mark.parametrize("case", MIXTURES)
def test_log_mean_of_orders_is_above_the_mean_of_logs_which_is_no_density(case):
    model, x = built(case, (2, 3), 3), states(6, 3)
    wrong = d.MeanOfLogs(model).log_prob(x)
    assert (model.log_prob(x) >= wrong).all()
    assert wrong.exp().sum() < 0.999


def test_an_order_moves_weights_with_their_coordinates():
    """In the order of reading nothing moves; data turned round meet weights turned round."""
    mixture = built("made-orders", (5,), 3)
    plain, x = mixture.made, states(5, 3)
    forward = torch.arange(5)
    assert torch.allclose(mixture.log_prob_along(x, forward), plain.log_prob(x), atol=1e-12)
    assert not torch.allclose(mixture.log_prob_along(x, forward.flip(0)), plain.log_prob(x))


@pytest.mark.parametrize("kind", [made_orders.MADEOrders, d.StoredMasks])
def test_orders_alternate_without_a_trace_in_the_weights(kind):
    """Masks that are multiplied into stored weights are the fault of a peer."""
    mixture = turned(built("made-orders", (2, 3), 3), kind).requires_grad_(True)
    before = [p.clone() for p in mixture.parameters()]
    for _ in range(4):
        mixture.loss(states(6, 3)[:20]).sum().backward()
        mixture.sample(3)
    mixture.log_prob(states(6, 3)[:20])
    kept = all(map(torch.equal, before, mixture.parameters()))
    assert kept == (kind is made_orders.MADEOrders)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in mixture.parameters())


@pytest.mark.parametrize("kind", [eonade.EoNADE, d.Unweighted])
def test_eonade_loss_is_the_mean_over_all_orders(kind):
    model = turned(built("eonade", (3,), 3), kind)
    x = torch.tensor([[0, 2, 1]])
    every = [torch.tensor(o) for o in itertools.permutations(range(3))]
    exact = -torch.stack([model.log_prob_along(x, o) for o in every]).mean()
    torch.manual_seed(0)
    losses = model.loss(x.repeat(20_000, 1))
    off = abs(float((losses.mean() - exact) / (losses.std() / 20_000**0.5)))
    assert (off < 5) == (kind is eonade.EoNADE)


@pytest.mark.parametrize("build", [made_orders.build, eonade.build])
def test_no_orders_are_refused(build):
    name = {"masks": 0} if build is made_orders.build else {"orders": 0}
    with pytest.raises(UsageError, match="at least 1, not 0"):
        build(spec_of((4,), 3), **name)


# ---------------------------------------------------------------------------------------- imputing


def filled_law(model: eonade.EoNADE, x: Tensor, known: Tensor, levels: int) -> Tensor:
    """log p of every state given the known coordinates, the missing ones in each order's turn."""
    every, log_mass = states(len(x), levels), []
    for order in model.orders:
        later = order + len(x) * ~known  # the known ones first
        steps = model.conditionals_along(every, later.argsort().argsort())
        terms = steps.gather(2, every.unsqueeze(2)).squeeze(2)
        log_mass.append((terms * ~known).sum(1))
    agree = (every == x)[:, known].all(1)
    mean = torch.stack(log_mass).logsumexp(0) - torch.tensor(float(len(model.orders))).log()
    return torch.where(agree, mean, -torch.inf)


KNOWN = {"some": [True, False, True, False], "none": [False] * 4, "all": [True] * 4}
IMPUTING = {
    "eonade": eonade.EoNADE,
    "everything overwritten": d.Overwritten,
    "one by one": d.OneByOne,
}


@pytest.mark.parametrize("case", IMPUTING)
def test_imputed_coordinates_follow_the_conditional_law(case):
    model = turned(built("eonade", (4,), 3), IMPUTING[case])
    x, known = torch.tensor([2, 0, 0, 1]), torch.tensor(KNOWN["some"])
    torch.manual_seed(0)
    drawn = model.impute(x.repeat(20_000, 1), known)
    found = chance(drawn, filled_law(model, x, known, 3), 3)
    assert (found > 1e-5) == (case == "eonade")


@pytest.mark.parametrize("known", KNOWN)
def test_imputing_keeps_the_known_and_does_not_read_the_rest(known):
    model, mask = built("eonade", (4,), 3), torch.tensor(KNOWN[known])
    x = torch.randint(3, (50, 4), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    first = model.impute(x, mask)
    torch.manual_seed(1)
    other = model.impute(torch.where(mask, x, 2 - x), mask.expand(50, 4))
    assert torch.equal(first, other)
    assert torch.equal(first[:, mask], x[:, mask])


def test_imputing_nothing_known_is_sampling():
    model = built("eonade", (4,), 3)
    torch.manual_seed(0)
    drawn = model.impute(torch.zeros(20_000, 4, dtype=torch.int64), torch.tensor(KNOWN["none"]))
    assert chance(drawn, model.log_prob(states(4, 3)), 3) > 1e-5
