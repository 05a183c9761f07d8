"""A density: a bijection to noise and the standard normal there."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench import kernels
from bench.flows.bijection import Bijection, check_points

LOG_2PI = math.log(2 * math.pi)


class StandardNormal:
    """N(0, I) in `dim` dimensions."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.log_normaliser = 0.5 * dim * LOG_2PI

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density [B] of z [B, D], nats."""
        return -0.5 * (z**2).sum(1) - self.log_normaliser

    def sample(self, n: int, like: Tensor) -> Tensor:
        """n draws [n, D] from torch's global generator; dtype and device are those of `like`."""
        return torch.randn(n, self.dim, dtype=like.dtype, device=like.device)


class Flow(nn.Module):
    """log p(x) = log N(z; 0, I) + log |det dz/dx| with z = bijection(x).

    Args:
        bijection: maps data [B, D] to noise [B, D].
        dim: D.
        context_dim: C for a conditional flow, whose methods then need `context` [B, C].
        embedding: of contexts [B, ...] of another kind, giving [B, C].

    Every method raises ValueError for points or a context of the wrong shape.

    Example:
        >>> import torch
        >>> from bench.flows import maf
        >>> flow = maf(dim=2, hidden=16, layers=2)
        >>> flow.log_prob(torch.zeros(3, 2)).shape, flow.sample(5).shape
        (torch.Size([3]), torch.Size([5, 2]))
    """

    def __init__(
        self,
        bijection: Bijection,
        dim: int,
        context_dim: int = 0,
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.bijection = bijection
        self.embedding = embedding
        self.base = StandardNormal(dim)
        self.dim, self.context_dim = dim, context_dim

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Log-density [B] of x [B, D], nats."""
        z, logabsdet = self.transform(x, context)
        return self.base.log_prob(z) + logabsdet

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Noise z [B, D] and log |det dz/dx| [B], nats."""
        context = self._embedded(x, context)
        value: tuple[Tensor, Tensor] = self.bijection(x, context)
        return value

    def transform(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`forward`, as the contract of models calls it."""
        return self.forward(x, context)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Noise z [B, D], the log-determinant left out."""
        context = self._embedded(x, context)
        return self.bijection.map_only(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Data x [B, D] of noise z [B, D], and log |det dx/dz| [B], nats.

        Fast under `torch.no_grad()`, else differentiable.
        """
        context = self._embedded(z, context)
        return self.bijection.inverse(z, context)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        """n draws [n, D] from torch's global generator, in the parameters' dtype.

        A conditional flow draws one point for each of the n rows of the context.
        """
        return self.inverse(self._noise(n), context)[0]

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """n draws [n, D] and their log-densities [n], nats, by one pass.

        Reparametrised: where autograd records, gradients flow through the draws (for reverse KL and
        variational inference). Under `torch.no_grad()` it takes the fast inverse of `sample`.
        """
        z = self._noise(n)
        x, logabsdet = self.inverse(z, context)
        return x, self.base.log_prob(z) - logabsdet

    def _noise(self, n: int) -> Tensor:
        return self.base.sample(n, next(self.parameters(), torch.empty(0)))

    @property
    def path(self) -> str:
        """`fused` where a part of the flow runs on the fused CPU kernels, else `eager`."""
        like = next(self.parameters(), torch.empty(0))
        served = any(getattr(part, "fused", False) for part in self.modules())
        return "fused" if served and like.device.type == "cpu" and kernels.available() else "eager"

    def autoregressive_layers(self) -> list[nn.Module]:
        """The layers with a masked network, data to noise; each is triangular in its `order`."""
        return [part for part in self.modules() if hasattr(part, "autoregressive_net")]

    def _embedded(self, x: Tensor, context: Tensor | None) -> Tensor | None:
        """The context as the layers take it, [B, C]."""
        check_points(x, self.dim)
        if context is not None and self.embedding is not None:
            context = self.embedding(context)
        wanted = [x.shape[0], self.context_dim]
        got = None if context is None else list(context.shape)
        if (self.context_dim or got) and got != wanted:
            expected = f"a context of shape {wanted}" if self.context_dim else "no context"
            raise ValueError(f"this flow takes {expected}, got {got}. Pass context= accordingly")
        return context
