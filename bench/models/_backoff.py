"""Tables of counts that back off to shorter contexts: Markov models of pixels, n-grams of symbols.

With c counts of symbol k behind a context of n symbols and C its sum,

    p_n(k) = (c + w_n p_{n-1}(k)) / (C + w_n),    p_{-1} = 1 / K,

the mean under a Dirichlet prior around the next shorter context (MacKay and Peto, Natural Language
Engineering 1, 1995). A context that was never seen is as long as its longest seen part.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.levels import invert

CELLS = 2**22  #: coordinates looked up at once
LARGEST = 2**25  #: masses in all tables of one length of context
WEIGHTS = [2.0**k for k in range(-4, 13)]  #: from which validation chooses each w


class BackOff(nn.Module):
    """Masses of a symbol given the values of its parents, as far as these were seen.

    Args:
        base: row of the empty context of each coordinate, int64 [D]; equal where tables are shared.
        parents: coordinates that a context is made of, nearest first, int64 [D, n]; each before its
            child, or D for none, which counts as one more symbol.
        longer: row of the context with one more symbol, -1 if unseen, int64 [rows, K + 1], for
            all but the longest contexts.
        mass: [rows, K], float64.
    """

    base: Tensor
    parents: Tensor
    longer: Tensor
    mass: Tensor

    def __init__(self, base: Tensor, parents: Tensor, longer: Tensor, mass: Tensor) -> None:
        super().__init__()
        self.dim, self.levels = len(base), mass.shape[1]
        for name, value in (("base", base), ("parents", parents), ("longer", longer)):
            self.register_buffer(name, value)
        self.register_buffer("mass", mass)

    def rows(self, x: Tensor) -> Tensor:
        """Row of the longest seen context of each coordinate of x [B, D]: int64 [B, D]."""
        return self._rows(F.pad(x.long(), (0, 1), value=self.levels), slice(None))

    def _rows(self, padded: Tensor, columns: slice) -> Tensor:
        """The same of some coordinates, for x [B, D + 1] with a last column of nothings."""
        parents = self.parents[columns]
        rows = self.base[columns].expand(len(padded), -1)
        seen = torch.ones_like(rows, dtype=torch.bool)
        for column in parents.T:
            found = self.longer[rows, padded[:, column]]
            seen = seen & (found >= 0)
            rows = torch.where(seen, found, rows)
        return rows

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, float64 [B]."""
        return self.mass[self.rows(x), x.long()].log().sum(1)

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before, nats [B, D, K]."""
        return self.mass[self.rows(x)].log()

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        u = torch.rand(n, self.dim, dtype=torch.float64, device=self.mass.device)
        return self.sample_from(u)

    def sample_from(self, u: Tensor) -> Tensor:
        """Levels for uniforms u [n, D] by inversion, one look-up for each: int64 [n, D]."""
        n, dim = u.shape
        x = torch.full((n, dim + 1), self.levels, dtype=torch.int64, device=u.device)
        for i in range(dim):
            rows = self._rows(x, slice(i, i + 1))
            x[:, i] = invert(self.mass[rows[:, 0]].log(), u[:, i])
        return x[:, :-1]


class Grown(NamedTuple):
    """Contexts made one symbol longer, their masses still those of the shorter ones."""

    model: BackOff
    first: int  #: row of the first new context
    counts: Tensor  #: of the symbols behind each new context, float64 [new, K]

    def smoothed(self, weight: float) -> BackOff:
        """The contexts with masses that count and prior make, at a weight of the prior."""
        model = self.model
        old, prior = model.mass.split([self.first, len(self.counts)])
        new = (self.counts + weight * prior) / (self.counts.sum(1, keepdim=True) + weight)
        return BackOff(model.base, model.parents, model.longer, torch.cat([old, new]))


def choose(
    train: Tensor, valid: Tensor, levels: int, base: Tensor, parents: Tensor
) -> tuple[list[float], float]:
    """Weights w_0, w_1 .. that are best for valid [M, D], and its mean log-mass per coordinate.

    Contexts grow as long as that gains, as parents [D, n] last, and as the tables fit into memory.
    """
    weights: list[float] = []
    best, grown = -torch.inf, _start(train, levels, base)
    while grown is not None:
        cells = _cells(grown.model, valid)
        scores = [float(grown.smoothed(w).mass.flatten()[cells].log().mean()) for w in WEIGHTS]
        if max(scores) <= best:
            break
        best = max(scores)
        weights.append(WEIGHTS[scores.index(best)])
        grown = _longer(grown.smoothed(weights[-1]), train, parents)
    return weights, best


def fit(x: Tensor, levels: int, base: Tensor, parents: Tensor, weights: list[float]) -> BackOff:
    """Tables of x [N, D] with contexts of len(weights) - 1 parents, as far as they fit."""
    grown = _start(x, levels, base)
    for weight in weights:
        if grown is not None:
            model = grown.smoothed(weight)
            grown = _longer(model, x, parents[:, : len(weights) - 1])
    return model


def _start(x: Tensor, levels: int, base: Tensor) -> Grown | None:
    """Contexts of no symbol, uniform."""
    rows = int(base.max()) + 1
    mass = torch.full((rows, levels), 1 / levels, dtype=torch.float64)
    none = torch.empty(len(base), 0, dtype=torch.int64)
    model = BackOff(base, none, torch.empty(0, levels + 1, dtype=torch.int64), mass)
    return Grown(model, 0, _counted(model, x, 0))


def _longer(model: BackOff, x: Tensor, parents: Tensor) -> Grown | None:
    """The contexts of x [N, D] with one parent more; None without one, or where there are too many.

    `parents` [D, n] are those of the longest contexts allowed.
    """
    length = model.parents.shape[1]
    if length == parents.shape[1]:
        return None
    levels, old = model.levels, len(model.longer)  # rows before those of the longest contexts
    seen = torch.zeros((len(model.mass) - old) * (levels + 1), dtype=torch.bool)
    for part in x.split(max(CELLS // model.dim, 1)):
        padded = F.pad(part.long(), (0, 1), value=levels)
        rows = model.rows(part) - old
        seen[(rows * (levels + 1) + padded[:, parents[:, length]]).flatten()] = True
    new = int(seen.sum())
    if new * levels > LARGEST:
        return None
    rows = torch.where(seen, len(model.mass) - 1 + seen.cumsum(0), -1)
    longer = torch.cat([model.longer, rows.unflatten(0, (-1, levels + 1))])
    prior = model.mass[old + seen.nonzero()[:, 0] // (levels + 1)]
    grown = BackOff(model.base, parents[:, : length + 1], longer, torch.cat([model.mass, prior]))
    return Grown(grown, len(model.mass), _counted(grown, x, len(model.mass)))


def _counted(model: BackOff, x: Tensor, first: int) -> Tensor:
    """Counts of the symbols of x [N, D] behind its contexts from row `first` on, [rows, K]."""
    size = (len(model.mass) - first) * model.levels
    total = torch.zeros(size, dtype=torch.int64)
    for part in x.split(max(CELLS // model.dim, 1)):
        total += torch.bincount(_cells(model, part) - first * model.levels, minlength=size)
    return total.view(-1, model.levels).double()


def _cells(model: BackOff, x: Tensor) -> Tensor:
    """Entry of the flattened table of masses of each coordinate of x [B, D]: int64 [B D]."""
    return (model.rows(x) * model.levels + x).flatten()
