"""Autoregressive layers run backwards: inverse autoregressive flows (IAF, arXiv 1606.04934).

As a density estimator such a flow samples in one pass per layer and inverts its layers for the
density. Training records that inversion: a hidden unit of degree m is computed once, when the first
m coordinates are known, so that autograd sees one pass over the network instead of D.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.autoregressive.affine import MIN_SCALE, MaskedAffine
from bench.flows.autoregressive.degree_blocked import _inverse, _network
from bench.flows.autoregressive.made import MADE
from bench.flows.bijection import Bijection, check_points
from bench.flows.compose import Composite, Inverse, differentiates
from bench.flows.flow import Flow
from bench.flows.linear.lu import reverse
from bench.flows.monotone.univariate import MaskedUnivariate
from bench.kernels import traced
from bench.kernels.masked import Network

#: z [n, B], raw parameters [n, P, B] -> x and log dx/dz, [n, B] each
Invert = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
#: weight [rows, in] and bias [rows] of each step
Rows = Sequence[tuple[Tensor, Tensor]]


def iaf(dim: int, hidden: int = 64, layers: int = 3, blocks: int = 2) -> Flow:
    """Inverse autoregressive flow (arXiv 1606.04934): reversal and inverted affine layer, in turn.

    `sample` takes one pass per layer, `log_prob` inverts the layers. hidden >= dim - 1 is needed
    for every dependency to exist. No dropout: a network that changes from pass to pass is not
    inverted by passes.
    """
    parts: list[Bijection] = []
    for _ in range(layers):
        layer = MaskedAffine(MADE(dim, hidden, blocks=blocks))
        parts += [reverse(dim), InverseAutoregressive(layer)]
    return Flow(Composite(parts), dim)


class InverseAutoregressive(Inverse):
    """The inverse of an autoregressive layer, recorded by autograd in one pass over its network.

    Where nothing records, with a context or with dropout at work it is `part.inverse`.

    Args:
        part: the layer; its `forward` becomes the direction to data.
    """

    def __init__(self, part: MaskedAffine | MaskedUnivariate) -> None:
        super().__init__(part)
        # made here: inside a transform of torch's the cached plan would hold wrapped tensors
        self.plan = _inverse(part.autoregressive_net).plan
        self.register_buffer("orders", torch.stack(self.plan.orders), persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        made = self.part.autoregressive_net
        check_points(x, made.dim)
        recorded = traced() or differentiates(self, x)
        if context is not None or not recorded or _drops(made):
            return self.part.inverse(x, context)
        return self._recorded(_network(made, None), made.outputs, x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B], one pass."""
        check_points(z, self.part.autoregressive_net.dim)
        return self.part(z, context)

    def _recorded(self, network: Network, outputs: int, z: Tensor) -> tuple[Tensor, Tensor]:
        """The part's inverse at z [B, D], differentiable to any order; arrays are [unit, batch]."""
        layers = [self._by_step(network, i, outputs) for i in range(len(network.weights))]
        invert, z = _inverter(self.part), z.T
        x, slopes = z[:0], []
        known = [z[:0]] * len(self.orders)  # what the next layer reads
        for at, step in enumerate(self.plan.steps):
            _units(at, x, known, layers, network)
            raw = _linear(known[-1], *layers[-1][at]).view(step.stop - step.start, outputs, -1)
            new, slope = invert(z[step.start : step.stop], raw)
            x = torch.cat((x, new))
            slopes.append(slope)
        return x.T, torch.cat(slopes).sum(0)

    def _by_step(self, network: Network, layer: int, outputs: int) -> Rows:
        """The rows of each step of a layer, units sorted by degree."""
        weight, bias = network.weights[layer], network.biases[layer]
        if layer > 0:
            weight = weight.index_select(1, self.orders[layer - 1])
        if layer < len(self.orders):
            order = self.orders[layer]
            weight, bias = weight.index_select(0, order), bias.index_select(0, order)
            sizes = [step.ends[layer] - step.begins[layer] for step in self.plan.steps]
        else:
            sizes = [(step.stop - step.start) * outputs for step in self.plan.steps]
        return list(zip(weight.split(sizes), bias.split(sizes), strict=True))


def _units(
    at: int, x: Tensor, known: list[Tensor], layers: Sequence[Rows], network: Network
) -> None:
    """Append the hidden units of a step, which see the coordinates x [start, B], to the known."""
    stream: Tensor | None = None
    for i in range(len(known)):
        weight, bias = layers[i][at]
        if not len(bias):
            continue
        h = _linear(known[i - 1] if i else x, weight, bias)
        if network.residual and i % 2 == 0:
            h = stream = h if stream is None else stream + h
        if not network.residual or i < len(known) - 1:  # no activation before a residual net's last
            h = network.activation(h)
        known[i] = torch.cat((known[i], h))


def _linear(known: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Units [n, B]; of the sorted columns they see those known, a prefix."""
    return torch.addmm(bias[:, None], weight[:, : len(known)], known)


def _inverter(part: MaskedAffine | MaskedUnivariate) -> Invert:
    if isinstance(part, MaskedAffine):
        return _affine
    return lambda z, raw: part.family.inverse(z, raw.transpose(1, 2))


def _affine(z: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    scale = F.softplus(raw[:, 0]) + MIN_SCALE
    return (z - raw[:, 1]) / scale, -scale.log()


def _drops(made: MADE) -> bool:
    return made.training and any(block.dropout for block in made.blocks)
