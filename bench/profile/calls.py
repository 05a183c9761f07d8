"""The functions that are timed: a pass of an implementation, in its mode, with its gradients."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.profile.case import Case, Maps
from bench.profile.rows import Way

#: mode -> what BENCH_FUSED says in it; None leaves the choice to the kernels
SWITCH = {"eager": "0", "compiled": "0", "graph": None, "fused": None, "triton": None}


@dataclass(frozen=True)
class Call:
    """What a block repeats."""

    run: Callable[[], Any]
    mode: str = "eager"
    recorded: bool = False  #: autograd is on

    def __call__(self) -> Any:
        """One call as a block makes it."""
        with self.set():
            return self.run()

    @contextmanager
    def set(self) -> Iterator[None]:
        """The surroundings that all calls of a block share."""
        with torch.set_grad_enabled(self.recorded), switched(self.mode):
            yield


@contextmanager
def switched(mode: str) -> Iterator[None]:
    """The environment that sends `bench.kernels` down this mode's path."""
    wanted, before = SWITCH[mode], os.environ.get("BENCH_FUSED")
    if mode == "triton" and os.environ.get("TRITON_INTERPRET") == "1":
        wanted = "triton"  # tensors of a CPU, in the interpreter
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _set(value: str | None) -> None:
    if value is None:
        os.environ.pop("BENCH_FUSED", None)
    else:
        os.environ["BENCH_FUSED"] = value


@dataclass(frozen=True)
class Inputs:
    """What the passes of one size are given, in the dtype of the profile."""

    case: Case
    given: tuple[Tensor, Tensor]  #: gradients of value and log-determinant, for the backward pass
    noise: Tensor  #: value of the definition in float64, rounded: where the inverse runs


def call(maps: Maps, inputs: Inputs, way: Way, mode: str) -> Call | None:
    """The pass as a call without arguments; None where the implementation has no inverse."""
    x, case = inputs.case.x, inputs.case
    if way == "forward":
        return Call(lambda: maps.forward(x), mode)
    if way == "inverse":
        inverse, noise = maps.inverse, inputs.noise
        return None if inverse is None else Call(lambda: inverse(noise), mode)
    leaves = [x, *case.leaves(maps).values()]
    return Call(lambda: gradients(maps, x, leaves, inputs.given), mode, recorded=True)


def map_call(maps: Maps, inputs: Inputs, mode: str) -> Call | None:
    """The forward value alone, where the implementation offers it."""
    if maps.map is None:
        return None
    run, x = maps.map, inputs.case.x
    return Call(lambda: run(x), mode)


def gradients(
    maps: Maps, x: Tensor, leaves: list[Tensor], given: tuple[Tensor, Tensor]
) -> tuple[Tensor | None, ...]:
    """Of sum(given[0] value) + sum(given[1] logabsdet), by each leaf; None where it has none."""
    value, logabsdet = maps.forward(x)
    pairs = [(t, g) for t, g in zip((value, logabsdet), given, strict=True) if t.requires_grad]
    outputs, grads = [t for t, _ in pairs], [g.expand_as(t) for t, g in pairs]
    return torch.autograd.grad(outputs, leaves, grads, allow_unused=True)


def named_gradients(
    maps: Maps, case: Case, given: tuple[Tensor, Tensor]
) -> Mapping[str, Tensor | None]:
    """The same, by name; that of the points is called x."""
    leaves = {"x": case.x, **case.leaves(maps)}
    found = gradients(maps, case.x, list(leaves.values()), given)
    return dict(zip(leaves, found, strict=True))


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of the libraries that are measured."""
    import warnings

    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield
