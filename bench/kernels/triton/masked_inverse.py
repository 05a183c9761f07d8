"""The inverse of a masked autoregressive network in one launch, each hidden unit computed once.

A program takes a tile of samples through the whole table of `masked_schedule`. Activations lie in a
scratch memory of its own, [unit, sample], which stays in the cache: registers hold one product at a
time, so that networks of any width and depth fit. Barriers separate the operations.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

from bench.kernels.eager import Shape
from bench.kernels.masked import Network, Plan, Univariate
from bench.kernels.operators import serving
from bench.kernels.triton.arithmetic import log
from bench.kernels.triton.masked_schedule import FIELDS, Schedule
from bench.kernels.triton.shipped import Shipped
from bench.kernels.triton.spline_bin import Spline, compiled_for, softplus
from bench.kernels.triton.spline_values import spline_of

WIDE, NARROW = 64, 16  #: units of a product's tile
INPUTS = 16  #: inputs that a product takes at a time
LARGE, SMALL = 32, 16  #: samples of a tile, in large batches and in small ones
#: products whose inputs are on their way, per size of tile: as many as registers allow
STAGES = {LARGE: 2, SMALL: 3}
MAX_BINS = 16  #: beyond it registers overflow
RESIDENT = 4  #: programs per multiprocessor

#: tables live as long as their plan
_SCHEDULES: WeakKeyDictionary[Plan, dict[object, Schedule]] = WeakKeyDictionary()


@triton.jit
def _product(
    op,
    weight_ptr,
    bias_ptr,
    extra_ptr,
    scratch,
    tile,
    count,
    SAMPLES: tl.constexpr,
    UNITS: tl.constexpr,
    INPUTS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Sums of some units over some inputs, and what follows from them once they are complete."""
    units = tl.load(op)
    begin = tl.load(op + 3)
    end = tl.load(op + 4)
    inputs = scratch + tl.load(op + 5).to(tl.int64) * SAMPLES
    sample = tl.arange(0, SAMPLES)
    for first in range(0, units, UNITS):
        unit = first + tl.arange(0, UNITS)
        there = unit < units
        weights = weight_ptr + tl.load(op + 1) + unit * tl.load(op + 2)
        total = tl.zeros([UNITS, SAMPLES], weight_ptr.dtype.element_ty)
        for k in tl.range(begin, end, INPUTS, num_stages=STAGES):
            column = k + tl.arange(0, INPUTS)
            inside = column < end
            weight = tl.load(
                weights[:, None] + column[None, :],
                mask=there[:, None] & inside[None, :],
                other=0.0,
            )
            given = tl.load(
                inputs + column[:, None] * SAMPLES + sample[None, :],
                mask=inside[:, None],
                other=0.0,
            )
            total = tl.dot(weight, given, total, input_precision="ieee")
        # read here, not before the products: what lives through their loop costs registers
        bias = tl.load(op + 7)
        extra = tl.load(op + 8)
        sums = scratch + tl.load(op + 6).to(tl.int64) * SAMPLES
        at = unit[:, None] * SAMPLES + sample[None, :]
        row = tl.full((), SAMPLES, tl.int64) * tile + sample
        total += tl.load(
            bias_ptr + bias + unit, mask=unit < tl.where(bias >= 0, units, 0), other=0.0
        )[:, None]
        total += tl.load(sums + at, mask=(unit < tl.where(bias < 0, units, 0))[:, None], other=0.0)
        more = extra_ptr + (extra + unit[:, None]).to(tl.int64) * count + row[None, :]
        added = unit < tl.where(extra >= 0, units, 0)
        total += tl.load(more, mask=added[:, None] & (row < count)[None, :], other=0.0)
        stream = tl.load(op + 10)
        before = scratch + stream.to(tl.int64) * SAMPLES + at
        total += tl.load(before, mask=(unit < tl.where(stream >= 0, units, 0))[:, None], other=0.0)
        stored = tl.load(op + 11)
        tl.store(sums + at, total, mask=(unit < stored * units)[:, None])
        relu = tl.load(op + 12)
        total = tl.where((total < 0) & (relu > 0), 0.0, total)
        known = tl.load(op + 9)
        to = scratch + known.to(tl.int64) * SAMPLES + at
        tl.store(to, total, mask=(unit < tl.where(known >= 0, units, 0))[:, None])


