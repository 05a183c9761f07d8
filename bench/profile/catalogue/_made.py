"""The masked network of the catalogue (MADE, arXiv 1502.03509): two residual blocks, ReLU."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.profile import Size

#: of a module that holds a MADE as nflows and `bench.flows` lay it out, first to last
LAYERS = (
    "initial_layer",
    *(f"blocks.{block}.linear_layers.{layer}" for block in (0, 1) for layer in (0, 1)),
    "final_layer",
)


def draw(size: Size) -> dict[str, Tensor]:
    """Weights [out, in] w0 to w5 and biases b0 to b5 that give shifts near 0, scales near 1."""
    hidden = width(size.dim)
    widths = (size.dim, *[hidden] * (len(LAYERS) - 1), 2 * size.dim)
    drawn = {}
    for i in range(len(LAYERS)):
        inputs, outputs = widths[i : i + 2]
        last = i == len(LAYERS) - 1
        scale = 0.3 if last else 1.0
        drawn[f"w{i}"] = size.normal(outputs, inputs, scale=scale / math.sqrt(inputs))
        drawn[f"b{i}"] = size.normal(outputs, scale=0.3)
        if last:
            drawn[f"b{i}"][::2] += math.log(math.expm1(1.0))
    return drawn


def width(dim: int) -> int:
    """Hidden units: 64, or as many as all degrees need."""
    return max(64, dim)


def masks(dim: int) -> list[Tensor]:
    """Boolean [out, in] per layer; the two outputs of an input are adjacent (eqs. 8 and 9)."""
    inputs = torch.arange(1, dim + 1)
    hidden = torch.arange(width(dim)) % max(1, dim - 1) + min(1, dim - 1)
    inner = hidden[:, None] >= hidden
    outer = inputs.repeat_interleave(2)[:, None] > hidden
    return [hidden[:, None] >= inputs, *[inner] * (len(LAYERS) - 2), outer]


def network(weights: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """[B, D] to [B, 2 D]."""
    first = weights["w0"]
    kept = [mask.to(first) for mask in masks(first.shape[1])]

    def linear(i: int, h: Tensor) -> Tensor:
        return F.linear(h, weights[f"w{i}"] * kept[i], weights[f"b{i}"])

    def run(x: Tensor) -> Tensor:
        h = linear(0, x)
        for i in (1, 3):
            h = h + linear(i + 1, linear(i, h.relu()).relu())
        return linear(5, h)

    return run


def names(prefix: str) -> dict[str, str]:
    """Name in the case -> name in a module, for `of_module`."""
    found = {}
    for i, layer in enumerate(LAYERS):
        found[f"w{i}"], found[f"b{i}"] = f"{prefix}{layer}.weight", f"{prefix}{layer}.bias"
    return found


def numbers(size: Size) -> float:
    """Points in and out, log-determinants, and each unmasked weight and bias once."""
    biases = len(LAYERS) - 1
    shared = _unmasked(size.dim) + biases * width(size.dim) + 2 * size.dim
    return size.batch * (2 * size.dim + 1) + shared


def flops(size: Size) -> float:
    """Of one pass over the network and the affine maps."""
    return size.batch * (2 * _unmasked(size.dim) + 6 * size.dim)


def _unmasked(dim: int) -> int:
    return sum(int(mask.sum()) for mask in masks(dim))
