"""What every bijection offers: data to noise, back, and the value without its log-determinant."""

from __future__ import annotations

from torch import Tensor, nn


class Bijection(nn.Module):
    """An invertible map of points [B, D]; `forward` runs from data to noise.

    `context` [B, C] conditions the map where its conditioner was built for it.
    """

    #: log |det J| is zero everywhere, so that a composition need not add it
    volume_preserving: bool = False
    #: runs on `bench.kernels` where they are built and autograd does not record
    fused: bool = False

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B], nats."""
        raise NotImplementedError

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B], nats."""
        raise NotImplementedError

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D], with as little as possible spent on the log-determinant."""
        return self(x, context)[0]


def check_points(x: Tensor, dim: int) -> None:
    """Raise ValueError unless x has shape [B, dim]."""
    if x.dim() != 2 or x.shape[1] != dim:
        raise ValueError(
            f"expected points of shape [B, {dim}], got {list(x.shape)}. "
            f"Reshape them: x.reshape(-1, {dim})"
        )
