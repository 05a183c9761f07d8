"""Residual networks of linear layers and ReLUs, masked or not, in one fused call each way.

The matrix products are those of the BLAS that torch uses; the rest (biases, ReLUs, sums, masks) is
one pass each, without a dispatched operation or an autograd node per layer. Wide masked networks
are sorted by degree first: their weights are then block lower triangular, and what is masked is
neither computed nor differentiated (docs/kernels.md).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.kernels.layout import Layout
from bench.kernels.library import SUFFIX, blas, fused, pointer, took

#: a network's kernel lives as long as the module
_KERNELS: WeakKeyDictionary[nn.Module, Kernel] = WeakKeyDictionary()
_THREAD = threading.local()
KEPT = 2**26  #: bytes of scratch memory that a thread keeps at most


class Bound(NamedTuple):
    """A network that the fused kernels serve now."""

    kernel: Kernel
    library: ctypes.CDLL
    parameters: list[Tensor]

    def recorded(self, x: Tensor) -> bool:
        """Whether autograd records a call at x."""
        return torch.is_grad_enabled() and any(t.requires_grad for t in (x, *self.parameters))


def bind(
    owner: nn.Module,
    x: Tensor,
    layers: Sequence[nn.Linear],
    masks: Sequence[Tensor] = (),
    degrees: Sequence[int] = (),
) -> Bound | None:
    """linear, blocks h + linear(relu(linear(relu(h)))), linear, for inputs like x [B, any].

    None where the fused kernels may not serve the call: PyTorch's modules must.

    Args:
        owner: the module that the layers belong to.
        masks: [out, in] per layer, or empty.
        degrees: of the hidden units, the same in every layer; by them masked layers are sorted.
    """
    library = fused(x)
    if library is None or blas(x.dtype) is None or torch.get_num_threads() > 1:
        return None
    if nn.modules.module._has_any_global_hook() or any(map(_hooked, (owner, *layers))):
        return None
    if x.dim() != 2 or torch.is_autocast_enabled("cpu"):
        return None
    kernel = _KERNELS.get(owner)
    if kernel is None or not kernel.layout.fits(masks):
        if any(m.is_inference() for m in masks):  # their edits leave no trace
            return None
        kernel = _KERNELS[owner] = Kernel(Layout(layers, masks, degrees))
    held: list[dict[str, Any]] = [layer._parameters for layer in layers]  # attributes are slow
    parameters = [p[name] for name in ("weight", "bias") for p in held]
    if not kernel.serves(x, parameters):
        return None
    took("fused")
    return Bound(kernel, library, parameters)


def residual_network(x: Tensor, net: Bound | None) -> Tensor | None:
    """[B, out] of x [B, in], or None if the fused kernels do not serve it."""
    if net is None or x.shape[1] != net.kernel.layout.sizes[0]:
        return None
    if net.recorded(x):
        return _Network.apply(net, x, *net.parameters)
    return net.kernel.forward(net.library, x.contiguous(), False)[0]


def _hooked(layer: nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks)


class Kernel:
    """The C structures of one network, and a buffer that is used again."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.seen: list[tuple[int, torch.Size, bool]] = []
        self.layers: ctypes.Array[Any] | None = None
        self.spare: list[Tensor] = []

    def serves(self, x: Tensor, parameters: Sequence[Tensor]) -> bool:
        """Whether x and the parameters fit the layout and each other; points at the parameters."""
        if any(type(p) not in (Tensor, nn.Parameter) for p in parameters):
            return False
        seen = [(p.data_ptr(), p.shape, p.is_contiguous()) for p in parameters]
        if seen != self.seen or parameters[0].dtype != x.dtype:
            if fused(x, *parameters, *self.layout.masks) is None:
                return False
            if [(shape, dense) for _, shape, dense in seen] != self.layout.wanted:
                return False
            self.seen = seen
            self.layers = self.layout.structures([address for address, *_ in seen])
        return True

    def forward(self, library: ctypes.CDLL, x: Tensor, recorded: bool) -> tuple[Tensor, Call]:
        """The output, and the call with the memory that the gradient needs."""
        call = Call(self, x, recorded)
        y = x.new_empty(len(x), self.layout.sizes[-1])
        scratch = _scratch(call.needs, x)
        call.net.scratch = scratch.data_ptr()
        run = getattr(library, f"network_{SUFFIX[x.dtype]}")
        run(ctypes.byref(call.net), pointer(x), pointer(y), ctypes.c_int64(recorded))
        return y, call


