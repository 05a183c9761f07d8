"""What a kernel does to invert a masked network, as a table of integers, and the weights it reads.

One row per product with a block of weights, by rising degree: for a chunk of steps first all that
was known before it, then step by step, layer by layer, the chunk's own units; after each step its
coordinates are solved. The kernel only reads the table: one kernel serves every network.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from bench.kernels.masked import Network, Plan, Step

CHUNK = 64  #: units of a chunk: wide enough for a product
FIELDS = 13  #: of an operation
NONE = -1


class Operation(NamedTuple):
    """One product, or (units = 0) coordinates to solve. Rows are those of the scratch memory."""

    units: int
    weight: int  #: offset of the first unit's weights; of a solution: the first coordinate
    stride: int  #: weights of a unit; of a solution: the number of coordinates
    begin: int  #: the first input
    end: int  #: one past the last
    inputs: int  #: row of input 0
    sums: int  #: row of the first unit's sum; of a solution: of its parameters
    bias: int = NONE  #: offset of the first unit's bias, where no sum exists yet
    extra: int = NONE  #: row of what the context adds
    known: int = NONE  #: row to write what the next layer reads
    stream: int = NONE  #: row of the residual stream to add
    stored: int = 0  #: whether the sum is still needed
    relu: int = 0


class Schedule:
    """The table of one network and where its weights lie, for one kind of univariate map.

    Args:
        plan: the order of units.
        residual, extras: of the network; per hidden layer whether the context adds to it.
        outputs: parameters per coordinate.
    """

    def __init__(
        self,
        plan: Plan,
        residual: bool,
        outputs: int,
        extras: tuple[bool, ...],
        device: torch.device,
    ) -> None:
        self.plan, self.residual, self.outputs = plan, residual, outputs
        self.sizes = [len(d) for d in plan.degrees]
        chunks = plan.chunks(CHUNK)
        widths = [c[-1].stop - c[0].start for c in chunks]
        deepest = [
            max(c[-1].ends[i] - c[0].begins[i] for c in chunks) for i in range(len(self.sizes))
        ]
        #: scratch rows: coordinates, what each layer gives, sums of a chunk, its parameters
        ends = torch.tensor([plan.dim, *self.sizes, *deepest, max(widths) * outputs]).cumsum(0)
        self.rows = int(ends[-1])
        starts = [0, *ends.tolist()]
        layers = len(self.sizes)
        self.known, self.sums = starts[: layers + 1], starts[layers + 1 :]
        inputs, units = [plan.dim, *self.sizes], [*self.sizes, plan.dim * outputs]
        self.shapes = list(zip(units, inputs, strict=True))
        self.weights = [0, *torch.tensor([o * i for o, i in self.shapes]).cumsum(0).tolist()]
        self.biases = [0, *torch.tensor(units).cumsum(0).tolist()]
        given = [n if e else 0 for n, e in zip(self.sizes, extras, strict=True)]
        rows = [0, *torch.tensor(given).cumsum(0).tolist()]
        self.extras = [r if e else NONE for r, e in zip(rows, extras, strict=False)]
        self.orders = [o.to(device) for o in plan.orders]
        self.operations = [o for chunk in chunks for o in self._chunk(chunk)]
        self.table = torch.tensor(self.operations, dtype=torch.int32).to(device)
        self.places = [t.to(device) for t in self._places()]

    def _chunk(self, chunk: list[Step]) -> list[Operation]:
        first, last = chunk[0], chunk[-1]
        layers = range(len(self.sizes) + 1)
        starts = (*first.begins, first.start * self.outputs)  # of each layer's units
        if len(chunk) == 1:
            return self._step(first, starts, [0 for _ in layers], True)
        before = (first.start, *first.begins)
        ends = (*last.ends, last.stop * self.outputs)
        found = [self._product(i, starts, (starts[i], ends[i]), (0, before[i])) for i in layers]
        found = [o for o in found if o.units]
        for step in chunk:
            found += self._step(step, starts, before, False)
        return found

    def _step(
        self, step: Step, starts: tuple[int, ...], before: tuple[int, ...] | list[int], fresh: bool
    ) -> list[Operation]:
        now, found = (step.start, *step.ends), []
        layers = len(self.sizes)
        for i, (begin, end) in enumerate(zip(step.begins, step.ends, strict=True)):
            if begin == end:
                continue
            product = self._product(i, starts, (begin, end), (before[i], now[i]))
            even = self.residual and i % 2 == 0
            streamed = even and i > 0
            found.append(
                product._replace(
                    bias=product.bias if fresh else NONE,
                    extra=product.extra if fresh else NONE,
                    known=self.known[i + 1] + begin,
                    stream=self.sums[i - 2] + begin - starts[i - 2] if streamed else NONE,
                    stored=int(even),
                    relu=int(not (even and i == layers - 1)),
                )
            )
        rows = (step.start * self.outputs, step.stop * self.outputs)
        product = self._product(layers, starts, rows, (before[-1], now[-1]))
        found.append(product._replace(bias=product.bias if fresh else NONE))
        found.append(Operation(0, step.start, step.stop - step.start, 0, 0, 0, product.sums))
        return found

    def _product(
        self, layer: int, starts: tuple[int, ...], units: tuple[int, int], inputs: tuple[int, int]
    ) -> Operation:
        """Units of a layer from their bias on; the sums are kept."""
        begin, stride = units[0], self.shapes[layer][1]
        extra = self.extras[layer] if layer < len(self.sizes) else NONE
        return Operation(
            units[1] - begin,
            self.weights[layer] + begin * stride,
            stride,
            *inputs,
            self.known[layer],
            self.sums[layer] + begin - starts[layer],
            self.biases[layer] + begin,
            NONE if extra == NONE else extra + begin,
            stored=1,
        )

    def _places(self) -> tuple[Tensor, Tensor]:
        """Where each weight and bias of the table is in the flattened layers."""
        weights, biases = [], []
        orders = [torch.arange(self.plan.dim), *self.plan.orders]
        orders.append(torch.arange(self.plan.dim * self.outputs))
        for i, (_, stride) in enumerate(self.shapes):
            rows, columns = orders[i + 1], orders[i]
            weights.append((self.weights[i] + rows[:, None] * stride + columns).flatten())
            biases.append(self.biases[i] + rows)
        return torch.cat(weights), torch.cat(biases)

    def packed(self, network: Network) -> tuple[Tensor, Tensor]:
        """The network's weights and biases in the order of the table: two copies."""
        weights, biases = (
            torch.cat([t.detach().reshape(-1) for t in layers])
            for layers in (network.weights, network.biases)
        )
        return weights.take(self.places[0]), biases.take(self.places[1])

    def added(self, network: Network, z: Tensor) -> Tensor:
        """What the context adds, [units, N] in the order of the table."""
        parts = [
            extra.detach().T.index_select(0, order)
            for extra, order in zip(network.extras, self.orders, strict=False)
            if extra is not None
        ]
        return torch.cat(parts).contiguous() if parts else z.new_empty(0)
