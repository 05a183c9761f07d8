"""The inverse of an autoregressive map in one pass over its network instead of D.

The network's layers are handed to `bench.kernels`, which computes each hidden unit once, as soon as
the coordinates that it sees are known.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from bench.flows.autoregressive.made import MADE
from bench.kernels import MaskedInverse, Network, Univariate
from bench.kernels.replay import Solve

#: packed weights and call lists live as long as their network
_INVERSES: WeakKeyDictionary[MADE, MaskedInverse] = WeakKeyDictionary()


def masked_inverse(
    made: MADE, univariate: Univariate, z: Tensor, context: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """x [B, D] and log |det dx/dz| [B], nats, of noise z [B, D].

    Dropout is off; nothing is recorded for autograd.
    """
    return _inverse(made)(_network(made, context), univariate, z)


def degree_blocked_inverse(
    made: MADE, solve: Solve, z: Tensor, context: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Invert z [B, D] coordinate by coordinate: x [B, D] and its parameters [B, D, outputs].

    `solve` inverts the univariate maps, (z [n, B], parameters [n, outputs, B]) to x [n, B]. Dropout
    is off; nothing is recorded for autograd.
    """
    x, _, parameters = _inverse(made).replayed(_network(made, context), z, solve, made.outputs)
    return x, parameters


def _inverse(made: MADE) -> MaskedInverse:
    if made not in _INVERSES:
        degrees = made.hidden_degrees
        if made.residual:  # two layers per block
            degrees = degrees[:1] * (1 + 2 * len(made.blocks))
        _INVERSES[made] = MaskedInverse(made.dim, degrees)
    return _INVERSES[made]


@torch.no_grad()
def _network(made: MADE, context: Tensor | None) -> Network:
    """The layers as they are now, and what the context adds to each hidden one."""
    layers = [made.initial_layer]
    extras = [None if context is None else made.activation(made.context_layer(context))]
    for block in made.blocks:
        if made.residual:
            layers += block.linear_layers
            extras += [None if context is None else block.context_layer(context), None]
        else:
            layers.append(block.linear)
            extras.append(None)
    layers.append(made.final_layer)
    weights, biases = [x.weight for x in layers], [x.bias for x in layers]
    return Network(weights, biases, made.residual, made.activation, extras)
