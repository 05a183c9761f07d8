"""Variational auto-encoder for integer coordinates, scored by the importance-weighted bound."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.levels import draw, level_count, scaled
from bench.models._heads import Head, head_for, log_masses

VALUES = 2**21  #: decoder outputs in memory at once while scoring
ROWS = 256  #: points drawn at once
WIDEST = 7.0  #: largest |log sd| of the encoder


@model(
    "vae",
    accepts=["discrete", "binary"],
    likelihood="lower-bound",
    family="latent-variable",
    paper="1312.6114",
)
def build(
    data: DataSpec,
    latent: int = 12,
    hidden: int = 256,
    layers: int = 2,
    dropout: float = 0.1,
    components: int = 1,
) -> VAE:
    """p(x) = int p(x | z) N(z; 0, I) dz, with q(z | x) a diagonal normal.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        latent: dimensions of z.
        hidden, layers: units and number of hidden layers of encoder and decoder each.
        dropout: in both, in training.
        components: logistics per coordinate of p(x | z); 0: a table of K logits (always so for two
            levels, where it is a Bernoulli).
    """
    net = VAE(data.dim, head_for(level_count(data), components), latent, hidden, layers, dropout)
    net.start_at(data.train)
    return net


class VAE(nn.Module):
    """Encoder and decoder are plain networks; x enters as levels scaled to [-1, 1]."""

    def __init__(
        self, dim: int, head: Head, latent: int, hidden: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.dim, self.head, self.latent = dim, head, latent
        self.encoder = _network(dim, 2 * latent, hidden, layers, dropout)
        self.decoder = _network(latent, dim * head.size, hidden, layers, dropout)

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Decoder outputs of the head's first guess for x [N, D], nearly independent of z."""
        self.decoder[-1].weight.mul_(0.1)
        self.decoder[-1].bias.copy_(self.head.bias(x).flatten())

    def log_weight(self, x: Tensor, noise: Tensor) -> Tensor:
        """log p(x | z) + log p(z) - log q(z | x), nats [k, B], at z = mean + sd noise [k, B, L]."""
        mean, log_sd = self.posterior(x)
        z = mean + log_sd.exp() * noise
        prior_over_posterior = 0.5 * (noise.square() - z.square()) + log_sd
        outputs = self.decoder(z).unflatten(-1, (self.dim, self.head.size))
        return self.head.log_prob(outputs, x).sum(-1) + prior_over_posterior.sum(-1)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z | x) for integers x [B, D], [B, L] each."""
        y = scaled(x, self.head.levels).to(self.decoder[-1].bias.dtype)
        mean, log_sd = self.encoder(y).chunk(2, -1)
        return mean, log_sd.clamp(-WIDEST, WIDEST)

    def loss(self, x: Tensor) -> Tensor:
        """Minus the evidence lower bound (1312.6114, eq. 7; one draw, exact KL), nats [B]."""
        x = x.long()
        mean, log_sd = self.posterior(x)
        z = mean + log_sd.exp() * torch.randn_like(mean)
        outputs = self.decoder(z).unflatten(-1, (self.dim, self.head.size))
        kl = 0.5 * (mean.square() + (2 * log_sd).exp() - 1) - log_sd
        return kl.sum(-1) - self.head.log_prob(outputs, x).sum(-1)

    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        """log of the mean of `samples` importance weights, nats [B].

        Its expectation is a lower bound of log p(x) that rises with `samples` (1509.00519, eq. 8).
        The noise comes from the global generator.
        """
        x = x.long()
        dtype = self.decoder[-1].bias.dtype
        noise = torch.randn(samples, len(x), self.latent, device=x.device)
        draws = max(VALUES // (max(len(x), 1) * self.dim * self.head.size), 1)
        weights = [self.log_weight(x, part.to(dtype)) for part in noise.split(draws)]
        return torch.logsumexp(torch.cat(weights), 0) - math.log(samples)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws from the prior through the decoder, int64 [n, D]."""
        bias = self.decoder[-1].bias
        z = torch.randn(n, self.latent, device=bias.device, dtype=bias.dtype)
        outputs = self.decoder(z).unflatten(-1, (self.dim, self.head.size))
        return torch.cat([draw(log_masses(self.head, o)) for o in outputs.split(ROWS)])


def _network(inputs: int, outputs: int, hidden: int, layers: int, dropout: float) -> nn.Sequential:
    """Linear, SiLU, dropout per hidden layer, then linear."""
    sizes = [inputs] + [hidden] * layers
    parts: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:], strict=False):
        parts += [nn.Linear(before, after), nn.SiLU(), nn.Dropout(dropout)]
    return nn.Sequential(*parts, nn.Linear(sizes[-1], outputs))
