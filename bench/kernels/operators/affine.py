"""The affine map of a coupling or a masked network, with its log-determinant, as an operator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.kernels.affine import bounded_scale_and_shift, scale_and_shift
from bench.kernels.library import took
from bench.kernels.operators import serving

Two = tuple[Tensor, Tensor]


@torch.library.custom_op("bench::affine", mutates_args=())
def affine(x: Tensor, raw: Tensor, least: float, masked: bool, inverse: bool) -> Two:
    """scale x + shift [N, D] and its log-determinant [N], nats, from raw parameters [N, 2 D].

    Args:
        masked: scale = softplus(a) + least with raw (a, shift) of one coordinate adjacent, as a
            masked network gives them; else sigmoid(a + 2) + least with all shifts, then all a, as
            a coupling takes them.
        inverse: (x - shift) / scale and its log-determinant instead.

    Differentiable in x and raw, twice too. Triton on CUDA where it is installed, else PyTorch.
    Raises ValueError for shapes or dtypes that do not fit, and unless least > 0.
    """
    _check(x, raw, least)
    if serving.server(x, raw) == "triton":
        from bench.kernels.triton.affine import run

        took("triton")
        return run(x, raw, least, masked, inverse)
    took("eager")
    value, logs = _eager(x, raw, least, masked, inverse)
    return value.contiguous(), logs


@torch.library.custom_op("bench::affine_grad", mutates_args=())
def affine_grad(
    x: Tensor,
    raw: Tensor,
    grad: Tensor,
    grad_log: Tensor,
    least: float,
    masked: bool,
    inverse: bool,
) -> Two:
    """Gradients of `affine`'s points [N, D] and raw parameters [N, 2 D]."""
    if serving.server(x, raw) == "triton":
        from bench.kernels.triton.affine import run_grad

        return run_grad(x, raw, (grad, grad_log), least, masked, inverse)
    return _eager_grad(x, raw, (grad, grad_log), least, masked, inverse)


@affine.register_fake
def _(x: Tensor, raw: Tensor, least: float, masked: bool, inverse: bool) -> Two:
    _check(x, raw, least)
    return _like(x), x.new_empty(x.shape[0])


@affine_grad.register_fake
def _(
    x: Tensor,
    raw: Tensor,
    grad: Tensor,
    grad_log: Tensor,
    least: float,
    masked: bool,
    inverse: bool,
) -> Two:
    return _like(x), _like(raw)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Two) -> None:
    x, raw, *ctx.settings = inputs
    ctx.save_for_backward(x, raw)


def _backward(ctx: Any, grad: Tensor, grad_log: Tensor) -> tuple[Tensor | None, ...]:
    x, raw = ctx.saved_tensors
    if torch.is_grad_enabled():  # recorded: in operations that autograd can differentiate again
        found = _eager_grad(x, raw, (grad, grad_log), *ctx.settings)
    else:
        found = affine_grad(x, raw, grad, grad_log, *ctx.settings)
    return (*found, None, None, None)


affine.register_autograd(_backward, setup_context=_save)


def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _parts(x: Tensor, raw: Tensor, least: float, masked: bool) -> Two:
    if masked:
        return scale_and_shift(raw.unflatten(1, (x.shape[1], 2)), least)
    return bounded_scale_and_shift(raw, least)


def _eager(x: Tensor, raw: Tensor, least: float, masked: bool, inverse: bool) -> Two:
    scale, shift = _parts(x, raw, least, masked)
    if inverse:
        return (x - shift) / scale, -scale.log().sum(1)
    return scale * x + shift, scale.log().sum(1)


def _eager_grad(
    x: Tensor, raw: Tensor, given: Two, least: float, masked: bool, inverse: bool
) -> Two:
    grad, grad_log = given
    scale, shift = _parts(x, raw, least, masked)
    if inverse:
        grad = grad / scale
        grad_scale = -grad * ((x - shift) / scale) - grad_log[:, None] / scale
        grad_x, grad_shift = grad, -grad
    else:
        grad_x, grad_shift = grad * scale, grad
        grad_scale = grad * x + grad_log[:, None] / scale
    if masked:
        grad_raw = grad_scale * torch.sigmoid(raw.unflatten(1, (x.shape[1], 2))[..., 0])
        return grad_x, torch.stack((grad_raw, grad_shift), 2).flatten(1)
    gate = torch.sigmoid(raw[:, x.shape[1] :] + 2)
    return grad_x, torch.cat((grad_shift, grad_scale * gate * (1 - gate)), 1)


def _check(x: Tensor, raw: Tensor, least: float) -> None:
    if x.dim() != 2 or raw.shape != (x.shape[0], 2 * x.shape[1]):
        raise ValueError(
            f"expected points [N, D] and raw parameters [N, 2 D], got {list(x.shape)} and "
            f"{list(raw.shape)}"
        )
    if x.dtype != raw.dtype or not x.is_floating_point():
        raise ValueError(
            f"points of {x.dtype} and parameters of {raw.dtype}: make both one real dtype"
        )
    if least <= 0:
        raise ValueError(f"a least scale of {least}: give one above zero, which has a logarithm")
