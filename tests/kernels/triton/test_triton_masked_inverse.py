"""The operator of the masked inverse: its Triton kernel interpreted, and the paths of a CPU."""

from __future__ import annotations

import pytest
import torch
from interpreted import needs_triton, run_tests
from masked_cases import AFFINE, network, passes

from bench.flows.autoregressive.degree_blocked import _network
from bench.kernels.operators.masked_inverse import masked_inverse


@needs_triton
def test_interpreted():
    run_tests("masked_inverse_interpreted.py")


@pytest.mark.parametrize("name", ["usual", "feed-forward"])
def test_paths_of_a_cpu(name):
    made = network(name, 2)
    given = _network(made, None)
    layers = [[t.detach() for t in group] for group in given[:2]]
    degrees = [d for group in made.hidden_degrees for d in group]
    if made.residual:
        degrees = made.hidden_degrees[0] * (len(layers[0]) - 1)
    z = torch.randn(3, made.dim, dtype=torch.float64)
    arguments = (z, *layers, degrees, made.residual, 0, list(AFFINE.shape), AFFINE.min_scale)
    found = masked_inverse(*arguments)
    torch.testing.assert_close(found, passes(made, AFFINE, z), atol=1e-9, rtol=1e-9)
    torch.library.opcheck(masked_inverse, arguments)
