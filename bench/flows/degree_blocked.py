"""The inverse of an autoregressive map in one pass over the network instead of D.

A hidden unit of degree m needs the first m coordinates only. With the units of every layer sorted
by degree the masked matrices are block lower triangular, so that each unit is computed once, from
prefixes of arrays laid out [unit, batch], as soon as its coordinates are known. No masks are
needed: the prefixes hold exactly the unmasked entries.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import torch
from torch import Tensor

from bench.flows.made import MADE, MaskedLinear

#: (z [n, B], parameters [n, outputs, B]) -> x [n, B]
Solve = Callable[[Tensor, Tensor], Tensor]


class Layer:
    """One masked linear layer with its units sorted by degree.

    `extra` [B, units] is what the context adds before the activation.
    """

    def __init__(
        self,
        linear: MaskedLinear,
        rows: Tensor | None,
        columns: Tensor | None,
        extra: Tensor | None = None,
    ) -> None:
        weight: Tensor = linear.weight
        bias: Tensor = linear.bias
        if rows is not None:
            weight, bias = weight.index_select(0, rows), bias.index_select(0, rows)
        self.weight = weight if columns is None else weight.index_select(1, columns)
        self.bias = bias[:, None]
        self.extra = extra
        if extra is not None:
            self.extra = extra.T if rows is None else extra.T.index_select(0, rows)

    def units(self, begin: int, end: int, inputs: Tensor) -> Tensor:
        """Values [end - begin, B] of some units from the known prefix of the inputs [k, B]."""
        weight = self.weight[begin:end, : len(inputs)]
        values = torch.addmm(self.bias[begin:end], weight, inputs)
        return values if self.extra is None else values.add_(self.extra[begin:end])


class Walk:
    """A MADE unrolled by degree for one batch; `known` holds what each later layer reads."""

    def __init__(self, made: MADE, context: Tensor | None, targets: Tensor) -> None:
        self.made, self.degrees = made, made.sorted_degrees
        orders = made.orders()
        extra = None if context is None else made.activation(made.context_layer(context))
        self.first = Layer(made.initial_layer, orders[0], None, extra)
        self.hidden: list[Layer] = []
        for block, columns, rows in zip(made.blocks, orders, orders[1:], strict=False):
            if made.residual:
                extra = None if context is None else block.context_layer(context)
                first, second = block.linear_layers
                self.hidden += [Layer(first, rows, columns, extra), Layer(second, rows, columns)]
            else:
                self.hidden.append(Layer(block.linear, rows, columns))
        self.last = Layer(made.final_layer, None, orders[-1])
        shape = (len(self.degrees[0]), targets.shape[1])
        self.known = [targets.new_empty(shape) for _ in range(1 + len(self.hidden))]

    def steps(self) -> list[tuple[int, int]]:
        """Ranges of coordinates that become known together: no hidden unit lies between them."""
        starts = sorted({0}.union(*self.degrees))
        return list(zip(starts, [*starts[1:], self.made.dim], strict=True))

    def parameters(self, start: int, stop: int, x: Tensor) -> Tensor:
        """Parameters [(stop - start) * outputs, B] of coordinates start..stop-1 from x[:start]."""
        (self._residual if self.made.residual else self._feed_forward)(start, x)
        top = self.known[-1][: bisect_right(self.degrees[-1], start)]
        return self.last.units(start * self.made.outputs, stop * self.made.outputs, top)

    def _residual(self, degree: int, x: Tensor) -> None:
        """Compute the units of one degree, the same ones in every layer."""
        begin = bisect_right(self.degrees[0], degree - 1)
        end = bisect_right(self.degrees[0], degree)
        if begin == end:
            return
        h = self.first.units(begin, end, x[:degree])
        for i, block in enumerate(self.made.blocks):
            before, between = self.known[2 * i], self.known[2 * i + 1]
            before[begin:end] = block.activation(h)
            t = self.hidden[2 * i].units(begin, end, before[:end])
            between[begin:end] = block.activation(t)
            h += self.hidden[2 * i + 1].units(begin, end, between[:end])
        self.known[-1][begin:end] = h

    def _feed_forward(self, degree: int, x: Tensor) -> None:
        """The same without skips; here every layer may have degrees of its own."""
        inputs = x[:degree]
        activations = [self.made.activation, *(b.activation for b in self.made.blocks)]
        for i, (layer, act) in enumerate(zip([self.first, *self.hidden], activations, strict=True)):
            begin = bisect_right(self.degrees[i], degree - 1)
            end = bisect_right(self.degrees[i], degree)
            if begin < end:
                self.known[i][begin:end] = act(layer.units(begin, end, inputs))
            inputs = self.known[i][:end]


@torch.no_grad()
def degree_blocked_inverse(
    made: MADE, solve: Solve, z: Tensor, context: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Invert z [B, D] coordinate by coordinate: x [B, D] and its parameters [B, D, outputs].

    `solve` inverts the univariate maps. Dropout is off; nothing is recorded for autograd.
    """
    targets = z.T.contiguous()
    x = torch.empty_like(targets)
    parameters = targets.new_empty(made.dim, made.outputs, targets.shape[1])
    walk = Walk(made, context, targets)
    for start, stop in walk.steps():
        found = walk.parameters(start, stop, x).view(stop - start, made.outputs, targets.shape[1])
        x[start:stop] = solve(targets[start:stop], found)
        parameters[start:stop] = found
    return x.T.contiguous(), parameters.permute(2, 0, 1)
