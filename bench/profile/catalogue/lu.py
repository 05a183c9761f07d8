"""Linear maps given by their LU factors (Glow, arXiv 1807.03039, section 3.2)."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows.linear.lu import MIN_DIAGONAL, LULinear
from bench.profile import Case, Maps, Size, of_module


@kernel("lu", logdet="sum log u_ii", baseline="nflows", paper="1807.03039")
def case(size: Size) -> Case:
    """L U x + b, L unit lower triangular, U upper triangular with a positive diagonal."""
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters=factors(size),
        reference=textbook,
        numbers=2 * size.batch * size.dim + size.dim * (size.dim + 1),
        flops=2 * size.batch * size.dim**2,
    )


def factors(size: Size) -> dict[str, Tensor]:
    """Well-conditioned factors of a D x D matrix, row by row, and a bias."""
    entries, scale = size.dim * (size.dim - 1) // 2, 0.5 / size.dim**0.5
    return {
        "lower_entries": size.normal(entries, scale=scale),
        "upper_entries": size.normal(entries, scale=scale),
        "unconstrained_upper_diag": size.normal(size.dim, scale=0.5) + 0.5,
        "bias": size.normal(size.dim),
    }


def triangle(entries: Tensor, dim: int, upper: bool) -> Tensor:
    """The strict triangle [D, D] with these entries, row by row."""
    places = torch.triu_indices(dim, dim, 1) if upper else torch.tril_indices(dim, dim, -1)
    rows, columns = places.to(entries.device)
    return entries.new_zeros(dim, dim).index_put((rows, columns), entries)


def lu_factors(
    lower_entries: Tensor, upper_entries: Tensor, unconstrained_upper_diag: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """L, U [D, D] and U's diagonal [D]."""
    diagonal = F.softplus(unconstrained_upper_diag) + MIN_DIAGONAL
    dim = len(diagonal)
    lower = triangle(lower_entries, dim, upper=False) + torch.ones_like(diagonal).diag()
    return lower, triangle(upper_entries, dim, upper=True) + diagonal.diag(), diagonal


def textbook(
    lower_entries: Tensor, upper_entries: Tensor, unconstrained_upper_diag: Tensor, bias: Tensor
) -> Maps:
    """Two products forward, two triangular solves back."""
    entries = lower_entries, upper_entries, unconstrained_upper_diag

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        lower, upper, diagonal = lu_factors(*entries)
        return x @ upper.T @ lower.T + bias, diagonal.log().sum().expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        lower, upper, diagonal = lu_factors(*entries)
        solve = torch.linalg.solve_triangular
        x = solve(upper, solve(lower, (z - bias).T, upper=False, unitriangular=True), upper=True)
        return x.T, -diagonal.log().sum().expand(len(z))

    return Maps(forward, inverse)


@implementation("in-house", kernel="lu")
def in_house(**parameters: Tensor) -> Maps:
    """`bench.flows`: the factors multiplied once per call, then one product over the batch."""
    return of_module(LULinear(len(parameters["bias"]), faithful=False), parameters)


@implementation("nflows", kernel="lu", requires=["nflows"])
def nflows(**parameters: Tensor) -> Maps:
    """`nflows.transforms.LULinear`."""
    from nflows.transforms import LULinear as Theirs

    hush()
    return of_module(Theirs(len(parameters["bias"]), eps=MIN_DIAGONAL), parameters)


@implementation("normflows", kernel="lu", requires=["normflows"])
def normflows(**parameters: Tensor) -> Maps:
    """The linear part of `normflows.flows.LULinearPermute`."""
    # zuko's LULinearTransform has a unit U, and no bias: other parameters
    from normflows.flows import LULinearPermute

    return of_module(LULinearPermute(len(parameters["bias"])).linear, parameters)


def hush() -> None:
    """Use up the warning that torch gives once, of the solver that nflows' inverses call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.triangular_solve(torch.ones(1, 1), torch.ones(1, 1))
