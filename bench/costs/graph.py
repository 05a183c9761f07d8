"""Leaves the log-determinant out of any torch transform, by dropping what only feeds it.

nflows, zuko and most plugins compute value and log-determinant in one function. Its tensor
operations are taped while it runs once; the tape is then played in full, and played without the
operations that the value does not need. Both plays have the same overhead, so their difference in
time is the cost of the log-determinant, whoever wrote the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten

Transform = Callable[[Tensor], tuple[Tensor, Tensor]]


class Name(str):
    """A variable's name that prints without quotes, so that `repr` of arguments is code."""

    def __repr__(self) -> str:
        return str(self)


@dataclass
class Operation:
    """One dispatched call, as a line of code over the tape's variables."""

    line: str
    tensors: bool  #: has a tensor result; one without was read to branch on
    reads: set[int]  #: storages of the tensors it is given
    touches: set[int]  #: storages of its results, written ones included


class Tape(TorchDispatchMode):
    """Records every tensor operation of the block with what flows between them."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.names: dict[int, Name] = {}  # id of a tensor -> its variable
        self.alive: list[Any] = []  # an id must not be given to another tensor meanwhile
        self.constants: dict[str, Any] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        leaves, structure = tree_flatten((args, kwargs or {}))
        out = function(*args, **(kwargs or {}))
        given = [t for t in leaves if isinstance(t, Tensor)]
        several = isinstance(out, tuple | list)
        made = [(i, t) for i, t in enumerate(out if several else (out,)) if isinstance(t, Tensor)]
        words = tree_unflatten([self._word(leaf) for leaf in leaves], structure)
        call = ", ".join([*map(repr, words[0]), *(f"{k}={v!r}" for k, v in words[1].items())])
        line = f"r = {self._constant(function)}({call})"
        for position, tensor in made:
            line += f"; {self._variable(tensor)} = r" + (f"[{position}]" if several else "")
        written = given if function._schema.is_mutable else []
        touches = {_storage(t) for t in [*(t for _, t in made), *written]}
        reads = {_storage(t) for t in given}
        self.operations.append(Operation(line, bool(made), reads, touches))
        return out

    def _word(self, leaf: Any) -> Name:
        """The variable of an earlier result, or a constant: a number, a weight, the input."""
        return self.names.get(id(leaf)) or self._constant(leaf)

    def _variable(self, tensor: Tensor) -> Name:
        self.alive.append(tensor)
        return self.names.setdefault(id(tensor), Name(f"v{len(self.names)}"))

    def _constant(self, value: Any) -> Name:
        name = Name(f"c{len(self.constants)}")
        self.constants[name] = value
        return name

    def needed_for(self, value: Tensor) -> list[Operation]:
        """The operations that the value depends on, through storages: views and writes count.

        Operations without a tensor result (reading a number to branch on) stay: they belong to the
        map as it is.
        """
        wanted, kept = {_storage(value)}, []
        for operation in reversed(self.operations):
            if not operation.tensors or operation.touches & wanted:
                wanted |= operation.reads
                kept.append(operation)
        return kept[::-1]

    def compile(self, operations: list[Operation], *values: Tensor) -> Callable[[], Any]:
        """A function that runs the operations again and returns these values."""
        body = [o.line for o in operations]
        body.append(f"return {', '.join(self.names[id(v)] for v in values)},")
        source = "def play():\n" + "".join(f"    {line}\n" for line in body)
        scope = dict(self.constants)
        exec(source, scope)  # lines made above, from the names of this tape alone
        play: Callable[[], Any] = scope["play"]
        return play


def with_and_without(
    transform: Transform, x: Tensor
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Calls of the transform at x [B, D] with its log-determinant, and of its value alone.

    Shapes and branches are those of `x`: the calls are good for these points alone.

    Raises:
        ValueError: played again, the tape gives other values, or the map needs all of it.
    """
    with torch.no_grad(), Tape() as tape:
        z, logabsdet = transform(x)
    expected = z.clone(), logabsdet.clone()
    bare = tape.needed_for(z)
    if len(bare) == len(tape.operations):
        raise ValueError("the value needs every operation: the log-determinant comes with it")
    full, part = tape.compile(tape.operations, z, logabsdet), tape.compile(bare, z)
    with torch.no_grad():
        same = all(map(torch.equal, full(), expected)) and torch.equal(part()[0], expected[0])
    if not same:
        raise ValueError("the tape does not reproduce the transform")
    return full, part


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
