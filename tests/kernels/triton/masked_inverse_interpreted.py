"""The Triton inverse of masked networks against D passes and the replayed path.

Run by test_triton_masked_inverse.py in a child process.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from compare import close_double, no_worse, poisoned, strided
from masked_cases import AFFINE, LARGE_NETWORKS, NETWORKS, SPLINE, network, passes
from torch import Tensor

from bench import kernels
from bench.flows import MADE
from bench.flows.autoregressive.degree_blocked import _inverse, _network, masked_inverse
from bench.kernels import Univariate
from bench.kernels.operators.masked_inverse import masked_inverse as operator

MAPS = {"affine": AFFINE, "spline": SPLINE}
maps = pytest.mark.parametrize("univariate", MAPS.values(), ids=MAPS)


@pytest.fixture(autouse=True)
def _poison(monkeypatch):
    """Fresh memory holds NaN: what was not written must not be read."""

    def empty(t: Tensor, *size: Any, **how: Any) -> Tensor:
        found = t.new_zeros(*size, **how)
        return found.fill_(torch.nan) if found.is_floating_point() else found

    monkeypatch.setattr(torch.Tensor, "new_empty", empty)


def replayed(made: MADE, univariate: Univariate, z: Tensor) -> tuple[Tensor, ...]:
    return _inverse(made).replayed(_network(made, None), z, univariate, univariate.outputs)[:2]


SPLINES = ("one coordinate", "narrow", "usual", "feed-forward", "random degrees, one layer")
CASES = [(name, AFFINE) for name in NETWORKS] + [(name, SPLINE) for name in SPLINES]


@pytest.mark.parametrize(("name", "univariate"), CASES)
def test_agrees_with_d_passes_and_the_replay(name, univariate):
    made = network(name, univariate.outputs)
    z = torch.randn(17, made.dim).double()
    found = masked_inverse(made, univariate, strided(z))
    assert kernels.path() == "triton"
    close_double(found, passes(made, univariate, z), 1e-10)
    close_double(found, replayed(made, univariate, z), 1e-10)


@pytest.mark.parametrize("count", [0, 1, 7, 33])
def test_batches(count):
    made = network("two", 2)
    z = torch.randn(count, made.dim).double()
    close_double(masked_inverse(made, AFFINE, poisoned(z)), passes(made, AFFINE, z), 1e-11)


@pytest.mark.parametrize("name", LARGE_NETWORKS)
def test_large_networks(name):
    made = network(name, AFFINE.outputs)
    z = torch.randn(3, made.dim).double()
    close_double(masked_inverse(made, AFFINE, z), passes(made, AFFINE, z), 1e-10)


@maps
def test_float32_is_as_exact_as_pytorch(univariate):
    made = network("usual", univariate.outputs, torch.float32)
    z = torch.randn(16, made.dim)
    found = masked_inverse(made, univariate, z)
    no_worse(found, replayed(made, univariate, z), passes(made, univariate, z))


def test_context():
    torch.manual_seed(1)
    for residual in (True, False):
        made = MADE(6, 11, residual=residual, context_dim=3).double()
        z, context = torch.randn(20, 6).double(), torch.randn(20, 3).double()
        found = masked_inverse(made, AFFINE, z, context)
        assert kernels.path() == "triton"
        given = _network(made, context)
        close_double(found, _inverse(made).replayed(given, z, AFFINE, 2)[:2], 1e-11)


def test_not_a_number_stays_in_its_row():
    made = network("usual", 2)
    z = torch.randn(5, made.dim).double()
    wanted = masked_inverse(made, AFFINE, z)
    z[2, 0] = torch.nan
    x, logs = masked_inverse(made, AFFINE, z)
    others = [0, 1, 3, 4]
    close_double((x[others], logs[others]), [t[others] for t in wanted], 1e-15)
    assert x[2].isnan().all()


def test_operator():
    made = network("two", 2)
    given = _network(made, None)
    weights, biases = ([t.detach() for t in layers] for layers in given[:2])
    degrees = made.hidden_degrees[0] * (len(weights) - 1)
    z = torch.randn(3, made.dim).double()
    arguments = (z, weights, biases, degrees, True, 0, list(AFFINE.shape), AFFINE.min_scale)
    torch.library.opcheck(operator, arguments)
    close_double(operator(*arguments), passes(made, AFFINE, z), 1e-11)


def test_edits_of_the_weights_are_seen():
    made = network("usual", 2)
    z = torch.randn(3, made.dim).double()
    masked_inverse(made, AFFINE, z)
    made.final_layer.weight.data.mul_(1.5)
    close_double(masked_inverse(made, AFFINE, z), passes(made, AFFINE, z), 1e-11)
