"""The rational-quadratic spline in Triton: launches, and what `bench profile --static` compiles."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.kernels.eager import Shape
from bench.kernels.triton.launch import BLOCK, WARPS, launch
from bench.kernels.triton.shipped import Shipped
from bench.kernels.triton.spline_backward import spline_backward
from bench.kernels.triton.spline_bin import compiled_for
from bench.kernels.triton.spline_forward import spline_forward
from bench.kernels.triton.spline_inverse import spline_inverse


def run(
    x: Tensor, rows: Tensor, shape: Shape, inverse: bool, logabsdet: bool = True
) -> tuple[Tensor, Tensor]:
    """Value and log-derivative [E] of points [E] with parameters [E, 3K - 1] of any strides.

    Without `logabsdet` the second is empty. Compiled anew for each K, shape and dtype.
    """
    x = x.contiguous()
    value = torch.empty_like(x)
    logs = torch.empty_like(x) if logabsdet else x.new_empty(0)
    kernel = spline_inverse if inverse else spline_forward
    constants = compiled_for(shape, rows.shape[1]), logabsdet
    launch(kernel, x, x, rows, *rows.stride(), len(x), value, logs, *constants)
    return value, logs


def run_grad(
    at: Tensor, rows: Tensor, grads: tuple[Tensor, Tensor], shape: Shape, inverse: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of the points and the parameters at x (of the inverse: its result).

    The latter lie in memory as the parameters do.
    """
    at, *given = (t.contiguous() for t in (at, *grads))
    grad_x, grad_rows = torch.empty_like(at), torch.empty_like(rows)
    tensors = at, rows, *rows.stride(), len(at), *given, grad_x, grad_rows, *grad_rows.stride()
    launch(spline_backward, at, *tensors, compiled_for(shape, rows.shape[1]), inverse)
    return grad_x, grad_rows


def _shipped(purpose: str, bins: int, real: str = "fp32") -> Shipped:
    """Of parameters whose elements are adjacent in memory."""
    kernels = {"forward": spline_forward, "inverse": spline_inverse, "backward": spline_backward}
    kernel = kernels[purpose.split("-")[0]]
    constants = {"row_stride": 1, "S": compiled_for(Shape(3.0), 3 * bins - 1), "BLOCK": BLOCK}
    if kernel is spline_backward:
        constants |= {"grad_row_stride": 1, "INVERSE": purpose == "backward-of-inverse"}
    else:
        constants["LOGS"] = True
    signature = {
        name: "constexpr" if name in constants else f"*{real}" if name.endswith("_ptr") else "i32"
        for name in kernel.arg_names
    }
    return Shipped(
        name=f"rq-spline-{purpose}-{bins}" + ("-f64" if real == "fp64" else ""),
        kernel=kernel,
        signature=signature,
        constants=constants,
        purpose=purpose.split("-")[0],
        warps=WARPS,
        divisible=tuple(name for name in signature if name not in constants),
    )


SHIPPED = (
    *(
        _shipped(purpose, bins)
        for bins in (8, 16)
        for purpose in ("forward", "inverse", "backward")
    ),
    _shipped("backward-of-inverse", 8),
    _shipped("forward", 8, "fp64"),
)
