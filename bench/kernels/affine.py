"""Affine layers around a fused network: one autograd node each, with nflows' arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.kernels import triton
from bench.kernels.network import Bound, eager, eager_grads, needed
from bench.kernels.operators import serving

Two = tuple[Tensor, Tensor]


class Places(NamedTuple):
    """Where a coupling's coordinates are: indices, int64."""

    keep: Tensor
    move: Tensor
    restore: Tensor  #: of the kept, then the moved ones, back to their places


def join(kept: Tensor, moved: Tensor, places: Places) -> Tensor:
    """[B, D] of the parts."""
    return torch.cat((kept, moved), 1).index_select(1, places.restore)


def bounded_scale_and_shift(raw: Tensor, least: float) -> Two:
    """sigmoid(a + 2) + least and b of raw [B, 2 m]: all b, then all a."""
    shift, raw = raw.split(raw.shape[1] // 2, 1)
    return torch.sigmoid(raw + 2) + least, shift


def scale_and_shift(raw: Tensor, least: float) -> Two:
    """softplus(a) + least and b of raw [B, D, 2], a and b adjacent."""
    return F.softplus(raw[..., 0]) + least, raw[..., 1]


def affine(x: Tensor, raw: Tensor, least: float, masked: bool, inverse: bool = False) -> Two:
    """scale x + shift [B, m] and its log-determinant [B], nats; inverse: (x - shift) / scale.

    Raw [B, 2 m]: `masked` as `scale_and_shift` reads it with a and b of a coordinate adjacent, else
    as `bounded_scale_and_shift`. One operator where Triton serves the device.
    """
    # the cheap question first: the full one would cost a small layer a tenth of its time
    if (x.is_cuda or triton.interpreted()) and serving.kernel(x.device.type) == "triton":
        from bench.kernels.operators.affine import affine as operator

        return operator(x, raw, least, masked, inverse)
    if masked:
        scale, shift = scale_and_shift(raw.view(*x.shape, 2), least)
    else:
        scale, shift = bounded_scale_and_shift(raw, least)
    if inverse:
        return (x - shift) / scale, -scale.log().sum(1)
    return scale * x + shift, scale.log().sum(1)


class Coupled(torch.autograd.Function):
    """moved * scale + shift with the network's parameters from the coordinates that are kept.

    Returns z [B, D] and the log-determinant [B].
    """

    @staticmethod
    def forward(
        ctx: Any, net: Bound, places: Places, least: float, x: Tensor, *parameters: Tensor
    ) -> Two:
        kept, moved = x.index_select(1, places.keep), x.index_select(1, places.move)
        raw, ctx.call = net.kernel.forward(net.library, kept, True)
        shift, raw = raw.split(moved.shape[1], 1)
        gate = (raw + 2).sigmoid_()
        scale = gate + least
        ctx.save_for_backward(x, *parameters, kept, moved, gate, scale)
        ctx.places, ctx.least = places, least
        return join(kept, (moved * scale).add_(shift), places), scale.log().sum(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, grad_log: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters, kept, moved, gate, scale = ctx.saved_tensors
        library, needs, places = (
            ctx.call.library(parameters, grad, grad_log),
            needed(ctx, 3),
            ctx.places,
        )
        if library is None:
            run = partial(_coupled, places=places, least=ctx.least)
            return (None, None, None, *eager_grads(run, ctx, 3, (grad, grad_log)))
        grad_kept, grad_moved = (grad.index_select(1, i) for i in places[:2])
        grad_scale = (grad_log[:, None] / scale).add_(grad_moved * moved)
        grad_gate = torch.ops.aten.sigmoid_backward(grad_scale, gate)
        raw = torch.cat((grad_moved, grad_gate), 1)
        found = ctx.call.backward(library, kept, raw, parameters, needs)
        if needs[0]:
            found[0] = join(grad_kept.add_(found[0]), grad_moved.mul_(scale), places)
        return (None, None, None, *found)


def _coupled(x: Tensor, parameters: Sequence[Tensor], places: Places, least: float) -> Two:
    kept, moved = x.index_select(1, places.keep), x.index_select(1, places.move)
    scale, shift = bounded_scale_and_shift(eager(kept, parameters), least)
    return join(kept, moved * scale + shift, places), scale.log().sum(1)


class Scaled(torch.autograd.Function):
    """scale x + shift with the masked network's parameters: z [B, D], the log-determinant [B]."""

    @staticmethod
    def forward(ctx: Any, net: Bound, least: float, x: Tensor, *parameters: Tensor) -> Two:
        raw, ctx.call = net.kernel.forward(net.library, x.contiguous(), True)
        raw = raw.view(*x.shape, 2)
        scale, shift = scale_and_shift(raw, least)
        ctx.save_for_backward(x, *parameters, raw, scale)
        ctx.masks, ctx.least = net.kernel.layout.masks, least
        return scale * x + shift, scale.log().sum(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, grad_log: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters, raw, scale = ctx.saved_tensors
        library, needs = ctx.call.library(parameters, grad, grad_log), needed(ctx, 2)
        if library is None:
            run = partial(_scaled, masks=ctx.masks, least=ctx.least)
            return (None, None, *eager_grads(run, ctx, 2, (grad, grad_log)))
        grad_scale = (grad_log[:, None] / scale).add_(grad * x)
        given = torch.empty_like(raw)
        given[..., 0] = torch.ops.aten.softplus_backward(grad_scale, raw[..., 0], 1, 20)
        given[..., 1] = grad
        found = ctx.call.backward(library, x.contiguous(), given.flatten(1), parameters, needs)
        if needs[0]:
            found[0] = (grad * scale).add_(found[0])
        return (None, None, *found)


def _scaled(x: Tensor, parameters: Sequence[Tensor], masks: Sequence[Tensor], least: float) -> Two:
    scale, shift = scale_and_shift(eager(x, parameters, masks).view(*x.shape, 2), least)
    return scale * x + shift, scale.log().sum(1)
