"""What a network's outputs mean for one integer coordinate: a table, or a mixture of logistics."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.levels import log_marginals, scaled

SPREAD = 2.0  #: initial log of 1 / scale of the logistics
STEEPEST = 7.0  #: largest |log(1 / scale)|


class Table:
    """K logits per coordinate. p(k) = softmax(logits)_k."""

    def __init__(self, levels: int) -> None:
        self.levels, self.size = levels, levels

    def bias(self, x: Tensor) -> Tensor:
        """Outputs that give the marginals of x [N, D]: [D, size]."""
        return log_marginals(x, self.levels).float()

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        """log p(x) in nats for outputs [..., size] and integers x [...], broadcast: [...]."""
        table = F.log_softmax(outputs, -1)
        shape = torch.broadcast_shapes(table.shape[:-1], x.shape)
        table = table.expand(*shape, self.size)
        return table.gather(-1, x.expand(shape).unsqueeze(-1)).squeeze(-1)


class Logistics:
    """C weights, means and log inverse scales per coordinate: a mixture of discretised logistics.

    p(k) = sum_c w_c (F_c(k + 1/2) - F_c(k - 1/2)) on levels scaled to [-1, 1], with open end bins
    (PixelCNN++, arXiv 1701.05517, section 2.1).
    """

    def __init__(self, levels: int, components: int) -> None:
        self.levels, self.components, self.size = levels, components, 3 * components

    def bias(self, x: Tensor) -> Tensor:
        """Equal weights and spread means for each coordinate of x [N, D]: [D, size]."""
        c = self.components
        means = torch.linspace(-1, 1, c) if c > 1 else torch.zeros(1)
        one = torch.cat([torch.zeros(c), means, torch.full((c,), SPREAD)])
        return one.repeat(x.shape[1], 1)

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        """log p(x) in nats for outputs [..., size] and integers x [...], broadcast: [...]."""
        weight, mean, steepness = outputs.unflatten(-1, (3, self.components)).unbind(-2)
        inverse_scale = steepness.clamp(-STEEPEST, STEEPEST).exp()
        half, x = 1.0 / (self.levels - 1), x.unsqueeze(-1)
        centre = scaled(x, self.levels) - mean
        upper, lower = (centre + half) * inverse_scale, (centre - half) * inverse_scale
        # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u))
        below, above = F.logsigmoid(upper), F.logsigmoid(-lower)
        inside = below + above + torch.log(-torch.expm1(-2 * half * inverse_scale))
        mass = torch.where(x == 0, below, torch.where(x == self.levels - 1, above, inside))
        return torch.logsumexp(F.log_softmax(weight, -1) + mass, -1)


Head = Table | Logistics


def head_for(levels: int, components: int) -> Head:
    """A mixture of logistics, or a table where components is 0 or there are but two levels."""
    return Logistics(levels, components) if components and levels > 2 else Table(levels)


def log_masses(head: Head, outputs: Tensor) -> Tensor:
    """log p of every level for outputs [..., size]: [..., levels]."""
    return head.log_prob(outputs.unsqueeze(-2), torch.arange(head.levels, device=outputs.device))
