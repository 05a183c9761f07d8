"""Radial flow layer (arXiv 1505.05770, equation 14 and appendix A.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows.residual.planar import LEAST, Radial
from bench.profile import Case, Maps, Size, of_module


@kernel(
    "radial", logdet="(D - 1) log(1 + beta h) + log(1 + beta h + beta h' r)", paper="1505.05770"
)
def case(size: Size) -> Case:
    """x + beta (x - c) / (alpha + |x - c|) with beta > -alpha."""
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={
            "centre": size.normal(size.dim, scale=0.5),
            "log_alpha": size.normal(scale=0.5),
            "raw_beta": size.normal() + 1,
        },
        reference=textbook,
        numbers=2 * size.batch * size.dim + size.batch,
        flops=6 * size.batch * size.dim,
    )


def constrained(log_alpha: Tensor, raw_beta: Tensor) -> tuple[Tensor, Tensor]:
    """alpha > 0 and beta > -alpha."""
    alpha = log_alpha.exp()
    return alpha, alpha * (F.softplus(raw_beta) - 1 + LEAST)


def textbook(centre: Tensor, log_alpha: Tensor, raw_beta: Tensor) -> Maps:
    """The paper's formulas."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        alpha, beta = constrained(log_alpha, raw_beta)
        offset = x - centre
        r = offset.norm(dim=1)
        h = 1 / (alpha + r)
        slope = -1 / (alpha + r).square()
        around = (len(centre) - 1) * torch.log(1 + beta * h)
        along = torch.log(1 + beta * h + beta * slope * r)
        return x + beta * h[:, None] * offset, around + along

    return Maps(forward)


@implementation("in-house", kernel="radial")
def in_house(**parameters: Tensor) -> Maps:
    """The norm once, one pass for the value; the inverse is the root of a quadratic."""
    return of_module(Radial(len(parameters["centre"])), parameters)


@implementation("normflows", kernel="radial", requires=["normflows"])
def normflows(centre: Tensor, log_alpha: Tensor, raw_beta: Tensor) -> Maps:
    """`normflows.flows.Radial`, which has no inverse and other parameters than the case's."""
    from normflows.flows import Radial as Theirs

    alpha, beta = constrained(log_alpha.detach(), raw_beta.detach())
    module = Theirs(centre.shape, centre.detach()[None].clone()).to(centre)
    with torch.no_grad():
        module.alpha.copy_(alpha)
        module.beta.copy_(torch.log(torch.expm1(alpha + beta)))
    return Maps(module.forward, leaves={})
