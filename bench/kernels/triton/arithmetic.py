"""Reciprocals and logarithms for kernels: a few instructions in float32, exact ones in float64.

Triton's division and logarithm take eight and thirty instructions in float32, most of them for
arguments that cannot occur here.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl

LOG2E = tl.constexpr(math.log2(math.e))
LN2 = tl.constexpr(math.log(2))
#: the bits of sqrt(1/2), of one, and a mask of sign and exponent, float32
HALF_ROOT, ONE, EXPONENT = (
    tl.constexpr(0x3F3504F3),
    tl.constexpr(0x3F800000),
    tl.constexpr(-1 << 23),
)
#: log(1 + z) / z by ascending powers, relative error 3e-8: on [0, 1], and on
#: [sqrt(1/2) - 1, sqrt(2) - 1]
DEGREE = tl.constexpr(8)
UNIT = tl.constexpr(
    (
        0.9999999403953552,
        -0.4999949336051941,
        0.3331909775733948,
        -0.2484298199415207,
        0.19106005132198334,
        -0.13663242757320404,
        0.07822591066360474,
        -0.029505213722586632,
        0.0052326880395412445,
    )
)
OCTAVE = tl.constexpr(
    (
        1.0,
        -0.49999988079071045,
        0.3333418667316437,
        -0.25002074241638184,
        0.19956833124160767,
        -0.16562393307685852,
        0.14952267706394196,
        -0.14366839826107025,
        0.08722349256277084,
    )
)


@triton.jit
def reciprocal(v):
    """1 / v of a positive v; in float32 within 3e-7 of it, on a GPU."""
    if v.dtype == tl.float64:
        value = 1 / v
    else:
        root = tl.rsqrt(v)
        value = root * root
    return value


@triton.jit
def log(v):
    """log v of a positive normal v; of NaN NaN."""
    if v.dtype == tl.float64:
        value = tl.log(v)
    else:
        exponent = (v.to(tl.int32, bitcast=True) - HALF_ROOT) & EXPONENT
        rest = v * (-exponent + ONE).to(tl.float32, bitcast=True) - 1
        value = _log_ratio(rest, OCTAVE) * rest + exponent.to(tl.float32) * (LN2 * 2**-23)
    return value


@triton.jit
def log1p(z):
    """log(1 + z) of z in [0, 1]."""
    return tl.log(1 + z) if z.dtype == tl.float64 else _log_ratio(z, UNIT) * z


@triton.jit
def _log_ratio(z, COEFFICIENTS: tl.constexpr):
    """log(1 + z) / z by Horner's rule."""
    value = tl.full(z.shape, COEFFICIENTS[DEGREE], z.dtype)
    for k in tl.static_range(1, DEGREE + 1):
        value = value * z + COEFFICIENTS[DEGREE - k]
    return value
