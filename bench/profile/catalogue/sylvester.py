"""Sylvester flow layer of rank 8 (arXiv 1803.05649)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows.residual.planar import LEAST
from bench.flows.residual.sylvester import Sylvester
from bench.profile import Case, Maps, Size, of_module
from bench.profile.catalogue import householder

RANK = 8  #: M, and the number of reflections of Q


@kernel("sylvester", logdet="sum_M log(1 + h' r_ii r'_ii)", paper="1803.05649")
def case(size: Size) -> Case:
    """x + Q R tanh(R' Q'x + b), Q [D, M] orthonormal, R and R' upper triangular."""
    dim, rank = size.dim, min(size.dim, RANK)
    return Case(
        x=size.normal(size.batch, dim),
        parameters={
            "q_vectors": size.normal(rank, dim),
            "outer": size.normal(rank, rank, scale=0.5),
            "inner": size.normal(rank, rank, scale=0.3),
            "raw_diagonal": size.normal(rank),
            "bias": size.normal(rank),
        },
        reference=textbook,
        numbers=2 * size.batch * dim + size.batch + rank * dim,
        flops=size.batch * (4 * rank * dim + 2 * rank**2),
    )


def textbook(
    q_vectors: Tensor, outer: Tensor, inner: Tensor, raw_diagonal: Tensor, bias: Tensor
) -> Maps:
    """The paper's map, and det(I + diag(h') R' R) as a dense M x M determinant per point."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        unit = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        q = householder.reflect(unit, q_vectors)[:, : len(bias)]
        product = F.softplus(raw_diagonal + math.log(math.expm1(1.0))) - 1 + LEAST
        steepness = inner.diagonal().exp()
        r = outer.triu(1) + (product / steepness).diag()
        r_inner = inner.triu(1) + steepness.diag()
        h = torch.tanh(x @ q @ r_inner.T + bias)
        core = (1 - h.square())[:, :, None] * (r_inner @ r)
        core = core + torch.eye(len(bias), dtype=x.dtype, device=x.device)
        return x + h @ r.T @ q.T, torch.linalg.slogdet(core).logabsdet

    return Maps(forward)


@implementation("in-house", kernel="sylvester")
def in_house(**parameters: Tensor) -> Maps:
    """M-vectors throughout; the inverse finds one root per row of R."""
    reflections, dim = parameters["q_vectors"].shape
    module = Sylvester(dim, len(parameters["bias"]), reflections)
    return of_module(module, parameters, q_vectors="orthogonal.q_vectors")
