"""Invertible 1x1 convolutions (arXiv 1807.03039, section 3.2): one linear map for every pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.flows.images.shapes import check_images
from bench.flows.linear.lu import MIN_DIAGONAL, LULinear


class Conv1x1(LULinear):
    """z = L U P x + b at each pixel, P a fixed permutation; log |det| = H W sum log u_ii.

    The parametrisation is that of nflows 0.14. The C x C matrix, or its inverse by two triangular
    solves, is formed once per call, so that all pixels pass one matrix product.

    Args:
        channels: C.
        min_diagonal: least entry of U's diagonal.
        permutation: of 0..C-1, int64 [C]; drawn at random without one.
    """

    def __init__(
        self,
        channels: int,
        min_diagonal: float = MIN_DIAGONAL,
        permutation: Tensor | None = None,
    ) -> None:
        super().__init__(channels, min_diagonal)
        if permutation is None:
            permutation = torch.randperm(channels)
        self.register_buffer("permutation", permutation)
        self.register_buffer("unit", torch.eye(channels), persistent=False)
        self.register_buffer("places", self._places(), persistent=False)

    def _places(self) -> Tensor:
        """Where L and then U, [2 C C], are in [0, 1, lower entries, upper entries, diagonal]."""
        c, entries = self.dim, len(self.lower_entries)
        places = torch.zeros(2, c * c, dtype=torch.int64)
        diagonal = torch.arange(c) * (c + 1)
        places[0, diagonal] = 1
        places[0, self.lower_places] = 2 + torch.arange(entries)
        places[1, self.upper_places] = 2 + entries + torch.arange(entries)
        places[1, diagonal] = 2 + 2 * entries + torch.arange(c)
        return places.flatten()

    def _triangles(self, diagonal: Tensor) -> Tensor:
        """L and U, [2, C, C]: one gather, because on small images launches are the cost."""
        constants = torch.arange(2, dtype=diagonal.dtype, device=diagonal.device)
        numbers = torch.cat((constants, self.lower_entries, self.upper_entries, diagonal))
        return numbers.index_select(0, self.places).view(2, self.dim, self.dim)

    def _weight(self, diagonal: Tensor) -> Tensor:
        """L U P, [C, C]."""
        lower, upper = self._triangles(diagonal)
        product = lower @ upper
        return torch.empty_like(product).index_copy(1, self.permutation, product)

    def _weight_inverse(self, diagonal: Tensor) -> Tensor:
        """(L U P)^-1, [C, C]."""
        lower, upper = self._triangles(diagonal)
        solve = torch.linalg.solve_triangular
        inverse = solve(lower, self.unit, upper=False, unitriangular=True)
        inverse = solve(upper, inverse, upper=True)
        return torch.empty_like(inverse).index_copy(0, self.permutation, inverse)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, C, H, W] and log |det dz/dx| [B]."""
        check_images(x, self.dim)
        diagonal = self._diagonal()
        z = _at_each_pixel(x, self._weight(diagonal), self.bias)
        return z, (x.shape[2] * x.shape[3] * diagonal.log().sum()).expand(len(x))

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, C, H, W]."""
        check_images(x, self.dim)
        return _at_each_pixel(x, self._weight(self._diagonal()), self.bias)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] and log |det dx/dz| [B]."""
        check_images(z, self.dim)
        diagonal = self._diagonal()
        weight = self._weight_inverse(diagonal)
        x = _at_each_pixel(z, weight, -(weight @ self.bias))
        return x, (-z.shape[2] * z.shape[3] * diagonal.log().sum()).expand(len(z))


def _at_each_pixel(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    # one product per image, in place of a layout with channels last and two copies
    pixels = x.flatten(2)
    weights = weight.expand(len(x), *weight.shape)
    return torch.baddbmm(bias[:, None], weights, pixels).view(x.shape)
