"""Leaving the log-determinant out of a transform that computes both in one function."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bench.adapters import adapt
from bench.contract import DataSpec
from bench.costs.graph import Tape, with_and_without
from bench.registry import discover, load_function

FLOWS = ("maf", "realnvp", "nsf-coupling", "maf-nflows", "realnvp-nflows", "nsf-coupling-nflows")


def flow(name: str, dim: int) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    data = DataSpec("toy", "continuous", (dim,), None)
    model = adapt(load_function(discover().model(name))(data, hidden=16, layers=2))
    model.module.eval()
    return model.transform


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("dim", [2, 6])
def test_both_functions_give_the_values_of_the_transform(
    name: str, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_FUSED", "0")  # the tape holds PyTorch's operations
    transform, x = flow(name, dim), 2 * torch.randn(33, dim)
    full, part = with_and_without(transform, x)
    with torch.no_grad():
        z, logabsdet = transform(x)
        assert torch.equal(full()[0], z)
        assert torch.equal(full()[1], logabsdet)
        assert torch.equal(part()[0], z)
        assert torch.equal(part()[0], z), "playing it twice changes nothing"


def scaled(x: Tensor) -> tuple[Tensor, Tensor]:
    scale = torch.sigmoid(x[:, :1])
    return x * scale, scale.log().sum(1)


def test_only_what_the_value_needs_is_kept() -> None:
    x = torch.randn(5, 2)
    with torch.no_grad(), Tape() as tape:
        z, _ = scaled(x)
    assert [o.line.count("r = ") for o in tape.operations] == [
        1
    ] * 5  # slice, sigmoid, mul, log, sum
    assert len(tape.needed_for(z)) == 3


def test_writes_through_a_view_are_kept() -> None:
    def written(x: Tensor) -> tuple[Tensor, Tensor]:
        out = torch.zeros_like(x)
        out[:, 0].add_(x[:, 1])
        out[x > 0] = 3.0
        return out, x.exp().sum(1)

    x = torch.randn(50, 2)
    _, part = with_and_without(written, x)
    assert torch.equal(part()[0], written(x)[0])


def test_a_weight_changed_later_is_seen() -> None:
    layer = nn.Linear(2, 2)
    full, _ = with_and_without(lambda x: (layer(x), x.exp().sum(1)), torch.ones(3, 2))
    with torch.no_grad():
        layer.weight.zero_()
    assert torch.equal(full()[0], layer.bias.expand(3, 2))


REFUSED = {
    "not the same twice": (lambda x: (x + torch.rand(2), x.sum(1)), "does not reproduce"),
    "comes with it": (lambda x: torch.linalg.slogdet(x.expand(4, 2, 2)), "needs every operation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_separated_is_refused(name: str) -> None:
    transform, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        with_and_without(transform, torch.randn(2, 2))
