"""MADE in several orders with one set of weights: order-agnostic training, and the mixture."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.func import functional_call

from bench import model
from bench.contract import DataSpec
from bench.levels import level_count
from bench.models._heads import head_for, log_masses
from bench.models._orders import OrderMixture, random_orders
from bench.models.made import DiscreteMADE


@model(
    "made-orders",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1502.03509",
)
def build(
    data: DataSpec,
    hidden: int = 256,
    blocks: int = 1,
    dropout: float = 0.3,
    components: int = 5,
    direct: bool = True,
    masks: int = 8,
) -> MADEOrders:
    """p(x) = the mean over orders of prod_i p(x_i | coordinates before it in the order).

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        hidden, blocks, dropout, components, direct: as in made.
        masks: orders, hence masks of the first and last layer, drawn at random. A
            batch is trained under one of them; one scoring costs as many passes.
    """
    orders = random_orders(masks, data.dim, "made-orders: masks")
    head = head_for(level_count(data), components)
    made = DiscreteMADE(data.dim, head, hidden, blocks, dropout, direct)
    made.start_at(data.train)
    return MADEOrders(made, orders)


class MADEOrders(OrderMixture):
    """The weights belong to coordinates; an order moves them to where its masks are, in copies."""

    def __init__(self, made: DiscreteMADE, orders: Tensor) -> None:
        super().__init__(orders)
        self.made = made

    def loss(self, x: Tensor) -> Tensor:
        """Minus the log-mass in one order, drawn anew for each batch, nats [B]."""
        k = int(torch.randint(len(self.orders), ()))
        return -self.log_prob_along(x.long(), self.orders[k])

    def outputs_along(self, x: Tensor, order: Tensor) -> Tensor:
        """The head's outputs [B, D, size] for integers x [B, D]."""
        moved = functional_call(self.made, self._moved(order), (x[:, order.argsort()],))
        return moved[:, order]

    def log_prob_along(self, x: Tensor, order: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] by the chain rule in one order, nats [B]."""
        return self.made.head.log_prob(self.outputs_along(x, order), x).sum(1)

    def conditionals_along(self, x: Tensor, order: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before in the order, nats [B, D, K]."""
        return log_masses(self.made.head, self.outputs_along(x, order))

    @torch.no_grad()
    def sample_along(self, u: Tensor, order: Tensor) -> Tensor:
        """Levels for uniforms u [n, D] by inversion of the conditionals, int64 [n, D]."""
        moved = copy.deepcopy(self.made)
        moved.load_state_dict(self._moved(order), strict=False)
        return moved.sample_from(u[:, order.argsort()])[:, order]

    def _moved(self, order: Tensor) -> dict[str, Tensor]:
        """The weights in which coordinates differ, by position instead of by coordinate."""
        places, made = order.argsort(), self.made
        first, last, shape = made.net.initial_layer, made.net.final_layer, (made.dim, -1)
        moved = {
            "net.initial_layer.weight": first.weight[:, places],
            "net.final_layer.weight": last.weight.unflatten(0, shape)[places].flatten(0, 1),
            "net.final_layer.bias": last.bias.unflatten(0, shape)[places].flatten(),
        }
        if made.direct is not None:
            weight = made.direct.weight.unflatten(0, shape)[places][..., places]
            moved["direct.weight"] = weight.flatten(0, 1)
        return moved
