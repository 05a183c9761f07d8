"""A conditioner's last layer and the spline that takes its outputs, in Triton.

The parameters of a few features at a time are sums in registers, which become values of one thread
per element without passing through global memory: [N, D, 3K - 1] is never written.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from bench.kernels.eager import Shape
from bench.kernels.triton.launch import long
from bench.kernels.triton.shipped import Shipped
from bench.kernels.triton.spline_bin import compiled_for
from bench.kernels.triton.spline_values import spline_of

ROWS = {torch.float32: 64, torch.float64: 32}  #: samples of a program, as registers allow
COLUMNS = 32  #: columns of each of the three products, at least
INPUTS = 16  #: hidden units that a product takes at a time
#: products whose inputs are on their way, for up to 8 bins and beyond: as registers allow
STAGES, STAGES_BEYOND = 2, 1
MAX_BINS = 16  #: beyond it registers overflow


@triton.jit
def linear_spline_kernel(
    x_ptr,
    hidden_ptr,
    weight_ptr,
    bias_ptr,
    value_ptr,
    log_ptr,
    count,
    units,
    D: tl.constexpr,
    S: tl.constexpr,
    INVERSE: tl.constexpr,
    ROWS: tl.constexpr,
    FEATURES: tl.constexpr,
    BINS: tl.constexpr,  # K, rounded up to a power of two
    LEVELS: tl.constexpr,  # its logarithm
    INPUTS: tl.constexpr,
    STAGES: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    here = row < count
    column = tl.arange(0, FEATURES * BINS)
    bin_number = column % BINS
    hidden = hidden_ptr + row[:, None] * long(units)
    logs = tl.zeros([ROWS], x_ptr.dtype.element_ty)
    for start in range(0, D, FEATURES):
        feature = start + column // BINS
        first = feature * (3 * S.bins - 1) + bin_number
        inner = (feature < D) & (bin_number < S.bins)
        knot = (feature < D) & (bin_number < S.bins - 1)
        weights = weight_ptr + first[None, :].to(tl.int64) * units
        widths = tl.zeros([ROWS, FEATURES * BINS], x_ptr.dtype.element_ty)
        heights = widths
        slopes = widths
        for k in tl.range(0, units, INPUTS, num_stages=STAGES):
            unit = k + tl.arange(0, INPUTS)
            there = unit < units
            h = tl.load(hidden + unit[None, :], mask=here[:, None] & there[None, :], other=0.0)
            at = weights + unit[:, None]
            mask = inner[None, :] & there[:, None]
            w = tl.load(at, mask=mask, other=0.0)
            widths = tl.dot(h, w, widths, input_precision="ieee")
            w = tl.load(at + S.bins * units, mask=mask, other=0.0)
            heights = tl.dot(h, w, heights, input_precision="ieee")
            w = tl.load(at + 2 * S.bins * units, mask=knot[None, :] & there[:, None], other=0.0)
            slopes = tl.dot(h, w, slopes, input_precision="ieee")
        bias = bias_ptr + first
        widths += tl.load(bias, mask=inner, other=0.0)[None, :]
        heights += tl.load(bias + S.bins, mask=inner, other=0.0)[None, :]
        slopes += tl.load(bias + 2 * S.bins, mask=knot, other=0.0)[None, :]
        feature = start + tl.arange(0, FEATURES)
        there = here[:, None] & (feature < D)[None, :]
        at = row[:, None] * D + feature[None, :]
        x = tl.load(x_ptr + at, mask=there, other=0.0)
        value, log_slope = spline_of(
            x,
            _apart(widths, ROWS, FEATURES, LEVELS),
            _apart(heights, ROWS, FEATURES, LEVELS),
            _apart(slopes, ROWS, FEATURES, LEVELS),
            S,
            INVERSE,
        )
        tl.store(value_ptr + at, value, mask=there)
        logs += tl.sum(tl.where(there, log_slope, 0), 1)
    tl.store(log_ptr + row, logs, mask=here)


@triton.jit
def _apart(t, ROWS: tl.constexpr, FEATURES: tl.constexpr, LEVELS: tl.constexpr):
    """Columns [rows, features 2^levels] as 2^levels tensors [rows, features]."""
    parts = (t,)
    for level in tl.static_range(LEVELS):
        even = ()
        odd = ()
        for i in tl.static_range(2**level):
            if level < LEVELS - 1:
                pairs = tl.reshape(parts[i], [ROWS, FEATURES, 2 ** (LEVELS - 1 - level), 2])
            else:
                pairs = tl.reshape(parts[i], [ROWS, FEATURES, 2])
            a, b = tl.split(pairs)
            even += (a,)
            odd += (b,)
        parts = even + odd
    return parts


def run(
    x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, shape: Shape, inverse: bool
) -> tuple[Tensor, Tensor]:
    """Value [N, D] and log-determinant [N] of points [N, D]; see the operator."""
    x, hidden, weight, bias = (t.contiguous() for t in (x, hidden, weight, bias))
    value, logs = torch.empty_like(x), x.new_empty(len(x))
    if len(x):
        constants = _constants(x, len(bias) // x.shape[1], shape, inverse)
        with torch.cuda.device_of(x):
            linear_spline_kernel[(triton.cdiv(len(x), ROWS[x.dtype]),)](
                x,
                hidden,
                weight,
                bias,
                value,
                logs,
                len(x),
                hidden.shape[1],
                **constants,
                num_warps=4,
                enable_fp_fusion=True,
            )
    return value, logs


def _constants(x: Tensor, parameters: int, shape: Shape, inverse: bool) -> dict[str, object]:
    spline = compiled_for(shape, parameters)
    bins = triton.next_power_of_2(spline.bins)
    features = max(1, COLUMNS // bins)
    return {
        "D": x.shape[1],
        "S": spline,
        "INVERSE": inverse,
        "ROWS": ROWS[x.dtype],
        "FEATURES": features,
        "BINS": bins,
        "LEVELS": bins.bit_length() - 1,
        "INPUTS": INPUTS,
        "STAGES": STAGES if bins <= 8 else STAGES_BEYOND,
    }


def _shipped(purpose: str, bins: int) -> Shipped:
    constants = _constants(torch.empty(0, 64), 3 * bins - 1, Shape(3.0), purpose == "inverse")
    pointers = [name for name in linear_spline_kernel.arg_names if name.endswith("_ptr")]
    signature = dict.fromkeys(pointers, "*fp32") | {"count": "i32", "units": "i32"}
    return Shipped(
        name=f"linear-spline-{purpose}-{bins}",
        kernel=linear_spline_kernel,
        signature=signature | dict.fromkeys(constants, "constexpr"),
        constants=constants,
        purpose=purpose,
        divisible=tuple(signature),
    )


SHIPPED = (_shipped("forward", 8), _shipped("inverse", 8), _shipped("forward", 16))
