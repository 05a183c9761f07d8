"""What `bench profile --static` compiles: a kernel with the types and constants of one launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shipped:
    """One kernel at one specialisation."""

    name: str  #: such as "rq-spline-forward-8"
    kernel: Any  #: of triton.jit
    signature: Mapping[str, str]  #: argument -> "*fp32", "i32", "constexpr"; all, in order
    constants: Mapping[str, Any]  #: of the constexpr arguments
    purpose: str  #: forward, inverse or backward
    warps: int = 4
    #: arguments that a launch on aligned tensors specialises as multiples of 16
    divisible: tuple[str, ...] = field(default=())
