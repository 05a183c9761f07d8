"""Triangular matrices from the list of their entries, row by row: one gather, no filling."""

from __future__ import annotations

import torch
from torch import Tensor


def strict_places(dim: int, upper: bool) -> Tensor:
    """Where the entries off the diagonal stand in a triangle's D * D numbers."""
    rows, columns = torch.triu_indices(dim, dim, 1) if upper else torch.tril_indices(dim, dim, -1)
    return rows * dim + columns


def diagonal_places(dim: int) -> Tensor:
    """Where the diagonal stands in a matrix of D * D numbers."""
    return torch.arange(dim) * (dim + 1)


def triangle_sources(dim: int, upper: bool) -> Tensor:
    """Index [D, D] into (0, diagonal, entries off it), for `gathered`."""
    sources = torch.zeros(dim * dim, dtype=torch.int64)
    sources[diagonal_places(dim)] = 1 + torch.arange(dim)
    places = strict_places(dim, upper)
    sources[places] = 1 + dim + torch.arange(len(places))
    return sources.view(dim, dim)


def triangle(sources: Tensor, diagonal: Tensor, entries: Tensor) -> Tensor:
    """The triangular matrix [D, D]; `sources` are those of `triangle_sources`."""
    return gathered(sources, diagonal.new_zeros(1), diagonal, entries)


def gathered(sources: Tensor, *parts: Tensor) -> Tensor:
    """The numbers of the parts, one after the other, at `sources`; of the shape of that."""
    return torch.cat(parts).index_select(0, sources.view(-1)).view_as(sources)
