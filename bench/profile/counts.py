"""What one call asks of the dispatcher: operations, synchronisations, bytes and products.

A proxy for a GPU's launches that any machine gives. A kernel of `torch.library` is one operation,
whatever happens inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

#: they launch nothing: memory without values, and views that their schema does not call so
FREE = frozenset({"_unsafe_view", "resize_", "set_"})
#: the host waits for a value or a size; `linalg` raises by it
WAITING = frozenset(
    {
        "_is_all_true",
        "_is_any_true",
        "_linalg_check_errors",
        "_local_scalar_dense",
        "_unique",
        "_unique2",
        "bincount",
        "equal",
        "is_nonzero",
        "masked_select",
        "nonzero",
        "unique_consecutive",
        "unique_dim",
        "unique_dim_consecutive",
    }
)
INDEXED = frozenset({"index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_"})
#: of their target nothing is read
OVERWRITING = frozenset({"copy_", "fill_", "zero_", "normal_", "uniform_", "random_"})
#: of their source as much is read as they give
PICKING = frozenset({"gather", "index_select", "embedding", "index", "_unsafe_index"})


@dataclass(frozen=True)
class Counts:
    """Of one call."""

    operations: int  #: dispatched; views and allocations left out
    synchronisations: int  #: operations that would make the host wait for a GPU
    bytes_read: int  #: by all operations, each from memory
    bytes_written: int
    flops: int  #: of matrix products, convolutions and attention


def count(call: Callable[[], Any]) -> Counts:
    """Count what `call` dispatches, a backward pass inside it included."""
    with _Counting() as seen:
        call()
    return Counts(seen.operations, seen.synchronisations, seen.read, seen.written, seen.flops)


class _Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations = self.synchronisations = self.read = self.written = self.flops = 0

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        result = func(*args, **given)
        name = func._schema.name.split("::")[-1]
        if func.is_view or name in FREE or "empty" in name.split("_"):
            return result
        self.operations += 1
        self.synchronisations += _waits(name, args, given, result)
        changed = list(_changed(func, args, given))
        kept = [t for t, read in changed if not read]
        sources = [t for t in _tensors((args, given)) if all(t is not k for k in kept)]
        sources = list({id(t): t for t in sources}.values())
        fresh = [t for t in _tensors(result) if all(t is not c for c, _ in changed)]
        written = _size(fresh)
        if name in PICKING:
            sources, self.read = sources[1:], self.read + written
        elif name.startswith("new_") or name.endswith("_like"):  # of the other tensor's shape only
            sources = []
        self.read += _size(sources)
        self.written += written + _size(t for t, _ in changed)
        product = flop_registry.get(getattr(torch.ops.aten, name.rstrip("_"), None))
        if product is not None:
            self.flops += int(product(*args, **given, out_val=result))
        return result


def _waits(name: str, args: tuple[Any, ...], given: Mapping[str, Any], result: Any) -> bool:
    if name in INDEXED:  # a mask: its true entries are counted first
        return any(t.dtype in (torch.bool, torch.uint8) for t in _tensors(args[1]))
    if name == "repeat_interleave":  # without its size
        return given.get("output_size") is None
    if name in ("_to_copy", "copy_"):  # to the host
        source = args[0] if name == "_to_copy" else args[1]
        return source.device.type != "cpu" and result.device.type == "cpu"
    return name in WAITING


def _changed(
    func: OpOverload, args: tuple[Any, ...], given: Mapping[str, Any]
) -> Iterator[tuple[Tensor, bool]]:
    """The tensors that the operation writes to, and whether it reads them before."""
    overwrites = func._schema.name.split("::")[-1] in OVERWRITING
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info is None or not argument.alias_info.is_write:
            continue
        value = args[i] if i < len(args) else given.get(argument.name)
        for t in _tensors(value):
            yield t, not (overwrites or argument.is_out)


def _tensors(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        yield from _tensors(list(tree.values()))
    elif isinstance(tree, (list, tuple)):
        for part in tree:
            yield from _tensors(part)


def _size(tensors: Iterable[Tensor]) -> int:
    """Bytes of memory behind the tensors: what is expanded counts once."""
    total = 0
    for t in tensors:
        sizes = zip(t.shape, t.stride(), strict=True)
        shape = [1 if stride == 0 and n else n for n, stride in sizes]
        total += torch.Size(shape).numel() * t.element_size()
    return total
