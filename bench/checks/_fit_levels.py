"""Normalised laws of levels, fitted to draws: what `identity` sets beside a discrete model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.checks._fit import Law
from bench.trees import LARGEST, ChowLiu, fit_tree

TREE_COUNTS = (1.0, 0.1)  #: pseudo-counts per cell of a pair's table
PARTS = (1, 8, 24)
STEPS = 20  #: of expectation maximisation
MARGINAL_COUNTS = 0.5  #: pseudo-draws from the marginals that each part gets, times the levels
FLAT_COUNTS = 0.01  #: pseudo-draws of each level


@dataclass
class Tree:
    """The Chow-Liu tree of some draws."""

    name: str
    model: ChowLiu

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of levels x [n, D], float64 [n]."""
        return self.model.log_prob(x)

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        return self.model.sample(n)


@dataclass
class Products:
    """sum_k w_k prod_i m_ki(x_i), from log w [k] and log m [k, D, levels]."""

    name: str
    log_weight: Tensor
    log_mass: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of levels x [n, D], float64 [n]."""
        return torch.logsumexp(self.joint(_one_hot(x, self.log_mass.shape[2])), 1)

    def joint(self, code: Tensor) -> Tensor:
        """Log of each part's term for one-hot levels [n, D * levels], [n, k]."""
        return code @ self.log_mass.flatten(1).T + self.log_weight

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        part = torch.multinomial(self.log_weight.exp(), n, replacement=True)
        rows = self.log_mass[part].exp()
        return torch.multinomial(rows.flatten(0, 1), 1).reshape(n, -1)


def laws(x: Tensor, levels: int) -> list[Law]:
    """Chow-Liu trees and mixtures of products, fitted to levels x [n, D] with smoothing."""
    found: list[Law] = []
    if x.shape[1] * levels <= LARGEST:
        found += [_tree(x, levels, alpha) for alpha in TREE_COUNTS]
    return found + [_products(x, levels, parts) for parts in PARTS]


def _tree(x: Tensor, levels: int, alpha: float) -> Tree:
    return Tree("a tree", fit_tree(x, levels, alpha))


def _products(x: Tensor, levels: int, parts: int) -> Products:
    """Expectation maximisation in float32, from random memberships; normalised in float64."""
    code = _one_hot(x, levels).float()
    share = torch.softmax(3 * torch.randn(len(x), parts), 1)
    prior = MARGINAL_COUNTS * levels * code.mean(0) + FLAT_COUNTS
    for _ in range(STEPS if parts > 1 else 1):
        weight = (share.sum(0) + 1).log() - math.log(len(x) + parts)
        mass = (share.T @ code + prior).unflatten(1, (x.shape[1], levels)).log()
        found = Products("", weight, mass.log_softmax(2))
        share = torch.softmax(found.joint(code), 1)
    name = "a product" if parts == 1 else f"a mixture of {parts} products"
    return Products(name, weight.double().log_softmax(0), mass.double().log_softmax(2))


def _one_hot(x: Tensor, levels: int) -> Tensor:
    """[n, D] as float64 [n, D * levels]."""
    return nn.functional.one_hot(x.long(), levels).double().flatten(1)
