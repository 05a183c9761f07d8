"""What a kernel is profiled on: sizes, inputs, parameters, and the functions that compute it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bench.flows.bijection import Bijection

Transform = Callable[[Tensor], tuple[Tensor, Tensor]]


class Maps(NamedTuple):
    """One way to compute a kernel at given parameters."""

    forward: Transform  #: x [B, ...] -> value, log |det| [B] in nats
    inverse: Transform | None = None  #: of the forward's value: x, log |det dx/dz| [B]
    map: Callable[[Tensor], Tensor] | None = None  #: the value alone, as cheaply as it can be had
    #: what gradients are taken of, by the names of the case's parameters where they are the same
    #: tensors in another place; default the parameters themselves
    leaves: Mapping[str, Tensor] | None = None


Build = Callable[..., Maps]


@dataclass(frozen=True)
class Size:
    """One point of the sweep, and the source of its random numbers: float64, on the CPU."""

    dim: int
    batch: int
    seed: int = 0
    generator: torch.Generator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "generator", torch.Generator().manual_seed(self.seed))

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Gaussian numbers of mean 0 and this standard deviation."""
        return scale * torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform numbers in [low, high)."""
        drawn = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return low + (high - low) * drawn


@dataclass(frozen=True)
class Case:
    """A kernel at one size."""

    x: Tensor  #: [B, ...], where the forward runs
    parameters: Mapping[str, Any]  #: tensors, and numbers that no dtype touches
    #: the definition in plain torch operations: takes the parameters, serves any real dtype; in
    #: float64 its forward (and autograd's gradient of it) is the truth
    reference: Build
    #: what one forward must move, bytes per element size: each input read, each result written
    #: once, as a count of numbers
    numbers: float
    flops: float  #: what one forward must compute: multiplications and additions, 1 per function
    #: gradients of these parameters are compared and timed; default all real tensors
    differentiate: tuple[str, ...] | None = None
    #: the log-determinant is an estimate at given noise: brute force then gives another number
    estimate: bool = False

    def to(self, dtype: torch.dtype, device: str = "cpu", grad: bool = False) -> Case:
        """A copy with real tensors of this dtype and device; `grad`: as leaves that record."""
        wanted = self.differentiated() if grad else ()
        cast = {
            name: _cast(value, dtype, device, name in wanted)
            for name, value in self.parameters.items()
        }
        return replace(self, x=_cast(self.x, dtype, device, grad), parameters=cast)

    def differentiated(self) -> tuple[str, ...]:
        """Names of the parameters whose gradients are compared and timed."""
        if self.differentiate is not None:
            return self.differentiate
        return tuple(
            name
            for name, value in self.parameters.items()
            if isinstance(value, Tensor) and value.is_floating_point()
        )

    def leaves(self, maps: Maps) -> dict[str, Tensor]:
        """What an implementation built on these parameters takes gradients of, x left out."""
        if maps.leaves is not None:
            return dict(maps.leaves)
        return {name: self.parameters[name] for name in self.differentiated()}


def _cast(value: Any, dtype: torch.dtype, device: str, grad: bool) -> Any:
    if not isinstance(value, Tensor):
        return value
    if not value.is_floating_point():
        return value.to(device)
    return value.detach().to(device, dtype, copy=True).requires_grad_(grad)


def _map_only(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """Its value without the log-determinant, unless that is the forward pass once more."""
    own = getattr(type(module), "map_only", Bijection.map_only)
    run: Callable[[Tensor], Tensor] = getattr(module, "map_only", module.forward)
    return None if own is Bijection.map_only else run


def of_module(module: nn.Module, parameters: Mapping[str, Any], **names: str) -> Maps:
    """A bijection of `bench.flows` whose parameters are set to the case's.

    Args:
        module: has `forward`, and `inverse` and `map_only` where it can; changed in place.
        parameters: the case's.
        names: name in the case -> name in the module, where they differ; all of the module's
            parameters must be named by the one or the other.
    """
    found = dict(module.named_parameters())
    if found:
        module.to(next(t for t in parameters.values() if isinstance(t, Tensor)))
        found = dict(module.named_parameters())
    leaves = {}
    for name, value in parameters.items():
        target = names.get(name, name)
        if isinstance(value, Tensor) and target in found:
            leaf = found.pop(target)
            with torch.no_grad():
                leaf.copy_(value)
            leaf.requires_grad_(value.requires_grad)
            leaves[name] = leaf
    if found:
        raise ValueError(f"no parameter of the case sets {', '.join(found)} of the module")
    module.eval()
    return Maps(
        module.forward,
        getattr(module, "inverse", None),
        _map_only(module),
        leaves or None,
    )
