"""Bijections survive what PyTorch does to modules: compile, vmap, grad, copies, pickles."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from flow_cases import CASES, make
from torch import Tensor

pytestmark = pytest.mark.parametrize("name", CASES)


def points(dim: int) -> Tensor:
    """Ten rows, some of them in the tails."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(10, dim, dtype=torch.float64, generator=generator)
    return torch.cat([x, 40 * x[:2]])


def same(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> None:
    """Value and log-determinant alike."""
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_one_graph(name: str, direction: str) -> None:
    """No host synchronisation, no shape that depends on values: one graph, without a break."""
    bijection, dim = make(name)
    x = points(dim)
    run = getattr(bijection, direction)
    compiled = torch.compile(run, fullgraph=True, backend="eager", dynamic=False)
    with torch.no_grad():
        same(compiled(x), run(x))


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_vmap(name: str, direction: str) -> None:
    bijection, dim = make(name)
    x = points(dim)
    run = getattr(bijection, direction)
    with torch.no_grad():
        value, logabsdet = torch.func.vmap(lambda row: run(row[None]))(x)
        same((value[:, 0], logabsdet[:, 0]), run(x))


def test_copies(name: str) -> None:
    bijection, dim = make(name)
    x = points(dim)
    with torch.no_grad():
        wanted = bijection(x)
        same(copy.deepcopy(bijection)(x), wanted)
        same(pickle.loads(pickle.dumps(bijection))(x), wanted)


def test_weights_of_a_state_are_the_function(name: str) -> None:
    bijection, dim = make(name)
    torch.manual_seed(7)  # random masks are arguments, not weights
    other = CASES[name][1]().double()
    other.load_state_dict(bijection.state_dict())
    other.train(bijection.training)
    x = points(dim)
    with torch.no_grad():
        same(other(x), bijection(x))
