"""The inverse of a masked autoregressive map in one pass over its network, fused or replayed."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.kernels import triton
from bench.kernels.library import REAL, SUFFIX, fused, pointer, split, took
from bench.kernels.masked import Network, Plan, Univariate
from bench.kernels.operators.serving import server, watched
from bench.kernels.replay import Inverter
from bench.kernels.settings import settings, settings_type
from bench.kernels.spline import MAX_BINS

ROWS = 3  #: up to so many samples the weights are read where they are, else packed first
GRAIN = 256  #: samples that are worth a thread
CHUNK = 12  #: units that are worth a product of their own
TILE = 64  #: the most samples of a tile (four registers of 16)


class MaskedInverse:
    """Inverts one masked network again and again; keeps packed weights between calls.

    Args:
        dim: D.
        degrees: per hidden layer those of its units, 0..D-1: how many coordinates a unit sees.

    What is kept is used again only for equal weights (a fingerprint of every byte, or a comparison
    of every entry): an edit of any kind is noticed.
    """

    def __init__(self, dim: int, degrees: Sequence[Sequence[int]]) -> None:
        self.plan = Plan(dim, degrees)
        self.degrees = [d for layer in degrees for d in layer]
        self.replayed = Inverter(self.plan)
        self.packed: tuple[object, Tensor] | None = None
        chunks = self.plan.chunks(CHUNK)
        rows = [(s.start, s.stop, s.begins[0], s.ends[0]) for s in self.plan.steps]
        self.steps = torch.tensor(rows)
        self.chunks = torch.tensor([0, *(len(c) for c in chunks)]).cumsum(0)
        self.widest = max(c[-1].stop - c[0].start for c in chunks)
        self.deepest = max(c[-1].ends[0] - c[0].begins[0] for c in chunks)

    def __call__(
        self, network: Network, univariate: Univariate, z: Tensor
    ) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B], nats, of noise z [B, D]; not recorded for autograd.

        Raises ValueError for shapes that do not fit together.
        """
        network.check(self.plan, univariate.outputs, z)
        given = z, *network.weights, *network.biases
        if watched() and _fusible(network, univariate) and server(*given) != "eager":
            from bench.kernels.operators.masked_inverse import masked_inverse as operator

            weights, biases = ([t.detach() for t in part] for part in network[:2])
            values = univariate.bins, [*univariate.shape], univariate.min_scale
            return operator(z.detach(), weights, biases, self.degrees, network.residual, *values)
        if triton.chosen(z.device):
            from bench.kernels.triton import masked_inverse

            if masked_inverse.serves(network, univariate, z):
                took("triton")
                return masked_inverse.invert(self.plan, network, univariate, z)
        weights = [t.detach().contiguous() for t in (*network.weights, *network.biases)]
        library = fused(z, *weights) if _fusible(network, univariate) else None
        took("fused" if library else "eager")
        if library is None:
            return self.replayed(network, z, univariate, univariate.outputs)[:2]
        return self._run(weights, univariate, z.detach().contiguous(), library)

    def _run(
        self, weights: list[Tensor], univariate: Univariate, z: Tensor, library: ctypes.CDLL
    ) -> tuple[Tensor, Tensor]:
        x, logabsdet = torch.empty_like(z), z.new_empty(len(z))
        net = self._structure(weights, univariate)
        packed = self._pack(net, weights, library) if len(z) > ROWS else None
        run = getattr(library, f"walk_{SUFFIX[z.dtype]}")
        hidden, layers = len(self.plan.degrees[0]), len(weights) // 2
        units = 2 * self.plan.dim + layers * (hidden + self.deepest)
        units += self.widest * univariate.outputs

        def part(begin: int, end: int) -> None:
            scratch = z.new_empty(units * TILE)
            given = (packed, z[begin:], x[begin:], logabsdet[begin:])
            run(
                ctypes.byref(net),
                *(None if t is None else pointer(t) for t in given),
                ctypes.c_int64(end - begin),
                pointer(scratch),
            )

        split(len(z), GRAIN, part)
        return x, logabsdet

    def _structure(self, weights: list[Tensor], univariate: Univariate) -> ctypes.Structure:
        """The C structure Net; the tensors must outlive it."""
        dtype, layers = weights[0].dtype, len(weights) // 2
        hidden = len(self.plan.degrees[0])
        sizes = (self.plan.dim, hidden, layers // 2 - 1, univariate.outputs)
        chunks = (len(self.chunks) - 1, self.widest, self.deepest)
        halves = weights[:layers], weights[layers:]
        tables = [(ctypes.c_void_p * layers)(*(t.data_ptr() for t in half)) for half in halves]
        net = _structure_type(dtype)(
            (ctypes.c_int64 * 7)(*sizes, *chunks),
            self.steps.data_ptr(),
            self.chunks.data_ptr(),
            self.plan.orders[0].data_ptr(),
            *(ctypes.cast(t, ctypes.c_void_p) for t in tables),
            univariate.min_scale,
            settings(dtype, univariate.bins, univariate.shape),
        )
        net.tables = tables  # keeps them alive
        return net

    def _pack(self, net: ctypes.Structure, weights: list[Tensor], library: ctypes.CDLL) -> Tensor:
        """The unmasked weights in the order of the walk: last time's where they are the same."""
        seen = 0
        for t in weights:
            size = ctypes.c_int64(t.numel() * t.element_size())
            seen = library.fingerprint_bytes(pointer(t), size, ctypes.c_uint64(seen))
        mark, kept = (weights[0].dtype, seen), self.packed
        if kept is not None and kept[0] == mark:
            return kept[1]
        pack = getattr(library, f"pack_{SUFFIX[weights[0].dtype]}")
        packed = weights[0].new_empty(pack(ctypes.byref(net), None))
        pack(ctypes.byref(net), pointer(packed))
        self.packed = mark, packed
        return packed


def _fusible(network: Network, univariate: Univariate) -> bool:
    """Whether the C++ walk knows this kind of network."""
    return (
        network.residual
        and network.activation in (F.relu, torch.relu)
        and all(extra is None for extra in network.extras)
        and univariate.bins <= MAX_BINS
    )


@cache
def _structure_type(dtype: torch.dtype) -> type[ctypes.Structure]:
    address = ctypes.c_void_p

    class Net(ctypes.Structure):
        _fields_ = [
            ("sizes", ctypes.c_int64 * 7),
            ("step", address),
            ("chunk", address),
            ("order", address),
            ("weight", address),
            ("bias", address),
            ("min_scale", REAL[dtype]),
            ("shape", settings_type(dtype)),
        ]

    return Net
