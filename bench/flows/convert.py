"""A trained nflows 0.14 flow as an in-house one of equal weights: the same function, faster.

nflows is not imported: parts are known by their class names and read through their attributes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from bench.flows.autoregressive import MaskedAffine
from bench.flows.bijection import Bijection
from bench.flows.compose import Composite, Inverse
from bench.flows.conditioners import ResidualNet
from bench.flows.coupling import AffineCoupling, MakeNet, SplineCoupling
from bench.flows.flow import Flow
from bench.flows.linear import LULinear, Permutation
from bench.flows.made import MADE


def from_nflows(flow: nn.Module) -> Flow:
    """The in-house flow of the same weights as a trained nflows `Flow`.

    Weights are copied; device, dtype and training mode are the flow's; the global random state is
    left alone. Converted are composites, inverses, permutations, LULinear, affine couplings,
    rational-quadratic couplings with linear tails and masked affine autoregressive transforms, over
    a standard normal.

    Raises ValueError naming the part that has no counterpart.
    """
    for name in ("_transform", "_distribution", "_embedding_net"):
        if not hasattr(flow, name):
            raise ValueError(f"{type(flow).__name__} is no nflows Flow: it has no {name}")
    base, embedding = flow._distribution, flow._embedding_net
    if type(base).__name__ != "StandardNormal" or len(base._shape) != 1:
        raise _unsupported(base, "only a StandardNormal over vectors is")
    if type(embedding).__name__ != "Identity":
        raise _unsupported(embedding, "an embedding net is not; embed the context beforehand")
    with torch.random.fork_rng(devices=[]):
        bijection = _convert(flow._transform)
    like = next(flow.parameters(), torch.empty(0))
    converted = Flow(bijection, base._shape[0], _context_dim(bijection)).to(like.device, like.dtype)
    return converted.train(flow.training)


def _convert(part: Any) -> Bijection:
    name = type(part).__name__
    if name not in CONVERTERS:
        raise _unsupported(part, f"supported are {', '.join(CONVERTERS)}")
    return CONVERTERS[name](part)


def _unsupported(part: Any, remedy: str) -> ValueError:
    return ValueError(f"from_nflows cannot convert {type(part).__name__}: {remedy}")


def _composite(part: Any) -> Composite:
    return Composite(_convert(child) for child in part._transforms)


def _inverse(part: Any) -> Inverse:
    return Inverse(_convert(part._transform))


def _permutation(part: Any) -> Permutation:
    if part._dim != 1:
        raise _unsupported(part, "a permutation of another dimension than 1 is not supported")
    return Permutation(part._permutation.clone())


def _copied(ours: nn.Module, theirs: nn.Module) -> nn.Module:
    """Load the trained tensors; masks and degrees are rebuilt from the structure."""
    state = theirs.state_dict()
    kept = {k: v for k, v in state.items() if k.split(".")[-1] not in ("mask", "degrees")}
    # a float32 module would round float64 weights as it loads them
    ours.to(next(theirs.parameters()).dtype).load_state_dict(kept)
    return ours


def _lu(part: Any) -> Bijection:
    return _copied(LULinear(part.features, part.eps), part)


def _affine_coupling(part: Any) -> AffineCoupling:
    if part.unconditional_transform is not None:
        raise _unsupported(part, "an unconditional transform is not supported here")
    probe = torch.linspace(-8, 8, 9)  # releases after 0.14 let the user choose the scale's map
    activation = getattr(part, "scale_activation", None)
    if activation is not None and not activation(probe).allclose(torch.sigmoid(probe + 2) + 1e-3):
        raise _unsupported(part, "only the scale sigmoid(a + 2) + 1e-3 is supported")
    return AffineCoupling(_mask(part), _made_net(part.transform_net))


def _spline_coupling(part: Any) -> SplineCoupling:
    if part.tails != "linear" or part.min_bin_width != part.min_bin_height:
        raise _unsupported(part, "only linear tails and equal least widths and heights are")
    net = part.transform_net
    hidden = getattr(net, "hidden_features", getattr(net, "hidden_channels", 1))
    ours = SplineCoupling(
        _mask(part),
        _made_net(net),
        bins=part.num_bins,
        bound=part.tail_bound,
        logit_scale=math.sqrt(hidden),
        unconditional=part.unconditional_transform is not None,
        min_bin=part.min_bin_width,
        min_slope=part.min_derivative,
    )
    if ours.unconditional is not None:
        _copied(ours.unconditional, part.unconditional_transform)
    return ours


def _mask(part: Any) -> torch.Tensor:
    mask = torch.zeros(part.features, dtype=torch.bool)
    mask[part.transform_features.cpu()] = True
    return mask


def _made_net(net: nn.Module) -> MakeNet:
    """A maker that returns the converted conditioner, whatever sizes it is asked for."""
    return lambda inputs, outputs: _conditioner(net)


def _conditioner(net: Any) -> nn.Module:
    """Residual nets are rebuilt; a user's own conditioner is copied as it is."""
    if type(net).__name__ == "ConvResidualNet":
        raise _unsupported(net, "only conditioners of vectors are supported")
    if type(net).__name__ != "ResidualNet" or not net.blocks or net.blocks[0].use_batch_norm:
        return copy.deepcopy(net)
    context_dim = net.context_features or 0
    ours = ResidualNet(
        net.initial_layer.in_features - context_dim,
        net.final_layer.out_features,
        net.hidden_features,
        blocks=len(net.blocks),
        context_dim=context_dim,
        activation=net.blocks[0].activation,
        dropout=net.blocks[0].dropout.p,
    )
    return _copied(ours, net)


def _masked_affine(part: Any) -> MaskedAffine:
    net = part.autoregressive_net
    first, blocks = net.initial_layer, list(net.blocks)
    for block in blocks:
        if getattr(block, "use_batch_norm", getattr(block, "batch_norm", None)):
            raise _unsupported(net, "batch norm inside a MADE is not supported")
    context = getattr(net, "context_layer", None)
    ours = MADE(
        part.features,
        first.out_features,
        blocks=len(blocks),
        context_dim=0 if context is None else context.in_features,
        residual=net.use_residual_blocks,
        activation=net.activation,
        dropout=blocks[0].dropout.p if blocks else 0.0,
        degrees=[layer.degrees.cpu() for layer in (first, *blocks)],
    )
    return MaskedAffine(_copied(ours, net))


def _context_dim(bijection: Bijection) -> int:
    """Size of the context that the converted conditioners take; 0 without one."""
    sizes = [m.in_features for n, m in bijection.named_modules() if n.endswith("context_layer")]
    return max(sizes, default=0)


CONVERTERS: dict[str, Callable[[Any], Bijection]] = {
    "CompositeTransform": _composite,
    "InverseTransform": _inverse,
    "Permutation": _permutation,
    "RandomPermutation": _permutation,
    "ReversePermutation": _permutation,
    "LULinear": _lu,
    "AffineCouplingTransform": _affine_coupling,
    "PiecewiseRationalQuadraticCouplingTransform": _spline_coupling,
    "MaskedAffineAutoregressiveTransform": _masked_affine,
}
