"""Families of increasing maps of the line, and the layers that apply one to each coordinate.

A family knows how many numbers a map takes and how to evaluate and invert it; a layer knows where
the numbers come from: learned per coordinate, a coupling's network, or a masked one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from bench.flows.autoregressive.degree_blocked import degree_blocked_inverse, masked_inverse
from bench.flows.autoregressive.made import MADE
from bench.flows.bijection import Bijection, check_points
from bench.flows.compose import differentiates
from bench.flows.couplings.affine import Coupling, MakeNet
from bench.kernels import traced


class Univariate(Protocol):
    """A family of increasing bijections of the line, applied elementwise."""

    @property
    def parameters(self) -> int:
        """P, the raw numbers of one map."""
        ...

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, [*] each, of points x [*] under raw parameters [*, P]."""
        ...

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each."""
        ...

    def identity(self) -> Tensor | None:
        """Raw parameters [P] of the identity, or None where the family does not hold it."""
        ...


class Elementwise(Bijection):
    """One learned map per coordinate, the same for every point; starts at the identity if it can.

    Args:
        dim: D.
        family: of the maps.
    """

    def __init__(self, dim: int, family: Univariate) -> None:
        super().__init__()
        self.dim, self.family = dim, family
        start = family.identity()
        raw = torch.randn(dim, family.parameters) if start is None else start.expand(dim, -1)
        self.raw = nn.Parameter(raw.clone())
        self.fused = hasattr(family, "kernel")

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        z, slopes = self.family.forward(x, self.raw.expand(len(x), -1, -1))
        return z, slopes.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, self.dim)
        x, slopes = self.family.inverse(z, self.raw.expand(len(z), -1, -1))
        return x, slopes.sum(1)


class UnivariateCoupling(Coupling):
    """A coupling whose moved coordinates pass a map each, with parameters from the kept ones.

    Args:
        mask: [D]; true coordinates are transformed.
        make_net: builds the conditioner; the P numbers of one coordinate are adjacent.
        family: of the maps.
        kept: what the kept coordinates pass, if anything.
    """

    def __init__(
        self,
        mask: Tensor | Sequence[bool],
        make_net: MakeNet,
        family: Univariate,
        kept: Bijection | None = None,
    ) -> None:
        super().__init__(mask, make_net, family.parameters)
        self.family, self.unconditional = family, kept
        self.fused = hasattr(family, "kernel")

    def _raw(self, kept: Tensor, context: Tensor | None) -> Tensor:
        return self.transform_net(kept, context).view(len(kept), self.moved, self.family.parameters)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        kept, moved = self._split(x)
        moved, slopes = self.family.forward(moved, self._raw(kept, context))
        logabsdet = slopes.sum(1)
        if self.unconditional is not None:
            kept, more = self.unconditional(kept)
            logabsdet = logabsdet + more
        return self._join(kept, moved), logabsdet

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        kept, moved = self._split(z)
        logabsdet = z.new_zeros(len(z))
        if self.unconditional is not None:
            kept, logabsdet = self.unconditional.inverse(kept)
        moved, slopes = self.family.inverse(moved, self._raw(kept, context))
        return self._join(kept, moved), logabsdet + slopes.sum(1)


class MaskedUnivariate(Bijection):
    """An autoregressive layer: the map of coordinate i has parameters MADE(x_<i).

    `forward` is one pass. `inverse` computes each hidden unit once (degree-blocked) unless autograd
    records it; then it is D passes, each differentiable.

    Args:
        made: a network with `family.parameters` outputs per coordinate.
        family: of the maps.

    Raises ValueError where the two do not fit.
    """

    def __init__(self, made: MADE, family: Univariate) -> None:
        super().__init__()
        if made.outputs != family.parameters:
            raise ValueError(
                f"the family takes {family.parameters} numbers per coordinate, the network gives "
                f"{made.outputs}. Build it so: MADE(dim, hidden, outputs={family.parameters})"
            )
        self.autoregressive_net, self.family = made, family
        self.fused = hasattr(family, "kernel")

    @property
    def order(self) -> Tensor:
        """Position of each coordinate in the order that the masks keep, int64 [D]."""
        return torch.arange(self.autoregressive_net.dim)

    def transform(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`forward`, as a flow calls it: z [B, D] and log |det dz/dx| [B]."""
        return self(x, context)

    def _raw(self, x: Tensor, context: Tensor | None) -> Tensor:
        return self.autoregressive_net(x, context).view(*x.shape, self.family.parameters)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.autoregressive_net.dim)
        z, slopes = self.family.forward(x, self._raw(x, context))
        return z, slopes.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, self.autoregressive_net.dim)
        if not (traced() or differentiates(self, z, context)):
            kernel = getattr(self.family, "kernel", None)
            if kernel is not None:
                return masked_inverse(self.autoregressive_net, kernel, z, context)
            x, raw = degree_blocked_inverse(self.autoregressive_net, self._solve, z, context)
            return x, -self.family.forward(x, raw)[1].sum(1)
        x = torch.zeros_like(z)
        for _ in range(z.shape[1]):
            x, slopes = self.family.inverse(z, self._raw(x, context))
        return x, slopes.sum(1)

    def _solve(self, z: Tensor, raw: Tensor) -> Tensor:
        """x [n, B] from z [n, B] and raw parameters [n, P, B]."""
        return self.family.inverse(z, raw.transpose(1, 2))[0]