class Call:
    """One call's memory; a recorded one borrows it, for fresh pages cost more than their use."""

    def __init__(self, kernel: Kernel, x: Tensor, recorded: bool) -> None:
        self.spare = kernel.spare if recorded else []
        try:
            self.memory = self.spare.pop()
        except IndexError:
            self.memory = x.new_empty(0)
        size = kernel.layout.memory(len(x), recorded)
        if self.memory.numel() != size or self.memory.dtype != x.dtype:
            self.memory = x.new_empty(size)
        self.layers, self.seen = kernel.layers, kernel.seen
        assert self.layers is not None
        at, start = ctypes.addressof(self.layers), self.memory.data_ptr()
        self.net = _Residual(blas(x.dtype), kernel.layout.count, at, len(x), start)
        self.needs = kernel.layout.scratch(len(x))

    def __del__(self) -> None:
        self.spare[:] = [self.memory]

    def backward(
        self,
        library: ctypes.CDLL,
        x: Tensor,
        grad: Tensor,
        parameters: Sequence[Tensor],
        needs: Sequence[bool],
    ) -> list[Tensor | None]:
        """Gradients of x and, if one is needed, of all parameters."""
        grad_x, half = torch.empty_like(x) if needs[0] else None, len(parameters) // 2
        found = [torch.empty_like(p) for p in parameters] if any(needs[1:]) else []
        addresses = [t.data_ptr() for t in found]
        scratch = _scratch(self.needs, x)
        self.net.scratch = scratch.data_ptr()
        getattr(library, f"network_grad_{SUFFIX[x.dtype]}")(
            ctypes.byref(self.net),
            pointer(x),
            pointer(grad),
            None if grad_x is None else pointer(grad_x),
            *(_table(a) if found else None for a in (addresses[:half], addresses[half:])),
        )
        of_parameters: list[Tensor | None] = [*found] if found else [None] * len(parameters)
        return [grad_x, *of_parameters]

    def library(self, parameters: Sequence[Tensor], *grads: Tensor) -> ctypes.CDLL | None:
        """The library, unless autograd records or batches this backward pass or weights moved."""
        moved = any(p.data_ptr() != at for p, (at, *_) in zip(parameters, self.seen, strict=True))
        return None if moved or torch.is_grad_enabled() else fused(*grads)


class _Residual(ctypes.Structure):
    _fields_ = [
        ("gemm", ctypes.c_void_p),
        ("layers", ctypes.c_int64),
        ("layer", ctypes.c_void_p),
        ("batch", ctypes.c_int64),
        ("memory", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
    ]


def _scratch(size: int, like: Tensor) -> Tensor:
    """This thread's scratch memory: shared by all networks it stays in the cache."""
    found: Tensor | None = getattr(_THREAD, "scratch", None)
    if found is None or found.dtype != like.dtype or len(found) < size:
        found = like.new_empty(size)
        if found.nbytes <= KEPT:
            _THREAD.scratch = found
    return found


class _Network(torch.autograd.Function):
    """The fused network; keeps each layer's input, one [B, hidden] more, and the packed weights."""

    @staticmethod
    def forward(ctx: Any, net: Bound, x: Tensor, *parameters: Tensor) -> Tensor:
        y, ctx.call = net.kernel.forward(net.library, x.contiguous(), True)
        ctx.save_for_backward(x, *parameters)
        ctx.masks = net.kernel.layout.masks
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        needs = needed(ctx, 1)
        library = ctx.call.library(parameters, grad)
        if library is None:
            return (None, *eager_grads(partial(eager, masks=ctx.masks), ctx, 1, (grad,)))
        given = x.contiguous(), grad.contiguous()
        return (None, *ctx.call.backward(library, *given, parameters, needs))


def needed(ctx: Any, first: int) -> list[bool]:
    """Which inputs of a node (from `first`: x, then the parameters) this backward pass is to give.

    `needs_input_grad` alone cannot tell whether the parameters' gradients are asked for: it is the
    same for every pass.
    """
    wanted = any(_runs(node) for node, _ in ctx.next_functions[1:])  # of the tensors alone
    return [n and (wanted or i == 0) for i, n in enumerate(ctx.needs_input_grad[first:])]


def _table(addresses: Sequence[int]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(addresses))(*addresses)


def _runs(node: Any) -> bool:
    """Whether the running backward pass comes to a node."""
    try:
        return node is not None and torch._C._will_engine_execute_node(node)
    except RuntimeError:  # torch's answer for a leaf that autograd.grad asks for
        return True


def eager_grads(
    run: Callable[..., Any], ctx: Any, first: int, grads: Sequence[Tensor]
) -> list[Tensor | None]:
    """Gradients of x and the parameters, where needed, by autograd through `run(x, parameters)`."""
    x, *parameters = ctx.saved_tensors[: len(ctx.needs_input_grad) - first]
    recorded, needs = torch.is_grad_enabled(), needed(ctx, first)
    with torch.enable_grad():
        outputs = run(x, parameters)
    wanted = [t for t, need in zip((x, *parameters), needs, strict=True) if need]
    found = iter(torch.autograd.grad(outputs, wanted, grads, create_graph=recorded))
    return [next(found) if need else None for need in needs]


def eager(x: Tensor, parameters: Sequence[Tensor], masks: Sequence[Tensor] = ()) -> Tensor:
    """The network in PyTorch operations; the weights come first, then the biases."""
    count = len(parameters) // 2
    weights = list(parameters[:count])
    if masks:
        weights = [w * m for w, m in zip(weights, masks, strict=True)]
    first, *inner, last = zip(weights, parameters[count:], strict=True)
    h = F.linear(x, *first)
    for one, two in zip(inner[::2], inner[1::2], strict=True):
        h = h + F.linear(F.relu(F.linear(F.relu(h), *one)), *two)
    return F.linear(h, *last)
