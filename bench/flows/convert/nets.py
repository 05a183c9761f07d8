"""The networks inside nflows 0.14 transforms, rebuilt with equal weights."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from bench.flows.autoregressive.made import MADE
from bench.flows.couplings.affine import MakeNet
from bench.flows.couplings.conditioners import ResidualNet
from bench.flows.images.conditioners import ConvResidualNet


def unsupported(part: Any, remedy: str) -> ValueError:
    """The error for a part that has no counterpart."""
    return ValueError(f"from_nflows cannot convert {type(part).__name__}: {remedy}")


def copied(ours: Any, theirs: nn.Module) -> Any:
    """Load the trained tensors; masks and degrees are rebuilt from the structure."""
    state = theirs.state_dict()
    kept = {k: v for k, v in state.items() if k.split(".")[-1] not in ("mask", "degrees")}
    # a float32 module would round float64 weights as it loads them
    ours.to(next(theirs.parameters()).dtype).load_state_dict(kept)
    return ours


def made_net(net: nn.Module) -> MakeNet:
    """A maker that returns the converted conditioner, whatever sizes it is asked for."""
    return lambda inputs, outputs: conditioner(net)


def conditioner(net: Any) -> nn.Module:
    """Residual nets are rebuilt; a user's own conditioner is copied as it is."""
    name = type(net).__name__
    if name == "ConvResidualNet" and net.context_channels is not None:
        raise unsupported(net, "a context that is an image is not supported")
    residual = name in ("ResidualNet", "ConvResidualNet")
    if not residual or not net.blocks or net.blocks[0].use_batch_norm:
        return copy.deepcopy(net)
    options: dict[str, Any] = {
        "blocks": len(net.blocks),
        "activation": net.blocks[0].activation,
        "dropout": net.blocks[0].dropout.p,
    }
    first, last = net.initial_layer, net.final_layer
    ours: nn.Module
    if name == "ConvResidualNet":
        hidden = net.hidden_channels
        ours = ConvResidualNet(first.in_channels, last.out_channels, hidden, **options)
    else:
        context_dim = net.context_features or 0
        inputs, hidden = first.in_features - context_dim, net.hidden_features
        ours = ResidualNet(inputs, last.out_features, hidden, context_dim=context_dim, **options)
    rebuilt: nn.Module = copied(ours, net)
    return rebuilt


def masked_net(net: Any, dim: int) -> MADE:
    """The MADE of an autoregressive transform of `dim` features."""
    first, blocks = net.initial_layer, list(net.blocks)
    for block in blocks:
        if getattr(block, "use_batch_norm", getattr(block, "batch_norm", None)):
            raise unsupported(net, "batch norm inside a MADE is not supported")
    context = getattr(net, "context_layer", None)
    ours = MADE(
        dim,
        first.out_features,
        blocks=len(blocks),
        outputs=net.final_layer.out_features // dim,
        context_dim=0 if context is None else context.in_features,
        residual=net.use_residual_blocks,
        activation=net.activation,
        dropout=blocks[0].dropout.p if blocks else 0.0,
        degrees=[layer.degrees.cpu() for layer in (first, *blocks)],
    )
    rebuilt: MADE = copied(ours, net)
    return rebuilt
