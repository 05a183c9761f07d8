"""Trees of tables over levels: masses of pairs, mutual information, spanning tree (Chow and Liu).

Used by the model of that name and by the checks that need a law near a model's draws.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.levels import draw

ROWS = 2048  #: points per block while counting
LARGEST = 6_000  #: coordinates times levels; its square is counted, in float32


def fit_tree(x: Tensor, levels: int, alpha: float) -> ChowLiu:
    """The Chow-Liu tree of levels x [n, D], every cell of a pair's table raised by `alpha`."""
    joint = pair_masses(x, levels, alpha)
    parent, depth = spanning_tree(mutual_information(joint))
    return ChowLiu(conditionals(joint, parent), parent, depth)


class ChowLiu(nn.Module):
    """A tree of tables.

    Args:
        log_table: log p(x_i = b | x_parent = a) as [D, K, K] (i, a, b); the root's rows are equal.
        parent: [D]; the root is its own parent.
        depth: [D], 0 at the root.
    """

    def __init__(self, log_table: Tensor, parent: Tensor, depth: Tensor) -> None:
        super().__init__()
        self.register_buffer("log_table", log_table)
        self.register_buffer("parent", parent)
        self.register_buffer("depth", depth)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, float64 [B]."""
        x = x.long()
        i = torch.arange(len(self.parent), device=x.device)
        return self.log_table[i, x[:, self.parent], x].sum(1)

    @property
    def order(self) -> Tensor:
        """Position of each coordinate, its depth: parents come before their children. [D]"""
        return self.depth

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the parent's in x [B, D], nats [B, D, K]."""
        i = torch.arange(len(self.parent), device=x.device)
        return self.log_table[i, x.long()[:, self.parent]]

    def sample(self, n: int) -> Tensor:
        """n draws from the root down, one depth at a time, int64 [n, D]."""
        x = torch.zeros(n, len(self.parent), dtype=torch.long, device=self.parent.device)
        for depth in range(int(self.depth.max()) + 1):
            nodes = (self.depth == depth).nonzero().squeeze(1)
            x[:, nodes] = draw(self.log_table[nodes, x[:, self.parent[nodes]]])
        return x


def pair_masses(x: Tensor, levels: int, alpha: float) -> Tensor:
    """Smoothed p(x_i = a, x_j = b) as float64 [D, D, K, K] (i, j, a, b)."""
    dim = x.shape[1]
    total = torch.zeros(dim * levels, dim * levels)
    for rows in x.split(ROWS):
        code = nn.functional.one_hot(rows, levels).flatten(1).float()
        total.addmm_(code.T, code)  # float32 counts exactly below 2^24
    pairs = total.view(dim, levels, dim, levels).transpose(1, 2).double()
    return (pairs + alpha) / (len(x) + alpha * levels**2)


def mutual_information(joint: Tensor) -> Tensor:
    """sum_ab p_ij(a, b) log p_ij(a, b) / (p_i(a) p_j(b)) in nats, [D, D]."""
    rows, columns = joint.sum(3, keepdim=True), joint.sum(2, keepdim=True)
    return (joint * (joint.log() - rows.log() - columns.log())).sum((2, 3))


def spanning_tree(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum spanning tree of a symmetric [D, D] from node 0 (Prim): parents and depths, [D]."""
    dim = len(weight)
    parent, depth = torch.zeros(dim, dtype=torch.long), torch.zeros(dim, dtype=torch.long)
    best, outside = weight[0].clone(), torch.ones(dim, dtype=torch.bool)
    outside[0] = False
    for _ in range(dim - 1):
        node = int(best.masked_fill(~outside, -torch.inf).argmax())
        outside[node] = False
        depth[node] = depth[parent[node]] + 1
        nearer = outside & (weight[node] > best)
        best[nearer], parent[nearer] = weight[node][nearer], node
    return parent, depth


def conditionals(joint: Tensor, parent: Tensor) -> Tensor:
    """log p(x_i = b | x_parent(i) = a), [D, K, K]; the root's marginal in each of its rows."""
    i = torch.arange(len(parent))
    table = joint[parent, i]
    table[0] = joint[0, 0].sum(1).expand_as(table[0])
    return (table / table.sum(2, keepdim=True)).log()
