"""Gaussianization flows: marginals made normal, rotated, made normal again (arXiv 2003.01941)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.flows.bijection import Bijection
from bench.flows.compose import Composite
from bench.flows.flow import Flow
from bench.flows.linear.orthogonal import Householder
from bench.flows.monotone.normal_scores import NormalScores
from bench.flows.monotone.univariate import Elementwise

ROWS = 1000  #: points that pass a layer at once at the start


def gaussianization_flow(
    dim: int, layers: int = 6, components: int = 16, data: Tensor | None = None
) -> Flow:
    """Normal scores of each coordinate, a learned rotation between one layer and the next.

    With `data` training starts from rotation-based iterative Gaussianization (arXiv 1602.00229):
    each layer from the normal scores of the points that reach it, each rotation, a product of D
    reflections, from their principal axes. Without, both start at random.

    Args:
        dim: D.
        layers: of normal scores.
        components: logistics of each coordinate.
        data: points [N, D].

    Raises ValueError for fewer than two points.
    """
    parts: list[Bijection] = []
    points = data
    for i in range(layers):
        if i > 0 and dim > 1:
            rotation = Householder(dim, dim)
            with torch.no_grad():
                rotation.q_vectors.copy_(_reflections(dim, points))
            points = _through(rotation, points)
            parts.append(rotation)
        family = NormalScores(components)
        scores = Elementwise(dim, family)
        if points is not None:
            scores.raw = nn.Parameter(family.fitted(points))
        points = _through(scores, points)
        parts.append(scores)
    return Flow(Composite(parts), dim)


def _reflections(dim: int, points: Tensor | None) -> Tensor:
    """D vectors [D, D] that turn the points' principal axes onto the coordinates', up to signs."""
    if points is None:
        return torch.randn(dim, dim)
    axes = torch.linalg.eigh(torch.cov(points.double().T)).eigenvectors
    below, _ = torch.geqrf(axes)  # LAPACK keeps the reflections' vectors below the diagonal
    return below.tril(-1).T + torch.eye(dim, dtype=below.dtype, device=below.device)


@torch.no_grad()
def _through(part: Bijection, points: Tensor | None) -> Tensor | None:
    if points is None:
        return None
    return torch.cat([part.map_only(rows) for rows in points.split(ROWS)])
