"""A low-rank change of the identity (Woodbury transformations, arXiv 2002.12229)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.profile import Case, Maps, Size
from bench.profile.catalogue.dense import logabsdet, of_factors

RANK = 8


@kernel("woodbury", logdet="log |det(I + V'U)|, 8 x 8", paper="2002.12229")
def case(size: Size) -> Case:
    """x + U V'x; the parameters are the rows of U' and V', [8, D]."""
    dim = size.dim
    scale = 0.7 / (dim * RANK) ** 0.25
    return Case(
        x=size.normal(size.batch, dim),
        parameters={
            "u": size.normal(RANK, dim, scale=scale),
            "v": size.normal(RANK, dim, scale=scale),
        },
        reference=textbook,
        numbers=2 * size.batch * dim + 2 * dim * RANK,
        flops=4 * size.batch * dim * RANK,
    )


def textbook(u: Tensor, v: Tensor) -> Maps:
    """The dense matrix I + U V', its determinant and its solve."""

    def matrix() -> Tensor:
        return torch.eye(u.shape[1], dtype=u.dtype, device=u.device) + u.T @ v

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        w = matrix()
        return x @ w.T, torch.linalg.slogdet(w).logabsdet.expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        w = matrix()
        x = torch.linalg.solve(w, z.T).T
        return x, -torch.linalg.slogdet(w).logabsdet.expand(len(z))

    return Maps(forward, inverse)


@implementation("in-house", kernel="woodbury")
def in_house(u: Tensor, v: Tensor) -> Maps:
    """Sylvester's identity for the determinant, Woodbury's for the inverse."""
    unit = torch.eye(RANK, dtype=u.dtype, device=u.device)

    def value(x: Tensor) -> Tensor:
        return torch.addmm(x, x @ v.T, u)

    def core() -> Tensor:
        """(I + V'U)', [8, 8]."""
        return torch.addmm(unit, u, v.T)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return value(x), logabsdet(core()).expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        lu, pivots, _ = torch.linalg.lu_factor_ex(core())
        back = torch.linalg.lu_solve(lu, pivots, u)  # (I + V'U)'^-1 U'
        return torch.addmm(z, z @ v.T, back, alpha=-1), -of_factors(lu).expand(len(z))

    return Maps(forward, inverse, value)
