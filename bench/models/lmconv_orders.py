"""LMConv as an ensemble over eight S-shaped orders in one network (arXiv 2006.12486)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.levels import level_count
from bench.models._locally_masked import LocallyMasked
from bench.models._pixels import Pixels, image_shape, separate
from bench.models._snakes import snakes


@model(
    "lmconv-orders",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="2006.12486",
    images=True,
    layout="shaped",
)
def build(
    data: DataSpec,
    hidden: int = 32,
    layers: int = 6,
    kernel: int = 5,
    dropout: float = 0.05,
    components: int = 5,
    orders: int = 8,
) -> Orders:
    """p(x) = the mean over orders of prod_i p(x_i | pixels before it in the order).

    Args:
        data: integer images [N, C, H, W] or [N, H, W] with K levels (binary: K = 2).
        hidden: features, rounded up to a multiple of the channels.
        layers: gated residual layers of width 3 behind the first.
        kernel: odd width of the first layer.
        dropout: after each gate, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
        orders: the first so many of the eight, each at its own batches in training; one scoring
            costs as many passes.
    """
    shape = image_shape(data)
    head = separate(level_count(data), components, shape[0])
    paths = snakes(*shape[1:])[:orders]
    stacks = LocallyMasked(paths, shape[0], head.size, hidden, layers, kernel, dropout)
    net = Pixels(shape, stacks, head, paths)
    net.start_at(data.train)
    return Orders(net, data.shape)


class Orders(nn.Module):
    """The log-mean of one network's densities in several orders: again a density."""

    def __init__(self, net: Pixels, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.net, self.shape, self.orders = net, shape, len(net.orders)

    def loss(self, x: Tensor) -> Tensor:
        """Minus the log-mass of x [B, *shape] in one random order, nats [B]."""
        order = int(torch.randint(self.orders, ()))
        return -self.net.terms(x, order).sum(1)

    def log_probs(self, x: Tensor) -> Tensor:
        """Log-mass of x [B, *shape] in each order, nats [orders, B]."""
        return torch.stack([self.net.terms(x, o).sum(1) for o in range(self.orders)])

    def log_prob(self, x: Tensor) -> Tensor:
        """log of the mean of the orders' masses of integer points x [B, *shape], nats [B]."""
        return torch.logsumexp(self.log_probs(x), 0) - math.log(self.orders)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws, each in an order of its own, int64 [n, *shape]."""
        u = self.net.uniforms(n)
        orders = torch.randint(self.orders, (n,), device=u.device)
        return self.net.levels_of(u, orders).reshape(n, *self.shape)
