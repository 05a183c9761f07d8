"""EoNADE: one network for any coordinate given any others, and the mixture over some orders."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import model
from bench.contract import DataSpec
from bench.levels import invert, level_count, scaled
from bench.models._heads import Head, head_for, log_masses
from bench.models._orders import OrderMixture, random_orders

VALUES = 2**22  #: hidden units of a layer in memory at once while scoring


@model(
    "eonade",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1310.1757",
)
def build(
    data: DataSpec,
    hidden: int = 384,
    layers: int = 2,
    dropout: float = 0.1,
    components: int = 5,
    orders: int = 8,
) -> EoNADE:
    """p(x) = the mean over orders of prod_i p(x_i | coordinates before it in the order).

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        hidden, layers: units and number of hidden layers.
        dropout: of each hidden layer, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
        orders: random ones, of which the density is the mean; one scoring costs as many times D
            passes. Training knows nothing of them.
    """
    drawn = random_orders(orders, data.dim, "eonade: orders")
    net = EoNADE(drawn, head_for(level_count(data), components), hidden, layers, dropout)
    net.start_at(data.train)
    return net


class EoNADE(OrderMixture):
    """A network from (x m, m) to outputs for all coordinates, m telling which are known."""

    def __init__(
        self, orders: Tensor, head: Head, hidden: int, layers: int, dropout: float
    ) -> None:
        super().__init__(orders)
        self.head = head
        self.first = nn.Linear(2 * self.dim, hidden)
        self.hidden = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers - 1))
        self.last = nn.Linear(hidden, self.dim * head.size)
        self.dropout = nn.Dropout(dropout)

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Outputs of the head's first guess for x [N, D], nearly independent of the inputs."""
        self.last.weight.mul_(0.1)
        self.last.bias.copy_(self.head.bias(x).flatten())

    def loss(self, x: Tensor) -> Tensor:
        """D / (D - d) times minus the log-masses of the coordinates not among d known ones, [B].

        Number and choice of these are random in each row: an unbiased estimate of the mean over all
        orders of minus the log-mass, nats (1310.1757).
        """
        x, dim = x.long(), self.dim
        rank = torch.rand(x.shape, device=x.device).argsort(1).argsort(1)
        count = torch.randint(dim, (len(x), 1), device=x.device)
        known = rank < count
        h = self.upper(self.first(self._inputs(x, known)))
        terms = self.head.log_prob(self.last(h).unflatten(1, (dim, self.head.size)), x)
        return -(terms * ~known).sum(1) * dim / (dim - count[:, 0])

    def upper(self, sums: Tensor) -> Tensor:
        """The last hidden layer [..., H] from the sums of the first, [..., H]."""
        h = self.dropout(F.silu(sums))
        for layer in self.hidden:
            h = self.dropout(F.silu(layer(h)))
        return h

    def _inputs(self, x: Tensor, known: Tensor) -> Tensor:
        """(x m, m), [B, 2 D], for levels x [B, D] scaled to [-1, 1] and m [B, D]."""
        m = known.to(self.first.weight.dtype)
        return torch.cat([scaled(x, self.head.levels).to(m.dtype) * m, m], 1)

    def outputs_along(self, x: Tensor, order: Tensor) -> Tensor:
        """The head's outputs [B, D, size] by position, for integers x [B, D].

        The first layer's sums grow by one coordinate from position to position, as in a NADE.
        """
        places = order.argsort()
        weight = self.first.weight.T.unflatten(0, (2, self.dim))[:, places]
        last = self.last.weight.unflatten(0, (self.dim, -1))[places]
        bias = self.last.bias.unflatten(0, (self.dim, -1))[places]
        found = []
        for rows in x[:, places].split(max(VALUES // (self.dim * weight.shape[2]), 1)):
            y = scaled(rows, self.head.levels).to(weight.dtype)
            terms = y.unsqueeze(-1) * weight[0] + weight[1]  # [b, D, H]
            sums = F.pad(terms.cumsum(1)[:, :-1], (0, 0, 1, 0)) + self.first.bias
            found.append(torch.einsum("bdh,dsh->bds", self.upper(sums), last) + bias)
        return torch.cat(found)

    def log_prob_along(self, x: Tensor, order: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] by the chain rule in one order, nats [B]."""
        return self.head.log_prob(self.outputs_along(x, order), x[:, order.argsort()]).sum(1)

    def conditionals_along(self, x: Tensor, order: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before in the order, nats [B, D, K]."""
        return log_masses(self.head, self.outputs_along(x, order))[:, order]

    @torch.no_grad()
    def sample_along(self, u: Tensor, order: Tensor) -> Tensor:
        """Levels for uniforms u [n, D] by inversion of the conditionals, int64 [n, D]."""
        x = torch.zeros(u.shape, dtype=torch.int64, device=u.device)
        return self.fill(x, torch.zeros_like(x, dtype=torch.bool), u, order)

    @torch.no_grad()
    def fill(self, x: Tensor, known: Tensor, u: Tensor, order: Tensor) -> Tensor:
        """x [n, D] with what is not known [n, D] drawn along the order, given all that is known.

        The first layer's sums are kept, and each drawn coordinate adds its own to them.
        """
        x, weight = x.clone(), self.first.weight.T
        sums = self.first(self._inputs(x, known))
        last = self.last.weight.unflatten(0, (self.dim, -1))
        bias = self.last.bias.unflatten(0, (self.dim, -1))
        for i in order.argsort().tolist():
            rows = (~known[:, i]).nonzero()[:, 0]
            table = log_masses(self.head, self.upper(sums[rows]) @ last[i].T + bias[i])
            x[rows, i] = invert(table, u[rows, i])
            y = scaled(x[rows, i], self.head.levels).to(sums.dtype)
            sums[rows] += y[:, None] * weight[i] + weight[self.dim + i]
        return x

    @torch.no_grad()
    def impute(self, x: Tensor, known: Tensor) -> Tensor:
        """x [n, D] with draws in place of what is not known (bool [n, D] or [D]), int64 [n, D].

        The missing coordinates of a row come one after the other in an order drawn for it, each
        from its conditional given the known ones and those before: an exact draw of the network
        whose orders start with the known coordinates.
        """
        x, known = x.long(), known.expand(x.shape)
        which, u = self.order_of_each(len(x)), self.uniforms(len(x))
        filled = x.clone()
        for k, order in enumerate(self.orders):
            rows = which == k
            filled[rows] = self.fill(x[rows], known[rows], u[rows], order)
        return filled
