"""From whatever `build` returned to one interface: log_prob, sample, transform, inverse, fit.

An adapter is a module here with `adapt(obj) -> Adapted`, named after the package whose objects it
understands; it is imported only when such an object appears. Objects with a `log_prob` of their own
need none.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import PluginError

if TYPE_CHECKING:
    from torch import Tensor, nn

#: top-level package of a class in the object's method resolution order -> adapter module
BY_PACKAGE = {
    "nflows": "nflows",
    "sklearn": "sklearn",
    "zuko": "zuko",
    "normflows": "normflows",
}


@dataclass
class Adapted:
    """A model behind one interface. Tensors are in the model's space; absent abilities are None.

    A conditional model's abilities take one argument more: the contexts, one row per point.
    """

    obj: Any
    log_prob: Callable[..., Tensor]  #: (x [B, ...], samples=None, context=None) -> [B], nats
    sample: Callable[..., Tensor] | None = None  #: n -> [n, ...]
    transform: Callable[..., tuple[Tensor, Tensor]] | None = None  #: x -> z, logabsdet [B]
    inverse: Callable[..., Tensor] | None = None  #: z -> x
    map_only: Callable[..., Tensor] | None = None  #: x -> z, log-determinant left out
    fit: Callable[[Any, Any], None] | None = None  #: (DataSpec, Budget)
    #: (x, context=None, labels=None) -> [B] or scalar, nats; else -log_prob
    loss: Callable[..., Tensor] | None = None
    #: (mean, variance) [B, D] -> [B], nats: E[log p(x)] over independent x_i of these moments
    expected_log_prob: Callable[[Tensor, Tensor], Tensor] | None = None
    #: (lower, upper) [B, D] -> [B], nats: log of the probability of a box
    box_log_prob: Callable[[Tensor, Tensor], Tensor] | None = None
    module: nn.Module | None = None  #: the torch module that holds the parameters, if there is one
    differentiable: bool = True  #: log_prob carries gradients to x
    convert: Callable[[], Any] | None = None  #: the in-house flow of the same weights

    @property
    def trainable(self) -> bool:
        """Has parameters that gradient descent can move."""
        return self.module is not None and any(p.requires_grad for p in self.module.parameters())


def adapt(obj: Any) -> Adapted:
    """Wrap what `build` returned. Raises PluginError where nothing understands it."""
    from torch.distributions import Distribution

    from bench.adapters import native

    if isinstance(obj, Distribution):
        return native.adapt(obj)
    for cls in type(obj).__mro__:
        package = cls.__module__.partition(".")[0]
        if package in BY_PACKAGE:
            module = importlib.import_module(f"bench.adapters.{BY_PACKAGE[package]}")
            adapted: Adapted = module.adapt(obj)
            return adapted
    if callable(getattr(obj, "log_prob", None)) or callable(getattr(obj, "sample", None)):
        return native.adapt(obj)
    raise PluginError(
        f"build returned {type(obj).__module__}.{type(obj).__qualname__}, which has no "
        "log_prob(x) and which no adapter understands. Return an object with log_prob(x) -> [B]"
    )


def sources(packages: set[str]) -> list[Path]:
    """Adapter files that objects of these packages may need: part of a model's source closure."""
    here = Path(__file__).parent
    names = {BY_PACKAGE[p] for p in packages if p in BY_PACKAGE}
    return [f for n in sorted(names) if (f := here / f"{n}.py").is_file()]
