"""Flows of further families as plugins: they train, and density and sampler are of one law."""

from __future__ import annotations

import copy
import math
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from bench.adapters import Adapted, adapt
from bench.datasets.known_truth_2d import Checkerboard
from bench.models.naf import SpreadSigmoid
from bench.registry import load_function, read

pytestmark = pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")

ROOT = Path(__file__).parents[2]
MODELS = ("iaf", "naf", "planar", "radial", "sylvester")
NFLOWS = "iaf-nflows"
GAUSSIAN = math.log(2 * math.pi) + 1  #: nats of the best one on standardised points of the plane
STEPS = 60


def build(name: str, dim: int = 2) -> Adapted:
    folder = "baselines" if name.endswith("nflows") else "bench/models"
    (entry,) = read(ROOT / folder / f"{name.replace('-', '_')}.py")
    assert entry.name == name
    torch.manual_seed(0)
    return adapt(load_function(entry)(SimpleNamespace(dim=dim)))


@cache
def board() -> Tensor:
    """Standardised points of the checkerboard, float32 [N, 2]."""
    x = Checkerboard().sample(256 * STEPS + 4000, torch.Generator().manual_seed(1))
    return (x / math.sqrt(16 / 3)).float()


@cache
def trained(name: str) -> tuple[Adapted, list[float]]:
    """The model after `STEPS` steps, and its losses."""
    model = build(name)
    optimizer = torch.optim.Adam(model.module.parameters(), 5e-3)
    losses = []
    for i in range(STEPS):
        loss = -model.log_prob(board()[256 * i : 256 * (i + 1)]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.module.eval()
    return model, losses


def either(name: str, state: str) -> Adapted:
    return trained(name)[0] if state == "trained" else build(name)


def in_double(model: Adapted) -> Adapted:
    return adapt(copy.deepcopy(model.obj).double())


@torch.no_grad()
def cell_masses(model: Adapted, bound: float, cells: int, fine: int) -> Tensor:
    """Midpoint sums of the density over cells x cells squares of [-bound, bound]^2, float64."""
    n, like = cells * fine, next(model.module.parameters())
    middle = (2 * (torch.arange(n).to(like) + 0.5) / n - 1) * bound
    density = model.log_prob(torch.cartesian_prod(middle, middle)).double().exp()
    total = density.view(cells, fine, cells, fine).sum((1, 3))
    return total * (2 * bound / n) ** 2


@pytest.mark.parametrize("name", [*MODELS, NFLOWS])
def test_sixty_steps_beat_the_gaussian(name):
    if name == NFLOWS:
        pytest.importorskip("nflows")
    model, losses = trained(name)
    assert all(math.isfinite(loss) for loss in losses)
    with torch.no_grad():
        score = -model.log_prob(board()[-4000:]).mean().item()
    assert score < GAUSSIAN - 0.05


@pytest.mark.parametrize("state", ["fresh", "trained"])
@pytest.mark.parametrize("name", MODELS)
def test_the_mass_on_the_plane_is_one(name, state):
    model = either(name, state)
    for precise in (model, in_double(model)):
        assert abs(cell_masses(precise, 6.0, 1, 150).sum().item() - 1) < 2e-3


@pytest.mark.parametrize("state", ["fresh", "trained"])
@pytest.mark.parametrize("name", MODELS)
def test_samples_follow_the_density(name, state):
    """Pearson's statistic of 64 cells and the rest; 6 standard deviations of chi-squared."""
    model, n = either(name, state), 10_000
    masses = cell_masses(model, 2.5, 8, 16).flatten()
    torch.manual_seed(3)
    x = model.sample(n)
    inside = (x.abs() < 2.5).all(1)
    place = ((x[inside] + 2.5) / 5 * 8).long().clamp(0, 7)
    counts = torch.bincount(place[:, 0] * 8 + place[:, 1], minlength=64).double()
    expected = torch.cat((masses, 1 - masses.sum()[None])).clamp(min=0) * n
    seen = torch.cat((counts, (n - counts.sum())[None]))
    rare = expected < 10
    pooled = [torch.cat((t[~rare], t[rare].sum()[None])) for t in (seen, expected)]
    statistic = ((pooled[0] - pooled[1]).square() / pooled[1].clamp(min=10)).sum().item()
    degrees = len(pooled[0]) - 1
    assert statistic < degrees + 6 * math.sqrt(2 * degrees)


@pytest.mark.parametrize("name", MODELS)
def test_the_inverse_undoes_the_transform(name):
    model = trained(name)[0]
    for precise, tolerance in ((model, 1e-3), (in_double(model), 1e-8)):
        x = board()[-200:].to(next(precise.module.parameters()).dtype)
        with torch.no_grad():
            z, logabsdet = precise.transform(x)
            assert z.dtype == logabsdet.dtype == x.dtype
            torch.testing.assert_close(precise.inverse(z), x, atol=tolerance, rtol=0)
            assert precise.map_only(x).equal(z)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dim", [1, 3, 20])
def test_other_dimensions(name, dim):
    model = build(name, dim)
    x = torch.randn(30, dim)
    loss = -model.log_prob(x).mean()
    loss.backward()
    for key, p in model.module.named_parameters():
        assert p.grad is not None, key
        assert p.grad.isfinite().all(), key
    assert model.sample(4).shape == (4, dim)


@pytest.mark.parametrize("name", MODELS)
def test_samples_follow_the_seed_and_weights_survive_a_state_dict(name):
    model, other = build(name, 3), build(name, 3)
    with torch.no_grad():
        for p in other.module.parameters():
            nn.init.normal_(p, std=0.1)
    other.module.load_state_dict(model.module.state_dict())
    draws = []
    for drawn in (model, other):
        torch.manual_seed(1)
        draws.append(drawn.sample(5))
    assert draws[0].equal(draws[1])
    assert not draws[0].equal(model.sample(5))


def test_the_start_of_naf_is_nearly_the_identity_with_units_that_differ():
    family = SpreadSigmoid(16)
    raw = family.identity()
    x = torch.linspace(-2.5, 2.5, 51)
    y, slope = family.forward(x, raw.expand(51, -1))
    assert (y - x).abs().max() < 0.2
    assert slope.abs().max() < 0.2
    far = family.forward(torch.tensor([-50.0, 50.0]), raw.expand(2, -1))[1]
    torch.testing.assert_close(far, torch.zeros(2), atol=1e-4, rtol=0)
    offsets = raw[32:]
    assert len(offsets.unique()) >= 15
