"""Dense autoregressive models small enough to be summed, and one fault of each kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
from causal_cases import FORBIDDEN, influence, shaken
from torch import Tensor, nn
from torch.func import functional_call

from bench.checks._capabilities import order_of
from bench.contract import DataSpec
from bench.flows.autoregressive.made import MADE
from bench.levels import scaled
from bench.models import eonade, fvsbn, made, made_orders, nade
from bench.models._orders import InOrder, OrderMixture

Build = Callable[[DataSpec], nn.Module]

MIXTURES: dict[str, Callable[[DataSpec], OrderMixture]] = {
    "made-orders": lambda data: made_orders.build(data, hidden=20, masks=3),
    "made-orders, deep": lambda data: made_orders.build(
        data, hidden=20, blocks=2, masks=3, direct=False, components=0
    ),
    "eonade": lambda data: eonade.build(data, hidden=16, orders=3),
    "eonade, tables": lambda data: eonade.build(data, hidden=16, layers=3, orders=3, components=0),
}
ORDERED: dict[str, Build] = {
    "made": lambda data: made.build(data, hidden=20),
    "made, deep": lambda data: made.build(data, hidden=20, blocks=2, direct=False, components=0),
    "nade": lambda data: nade.build(data, hidden=12),
    "nade, tables": lambda data: nade.build(data, hidden=12, components=0),
    "fvsbn": fvsbn.build,
    "fvsbn, one-hot": lambda data: fvsbn.build(data, one_hot=True),
    **{
        f"{name}, order {k}": lambda data, build=build, k=k: first_of(build(data), k)
        for name, build in MIXTURES.items()
        for k in (0, 2)
    },
}


def first_of(mixture: OrderMixture, k: int = 0) -> InOrder:
    return mixture.along(mixture.orders[k])


def pattern(build: Build, data: DataSpec, inits: int = 3) -> tuple[int, int]:
    """(forbidden pairs that react, earlier pairs that never do) over some initialisations."""
    change = torch.zeros(data.dim, data.dim)
    for seed in range(inits):
        torch.manual_seed(7)  # the same orders
        model = shaken(build(data), seed)
        change = torch.maximum(change, influence(model, data.levels or 2))
    order = order_of(model, data.dim)
    past = order < order[:, None]
    return int((change[~past] > FORBIDDEN).sum()), int((change[past] == 0).sum())


def nade_from_scratch(net: nade.NADE, x: Tensor) -> Tensor:
    """The outputs of a NADE for levels x [B, D], each step's sums anew: O(D^2 H)."""
    y, found = net.inputs(x), []
    for t in range(net.dim):
        h = torch.tanh(net.bias + y[:, :t] @ net.weight[:t])
        found.append(h @ net.out[t])
    return torch.stack(found, 1)


# ------------------------------------------------------------------------------------------ faults


class SeesItself(nade.NADE):
    """The cumulative sum not moved by one step."""

    def _rows(self, x: Tensor) -> Tensor:
        sums = (self.inputs(x).unsqueeze(-1) * self.weight).cumsum(1) + self.bias
        return torch.einsum("bdh,dho->bdo", torch.tanh(sums), self.out)


class WrongTerm(nade.NADE):
    """The cache takes up a coordinate with the weights of the next one."""

    def stepper(self, x: Tensor) -> Callable[[int], Tensor]:
        sums = self.bias.repeat(len(x), 1)

        def step(t: int) -> Tensor:
            if t:
                sums.addcmul_(self.inputs(x[:, t - 1 : t]), self.weight[t])
            return torch.tanh(sums) @ self.out[t]

        return step


def lax(part: str) -> Build:
    """A mask of a MADE that lets a coordinate see itself."""

    def build(data: DataSpec) -> made.DiscreteMADE:
        net = made.build(data, hidden=20)
        places = torch.arange(1, data.dim + 1)
        outputs = places.repeat_interleave(net.head.size)[:, None]
        if part == "output":
            net.net.final_layer.mask.copy_(outputs >= torch.tensor(net.net.hidden_degrees[-1]))
        elif part == "direct":
            net.direct.mask.copy_(outputs >= places)
        else:
            mask = net.net.blocks[0].linear.mask
            mask.copy_(mask.roll(1, 0))
        return net

    return build


def few_units(data: DataSpec) -> made.DiscreteMADE:
    """Dependencies are missing, none is false."""
    net = made.build(data, hidden=20, direct=False)
    net.net = MADE(data.dim, 3, blocks=1, outputs=net.head.size, residual=False)
    return net


def self_regression(data: DataSpec) -> fvsbn.FVSBN:
    """A mask with its diagonal."""
    net = fvsbn.build(data)
    outputs = torch.arange(data.dim).repeat_interleave(net.head.size)[:, None]
    net.linear.mask.copy_(outputs >= torch.arange(data.dim))
    return net


class NotMovedBack(made_orders.MADEOrders):
    """The outputs of an order are read off at the positions, not at the coordinates."""

    def outputs_along(self, x: Tensor, order: Tensor) -> Tensor:
        return functional_call(self.made, self._moved(order), (x[:, order.argsort()],))


class StoredMasks(made_orders.MADEOrders):
    """Each order's masks are multiplied into the stored weights, which lose them one by one."""

    def outputs_along(self, x: Tensor, order: Tensor) -> Tensor:
        first = self.made.net.initial_layer
        with torch.no_grad():
            first.weight.mul_(first.mask[:, order])
        return super().outputs_along(x, order)


class Unmasked(eonade.EoNADE):
    """Values enter whether they are known or not."""

    def outputs_along(self, x: Tensor, order: Tensor) -> Tensor:
        y = scaled(x[:, order.argsort()], self.head.levels).to(self.last.weight.dtype)
        return super().outputs_along(x, order) + 0.1 * y.unsqueeze(-1)


class Unweighted(eonade.EoNADE):
    """The loss of D - d coordinates stands for that of all D."""

    def loss(self, x: Tensor) -> Tensor:
        known = torch.rand(x.shape).argsort(1).argsort(1) < torch.randint(self.dim, (len(x), 1))
        outputs = self.last(self.upper(self.first(self._inputs(x, known))))
        terms = self.head.log_prob(outputs.unflatten(1, (self.dim, -1)), x)
        return -(terms * ~known).sum(1)


class Overwritten(eonade.EoNADE):
    """Draws everything, then puts what is known in its place."""

    def impute(self, x: Tensor, known: Tensor) -> Tensor:
        return torch.where(known, x, self.sample(len(x)))


class OneByOne(eonade.EoNADE):
    """Each missing coordinate given the known ones, but not those drawn before it."""

    def fill(self, x: Tensor, known: Tensor, u: Tensor, order: Tensor) -> Tensor:
        found = x.clone()
        for i in range(self.dim):
            first = (torch.arange(self.dim) - i) % self.dim
            found[:, i] = super().fill(x, known, u, first)[:, i]
        return found


class MeanOfLogs(OrderMixture):
    """By Jensen's inequality its mass is below one."""

    def __init__(self, honest: OrderMixture) -> None:
        super().__init__(honest.orders)
        self.honest = honest

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.stack([self.honest.log_prob_along(x, o) for o in self.orders]).mean(0)


def turned(model: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """The model with a fault: its weights under another class."""
    model.__class__ = kind
    return model
