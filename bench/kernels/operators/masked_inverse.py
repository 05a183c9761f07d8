"""The inverse of a masked autoregressive network in one pass, as an operator."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from bench.kernels.eager import Shape
from bench.kernels.masked import Network, Univariate
from bench.kernels.walk import MaskedInverse

Two = tuple[Tensor, Tensor]


@torch.library.custom_op("bench::masked_inverse", mutates_args=())
def masked_inverse(
    z: Tensor,
    weights: list[Tensor],
    biases: list[Tensor],
    degrees: list[int],
    residual: bool,
    bins: int,
    shape: list[float],
    min_scale: float,
) -> Two:
    """x [N, D] and log |det dx/dz| [N], nats, of noise z [N, D]: `MaskedInverse` of ReLU networks.

    Args:
        weights, biases: first to last, as in `Network`.
        degrees: those of every hidden layer, one layer after the other.
        bins, shape, min_scale: the `Univariate`; the shape's fields in their order.

    Not differentiable. Raises ValueError for shapes that do not fit together.
    """
    layers = tuple(len(b) for b in biases[:-1])
    network = Network(weights, biases, residual)
    univariate = Univariate(bins, Shape(*shape), min_scale)
    return _inverse(z.shape[1], layers, tuple(degrees))(network, univariate, z)


@masked_inverse.register_fake
def _(
    z: Tensor,
    weights: list[Tensor],
    biases: list[Tensor],
    degrees: list[int],
    residual: bool,
    bins: int,
    shape: list[float],
    min_scale: float,
) -> Two:
    value = torch.empty_like(z, memory_format=torch.contiguous_format)
    return value, z.new_empty(z.shape[0])


@lru_cache(maxsize=32)
def _inverse(dim: int, layers: tuple[int, ...], degrees: tuple[int, ...]) -> MaskedInverse:
    rest = iter(degrees)
    return MaskedInverse(dim, [[next(rest) for _ in range(n)] for n in layers])
