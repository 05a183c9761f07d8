"""Linear layers: one product over many points and several over few are the same map."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flow_cases import randomise
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows import Bijection, Householder, LULinear, QRLinear, SVDLinear, Triangular
from bench.flows.linear.entries import triangle, triangle_sources

DIM = 9
LAYERS: dict[str, Callable[[], Bijection]] = {
    "lu": lambda: LULinear(DIM),
    "lu, not faithful": lambda: LULinear(DIM, faithful=False),
    "householder": lambda: Householder(DIM, DIM),
    "householder, few": lambda: Householder(DIM, 3),
    "householder, one": lambda: Householder(DIM, 1),
    "qr": lambda: QRLinear(DIM, DIM),
    "qr, few": lambda: QRLinear(DIM, 2),
    "svd": lambda: SVDLinear(DIM, 4),
    "triangular": lambda: Triangular(DIM),
    "triangular, upper": lambda: Triangular(DIM, upper=True),
}
#: below, at and above the number of dimensions
BATCHES = (1, 3, DIM - 1, DIM, DIM + 1, 50)


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest) -> Bijection:
    torch.manual_seed(4)
    made = LAYERS[request.param]()
    randomise(made)
    return made.double()


@pytest.mark.parametrize("direction", ["forward", "inverse", "map_only"])
def test_each_point_is_mapped_alike_in_any_batch(layer, direction):
    run = getattr(layer, direction)
    x = torch.randn(max(BATCHES), DIM, dtype=torch.float64)
    for recording in (False, True):
        with torch.set_grad_enabled(recording):
            given = [run(x[:n]) for n in BATCHES]
        for n, found in zip(BATCHES, given, strict=True):
            # log-determinants are those of the map: of all points the same
            torch.testing.assert_close(found, _head(given[-1], n), atol=1e-11, rtol=1e-11)


def _head(found: Tensor | tuple[Tensor, Tensor], n: int) -> Tensor | tuple[Tensor, Tensor]:
    return found[:n] if isinstance(found, Tensor) else (found[0][:n], found[1][:n])


@pytest.mark.parametrize("batch", [3, 2 * DIM])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_gradients_are_those_of_finite_differences(layer, direction, batch):
    x = torch.randn(batch, DIM, dtype=torch.float64, requires_grad=True)
    chosen = _Direction(layer, direction)
    names = [name for name, _ in chosen.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = torch.func.functional_call(
            chosen, dict(zip(names, values, strict=True)), (x,)
        )
        return found

    leaves = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    assert torch.autograd.gradcheck(run, (x, *leaves), fast_mode=True)


class _Direction(nn.Module):
    def __init__(self, layer: Bijection, direction: str) -> None:
        super().__init__()
        self.layer, self.direction = layer, direction

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = getattr(self.layer, self.direction)(x)
        return found


def test_the_reflections_are_the_matrix_of_their_definition():
    torch.manual_seed(1)
    layer = Householder(DIM, 4).double()
    randomise(layer)
    exact = torch.eye(DIM, dtype=torch.float64)
    for v in layer.q_vectors.detach():
        exact = exact - 2 * torch.outer(exact @ v, v) / v.square().sum()
    unit = torch.eye(DIM, dtype=torch.float64)
    for rows in (slice(None), slice(2)):
        torch.testing.assert_close(layer.map_only(unit[rows]), exact[rows], atol=1e-13, rtol=0)
        torch.testing.assert_close(layer.inverse(exact[rows])[0], unit[rows], atol=1e-13, rtol=0)
    v, t = layer.core(columns=2)
    torch.testing.assert_close(unit[:, :2] - v.T @ t, exact[:, :2], atol=1e-13, rtol=0)


def test_the_entries_are_stored_row_by_row():
    layer = LULinear(3)
    with torch.no_grad():
        layer.lower_entries.copy_(torch.tensor([1.0, 2.0, 3.0]))
        layer.upper_entries.copy_(torch.tensor([4.0, 5.0, 6.0]))
        layer.unconstrained_upper_diag.copy_(torch.tensor([-1.0, 0.0, 1.0]))
    d = (F.softplus(layer.unconstrained_upper_diag) + layer.min_diagonal).tolist()
    lower, upper = layer._factors()
    assert lower.tolist() == [[1, 0, 0], [1, 1, 0], [2, 3, 1]]
    assert upper.tolist() == [[d[0], 4, 5], [0, d[1], 6], [0, 0, d[2]]]
    diagonal, entries = torch.tensor([7.0, 8.0, 9.0]), torch.tensor([4.0, 5.0, 6.0])
    for above, rows in (
        (True, [[7, 4, 5], [0, 8, 6], [0, 0, 9]]),
        (False, [[7, 0, 0], [4, 8, 0], [5, 6, 9]]),
    ):
        assert triangle(triangle_sources(3, above), diagonal, entries).tolist() == rows


@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")
@pytest.mark.parametrize("dim", [3, 16, 64])
def test_a_faithful_training_step_has_the_bits_of_nflows(dim):
    transforms = pytest.importorskip("nflows.transforms")
    torch.manual_seed(0)
    theirs, ours = transforms.LULinear(dim), LULinear(dim)
    randomise(theirs, 0.2)
    ours.load_state_dict(theirs.state_dict())
    x, weights = torch.randn(100, dim), torch.randn(100, dim)
    found = []
    for layer in (ours, theirs):
        z, logabsdet = layer(x)
        total = (z * weights).sum() + (logabsdet * weights[:, 0]).sum()
        total.backward()
        found.append((z, logabsdet, dict(layer.named_parameters())))
    assert found[0][0].equal(found[1][0])
    assert found[0][1].equal(found[1][1])
    for name, p in found[0][2].items():
        assert p.grad.equal(found[1][2][name].grad), name
