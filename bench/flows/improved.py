"""Flows beyond the reference: identity start, unbounded scales, mixing, fitted marginals.

Same building blocks, other choices (each measured in docs/flows.md). A layer starts as the
identity, because its network's last linear starts near zero, so that training begins at the
Gaussian, or at the product of the fitted marginals, and not behind a random map.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from bench.flows.autoregressive.made import MADE
from bench.flows.bijection import Bijection
from bench.flows.compose import Composite
from bench.flows.couplings.conditioners import ResidualNet
from bench.flows.flow import Flow
from bench.flows.linear.lu import LULinear, reverse
from bench.flows.masks import alternating
from bench.flows.monotone.marginals import Marginals
from bench.flows.monotone.univariate import MaskedUnivariate, Univariate, UnivariateCoupling

GAIN = 0.01  #: of the last linear's weights at the start


def coupling_flow(
    dim: int,
    family: Univariate,
    hidden: int = 64,
    layers: int = 4,
    blocks: int = 2,
    dropout: float = 0.0,
    data: Tensor | None = None,
) -> Flow:
    """Couplings of a family of maps, an LU layer between them, marginals fitted to `data` first.

    Args:
        dim: D.
        family: of the maps, for example `RationalQuadratic(8, 4.0)` or `Affine()`.
        hidden, layers, blocks, dropout: of the conditioners.
        data: points [N, D] for the marginals; None leaves that layer out.

    Raises ValueError for dim < 2.
    """
    parts = _start(data)
    mask = alternating(dim, first=True)
    for i in range(layers):
        if i > 0 and dim > 2:
            parts += [reverse(dim), LULinear(dim, faithful=False)]
            mask = mask.flip(0)
        net = partial(ResidualNet, hidden=hidden, blocks=blocks, dropout=dropout)
        layer = UnivariateCoupling(mask, net, family)
        _near_identity(layer.transform_net.final_layer, family)
        parts.append(layer)
        mask = ~mask
    return Flow(Composite(parts), dim)


def autoregressive_flow(
    dim: int,
    family: Univariate,
    hidden: int = 64,
    layers: int = 3,
    blocks: int = 2,
    dropout: float = 0.0,
    data: Tensor | None = None,
) -> Flow:
    """Masked layers of a family of maps, a reversal and an LU layer between them.

    The arguments are those of `coupling_flow`; no layer is narrower than dim.
    """
    parts = _start(data)
    for i in range(layers):
        if i > 0:
            parts += [reverse(dim), LULinear(dim, faithful=False)] if dim > 2 else [reverse(dim)]
        outputs = family.parameters
        made = MADE(dim, max(hidden, dim), blocks=blocks, outputs=outputs, dropout=dropout)
        _near_identity(made.final_layer, family)
        parts.append(MaskedUnivariate(made, family))
    return Flow(Composite(parts), dim)


def _start(data: Tensor | None) -> list[Bijection]:
    return [] if data is None else [Marginals.fit(data)]


@torch.no_grad()
def _near_identity(last: nn.Module, family: Univariate) -> None:
    raw = family.identity()
    assert isinstance(last, nn.Linear)
    last.weight.mul_(GAIN)
    if raw is not None:
        last.bias.copy_(raw.repeat(len(last.bias) // len(raw)))
