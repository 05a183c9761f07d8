"""The density of images: a flow that takes points flat or shaped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from bench.flows.bijection import Bijection
from bench.flows.compose import Composite
from bench.flows.flow import Flow
from bench.flows.images.shapes import Reshape, image_shape


class ImageFlow(Flow):
    """A flow over images: points are [B, D] or [B, C, H, W], noise is [B, D].

    Args:
        bijection: maps images [B, C, H, W] to noise [B, D].
        shape: of one point: [C, H, W], [H, W] or [D] (one pixel of D channels).
        context_dim: as for `Flow`.
        layout: of what `inverse` and `sample` return: "flat" [B, D] or "shaped" [B, *shape].

    Every method raises ValueError for points of another shape.

    Example:
        >>> import torch
        >>> from bench.flows.images import glow
        >>> flow = glow([1, 8, 8], layout="shaped")
        >>> flow.log_prob(torch.zeros(3, 1, 8, 8)).shape, flow.sample(5).shape
        (torch.Size([3]), torch.Size([5, 1, 8, 8]))
    """

    def __init__(
        self,
        bijection: Bijection,
        shape: Sequence[int],
        context_dim: int = 0,
        layout: str = "flat",
    ) -> None:
        dim = math.prod(shape)
        parts = [Reshape((dim,), image_shape(shape)), bijection]
        super().__init__(Composite(parts), dim, context_dim)
        if layout not in ("flat", "shaped"):
            raise ValueError(f"no layout '{layout}': choose flat or shaped")
        self.shape, self.layout = tuple(shape), layout

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Noise z [B, D] and log |det dz/dx| [B], nats."""
        return super().forward(self._flat(x), context)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Noise z [B, D], the log-determinant left out."""
        return super().map_only(self._flat(x), context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Data x, [B, D] or [B, *shape] by the layout, of noise z [B, D]; log |det dx/dz| [B]."""
        x, logabsdet = super().inverse(z, context)
        return x.view(-1, *self.shape) if self.layout == "shaped" else x, logabsdet

    def _flat(self, x: Tensor) -> Tensor:
        images = tuple(x.shape[1:]) == self.shape
        if not images and tuple(x.shape[1:]) != (self.dim,):
            expected = ", ".join(str(s) for s in self.shape)
            raise ValueError(
                f"expected images of shape [B, {expected}] or points [B, {self.dim}], got "
                f"{list(x.shape)}. Reshape them: x.reshape(-1, {expected})"
            )
        return x.flatten(1)
