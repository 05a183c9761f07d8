"""Mixture density network: the context sets weights, means and scales of a Gaussian mixture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import model
from bench.contract import DataSpec
from bench.models._normal import LOG_2PI

STEEPEST = 7.0  #: largest |log sd|: a narrower component could sit on one point


@model(
    "mixture-density", family="conditional", conditional=True, paper="Bishop (1994), NCRG/94/004"
)
def build(data: DataSpec, hidden: int = 64, layers: int = 2, components: int = 5) -> MixtureDensity:
    """p(x | c) = sum_k w_k(c) N(x; m_k(c), diag s_k(c)^2).

    Args:
        data: points [N, D] and contexts [N, C] in the model's space.
        hidden, layers: units and number of hidden layers of the network.
        components: K.
    """
    return MixtureDensity(data.dim, data.context_dim, hidden, layers, components)


class MixtureDensity(nn.Module):
    """A plain network from contexts [B, C] to K (1 + 2 D) outputs."""

    def __init__(
        self, dim: int, context_dim: int, hidden: int, layers: int, components: int
    ) -> None:
        super().__init__()
        self.dim, self.components = dim, components
        sizes = [context_dim] + [hidden] * layers
        parts: list[nn.Module] = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            parts += [nn.Linear(before, after), nn.SiLU()]
        self.network = nn.Sequential(*parts, nn.Linear(sizes[-1], components * (1 + 2 * dim)))
        with torch.no_grad():  # components that start alike would stay alike
            self.network[-1].bias[components : components * (1 + dim)].normal_()

    def parts(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights [B, K], means and log standard deviations [B, K, D], nats."""
        k, d = self.components, self.dim
        weight, mean, log_sd = self.network(context).split([k, k * d, k * d], -1)
        log_sd = log_sd.unflatten(-1, (k, d)).clamp(-STEEPEST, STEEPEST)
        return F.log_softmax(weight, -1), mean.unflatten(-1, (k, d)), log_sd

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Log-density of x [B, D] given its context [B, C], nats [B]."""
        weight, mean, log_sd = self.parts(context)
        z = (x.unsqueeze(1) - mean) * (-log_sd).exp()
        inside = -0.5 * z.square() - log_sd - 0.5 * LOG_2PI
        return torch.logsumexp(weight + inside.sum(-1), -1)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor) -> Tensor:
        """One draw for each of the n contexts, [n, D]."""
        weight, mean, log_sd = self.parts(context)
        k = torch.distributions.Categorical(logits=weight).sample()
        row = torch.arange(n, device=k.device)
        return mean[row, k] + log_sd[row, k].exp() * torch.randn_like(mean[:, 0])
