"""Masses over integer points: they sum to one, samplers follow them, networks see no future."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy import stats

from bench import trees
from bench.errors import UsageError
from bench.models import categorical, chow_liu, made
from bench.models._heads import Logistics, Table, log_masses

CASES = {
    "categorical": categorical.build,
    "chow-liu": chow_liu.build,
    "made, logistics": made.build,
    "made, tables": lambda data: made.build(data, components=0),
}
SIZES = [(1, 2), (1, 5), (4, 3), (10, 2)]  # (coordinates, levels)


def points(n: int, dim: int, levels: int, seed: int = 0) -> torch.Tensor:
    """A chain in which a coordinate repeats the last one half of the time, int64 [n, dim]."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randint(levels, (n, dim), generator=g) // 2
    for i in range(1, dim):
        x[:, i] = torch.where(torch.rand(n, generator=g) < 0.5, x[:, i - 1], x[:, i])
    return x


def states(dim: int, levels: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(levels), repeat=dim)))


def built(case: str, dim: int, levels: int, spec):
    """The model in float64, its network's weights at random so that nothing is near zero."""
    torch.manual_seed(1)
    fitted = CASES[case](spec(points(300, dim, levels), levels=levels)).double().eval()
    with torch.no_grad():
        for p in fitted.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return fitted


@pytest.mark.parametrize("case", CASES)
class TestEveryModel:
    @pytest.mark.parametrize(("dim", "levels"), SIZES)
    def test_masses_of_all_states_sum_to_one(self, case, dim, levels, spec):
        fitted = built(case, dim, levels, spec)
        log_mass = fitted.log_prob(states(dim, levels))
        assert log_mass.shape == (levels**dim,)
        assert log_mass.isfinite().all()
        assert abs(log_mass.exp().sum() - 1) < 1e-9

    def test_sampler_follows_the_masses(self, case, spec):
        fitted = built(case, 4, 3, spec)
        expected = fitted.log_prob(states(4, 3)).exp().detach() * 20_000
        torch.manual_seed(0)
        drawn = fitted.sample(20_000)
        assert drawn.dtype == torch.int64
        index = (drawn * 3 ** torch.arange(3, -1, -1)).sum(1)
        counts = index.bincount(minlength=81)
        common = expected > 5
        chi2 = ((counts - expected).square() / expected)[common].sum()
        assert stats.chi2.sf(chi2.item(), int(common.sum())) > 1e-5
        assert abs(counts[common].sum() - expected[common].sum()) < 6 * math.sqrt(20_000)

    def test_same_seed_same_draws_in_float32(self, case, spec):
        fitted = CASES[case](spec(points(100, 6, 4), levels=4)).eval()
        torch.manual_seed(5)
        first = fitted.sample(20)
        torch.manual_seed(5)
        assert torch.equal(first, fitted.sample(20))
        assert first.min() >= 0
        assert first.max() <= 3

    def test_unseen_levels_are_finite(self, case, spec):
        data = spec(torch.zeros(30, 5, dtype=torch.int64), levels=17)
        corners = torch.tensor([[0] * 5, [16] * 5, [0, 16, 8, 16, 0]])
        assert CASES[case](data).eval().log_prob(corners).isfinite().all()


@pytest.mark.parametrize("components", [0, 3])
def test_made_rows_read_earlier_coordinates_only(components, spec):
    dim = 7
    torch.manual_seed(0)
    net = made.build(spec(points(100, dim, 5), levels=5), components=components).double().eval()
    y = torch.randn(1, dim, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(net.outputs, y)[0, :, :, 0]  # [D, size, D]
    influence = jacobian.abs().sum(1)
    assert torch.equal(influence.triu(), torch.zeros(dim, dim).double())
    assert (influence[torch.ones(dim, dim).tril(-1).bool()] > 0).all()


def test_made_sampler_equals_coordinate_by_coordinate(spec):
    """The sampler's uniforms, inverted one coordinate at a time through the whole network."""
    from bench.levels import invert, scaled

    net = built("made, logistics", 5, 4, spec)
    torch.manual_seed(2)
    u = torch.rand(50, 5, dtype=torch.float64)
    x = torch.zeros(50, 5, dtype=torch.int64)
    for i in range(5):
        outputs = net.outputs(scaled(x, 4).double())[:, i]
        x[:, i] = invert(log_masses(net.head, outputs), u[:, i])
    torch.manual_seed(2)
    assert torch.equal(net.sample(50), x)


HEADS = {"table": Table(6), "logistics": Logistics(6, 3), "one logistic": Logistics(2, 1)}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_heads_sum_to_one_and_stay_finite(head, size):
    torch.manual_seed(0)
    outputs = size * torch.randn(200, HEADS[head].size, dtype=torch.float64)
    log_mass = log_masses(HEADS[head], outputs)
    assert log_mass.isfinite().all()
    assert torch.allclose(log_mass.exp().sum(1), torch.ones(200).double(), atol=1e-12)
    single = log_masses(HEADS[head], outputs.float())
    assert single.isfinite().all()
    assert torch.allclose(single.exp().sum(1), torch.ones(200), atol=1e-4)


def test_logistics_equals_differences_of_sigmoids():
    head = Logistics(5, 2)
    outputs = torch.tensor([0.3, -0.1, -0.4, 0.5, 1.0, 2.0], dtype=torch.float64)
    weight, mean, scale = outputs[:2].softmax(0), outputs[2:4], outputs[4:].exp()
    edges = (torch.arange(-0.5, 5) / 2 - 1).double()
    cdf = torch.sigmoid((edges[:, None] - mean) * scale)
    cdf[0], cdf[-1] = 0, 1
    assert torch.allclose(log_masses(head, outputs).exp(), cdf.diff(dim=0) @ weight, atol=1e-14)


def test_chow_liu_tree_is_the_best_of_all(spec):
    """All 16 trees on 4 coordinates, scored on the smoothed tables."""
    x = points(400, 4, 3)
    joint = trees.pair_masses(x, 3, 1.0)
    weight = trees.mutual_information(joint)
    parent, depth = trees.spanning_tree(weight)
    chosen = sum(weight[i, parent[i]].item() for i in range(1, 4))
    pairs = list(itertools.combinations(range(4), 2))
    every = [t for t in itertools.combinations(pairs, 3) if _connected(t)]
    assert len(every) == 16
    assert chosen == pytest.approx(max(sum(weight[e].item() for e in t) for t in every))
    assert all(depth[i] == depth[parent[i]] + 1 for i in range(1, 4))


def _connected(tree: tuple[tuple[int, int], ...]) -> bool:
    reached = {0}
    for _ in tree:
        reached |= {n for edge in tree if reached & set(edge) for n in edge}
    return len(reached) == 4


def test_chow_liu_root_does_not_matter(spec):
    x = points(300, 5, 3)
    plain = chow_liu.build(spec(x, levels=3))
    turned = chow_liu.build(spec(x.flip(1), levels=3))
    assert torch.allclose(plain.log_prob(x), turned.log_prob(x.flip(1)), atol=1e-12)


REFUSED = {
    "alpha must be positive": (5, 3, {"alpha": 0.0}),
    "fewer coordinates or levels": (100, 256, {}),
}


@pytest.mark.parametrize("words", REFUSED)
def test_chow_liu_refuses_with_a_remedy(words, spec):
    dim, levels, settings = REFUSED[words]
    with pytest.raises(UsageError, match=words):
        chow_liu.build(spec(torch.zeros(10, dim, dtype=torch.int64), levels=levels), **settings)