@triton.jit
def _solve(z, given, LEAST: tl.constexpr, S: tl.constexpr, SAMPLES: tl.constexpr):
    """The coordinate x of z, its log-derivative and the address of the next one's parameters."""
    if S is None:
        scale, _ = softplus(tl.load(given))
        scale += LEAST
        x = (z - tl.load(given + SAMPLES)) / scale
        log_slope = -log(scale)
        following = given + 2 * SAMPLES
    else:
        widths = ()
        heights = ()
        slopes = ()
        for k in tl.static_range(S.bins):
            widths += (tl.load(given + k * SAMPLES),)
            heights += (tl.load(given + (S.bins + k) * SAMPLES),)
        for k in tl.static_range(S.bins - 1):
            slopes += (tl.load(given + (2 * S.bins + k) * SAMPLES),)
        x, log_slope = spline_of(z, widths, heights, slopes, S, True)
        following = given + (3 * S.bins - 1) * SAMPLES
    return x, log_slope, following


@triton.jit
def masked_inverse_kernel(
    z_ptr,
    x_ptr,
    log_ptr,
    weight_ptr,
    bias_ptr,
    extra_ptr,
    table_ptr,
    scratch_ptr,
    count,
    dim,
    operations,
    scratch_rows,
    FIELDS: tl.constexpr,
    LEAST: tl.constexpr,
    S: tl.constexpr,  # the spline, or None for the affine map
    SAMPLES: tl.constexpr,
    WIDE: tl.constexpr,
    NARROW: tl.constexpr,
    INPUTS: tl.constexpr,
    STAGES: tl.constexpr,
):
    sample = tl.arange(0, SAMPLES)
    program = tl.program_id(0)
    scratch = scratch_ptr + program.to(tl.int64) * scratch_rows * SAMPLES
    for tile in range(program, tl.cdiv(count, SAMPLES), tl.num_programs(0)):
        logs = tl.zeros([SAMPLES], z_ptr.dtype.element_ty)
        for i in range(operations):
            op = table_ptr + i * FIELDS
            units = tl.load(op)
            if units > 2 * NARROW:
                _product(
                    op,
                    weight_ptr,
                    bias_ptr,
                    extra_ptr,
                    scratch,
                    tile,
                    count,
                    SAMPLES,
                    WIDE,
                    INPUTS,
                    STAGES,
                )
            elif units > 0:
                _product(
                    op,
                    weight_ptr,
                    bias_ptr,
                    extra_ptr,
                    scratch,
                    tile,
                    count,
                    SAMPLES,
                    NARROW,
                    INPUTS,
                    STAGES,
                )
            else:
                start = tl.load(op + 1)
                row = tl.full((), SAMPLES, tl.int64) * tile + sample
                here = row < count
                given = scratch + tl.load(op + 6).to(tl.int64) * SAMPLES + sample
                for c in range(tl.load(op + 2)):
                    z = tl.load(z_ptr + row * dim + start + c, mask=here, other=0.0)
                    x, log_slope, given = _solve(z, given, LEAST, S, SAMPLES)
                    logs += log_slope
                    tl.store(x_ptr + row * dim + start + c, x, mask=here)
                    tl.store(scratch + (start + c) * SAMPLES + sample, x)
            tl.debug_barrier()  # the next operation reads what other threads have written
        row = tl.full((), SAMPLES, tl.int64) * tile + sample
        tl.store(log_ptr + row, logs, mask=row < count)


