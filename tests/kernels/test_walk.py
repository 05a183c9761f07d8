"""The one-pass inverse of masked networks on both paths, against D passes in float64."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

import pytest
import torch
from masked_cases import AFFINE, SPLINE, passes
from torch import Tensor, nn
from torch.nn import functional as F

from bench import kernels
from bench.flows import MADE
from bench.flows.autoregressive.degree_blocked import degree_blocked_inverse, masked_inverse
from bench.kernels import MaskedInverse, Network

#: name -> (a network for a number of outputs per coordinate, whether the fused walk knows its kind)
NETWORKS: dict[str, tuple[Callable[[int], MADE], bool]] = {
    "one coordinate": (lambda n: MADE(1, 4, outputs=n), True),
    "two": (lambda n: MADE(2, 9, outputs=n), True),
    "usual": (lambda n: MADE(7, 30, outputs=n), True),
    "units of one degree fill several panels": (lambda n: MADE(3, 70, outputs=n), True),
    "narrow": (lambda n: MADE(9, 4, outputs=n), True),
    "wider than a chunk": (lambda n: MADE(40, 130, outputs=n), True),
    "no block": (lambda n: MADE(5, 11, blocks=0, outputs=n), True),
    "three blocks": (lambda n: MADE(5, 11, blocks=3, outputs=n), True),
    "tanh": (lambda n: MADE(4, 9, outputs=n, activation=torch.tanh), False),
    "feed-forward": (lambda n: MADE(5, 11, outputs=n, residual=False), False),
}


def network(name: str, outputs: int, dtype: torch.dtype = torch.float64) -> MADE:
    torch.manual_seed(0)
    made = NETWORKS[name][0](outputs)
    for p in made.parameters():
        nn.init.normal_(p, std=0.3)
    return made.to(dtype)


@pytest.mark.parametrize("univariate", [AFFINE, SPLINE], ids=["affine", "spline"])
@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_d_passes(path, name, univariate):
    made = network(name, univariate.outputs)
    large = [2500] if made.dim == 1 else []  # several tiles, whose results may not share memory
    for batch in (0, 1, 2, 5, 16, 17, 65, 130, *large):
        z = torch.randn(batch, made.dim, dtype=torch.float64)
        kept = z.clone()
        found = masked_inverse(made, univariate, z)
        assert kernels.path() == (path if NETWORKS[name][1] else "eager")
        assert z.equal(kept)
        torch.testing.assert_close(found, passes(made, univariate, z), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("univariate", [AFFINE, SPLINE], ids=["affine", "spline"])
def test_float32(path, univariate):
    made = network("usual", univariate.outputs, torch.float32)
    z = torch.randn(300, made.dim)
    x, logabsdet = masked_inverse(made, univariate, z)
    wanted = passes(made, univariate, z)
    scale = wanted[0].abs().max()
    assert (x - wanted[0]).abs().max() < 1e-3 * scale
    assert (logabsdet - wanted[1]).abs().max() < 1e-2


def test_a_sample_does_not_depend_on_the_rest_of_its_tile(path):
    made = network("usual", 2, torch.float32)
    z = torch.randn(200, made.dim)
    together = masked_inverse(made, AFFINE, z)[0]
    apart = torch.cat([masked_inverse(made, AFFINE, part)[0] for part in z.split(33)])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


#: edits that bump a version counter, and edits that do not
EDITS: dict[str, Callable[[MADE], object]] = {
    "in place": lambda m: nn.init.normal_(m.blocks[0].linear_layers[1].weight),
    "through .data": lambda m: m.final_layer.weight.data.mul_(1.5),
    "one entry through .data": lambda m: m.initial_layer.weight.data[1, 0].add_(1),
    "a new parameter": lambda m: setattr(
        m.final_layer, "bias", nn.Parameter(torch.ones_like(m.final_layer.bias))
    ),
    "load_state_dict": lambda m: m.load_state_dict(
        {k: 2 * v for k, v in m.state_dict().items()}, assign=True
    ),
    "another dtype": lambda m: m.float(),
}


@pytest.mark.parametrize("edit", EDITS)
def test_no_edit_of_the_weights_is_missed(path, edit):
    made = network("usual", 2)
    z = torch.randn(40, made.dim, dtype=torch.float64)
    before = masked_inverse(made, AFFINE, z)[0]
    EDITS[edit](made)
    z = z.to(made.final_layer.weight.dtype)
    x = masked_inverse(made, AFFINE, z)[0]
    tolerance = 1e-9 if x.dtype == torch.float64 else 1e-3
    wanted = passes(made, AFFINE, z)[0]
    torch.testing.assert_close(x.double(), wanted, atol=tolerance, rtol=tolerance)
    assert x.dtype == torch.float32 or not x.equal(before)


def test_a_copy_of_a_network_has_its_own_plan(path):
    made = network("usual", 2)
    z = torch.randn(9, made.dim, dtype=torch.float64)
    masked_inverse(made, AFFINE, z)
    other = copy.deepcopy(made)
    nn.init.zeros_(other.final_layer.weight)
    torch.testing.assert_close(
        masked_inverse(other, AFFINE, z), passes(other, AFFINE, z), atol=1e-9, rtol=1e-9
    )


def test_large_batches_and_changing_sizes(path):
    made = network("two", 2)
    for batch in (2500, 3, 1024, 2500):
        z = torch.randn(batch, 2, dtype=torch.float64)
        torch.testing.assert_close(
            masked_inverse(made, AFFINE, z), passes(made, AFFINE, z), atol=1e-8, rtol=1e-8
        )


def test_in_and_out_of_inference_mode(path):
    made = network("usual", 2)
    z = torch.randn(20, made.dim, dtype=torch.float64)
    with torch.inference_mode():
        inside = masked_inverse(made, AFFINE, z)[0].clone()
    assert masked_inverse(made, AFFINE, z)[0].equal(inside)


def test_threads_that_share_a_network(path):
    made = network("usual", 2)
    batches = [torch.randn(50 + i, made.dim, dtype=torch.float64) for i in range(8)]
    found: dict[int, Tensor] = {}

    def run(i: int) -> None:
        for _ in range(5):
            found[i] = masked_inverse(made, AFFINE, batches[i])[0]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, z in enumerate(batches):
        torch.testing.assert_close(found[i], passes(made, AFFINE, z)[0], atol=1e-9, rtol=1e-9)


def test_any_map_and_the_parameters_it_took():
    made = network("usual", 2)
    z = torch.randn(30, made.dim, dtype=torch.float64)

    def solve(z: Tensor, raw: Tensor) -> Tensor:
        return (z - raw[:, 1]) / (F.softplus(raw[:, 0]) + 1e-3)

    x, raw = degree_blocked_inverse(made, solve, z)
    torch.testing.assert_close(x, passes(made, AFFINE, z)[0], atol=1e-9, rtol=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(raw, made(x).view_as(raw), atol=1e-9, rtol=1e-9)


def test_context_and_random_masks():
    torch.manual_seed(1)
    degrees = [torch.randint(1, 6, (11,)) for _ in range(3)]
    made = MADE(6, 11, residual=False, degrees=degrees, context_dim=3).double()
    z, context = torch.randn(12, 6).double(), torch.randn(12, 3).double()
    x, _ = masked_inverse(made, AFFINE, z, context)
    with torch.no_grad():
        raw = made(x, context).view(12, 6, 2)
        again = (F.softplus(raw[..., 0]) + 1e-3) * x + raw[..., 1]
    torch.testing.assert_close(again, z, atol=1e-9, rtol=1e-9)


def test_wrong_shapes_are_refused():
    walk = MaskedInverse(2, [[1, 1, 1]])
    good = [torch.zeros(3, 2), torch.zeros(4, 3)], [torch.zeros(3), torch.zeros(4)]
    walk(Network(*good), AFFINE, torch.zeros(1, 2))
    cases = {
        "noise": (Network(*good), torch.zeros(1, 3)),
        "weights": (Network(good[0][::-1], good[1]), torch.zeros(1, 2)),
        "biases": (Network(good[0], good[1][::-1]), torch.zeros(1, 2)),
    }
    for words, (net, z) in cases.items():
        with pytest.raises(ValueError, match=words):
            walk(net, AFFINE, z)
    with pytest.raises(ValueError, match="degrees"):
        MaskedInverse(2, [[2]])
