"""Coupling layers (arXiv 1605.08803): one part of the coordinates moves the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from bench.flows.bijection import Bijection, check_points
from bench.flows.couplings.conditioners import ResidualNet
from bench.flows.monotone.spline import MIN_BIN, MIN_SLOPE, ElementwiseSpline
from bench.kernels import rq_spline_packed
from bench.kernels.affine import Coupled, Places, affine, bounded_scale_and_shift, join
from bench.kernels.eager import Shape

MIN_SCALE = 1e-3

#: (inputs, outputs) -> a module that maps [B, inputs] (and a context) to [B, outputs]
MakeNet = Callable[[int, int], nn.Module]


class Coupling(Bijection):
    """What couplings share: split by a mask, compute parameters, put together again.

    Args:
        mask: [D]; true (positive) coordinates are transformed, the others pass and condition.
        make_net: builds the conditioner.
        parameters: numbers per transformed coordinate.

    Raises ValueError for a mask that leaves nothing to transform or nothing to condition on.
    """

    def __init__(self, mask: Tensor | Sequence[bool], make_net: MakeNet, parameters: int) -> None:
        super().__init__()
        chosen = torch.as_tensor(mask) > 0
        keep, move = (~chosen).nonzero()[:, 0], chosen.nonzero()[:, 0]
        if chosen.dim() != 1 or not len(keep) or not len(move):
            raise ValueError("a coupling needs a mask [D] with both kinds of coordinates (D >= 2)")
        self.dim, self.moved = len(chosen), len(move)
        self.register_buffer("keep", keep, persistent=False)
        self.register_buffer("move", move, persistent=False)
        self.register_buffer("restore", torch.cat((keep, move)).argsort(), persistent=False)
        self.transform_net = make_net(len(keep), len(move) * parameters)
        self.fused = self.fused or isinstance(self.transform_net, ResidualNet)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        check_points(x, self.dim)
        return x.index_select(1, self.keep), x.index_select(1, self.move)

    def _join(self, kept: Tensor, moved: Tensor) -> Tensor:
        return join(kept, moved, self._places)

    @property
    def _places(self) -> Places:
        return Places(self.keep, self.move, self.restore)


class AffineCoupling(Coupling):
    """moved * scale + shift with scale = sigmoid(a + 2) + 1e-3, so at most 1.001 (nflows 0.14).

    The conditioner's outputs are all shifts, then all raw scales.
    """

    def __init__(self, mask: Tensor | Sequence[bool], make_net: MakeNet) -> None:
        super().__init__(mask, make_net, 2)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        net = self.transform_net
        if context is None and type(self) is AffineCoupling and type(net) is ResidualNet:
            bound = net.bound(x)
            if bound is not None and bound.recorded(x):
                return Coupled.apply(bound, self._places, MIN_SCALE, x, *bound.parameters)
        kept, moved = self._split(x)
        moved, logabsdet = affine(moved, net(kept, context), MIN_SCALE, masked=False)
        return self._join(kept, moved), logabsdet

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        kept, moved = self._split(x)
        scale, shift = bounded_scale_and_shift(self.transform_net(kept, context), MIN_SCALE)
        return self._join(kept, moved * scale + shift)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        kept, moved = self._split(z)
        raw = self.transform_net(kept, context)
        moved, logabsdet = affine(moved, raw, MIN_SCALE, masked=False, inverse=True)
        return self._join(kept, moved), logabsdet


class SplineCoupling(Coupling):
    """Rational-quadratic spline coupling with linear tails (arXiv 1906.04032).

    Args:
        bins, bound: K bins in the box [-bound, bound]; outside the map is the identity.
        logit_scale: divides the conditioner's width and height logits; nflows 0.14 takes
            sqrt(hidden) for a residual conditioner.
        unconditional: the kept coordinates pass a learned spline each.
    """

    fused = True

    def __init__(
        self,
        mask: Tensor | Sequence[bool],
        make_net: MakeNet,
        *,
        bins: int = 8,
        bound: float = 4.0,
        logit_scale: float | None = None,
        unconditional: bool = False,
        min_bin: float = MIN_BIN,
        min_slope: float = MIN_SLOPE,
    ) -> None:
        super().__init__(mask, make_net, 3 * bins - 1)
        self.bins, self.bound, self.min_bin, self.min_slope = bins, bound, min_bin, min_slope
        if logit_scale is None:
            logit_scale = math.sqrt(getattr(self.transform_net, "hidden", 1))
        self.logit_scale = logit_scale
        kept = self.dim - self.moved
        self.unconditional = ElementwiseSpline(kept, bins, bound) if unconditional else None

    def _move(
        self, moved: Tensor, kept: Tensor, context: Tensor | None, **how: bool
    ) -> tuple[Tensor, Tensor]:
        """The splines of the moved coordinates and their log-derivatives, [B, moved] each."""
        raw = self.transform_net(kept, context).view(*moved.shape, 3 * self.bins - 1)
        shape = Shape(self.bound, self.min_bin, self.min_slope, self.logit_scale)
        return rq_spline_packed(moved, raw, shape, faithful=True, **how)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        kept, moved = self._split(x)
        moved, slopes = self._move(moved, kept, context)
        logabsdet = slopes.sum(1)
        if self.unconditional is not None:
            kept, more = self.unconditional(kept)
            logabsdet = logabsdet + more
        return self._join(kept, moved), logabsdet

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        kept, moved = self._split(x)
        moved, _ = self._move(moved, kept, context, logabsdet=False)
        if self.unconditional is not None:
            kept = self.unconditional.map_only(kept)
        return self._join(kept, moved)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        kept, moved = self._split(z)
        logabsdet = z.new_zeros(z.shape[0])
        if self.unconditional is not None:
            kept, logabsdet = self.unconditional.inverse(kept)
        moved, slopes = self._move(moved, kept, context, inverse=True)
        return self._join(kept, moved), logabsdet + slopes.sum(1)
