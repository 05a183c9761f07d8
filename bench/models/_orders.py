"""One network read in several orders: random orders, and the mixture of the laws that they give."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.errors import UsageError


def random_orders(count: int, dim: int, setting: str) -> Tensor:
    """Positions of the coordinates, int64 [count, D]: uniform over all orders. Global generator.

    Raises UsageError for a count below one, which `setting` asked for ("model: setting").
    """
    if count < 1:
        raise UsageError(f"{setting} must be at least 1, not {count}")
    return torch.stack([torch.randperm(dim) for _ in range(count)])


def log_mean(log_prob: Tensor) -> Tensor:
    """log of the mean density over orders, [B], from log_prob [orders, B], nats.

    A mean of the logarithms would be no density: by Jensen's inequality it has a mass below one.
    """
    return torch.logsumexp(log_prob, 0) - math.log(len(log_prob))


class OrderMixture(nn.Module):
    """p(x) = mean over orders of p(x; order), where one network serves all orders.

    A subclass gives `log_prob_along`, `conditionals_along` and `sample_along` an order, int64 [D],
    the positions of the coordinates. The mixture has no order of its own and shows none.
    """

    orders: Tensor  #: int64 [orders, D]

    def __init__(self, orders: Tensor) -> None:
        super().__init__()
        self.dim = orders.shape[1]
        self.register_buffer("orders", orders)

    def log_prob_along(self, x: Tensor, order: Tensor) -> Tensor:
        """Log-mass of integers x [B, D] by the chain rule in one order, nats [B]."""
        raise NotImplementedError

    def conditionals_along(self, x: Tensor, order: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before in the order, nats [B, D, K]."""
        raise NotImplementedError

    def sample_along(self, u: Tensor, order: Tensor) -> Tensor:
        """Levels for uniforms u [n, D] by inversion of the conditionals, int64 [n, D]."""
        raise NotImplementedError

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, [B]."""
        x = x.long()
        return log_mean(torch.stack([self.log_prob_along(x, order) for order in self.orders]))

    def along(self, order: Tensor) -> InOrder:
        """The law of one order, an autoregressive model by itself; it shares the weights."""
        return InOrder(self, order)

    def uniforms(self, n: int) -> Tensor:
        """Uniform numbers [n, D] on the device. Global generator."""
        return torch.rand(n, self.dim, dtype=torch.float64, device=self.orders.device)

    def order_of_each(self, n: int) -> Tensor:
        """Numbers of n orders drawn with equal chances, int64 [n]. Global generator."""
        return torch.randint(len(self.orders), (n,), device=self.orders.device)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws, each in an order drawn for it: int64 [n, D]."""
        which, u = self.order_of_each(n), self.uniforms(n)
        x = torch.empty(n, self.dim, dtype=torch.int64, device=self.orders.device)
        for k, order in enumerate(self.orders):
            x[which == k] = self.sample_along(u[which == k], order)
        return x


class InOrder(nn.Module):
    """One order of an `OrderMixture`."""

    order: Tensor  #: position of each coordinate, int64 [D]

    def __init__(self, mixture: OrderMixture, order: Tensor) -> None:
        super().__init__()
        self.mixture, self.dim = mixture, mixture.dim
        self.register_buffer("order", order)

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before, nats [B, D, K]."""
        return self.mixture.conditionals_along(x.long(), self.order)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, [B]."""
        return self.mixture.log_prob_along(x.long(), self.order)

    def sample(self, n: int) -> Tensor:
        """n draws in the order, int64 [n, D]."""
        return self.sample_from(self.mixture.uniforms(n))

    def sample_from(self, u: Tensor) -> Tensor:
        """Levels for uniforms u [n, D] by inversion of the conditionals, int64 [n, D]."""
        return self.mixture.sample_along(u, self.order)