def serves(network: Network, univariate: Univariate, z: Tensor) -> bool:
    """Whether the kernel knows this kind of network."""
    return (
        network.activation in (F.relu, torch.relu)
        and univariate.bins <= MAX_BINS
        and univariate.min_scale > 0
        and all(t.dtype == z.dtype and t.device == z.device for t in network.weights)
        and serving.server(z, *network.weights, *network.biases) == "triton"
    )


@torch.no_grad()
def invert(
    plan: Plan, network: Network, univariate: Univariate, z: Tensor
) -> tuple[Tensor, Tensor]:
    """x [N, D] and log |det dx/dz| [N], nats, of noise z [N, D]."""
    z = z.detach().contiguous()
    x, logs = torch.empty_like(z), z.new_empty(len(z))
    if not len(z):
        return x, logs
    schedule = _schedule(plan, network, univariate, z)
    programs = 2  # so that an interpreted program takes several tiles
    samples, single = SMALL, z.dtype == torch.float32
    if z.device.type == "cuda":
        resident = torch.cuda.get_device_properties(z.device).multi_processor_count * RESIDENT
        if single and len(z) > SMALL * resident:
            samples = LARGE
        programs = resident
    programs = min(programs, triton.cdiv(len(z), samples))
    scratch = z.new_empty(programs * schedule.rows * samples)
    arguments = (
        z,
        x,
        logs,
        *schedule.packed(network),
        schedule.added(network, z),
        schedule.table,
        scratch,
        len(z),
        plan.dim,
        len(schedule.operations),
        schedule.rows,
        FIELDS,
        univariate.min_scale,
        _spline(univariate),
        samples,
        WIDE,
        NARROW,
        INPUTS,
        STAGES[samples] if single else 1,
    )
    with torch.cuda.device_of(z):
        masked_inverse_kernel[(programs,)](*arguments, num_warps=4, enable_fp_fusion=True)
    return x, logs


def _schedule(plan: Plan, network: Network, univariate: Univariate, z: Tensor) -> Schedule:
    extras = tuple(e is not None for e in network.extras) or (False,) * len(plan.degrees)
    kept = _SCHEDULES.setdefault(plan, {})
    key = (network.residual, univariate.outputs, extras, z.device)
    if key not in kept:
        kept[key] = Schedule(plan, network.residual, univariate.outputs, extras, z.device)
    return kept[key]


def _spline(univariate: Univariate) -> Spline | None:
    return compiled_for(univariate.shape, univariate.outputs) if univariate.bins else None


def _shipped(name: str, samples: int, univariate: Univariate) -> Shipped:
    pointers = ["z_ptr", "x_ptr", "log_ptr", "weight_ptr", "bias_ptr", "extra_ptr"]
    signature = dict.fromkeys(pointers, "*fp32") | {"table_ptr": "*i32", "scratch_ptr": "*fp32"}
    pointers = list(signature)
    signature |= dict.fromkeys(("count", "dim", "operations", "scratch_rows"), "i32")
    constants = {"FIELDS": FIELDS, "LEAST": 1e-3, "S": _spline(univariate), "SAMPLES": samples}
    constants |= {"WIDE": WIDE, "NARROW": NARROW, "INPUTS": INPUTS, "STAGES": STAGES[samples]}
    return Shipped(
        name=name,
        kernel=masked_inverse_kernel,
        signature=signature | dict.fromkeys(constants, "constexpr"),
        constants=constants,
        purpose="inverse",
        divisible=(*pointers, "count", "dim"),
    )


SHIPPED = (
    _shipped("masked-inverse-affine", LARGE, Univariate()),
    _shipped("masked-inverse-affine-small", SMALL, Univariate()),
    _shipped("masked-inverse-spline-8", LARGE, Univariate(8, Shape(3.0))),
    _shipped("masked-inverse-spline-8-small", SMALL, Univariate(8, Shape(3.0))),
)
