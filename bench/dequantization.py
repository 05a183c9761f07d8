"""Variational dequantization: the noise on discrete data comes from a trained law q(u | x).

log P(x) >= E_q[log p(x + u) - log q(u | x)] (Ho et al., Flow++, arXiv 1902.00275, eq. 10). Uniform
noise is the q that knows nothing of x. Here u_i = sigmoid(m_i(x) + e^{s_i(x)} l_i) with l_i
standard logistic: independent given x, and uniform at the start, where m = s = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.adapters import Adapted, adapt
from bench.contract import DataSpec
from bench.errors import PluginError
from bench.spaces import Space, dequantized

INNER = "marginals"  #: the space between x + u and the model
HIDDEN = 256
STEEPEST = 3.0  #: largest |s|
FURTHEST = 16.0  #: largest |logit u|: u itself stays off 0 and 1
VALUES = 2**21  #: coordinates in memory at once while scoring


def variational(build: Callable[..., Any], layout: str) -> Callable[..., Variational]:
    """The builder of a model of levels from that of a continuous model.

    The result trains both at once. Raises PluginError for a model without trained parameters.
    """

    def built(data: DataSpec, **settings: Any) -> Variational:
        levels = data.levels or 2
        space = dequantized(INNER, data.train, levels, data.shape, layout)
        seen = DataSpec(
            name=data.name,
            kind="continuous",
            shape=data.shape,
            levels=levels,
            n_train=data.n_train,
            make_train=lambda: space.forward(data.train, torch.Generator().manual_seed(17))[0],
            make_valid=lambda: space.forward(data.valid, torch.Generator().manual_seed(18))[0],
            classes=data.classes,
            train_labels=data.train_labels,
            valid_labels=data.valid_labels,
        )
        density = build(seen, **settings)
        if not adapt(density).trainable:
            raise PluginError(
                "space variational trains its noise with the model, and this model has no "
                "parameters to train. Choose the space marginals, logit or uniform for it"
            )
        return Variational(density, space, data.dim, levels)

    return built


class Noise(nn.Module):
    """q(u | x) for levels x [B, D]."""

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.first = nn.Linear(dim, HIDDEN)
        self.second = nn.Linear(HIDDEN, HIDDEN)
        self.last = nn.Linear(HIDDEN, 2 * dim)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, draws: int) -> tuple[Tensor, Tensor]:
        """u in (0, 1), float64 [draws, B, D], and log q(u | x) in nats, [draws, B]."""
        weight = self.first.weight
        h = F.silu(self.first((2.0 * x / (self.levels - 1) - 1).to(weight)))
        mean, log_scale = self.last(F.silu(self.second(h))).chunk(2, -1)
        log_scale = log_scale.clamp(-STEEPEST, STEEPEST)
        v = torch.rand(draws, *x.shape, dtype=weight.dtype, device=weight.device)
        standard = torch.logit(v, eps=torch.finfo(weight.dtype).eps)
        logit = (mean + log_scale.exp() * standard).clamp(-FURTHEST, FURTHEST).double()
        log_density = standard - 2 * F.softplus(standard) - log_scale
        log_slope = F.logsigmoid(logit) + F.logsigmoid(-logit)  # of u by its logit
        return torch.sigmoid(logit), (log_density.double() - log_slope).sum(-1)


class Variational(nn.Module):
    """A continuous density and the noise that it is trained with, as a model of levels.

    Args:
        density: what a continuous model's `build` returned.
        space: dequantizing, between x + u and the density.
        dim, levels: of the data.
    """

    def __init__(self, density: nn.Module, space: Space, dim: int, levels: int) -> None:
        super().__init__()
        self.density, self.space = density, space
        self.noise = Noise(dim, levels)

    @property
    def adapted(self) -> Adapted:
        """The density behind one interface; of this very copy, whose weights may be others."""
        return adapt(self.density)

    def log_weight(self, x: Tensor, draws: int) -> Tensor:
        """log p(x + u) - log q(u | x) for levels x [B, ...], nats, float64 [draws, B]."""
        flat = x.reshape(len(x), -1)
        u, log_q = self.noise(flat, draws)
        y, ledger = self.space.chain((flat + u).flatten(0, 1).cpu())
        y = y.to(device=x.device, dtype=self.noise.first.weight.dtype)
        shape = x.shape[1:] if self.space.layout == "shaped" else flat.shape[1:]
        log_p = self.adapted.log_prob(y.reshape(-1, *shape)).double()
        return (log_p + ledger.sum(-1).to(log_p)).view(draws, len(x)) - log_q

    def loss(self, x: Tensor) -> Tensor:
        """Minus the bound of one draw, nats [B]."""
        return -self.log_weight(x, 1).squeeze(0)

    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        """log of the mean of `samples` weights, nats [B]: in expectation a lower bound of log P(x)
        that rises with `samples`. The noise comes from the global generator.
        """
        draws = max(VALUES // max(x.numel(), 1), 1)
        parts = [min(draws, samples - k) for k in range(0, samples, draws)]
        weights = torch.cat([self.log_weight(x, part) for part in parts])
        return torch.logsumexp(weights, 0) - math.log(samples)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws of the density, rounded down to levels: int64 [n, ...]. It needs a sampler."""
        sampler = self.adapted.sample
        if sampler is None:
            raise NotImplementedError("the continuous model has no sampler")
        y = sampler(n)
        return self.space.inverse(y).reshape(y.shape).to(y.device)
