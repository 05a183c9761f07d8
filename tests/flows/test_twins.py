"""In-house flows against nflows 0.14: same seed, same weights, same curves, same function."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from bench.flows import Flow, from_nflows
from bench.registry import load_function, read

ROOT = Path(__file__).parents[2]
TWINS = ("realnvp", "maf", "nsf_coupling", "nsf_autoregressive", "nice")
PAIRS = [(name, dim) for name in TWINS for dim in (2, 3, 6)]

pytest.importorskip("nflows")
pytestmark = pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")


def pair(name: str, dim: int, seed: int = 0, **settings: object) -> tuple[Flow, nn.Module]:
    """The plugin and its twin, each built from the same seed."""
    built = []
    for file in (ROOT / f"bench/models/{name}.py", ROOT / f"baselines/{name}_nflows.py"):
        torch.manual_seed(seed)
        (entry,) = read(file)
        built.append(load_function(entry)(SimpleNamespace(dim=dim), **settings))
    return built[0], built[1]


def checkerboard(n: int, dim: int, generator: torch.Generator) -> Tensor:
    """Points on the dark fields of a checkerboard, the same in every pair of coordinates."""
    x = torch.rand(n, dim, generator=generator) * 4 - 2
    odd = (x.floor().cumsum(1) % 2) - (x[:, :1].floor() % 2)
    return x + torch.cat([torch.zeros(n, 1), odd[:, 1:]], 1)


def train(model: nn.Module, dim: int, steps: int, lr: float = 5e-3) -> list[float]:
    """Losses of `steps` Adam steps, from batches that depend on nothing but the step."""
    generator = torch.Generator().manual_seed(11)
    torch.manual_seed(12)  # for dropout
    optimizer = torch.optim.Adam(model.parameters(), lr)
    losses = []
    for _ in range(steps):
        loss = -model.log_prob(checkerboard(100, dim, generator)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(("name", "dim"), [*PAIRS, ("maf", 1), ("maf", 70)])
def test_the_same_seed_gives_the_same_weights(name, dim):
    ours, theirs = pair(name, dim, seed=3)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert a.equal(b)


def test_both_twins_leave_the_generator_in_the_same_state():
    for name in TWINS:
        states = []
        for file in (f"bench/models/{name}.py", f"baselines/{name}_nflows.py"):
            torch.manual_seed(0)
            (entry,) = read(ROOT / file)
            load_function(entry)(SimpleNamespace(dim=4))
            states.append(torch.get_rng_state())
        assert states[0].equal(states[1])


@pytest.mark.parametrize(("name", "dim"), PAIRS)
def test_log_prob_and_gradients_from_the_same_seed(name, dim):
    ours, theirs = pair(name, dim)
    x = torch.randn(200, dim) * 2
    values = [model.log_prob(x) for model in (ours, theirs)]
    torch.testing.assert_close(*values, atol=1e-6, rtol=1e-6)
    for value in values:
        value.mean().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize(("dim", "dropout"), [(2, 0.0), (2, 0.2), (5, 0.0)])
def test_fifty_steps_give_the_same_curve(name, dim, dropout):
    ours, theirs = pair(name, dim, hidden=32, dropout=dropout)
    curves = [torch.tensor(train(model, dim, 50)) for model in (ours, theirs)]
    torch.testing.assert_close(*curves, atol=1e-4, rtol=0)


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize(("name", "dim"), PAIRS)
def test_converted_flow_is_the_same_function(name, dim, trained):
    _, theirs = pair(name, dim, hidden=24)
    if trained:
        train(theirs, dim, 30)
    theirs.eval()
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-12)):
        if dtype == torch.float64:
            theirs.double()  # .float() would round a constant of nflows for good
        ours = from_nflows(theirs)
        assert not ours.training
        x = torch.randn(300, dim, dtype=dtype)
        with torch.no_grad():
            z, logabsdet = theirs._transform(x)
            found = (ours.log_prob(x), *ours.transform(x), ours.inverse(z)[0])
            wanted = (theirs.log_prob(x), z, logabsdet, theirs._transform.inverse(z)[0])
        torch.testing.assert_close(found, wanted, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", TWINS)
def test_the_same_noise_gives_the_same_samples(name):
    _, theirs = pair(name, 3)
    ours = from_nflows(theirs)
    torch.manual_seed(4)
    with torch.no_grad():
        wanted = theirs.sample(64)
    torch.manual_seed(4)
    torch.testing.assert_close(ours.sample(64), wanted, atol=1e-4, rtol=1e-4)


def test_converting_copies_the_weights_and_draws_nothing():
    _, theirs = pair("maf", 3)
    state = torch.get_rng_state()
    ours = from_nflows(theirs)
    assert torch.get_rng_state().equal(state)
    x = torch.randn(5, 3)
    kept = ours.log_prob(x).detach()
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(1)
    assert ours.log_prob(x).equal(kept)


def test_twins_share_their_settings():
    for name in TWINS:
        (ours,), (theirs,) = (
            read(ROOT / f"bench/models/{name}.py"),
            read(ROOT / f"baselines/{name}_nflows.py"),
        )
        assert ours.settings == theirs.settings
        assert theirs.twin == ours.name
        assert theirs.name == f"{ours.name}-nflows"
        assert (ours.min_dim, ours.paper) == (theirs.min_dim, theirs.paper)
