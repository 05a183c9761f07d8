"""Errors against float64, and the gate: what computes something else gets no time.

The truth is the kernel's definition run in float64 on the inputs as the dtype rounds them. An
inverse is judged by going back: the float64 definition at its result must give the noise and minus
its log-determinant, which is a fair question where the map is flat too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.profile.calls import Inputs, named_gradients, switched
from bench.profile.case import Build, Case, Maps
from bench.profile.rows import Errors, Row, Way

Outputs = Sequence[Tensor | None]

DOUBLE = 1e-9  #: the largest error in float64
TIMES = 3.0  #: the largest error in another dtype, over that of the definition in it
NONSENSE = 1e30  #: the error of what is no number
FLOOR = 32  #: units of rounding that are always allowed


class Truth:
    """The definition in float64 at the inputs of one size."""

    def __init__(self, case: Case, dtype: torch.dtype, device: str, grad: bool) -> None:
        exact = case.to(dtype, device).to(torch.float64, device)
        maps = exact.reference(**exact.parameters)
        with torch.no_grad():
            self.value, self.logdet = maps.forward(exact.x)
        seeded = torch.Generator().manual_seed(1)
        drawn = (torch.randn(t.shape, generator=seeded) for t in (self.value, self.logdet))
        given = [t.to(device, dtype) for t in drawn]
        self.inputs = Inputs(
            case.to(dtype, device, grad), (given[0], given[1]), self.value.to(dtype)
        )
        self.maps, self.dtype = maps, dtype
        self.gradient: dict[str, Tensor | None] = {}
        if grad:
            exact = exact.to(torch.float64, device, grad=True)
            doubled = (given[0].double(), given[1].double())
            self.gradient = dict(
                named_gradients(exact.reference(**exact.parameters), exact, doubled)
            )

    def errors(self, maps: Maps, way: Way) -> Errors:
        """Of the implementation, in the current mode."""
        if way == "inverse":
            assert maps.inverse is not None
            with torch.no_grad():
                x, logdet = maps.inverse(self.inputs.noise)
                back, expected = self.maps.forward(x.detach().double())
            noise = self.inputs.noise.double()
            return Errors(value=distance(back, noise), logdet=distance(logdet, -expected))
        with torch.no_grad():
            value, logdet = maps.forward(self.inputs.case.x)
        found = Errors(value=distance(value, self.value), logdet=distance(logdet, self.logdet))
        if way == "backward":
            grads = named_gradients(maps, self.inputs.case, self.inputs.given)
            shared = [n for n in grads if n in self.gradient]
            found.gradient = max(distance(grads[n], self.gradient[n]) for n in shared)
        return found


def distance(found: Tensor | None, truth: Tensor | None) -> float:
    """Largest |found - truth| / (1 + |truth|); NONSENSE where NaN or of another shape."""
    if found is None or truth is None:  # no path to a leaf: a gradient of zero
        other = found if truth is None else truth
        return 0.0 if other is None else float(other.detach().abs().amax())
    if found.shape != truth.shape:
        return NONSENSE
    if truth.numel() == 0:
        return 0.0
    error = (found.detach().double() - truth).abs() / (1 + truth.abs())
    worst = float(error.max())
    return worst if worst <= NONSENSE else NONSENSE


def refusal(error: Errors, reference: Errors, double: Errors | None, dtype: torch.dtype) -> str:
    """Why an implementation gets no time, in one sentence; empty if it may have one."""
    floor = FLOOR * torch.finfo(dtype).eps
    for name, size in error:
        if size is None:
            continue
        exact = getattr(double, name) if double is not None else None
        if exact is not None and not exact <= DOUBLE:
            return f"{WORDS[name]} is off by {exact:.1e} in float64, where {DOUBLE:.0e} is allowed"
        own = getattr(reference, name) or 0.0
        if not size <= max(TIMES * own, floor):
            return f"{WORDS[name]} is off by {size:.1e}, the definition in this dtype by {own:.1e}"
    return ""


def drift(found: Outputs, expected: Outputs, row: Row, dtype: torch.dtype) -> str:
    """Why a compiled or captured call is not the eager one, in one sentence; empty if it is.

    Within the error that the row was allowed: a compiler may round in another order.
    """
    allowed = FLOOR * torch.finfo(dtype).eps
    if row.error_reference is not None:
        allowed = max(allowed, *(TIMES * (e or 0.0) for _, e in row.error_reference))
    pairs = zip(found, expected, strict=True)
    off = max(distance(a, None if b is None else b.detach().double()) for a, b in pairs)
    if off <= allowed:
        return ""
    return f"the {row.mode} call is off by {off:.1e} from the eager one, {allowed:.1e} is allowed"


WORDS = {"value": "the value", "logdet": "the log-determinant", "gradient": "a gradient"}


def in_double(case: Case, build: Build, mode: str, way: Way, device: str) -> Errors:
    """Errors in float64 at a case: are these the same functions?"""
    with switched(mode):
        truth = Truth(case, torch.float64, device, way == "backward")
        return truth.errors(build(**truth.inputs.case.parameters), way)
