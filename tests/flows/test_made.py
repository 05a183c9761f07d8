"""A MADE that is too narrow says what it loses."""

from __future__ import annotations

import warnings

import pytest
import torch

from bench.flows import MADE
from bench.flows.masks import lost_dependencies


def missing(made: MADE) -> int:
    """Pairs of an input and a later coordinate that the product of the masks leaves unjoined."""
    layers = [made.initial_layer.mask]
    for block in made.blocks:
        inner = block.linear_layers[0] if made.residual else block.linear
        layers.append(inner.mask)
    layers.append(made.final_layer.mask)
    joined = layers[0]
    for mask in layers[1:]:
        joined = ((mask @ joined) > 0).float()
    pairs = joined.view(made.dim, made.outputs, made.dim)[:, 0]
    assert not pairs.triu().any()
    return made.dim * (made.dim - 1) // 2 - int(pairs.sum())


def random_degrees(dim: int, hidden: int) -> list[torch.Tensor]:
    return [torch.randint(1, dim, (hidden,)) for _ in range(3)]


@pytest.mark.parametrize(("dim", "hidden", "lost"), [(64, 16, 1128), (64, 32, 496), (5, 3, 1)])
def test_the_warning_counts_the_lost_dependencies(dim, hidden, lost):
    with pytest.warns(UserWarning, match=f"{lost} of .* dependencies are lost.* {dim - 1} hidden"):
        made = MADE(dim, hidden)
    assert missing(made) == lost


@pytest.mark.filterwarnings("ignore:.*dependencies are lost")
@pytest.mark.parametrize("seed", range(6))
def test_counts_of_random_degrees(seed):
    torch.manual_seed(seed)
    made = MADE(12, 5, residual=False, degrees=random_degrees(12, 5))
    assert lost_dependencies(12, made.hidden_degrees) == missing(made) > 0


@pytest.mark.parametrize(("dim", "hidden"), [(1, 1), (2, 1), (6, 5), (6, 20)])
def test_a_wide_enough_network_is_silent(dim, hidden):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert missing(MADE(dim, hidden)) == 0
