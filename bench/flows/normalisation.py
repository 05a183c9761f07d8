"""Layers that standardise: ActNorm (arXiv 1807.03039) and batch norm (arXiv 1605.08803)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points


class ActNorm(Bijection):
    """z = exp(log_scale) x + shift per coordinate; the first training batch becomes standard.

    The layer is the identity until a batch of two or more points has passed in training mode.

    Args:
        dim: D.
        initialized: start as the identity and stay there until trained.
    """

    def __init__(self, dim: int, initialized: bool = False) -> None:
        super().__init__()
        self.dim = dim
        self.log_scale = nn.Parameter(torch.zeros(dim))
        self.shift = nn.Parameter(torch.zeros(dim))
        self.register_buffer("initialized", torch.tensor(initialized))
        self._fresh = True  # spares later batches the look at a tensor, which would synchronise

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        if self.training and self._fresh and len(x) > 1:
            self._start(x)
        log_scale = self.log_scale
        value, logabsdet = x * log_scale.exp() + self.shift, log_scale.sum()
        if torch.is_grad_enabled():
            # the gradient of `expand` would add up in another order than the reference's
            return value, logabsdet * x.new_ones(len(x))
        return value, logabsdet.expand(len(x))

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        return x * self.log_scale.exp() + self.shift

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, self.dim)
        return (z - self.shift) * (-self.log_scale).exp(), -self.log_scale.sum().expand(len(z))

    @torch.no_grad()
    def _start(self, x: Tensor) -> None:
        self._fresh = False
        if self.initialized:  # loaded from a state dict
            return
        sd = x.std(0)
        sd = torch.where(sd > 0, sd, 1.0)  # a constant coordinate keeps its scale
        self.log_scale.copy_(-sd.log())
        self.shift.copy_(-(x / sd).mean(0))
        self.initialized.fill_(True)


class BatchNorm(Bijection):
    """Batch statistics in training, running ones otherwise (the layer of nflows 0.14).

    z = (x - mean) / sqrt(var + eps) * weight + bias, weight = softplus(w) + eps. In training mode a
    point's density depends on its batch; the inverse exists in evaluation mode only, and the
    running variance starts at 0, so that densities are meaningless before some tens of batches.

    Args:
        dim: D.
        eps: added to variances and weights.
        momentum: weight of the newest batch.
    """

    def __init__(self, dim: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.dim, self.eps, self.momentum = dim, eps, momentum
        start = math.log(math.exp(1 - eps) - 1)
        self.unconstrained_weight = nn.Parameter(torch.full((dim,), start))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.zeros(dim))

    def _weight(self) -> Tensor:
        return F.softplus(self.unconstrained_weight) + self.eps

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B].

        Raises ValueError for a batch of one point in training mode, which has no variance.
        """
        check_points(x, self.dim)
        mean, var = self.running_mean, self.running_var
        if self.training:
            if len(x) < 2:
                raise ValueError("batch norm in training needs two points or more. Call eval()")
            mean, var = x.mean(0), x.var(0)
            self._remember(mean.detach(), var.detach())
        weight = self._weight()
        z = weight * ((x - mean) / (var + self.eps).sqrt()) + self.bias
        return z, (weight.log() - 0.5 * (var + self.eps).log()).sum().expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]. Raises ValueError in training mode."""
        check_points(z, self.dim)
        if self.training:
            raise ValueError("batch norm has no inverse in training mode. Call eval() first")
        weight, scale = self._weight(), (self.running_var + self.eps).sqrt()
        x = scale * ((z - self.bias) / weight) + self.running_mean
        return x, (scale.log() - weight.log()).sum().expand(len(z))

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor) -> None:
        self.running_mean.mul_(1 - self.momentum).add_(mean * self.momentum)
        self.running_var.mul_(1 - self.momentum).add_(var * self.momentum)
