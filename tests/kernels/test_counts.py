"""What is counted, and how little the kernels ask of the dispatcher."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bench import kernels
from bench.flows import maf
from bench.kernels import rq_spline_packed
from bench.kernels.eager import Shape
from bench.profile.counts import Counts, count

needs_compiler = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "available")

X = torch.linspace(-2, 2, 12).view(4, 3)
MASK = X > 0
BATCH, DIM, BINS = 4096, 8, 8  # the study's
WIDE = 3 * BINS - 1

#: name -> (call, operations, bytes read, bytes written)
MOVES: dict[str, tuple[Callable[[], Any], int, int, int]] = {
    "views and memory without values are free": (
        lambda: torch.empty_like(X.T[1:].flatten(0, 0).expand(3, -1, -1).contiguous()[..., 0]),
        1,
        4 * 8,
        4 * 24,
    ),
    "two sources": (lambda: X + X.T.clone().T, 2, 48 + 96, 48 + 48),
    "one source twice": (lambda: X * X, 1, 48, 48),
    "what is expanded is read once": (lambda: X[:1].expand(4, 3) + 1, 1, 12, 48),
    "in place": (lambda: X.clone().add_(X), 2, 48 + 96, 48 + 48),
    "overwritten": (lambda: torch.empty_like(X).copy_(X), 1, 48, 48),
    "into a buffer": (lambda: torch.mul(X, 2, out=torch.empty_like(X)), 1, 48, 48),
    "constants": (lambda: (torch.zeros_like(X), X.new_ones(2)), 2, 0, 48 + 8),
    "picked": (lambda: X.gather(1, torch.ones(4, 1).long()), 3, 16 + 32 + 16, 16 + 32 + 16),
}


@pytest.mark.parametrize("name", MOVES)
def test_operations_and_bytes(name):
    call, operations, read, written = MOVES[name]
    assert count(call) == Counts(operations, 0, read, written, 0)


def test_products_of_matrices():
    a, b = torch.randn(5, 7), torch.randn(7, 3)
    for call in (
        lambda: a @ b,
        lambda: torch.mm(a, b, out=torch.empty(5, 3)),
        lambda: F.linear(a, b.T, torch.zeros(3)),
        lambda: torch.empty(5, 3).addmm_(a, b),
    ):
        assert count(call).flops == 2 * 5 * 7 * 3


#: name -> (call, synchronisations)
WAITS: dict[str, tuple[Callable[[], Any], int]] = {
    "a number": (lambda: X.sum().item(), 1),
    "a branch": (lambda: 1 if X.sum() > 0 else 0, 1),
    "masked by an index": (lambda: X[MASK], 1),
    "set by an index": (lambda: X.clone().index_put_((MASK,), torch.tensor(0.0)), 1),
    "masked select": (lambda: X.masked_select(MASK), 1),
    "places": (lambda: MASK.nonzero(), 1),
    "unique": (lambda: X.unique(), 1),
    "equality": (lambda: torch.equal(X, X.clone()), 1),
    "a solver's check": (lambda: torch.linalg.inv(torch.eye(3)), 1),
    "an index of numbers": (lambda: X[torch.tensor([0, 1])], 0),
    "where": (lambda: torch.where(MASK, X, 0), 0),
    "masked fill": (lambda: X.masked_fill(MASK, 0), 0),
    "a factorisation": (lambda: torch.linalg.slogdet(torch.eye(3)), 0),
}


@pytest.mark.parametrize("name", WAITS)
def test_synchronisations(name):
    call, waits = WAITS[name]
    assert count(call).synchronisations == waits


def spline_call(run: Callable[..., Any], backward: bool) -> Callable[[], Any]:
    """A spline of the study's size, its inputs leaves; with gradients of both results."""
    torch.manual_seed(0)
    x, raw = torch.randn(BATCH, DIM), torch.randn(BATCH, DIM, WIDE)
    given = torch.randn(2, BATCH, DIM).unbind()
    x.requires_grad_(backward), raw.requires_grad_(backward)

    def call() -> Any:
        out = run(x, raw)
        return torch.autograd.grad(out, (x, raw), given) if backward else out

    return call


def ours(inverse: bool = False) -> Callable[..., Any]:
    return lambda x, raw: rq_spline_packed(x, raw, Shape(3.0), inverse=inverse)


def test_nflows_is_counted_as_studied():
    splines = pytest.importorskip("nflows.transforms.splines")

    def run(x: Tensor, raw: Tensor) -> Any:
        parts = raw.split((BINS, BINS, BINS - 1), -1)
        return splines.unconstrained_rational_quadratic_spline(x, *parts, tail_bound=3.0)

    for backward, (low, high), waits in ((False, (80, 100), 12), (True, (240, 290), 21)):
        found = count(spline_call(run, backward))
        assert low <= found.operations <= high
        assert found.synchronisations == waits


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(("backward", "most"), [(False, 60), (True, 190)])
def test_the_spline_in_pytorch(backward, most, inverse, monkeypatch):
    monkeypatch.setenv("BENCH_FUSED", "0")
    found = count(spline_call(ours(inverse), backward))
    assert kernels.path() == "eager"
    assert found.operations <= most
    assert found.synchronisations == 0


@needs_compiler
@pytest.mark.parametrize("inverse", [False, True])
def test_the_spline_as_an_operator(inverse):
    """One operation each way, which moves each number once."""
    points = 4 * BATCH * DIM
    for backward, operations, read in ((False, 1, 1 + WIDE), (True, 2, 5 + 2 * WIDE)):
        found = count(spline_call(ours(inverse), backward))
        assert found.operations == operations
        assert found.synchronisations == 0
        assert found.bytes_read == points * read
        assert found.bytes_written == points * (3 + WIDE if backward else 2)


@needs_compiler
def test_sampling_a_masked_flow():
    """At most a fifth of nflows' operations, which it makes in one pass per coordinate."""
    nflows = pytest.importorskip("nflows.flows")
    torch.manual_seed(0)
    theirs, mine = nflows.MaskedAutoregressiveFlow(64, 64, 5, 2).eval(), maf(64, 64, 5, 2).eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = count(lambda: theirs.sample(10))
        found = count(lambda: mine.sample(10))
    assert reference.operations > 5000
    assert found.operations <= reference.operations / 5
    assert found.synchronisations == 0
