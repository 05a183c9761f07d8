"""Planar flow layer: the matrix determinant lemma (arXiv 1505.05770)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows.residual.planar import LEAST, Planar
from bench.profile import Case, Maps, Size, of_module


@kernel("planar", logdet="log |1 + u'psi|, psi = h'(w'x + b) w", paper="1505.05770")
def case(size: Size) -> Case:
    """x + u tanh(w'x + b) with u along w such that w'u > -1."""
    scale = 1 / math.sqrt(size.dim)
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={
            "weight": size.normal(size.dim, scale=scale),
            "direction": size.normal(size.dim, scale=scale),
            "bias": size.normal(),
        },
        reference=textbook,
        numbers=2 * size.batch * size.dim,
        flops=6 * size.batch * size.dim,
    )


def textbook(weight: Tensor, direction: Tensor, bias: Tensor) -> Maps:
    """The paper's formulas, equations 10 to 12 and appendix A.1."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        product = weight @ direction
        along = F.softplus(product + math.log(math.expm1(1.0))) - 1 + LEAST
        u = direction + (along - product) * weight / weight.square().sum()
        h = torch.tanh(x @ weight + bias)
        psi = (1 - h.square())[:, None] * weight
        return x + h[:, None] * u, (1 + psi @ u).abs().log()

    return Maps(forward)


@implementation("in-house", kernel="planar")
def in_house(weight: Tensor, direction: Tensor, bias: Tensor) -> Maps:
    """`bench.flows`: one log1p, no vector psi; the inverse in a few steps of Newton."""
    parameters = {"weight": weight, "direction": direction, "bias": bias}
    return of_module(Planar(len(weight)), parameters)
