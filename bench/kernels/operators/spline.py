"""The rational-quadratic spline as an operator: one node of a graph, whatever runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from bench.kernels import eager, fused_spline
from bench.kernels.eager import Shape
from bench.kernels.library import Taken, loaded, took
from bench.kernels.operators import serving

Two = tuple[Tensor, Tensor]


@torch.library.custom_op("bench::rq_spline", mutates_args=())
def rq_spline(
    x: Tensor,
    rows: Tensor,
    bound: float,
    min_bin: float,
    min_derivative: float,
    logit_scale: float,
    inverse: bool,
) -> Two:
    """Value and log-derivative [N], nats, of points [N] with parameters [N, 3K - 1].

    Differentiable in both, twice too. The rows may have any strides, the settings are those of
    `Shape`. Triton on CUDA where it is installed, the C++ library on a CPU, else PyTorch.
    """
    shape = Shape(bound, min_bin, min_derivative, logit_scale)
    kernel = server(x, rows)
    took(kernel)
    if kernel == "triton":
        from bench.kernels.triton.spline import run

        return run(x, rows, shape, inverse)
    if kernel == "fused" and (library := loaded()[0]):
        return fused_spline.run(x, rows, shape, inverse, library)
    return eager.spline(x, rows, shape, inverse)


@torch.library.custom_op("bench::rq_spline_grad", mutates_args=())
def rq_spline_grad(
    x: Tensor,
    rows: Tensor,
    value: Tensor,
    grad_value: Tensor,
    grad_logs: Tensor,
    bound: float,
    min_bin: float,
    min_derivative: float,
    logit_scale: float,
    inverse: bool,
) -> Two:
    """Gradients of `rq_spline`'s points [N] and parameters [N, 3K - 1]; `value` is its result."""
    shape = Shape(bound, min_bin, min_derivative, logit_scale)
    given, at = (grad_value, grad_logs), value if inverse else x
    kernel = server(x, rows)
    if kernel == "triton":
        from bench.kernels.triton.spline import run_grad

        return run_grad(at, rows, given, shape, inverse)
    if kernel == "fused" and (library := loaded()[0]):
        return fused_spline.run_grad(at, rows, given, shape, inverse, library)

    with _autograd():
        x, rows = (t.detach().requires_grad_() for t in (x, rows))
        out = eager.spline(x, rows, shape, inverse)
        grad_x, grad_rows = torch.autograd.grad(out, (x, rows), given)
    return grad_x.contiguous(), grad_rows.contiguous()


@contextmanager
def _autograd() -> Iterator[None]:
    """Autograd inside an operator, where it is off."""
    keys = torch._C.DispatchKey.AutogradFunctionality, torch._C.DispatchKey.ADInplaceOrView
    with ExitStack() as stack:
        for key in keys:
            stack.enter_context(torch._C._SetExcludeDispatchKeyGuard(key, False))
        stack.enter_context(torch.enable_grad())
        yield


@rq_spline.register_fake
def _(
    x: Tensor,
    rows: Tensor,
    bound: float,
    min_bin: float,
    min_derivative: float,
    logit_scale: float,
    inverse: bool,
) -> Two:
    return _contiguous(x), _contiguous(x)


@rq_spline_grad.register_fake
def _(
    x: Tensor,
    rows: Tensor,
    value: Tensor,
    grad_value: Tensor,
    grad_logs: Tensor,
    bound: float,
    min_bin: float,
    min_derivative: float,
    logit_scale: float,
    inverse: bool,
) -> Two:
    like_rows = torch.empty_like if serving.kernel(x.device.type) == "triton" else _contiguous
    return _contiguous(x), like_rows(rows)


def _contiguous(t: Tensor) -> Tensor:
    return t.new_empty(t.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Two) -> None:
    x, rows, *ctx.settings = inputs
    ctx.save_for_backward(x, rows, output[0])


def _backward(ctx: Any, grad_value: Tensor, grad_logs: Tensor) -> tuple[Tensor | None, ...]:
    x, rows, value = ctx.saved_tensors
    *shape, inverse = ctx.settings
    given = (grad_value, grad_logs)
    if torch.is_grad_enabled() or any(map(torch._C._functorch.is_legacy_batchedtensor, given)):
        # recorded or batched: let autograd differentiate the eager spline
        needs = ctx.needs_input_grad
        return (*eager.grads(x, rows, Shape(*shape), given, needs, inverse), *[None] * 5)
    return (*rq_spline_grad(x, rows, value, *given, *ctx.settings), *[None] * 5)


rq_spline.register_autograd(_backward, setup_context=_save)


def server(x: Tensor, rows: Tensor) -> Taken:
    """What serves the operator for such points and parameters."""
    return serving.server(x, rows) if rows.shape[-1] < 3 * fused_spline.MAX_BINS else "eager"
