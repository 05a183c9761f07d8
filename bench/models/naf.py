"""Neural autoregressive flow with deep sigmoidal maps (arXiv 1804.00779)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench import model
from bench.contract import DataSpec
from bench.flows import DeepSigmoid, Flow, autoregressive_flow
from bench.flows.monotone.mixture import LEAST_SCALE

STEEP = 3.0  #: slope of all units but one at the start


@model("naf", family="flow", paper="1804.00779")
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 3,
    blocks: int = 2,
    units: int = 16,
    dropout: float = 0.0,
) -> Flow:
    """Masked networks give each coordinate a deep sigmoid of one layer; starts near the identity.

    The density takes one pass per layer, sampling the D coordinates in turn with a root each.

    Args:
        data: points [N, D].
        hidden, layers, blocks, dropout: of the masked networks.
        units: sigmoids per coordinate and layer, two or more.
    """
    return autoregressive_flow(data.dim, SpreadSigmoid(units), hidden, layers, blocks, dropout)


@dataclass(frozen=True)
class SpreadSigmoid(DeepSigmoid):
    """`DeepSigmoid` that starts with spread units: equal ones would long learn the same."""

    def identity(self) -> Tensor:
        """Steep units on the quantiles of a logistic, shrunk for their own width, and a broad one.

        Nearly the identity where the data are; the broad unit keeps the tails' slope at one.
        """
        n = self.units - 1
        quantiles = torch.logit((torch.arange(n) + 0.5) / n)
        offset = torch.cat((torch.zeros(1), -((STEEP**2 - 1) ** 0.5) * quantiles))
        slope = torch.cat((torch.ones(1), torch.full((n,), STEEP)))
        raw_slope = torch.expm1(slope - LEAST_SCALE).log()
        return torch.cat((torch.zeros(self.units), raw_slope, offset))
