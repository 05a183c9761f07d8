"""How a network's units are sorted, so that masked layers become block lower triangular."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

SORTED = 160  #: hidden units from which sorting wins; below, torch's values to the last bit
BLOCK = 64  #: columns that a block of rows sees more than the one before it


NAMES = ("mask", "row", "column", "place", "reach", "edge")  #: of a layer's tables


class Linear(ctypes.Structure):
    """The C structure of a layer; `reach` is null where it is not sorted."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("out", "inputs", "blocks")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias", *NAMES)),
    ]


class Layout:
    """Sizes and masks of one residual network; serves any weights.

    Args:
        layers: first to last; the hidden ones are all alike.
        masks: [out, in] per layer, or empty.
        degrees: of the hidden units, the same in every layer. Where the masks are triangular in
            their order and the network is wide, its layers are sorted.
    """

    def __init__(
        self, layers: Sequence[nn.Linear], masks: Sequence[Tensor], degrees: Sequence[int]
    ) -> None:
        self.sizes = [layers[0].in_features, *(layer.out_features for layer in layers)]
        self.masks = tuple(masks)
        self.versions = [m._version for m in masks]
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        #: shape and contiguity of the weights, then the biases
        self.wanted = [(torch.Size((out, inputs)), True) for inputs, out in pairs]
        self.wanted += [(torch.Size((out,)), True) for _, out in pairs]
        self.weights = [(inputs + 1) * out for inputs, out in pairs]
        self.count = len(layers)
        self.tables = [[m.contiguous()] for m in masks]
        if masks and self.sizes[1] >= SORTED:
            order = torch.tensor(degrees).argsort(stable=True)
            rows = [*[order] * (self.count - 1), torch.arange(self.sizes[-1])]
            columns = [torch.arange(self.sizes[0]), *[order] * (self.count - 1)]
            found = [triangle(m, r, c) for m, r, c in zip(masks, rows, columns, strict=True)]
            if all(found):
                self.tables = found

    def fits(self, masks: Sequence[Tensor]) -> bool:
        """Whether these are the masks that it was made of, unchanged."""
        seen = zip(masks, self.masks, self.versions, strict=True)
        return all(m is kept and m._version == version for m, kept, version in seen)

    def memory(self, batch: int, recorded: bool) -> int:
        """Numbers that are kept for the gradient: the layers' inputs, packed weights."""
        packed = sum(self.weights) if self.masks else 0
        return (self.count - 1 if recorded else 1) * batch * self.sizes[1] + packed

    def scratch(self, batch: int) -> int:
        """Numbers that are used within one call."""
        return 3 * batch * self.sizes[1] + max(self.weights)

    def structures(self, addresses: Sequence[int]) -> ctypes.Array[Any]:
        """The layers in C; the weights' addresses come first, then the biases'."""
        found = (Linear * self.count)()
        for i, layer in enumerate(found):
            layer.out, layer.inputs, layer.blocks = self.sizes[i + 1], self.sizes[i], 1
            layer.weight, layer.bias = addresses[i], addresses[self.count + i]
            for name, table in zip(NAMES, self.tables[i] if self.masks else (), strict=False):
                setattr(layer, name, table.data_ptr())
                if name == "edge":
                    layer.blocks = len(table) - 1
        return found


def triangle(mask: Tensor, row: Tensor, column: Tensor) -> list[Tensor]:
    """The tables of a sorted layer: mask, order of the rows, of the columns and its inverse, what
    each sorted row sees, the first rows of the blocks.

    Empty where a sorted row sees more than its first columns, or a later one fewer.
    """
    width = mask.shape[1]
    turned = mask[row][:, column]
    reach = (turned != 0).sum(1)
    wanted = torch.arange(width) < reach[:, None]
    if not turned.equal(wanted.to(mask)) or (reach.diff() < 0).any():
        return []
    count = max(1, width // BLOCK)
    levels = torch.arange(1, count) * width // count
    inner = torch.searchsorted(reach, levels, right=True)
    edge = torch.cat((torch.tensor([0, len(reach)]), inner)).unique()
    return [mask.contiguous(), row.int(), column.int(), column.argsort().int(), reach, edge]
