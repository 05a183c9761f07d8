"""Mixtures of independent tables of masses, and their fit by expectation maximisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.levels import draw, log_marginals

VALUES = 2**23  #: entries in memory at once
SUBSET = 5000  #: training points at most while numbers are chosen
LADDER = (1, 2, 5, 10, 20, 50, 100)  #: components tried
SHRINK, SHRINKS = 10.0, (1.0, 3.0, 30.0, 100.0)  #: pseudo-points of a component at first; others
DENSE = 17  #: levels up to which a matrix product counts faster than look-ups
GAIN = 1e-3  #: nats per point; a step that gains less is the last one


class TableMixture(nn.Module):
    """p(x) = sum_c w_c prod_i p_c(x_i).

    Args:
        log_weight: [C], nats.
        log_mass: of every level, [C, D, K], nats.
    """

    log_weight: Tensor
    log_mass: Tensor

    def __init__(self, log_weight: Tensor, log_mass: Tensor) -> None:
        super().__init__()
        self.register_buffer("log_weight", log_weight)
        self.register_buffer("log_mass", log_mass)
        self.dim, self.levels = log_mass.shape[1:]

    def joint(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """log p(c, x) of every component, nats [B, C], for integers x [B, D].

        With `known`, bool [B, D], only these coordinates count.
        """
        table = self.log_mass.permute(1, 2, 0).flatten(0, 1)  # [D K, C]
        cell = x.long() + self.levels * torch.arange(self.dim, device=x.device)
        if known is not None:  # one row more, of zeros, for what is not known
            table = F.pad(table, (0, 0, 0, 1))
            cell = torch.where(known, cell, len(table) - 1)
        return F.embedding_bag(cell, table, mode="sum") + self.log_weight

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, float64 [B]."""
        return torch.logsumexp(self.joint(x), 1)

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before, nats [B, D, K]."""
        rows = max(VALUES // (self.dim * max(len(self.log_weight), self.levels)), 1)
        return torch.cat([self._conditionals(part) for part in x.long().split(rows)])

    def _conditionals(self, x: Tensor) -> Tensor:
        i = torch.arange(self.dim, device=x.device)
        terms = self.log_mass.permute(1, 2, 0)[i, x]  # [B, D, C]
        before = F.pad(terms.cumsum(1)[:, :-1], (0, 0, 1, 0)) + self.log_weight
        share = before.softmax(-1)  # of each component, given the coordinates before
        return torch.einsum("bdc,cdk->bdk", share, self.log_mass.exp()).log()

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        return draw(self.log_mass[draw(self.log_weight.expand(n, -1))])

    def impute(self, x: Tensor, known: Tensor) -> Tensor:
        """x [n, D] with exact conditional draws in place of what is not known, int64 [n, D].

        `known`: bool [n, D] or [D]. What x holds elsewhere does not matter.
        """
        x, known = x.long(), known.expand(x.shape)
        component = draw(self.joint(torch.where(known, x, 0), known).log_softmax(1))
        return torch.where(known, x, draw(self.log_mass[component]))


def fit(
    train: Tensor, valid: Tensor, levels: int, components: int, restarts: int, steps: int
) -> TableMixture:
    """The mixture of train and valid [N, D], started from the one that is best for valid.

    Args:
        components: their number, or 0 for the best one of LADDER.
        restarts: from other training points, drawn by the global generator; the one that is best
            for train counts.
        steps: of expectation maximisation at most, each time.
    """
    some = train[torch.randperm(len(train))[:SUBSET]]
    counts = [components] if components else [c for c in LADDER if c <= len(some)]

    def tried(count: int, shrink: float) -> tuple[float, float, TableMixture]:
        """Score of the validation points, pseudo-points, mixture."""
        fits = [
            maximised(started(some, levels, count), some, shrink, steps) for _ in range(restarts)
        ]
        mixture = max(fits, key=lambda fit: fit[1])[0]
        return float(mixture.log_prob(valid[:SUBSET]).mean()), shrink, mixture

    best = max((tried(count, SHRINK) for count in counts), key=lambda found: found[0])
    count = len(best[2].log_weight)
    others = (tried(count, shrink) for shrink in SHRINKS)
    _, shrink, mixture = max([best, *others], key=lambda found: found[0])
    return maximised(mixture, torch.cat([train, valid]), shrink, steps)[0]


def started(x: Tensor, levels: int, components: int) -> TableMixture:
    """Half marginals of x [N, D], half point masses at rows drawn by the global generator."""
    rows = x[torch.randperm(len(x))[:components]].long()
    mass = (log_marginals(x, levels).exp() + F.one_hot(rows, levels)) / 2
    return TableMixture(torch.full((len(rows),), -math.log(len(rows))).double(), mass.log())


def maximised(
    mixture: TableMixture, x: Tensor, shrink: float, steps: int
) -> tuple[TableMixture, float]:
    """The mixture after steps of expectation maximisation on x [N, D], or as long as they gain.

    With the objective of the last one but one.
    """
    before = -math.inf
    for _ in range(steps):
        mixture, value = step(mixture, x, shrink)
        if value - before < GAIN * len(x):
            break
        before = value
    return mixture, value


def step(mixture: TableMixture, x: Tensor, shrink: float) -> tuple[TableMixture, float]:
    """The mixture after one step of expectation maximisation, and the objective before, nats.

    No step lowers the objective: the log-likelihood of x [N, D] and the log-prior of tables and
    weights, `shrink` points of each component, spread as the marginals of x, and one more.
    """
    dim, levels, count = mixture.dim, mixture.levels, len(mixture.log_weight)
    table = mixture.log_mass.permute(1, 2, 0).flatten(0, 1)  # [D K, C]
    total, size, fit = torch.zeros_like(table), torch.zeros_like(mixture.log_weight), 0.0
    dense = levels <= DENSE
    for part in x.split(max(VALUES // (dim * (levels if dense else count)), 1)):
        code = F.one_hot(part.long(), levels).flatten(1).double() if dense else None
        joint = mixture.joint(part) if code is None else code @ table + mixture.log_weight
        share = joint.softmax(1)
        if code is None:
            cell = part.long() + levels * torch.arange(dim)
            total.index_add_(0, cell.flatten(), share.repeat_interleave(dim, 0))
        else:
            total += code.T @ share
        size += share.sum(0)
        fit += float(joint.logsumexp(1).sum())
    prior = shrink * log_marginals(x, levels).exp()
    value = fit + float((prior * mixture.log_mass).sum() + mixture.log_weight.sum())
    mass = (total.unflatten(0, (dim, levels)) + prior.unsqueeze(-1)) / (size + shrink)
    weight = (size + 1) / (len(x) + count)
    return TableMixture(weight.log(), mass.permute(2, 0, 1).log()), value
