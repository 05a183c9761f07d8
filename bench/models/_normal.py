"""The multivariate normal that the Gaussian models fit: density, sampler, whitening transform."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LOG_2PI = math.log(2 * math.pi)


class Normal(nn.Module):
    """N(mean, L L^T) in D dimensions, float64.

    log p(x) = -|z|^2 / 2 - D/2 log 2 pi - sum log L_ii with z = L^-1 (x - mean).

    Args:
        mean: [D].
        scale: lower-triangular Cholesky factor L [D, D], or standard deviations [D].
    """

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.double())
        self.register_buffer("scale", scale.double())

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Points [B, D] to white noise [B, D], and log |det dz/dx| [B]."""
        diagonal = self.scale if self.scale.dim() == 1 else self.scale.diagonal()
        return self.map_only(x), -diagonal.log().sum().expand(len(x))

    def map_only(self, x: Tensor) -> Tensor:
        """L^-1 (x - mean), [B, D]."""
        centred = x.to(self.mean.dtype) - self.mean
        if self.scale.dim() == 1:
            return centred / self.scale
        return torch.linalg.solve_triangular(self.scale, centred.T, upper=False).T

    def inverse(self, z: Tensor) -> Tensor:
        """mean + L z, [B, D]."""
        z = z.to(self.mean.dtype)
        return self.mean + (z * self.scale if self.scale.dim() == 1 else z @ self.scale.T)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [B, D] in nats, float64 [B]."""
        z, logabsdet = self.transform(x)
        return -0.5 * (z.square().sum(1) + z.shape[1] * LOG_2PI) + logabsdet

    def expected_log_prob(self, mean: Tensor, variance: Tensor) -> Tensor:
        """E[log p(x)] over independent x_i with these means and variances [B, D], nats [B]."""
        if self.scale.dim() == 1:
            precision = self.scale.square().reciprocal()
        else:
            identity = torch.eye(len(self.scale)).to(self.scale)
            inverse = torch.linalg.solve_triangular(self.scale, identity, upper=False)
            precision = inverse.square().sum(0)
        return self.log_prob(mean) - 0.5 * variance.to(precision) @ precision

    def sample(self, n: int) -> Tensor:
        """n draws, float32 [n, D]."""
        shape = (n, len(self.mean))
        z = torch.randn(shape, dtype=self.mean.dtype, device=self.mean.device)
        return self.inverse(z).float()


class DiagonalNormal(Normal):
    """Independent coordinates: boxes have a closed-form probability."""

    def box_log_prob(self, lower: Tensor, upper: Tensor) -> Tensor:
        """log P(lower < x < upper) for corners [B, D], nats [B]."""
        return interval_log_mass(self.map_only(lower), self.map_only(upper)).sum(1)


def interval_log_mass(lower: Tensor, upper: Tensor) -> Tensor:
    """log (Phi(upper) - Phi(lower)), element by element; exact in both tails, where Phi is 0 or 1.

    An interval above zero is reflected: its ends then lie where Phi is small and has all its
    digits.
    """
    flip = lower + upper > 0
    low, high = torch.where(flip, -upper, lower), torch.where(flip, -lower, upper)
    log_high, log_low = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
    return log_high + torch.log(-torch.expm1(log_low - log_high))
