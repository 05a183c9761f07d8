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
GAIN = 1e-4  #: nats per point; a step that gains less is the last one


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
        mixture = _restarted(some, levels, count, shrink, restarts, steps)
        return float(mixture.log_prob(valid[:SUBSET]).mean()), shrink, mixture

    best = max((tried(count, SHRINK) for count in counts), key=_score)
    count = len(best[2].log_weight)
    best = max([best, *(tried(count, shrink) for shrink in SHRINKS)], key=_score)
    return maximised(best[2], torch.cat([train, valid]), best[1], steps)


def _score(found: tuple[float, float, TableMixture]) -> float:
    return found[0]


def _restarted(
    x: Tensor, levels: int, count: int, shrink: float, restarts: int, steps: int
) -> TableMixture:
    """The best for x of some fits; one component has but one."""
    fits = (
        maximised(started(x, levels, count), x, shrink, steps)
        for _ in range(restarts if count > 1 else 1)
    )
    return max(fits, key=lambda mixture: objective(mixture, x, shrink))


def started(x: Tensor, levels: int, components: int) -> TableMixture:
    """Half marginals of x [N, D], half point masses at rows drawn by the global generator."""
    rows = x[torch.randperm(len(x))[:components]].long()
    mass = (log_marginals(x, levels).exp() + F.one_hot(rows, levels)) / 2
    return TableMixture(torch.full((len(rows),), -math.log(len(rows))).double(), mass.log())


def maximised(mixture: TableMixture, x: Tensor, shrink: float, steps: int) -> TableMixture:
    """The mixture after steps of expectation maximisation on x [N, D], or as long as they gain."""
    before = objective(mixture, x, shrink)
    for _ in range(steps):
        mixture = step(mixture, x, shrink)
        after = objective(mixture, x, shrink)
        if after - before < GAIN * len(x):
            break
        before = after
    return mixture


def step(mixture: TableMixture, x: Tensor, shrink: float) -> TableMixture:
    """One step of expectation maximisation: it never lowers the `objective`."""
    dim, levels, count = mixture.dim, mixture.levels, len(mixture.log_weight)
    prior = log_marginals(x, levels).exp()
    total = torch.zeros(dim, levels, count, dtype=torch.float64)
    size = torch.zeros(count, dtype=torch.float64)
    for part in x.split(max(VALUES // count, 1)):
        share = mixture.joint(part).softmax(1)
        size += share.sum(0)
        for i in range(dim):
            total[i].index_add_(0, part[:, i].long(), share)
    mass = (total + shrink * prior.unsqueeze(-1)) / (size + shrink)
    weight = (size + 1) / (len(x) + count)
    return TableMixture(weight.log(), mass.permute(2, 0, 1).log())


def objective(mixture: TableMixture, x: Tensor, shrink: float) -> float:
    """Log-likelihood of x [N, D] and log-prior of the tables and weights, nats.

    The prior is `shrink` points of each component, spread as the marginals of x, and one more.
    """
    fit = sum(float(mixture.log_prob(part).sum()) for part in x.split(SUBSET))
    prior = log_marginals(x, mixture.levels).exp()
    return fit + float(shrink * (prior * mixture.log_mass).sum() + mixture.log_weight.sum())
