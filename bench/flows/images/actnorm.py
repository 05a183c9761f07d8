"""ActNorm on images: one scale and shift per channel (arXiv 1807.03039, section 3.1)."""

from __future__ import annotations

from torch import Tensor

from bench.flows.images.shapes import check_images
from bench.flows.normalisation import ActNorm


class ImageActNorm(ActNorm):
    """z = exp(log_scale) x + shift per channel; the first training batch becomes standard.

    The layer is the identity until a batch has passed in training mode. Mean and standard deviation
    are those of a channel over all pixels of the batch; a constant channel keeps its scale.

    Args:
        dim: C.
        initialized: start as the identity and stay there until trained.
    """

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, C, H, W] and log |det dz/dx| [B]."""
        check_images(x, self.dim)
        b, c, h, w = x.shape
        if self.training and self._fresh and b * h * w > 1:
            self._start(x.permute(0, 2, 3, 1).reshape(-1, c))
        return self.map_only(x), h * w * self.log_scale.sum() * x.new_ones(b)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, C, H, W]."""
        return x * self.log_scale.exp().view(-1, 1, 1) + self.shift.view(-1, 1, 1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] and log |det dx/dz| [B]."""
        check_images(z, self.dim)
        scale, shift = (-self.log_scale).exp().view(-1, 1, 1), self.shift.view(-1, 1, 1)
        logabsdet = -z.shape[2] * z.shape[3] * self.log_scale.sum()
        return (z - shift) * scale, logabsdet.expand(len(z))
