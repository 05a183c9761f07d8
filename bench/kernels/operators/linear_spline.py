"""A conditioner's last layer and the spline that takes its outputs, as one operator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.kernels.library import took
from bench.kernels.operators import serving
from bench.kernels.operators.spline import rq_spline, rq_spline_grad

Two = tuple[Tensor, Tensor]
MAX_BINS = 16  #: beyond it the Triton kernel's registers overflow


@torch.library.custom_op("bench::linear_spline", mutates_args=())
def linear_spline(
    x: Tensor,
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    bound: float,
    min_bin: float,
    min_derivative: float,
    logit_scale: float,
    inverse: bool,
) -> Two:
    """Spline of x [N, D] with parameters hidden weight' + bias: value [N, D], log-determinant [N].

    Args:
        hidden: [N, H], what the last layer reads.
        weight, bias: [D (3K - 1), H] and [D (3K - 1)]; masked weights must be zero.
        bound, min_bin, min_derivative, logit_scale: the fields of `Shape`.

    In Triton (CUDA, K <= 16) the parameters [N, D, 3K - 1] never reach the memory, except that the
    gradient computes them again, by a product of PyTorch's. Differentiable, twice too. Raises
    ValueError for shapes or dtypes that do not fit.
    """
    _check(x, hidden, weight, bias)
    shape = (bound, min_bin, min_derivative, logit_scale)
    if _served(x, hidden, weight, bias):
        from bench.kernels.eager import Shape
        from bench.kernels.triton.linear_spline import run

        took("triton")
        return run(x, hidden, weight, bias, Shape(*shape), inverse)
    return _apart(x, hidden, weight, bias, *shape, inverse)


@linear_spline.register_fake
def _(x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, *settings: object) -> Two:
    _check(x, hidden, weight, bias)
    return x.new_empty(x.shape), x.new_empty(x.shape[0])


def _save(ctx: Any, inputs: tuple[Any, ...], output: Two) -> None:
    *tensors, bound, min_bin, min_derivative, logit_scale, inverse = inputs
    ctx.save_for_backward(*tensors, output[0])
    ctx.settings = (bound, min_bin, min_derivative, logit_scale, inverse)


def _backward(ctx: Any, grad: Tensor, grad_log: Tensor) -> tuple[Tensor | None, ...]:
    *tensors, value = ctx.saved_tensors
    needs = ctx.needs_input_grad[:4]
    if torch.is_grad_enabled():  # recorded: by operations that can be differentiated again
        wanted = [t for t, need in zip(tensors, needs, strict=True) if need]
        outputs = _apart(*tensors, *ctx.settings)
        found = iter(torch.autograd.grad(outputs, wanted, (grad, grad_log), create_graph=True))
        return (*(next(found) if need else None for need in needs), *[None] * 5)
    x, hidden, weight, bias = tensors
    rows = F.linear(hidden, weight, bias).view(x.numel(), len(bias) // x.shape[1])
    grad_logs = grad_log[:, None].expand_as(x).reshape(-1)
    points = (x.reshape(-1), rows, value.view(-1), grad.reshape(-1), grad_logs)
    grad_x, grad_rows = rq_spline_grad(*points, *ctx.settings)
    grad_rows = grad_rows.view(x.shape[0], len(bias))
    return (
        grad_x.view(x.shape) if needs[0] else None,
        grad_rows @ weight if needs[1] else None,
        grad_rows.T @ hidden if needs[2] else None,
        grad_rows.sum(0) if needs[3] else None,
        *[None] * 5,
    )


linear_spline.register_autograd(_backward, setup_context=_save)


def _apart(x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, *settings: float | bool) -> Two:
    rows = F.linear(hidden, weight, bias).view(x.numel(), len(bias) // x.shape[1])
    value, logs = rq_spline(x.reshape(-1), rows, *settings)
    return value.view(x.shape), logs.view(x.shape).sum(1)


def _served(x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> bool:
    few = len(bias) < 3 * MAX_BINS * x.shape[1]
    return few and serving.server(x, hidden, weight, bias) == "triton"


def _check(x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> None:
    dim = x.shape[-1]
    width = bias.shape[0] // dim if bias.dim() == 1 and dim else 0
    if (
        x.dim() != 2
        or hidden.shape[:-1] != x.shape[:1]
        or weight.shape != (dim * width, hidden.shape[-1])
        or bias.shape != weight.shape[:1]
        or width % 3 != 2
    ):
        shapes = ", ".join(str(list(t.shape)) for t in (x, hidden, weight, bias))
        raise ValueError(
            "expected points [N, D], hidden units [N, H], weights [D (3K - 1), H] and biases "
            f"[D (3K - 1)], got {shapes}"
        )
    if any(t.dtype != x.dtype for t in (hidden, weight, bias)) or not x.is_floating_point():
        types = ", ".join(str(t.dtype) for t in (x, hidden, weight, bias))
        raise ValueError(f"points, hidden units, weights and biases of {types}: make them one real")
