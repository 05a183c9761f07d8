"""Couplings of images: some channels, or the dark fields of a checkerboard, move the others.

arXiv 1605.08803, section 3.4; the maps are any family of `bench.flows.monotone`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bench.flows.bijection import Bijection
from bench.flows.couplings.affine import Coupling, MakeNet
from bench.flows.images.shapes import check_images
from bench.flows.monotone.univariate import Univariate


class ChannelCoupling(Coupling):
    """A coupling whose moved channels pass a map at each pixel, with parameters from the others.

    Args:
        mask: [C]; true (positive) channels are transformed.
        make_net: builds the conditioner, [B, inputs, H, W] to [B, outputs, H, W].
        family: of the maps, P numbers each.
        blocked: the conditioner's outputs are P blocks of the moved channels (nflows' affine
            couplings) and not P adjacent numbers per channel.
        kept: what the kept channels pass, if anything.

    Raises ValueError for a mask that leaves nothing to transform or nothing to condition on.
    """

    def __init__(
        self,
        mask: Tensor | Sequence[bool],
        make_net: MakeNet,
        family: Univariate,
        *,
        blocked: bool = False,
        kept: Bijection | None = None,
    ) -> None:
        super().__init__(mask, make_net, family.parameters)
        self.family, self.blocked, self.unconditional = family, blocked, kept
        self.fused = hasattr(family, "kernel")
        self.volume_preserving = kept is None and getattr(family, "volume_preserving", False)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        check_images(x, self.dim)
        return x.index_select(1, self.keep), x.index_select(1, self.move)

    def _raw(self, kept: Tensor, context: Tensor | None) -> Tensor:
        outputs = self.transform_net(kept, context)
        return per_point(outputs, self.family.parameters, self.blocked)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, C, H, W] and log |det dz/dx| [B]."""
        kept, moved = self._split(x)
        moved, slopes = self.family.forward(moved, self._raw(kept, context))
        logabsdet = slopes.sum((1, 2, 3))
        if self.unconditional is not None:
            kept, more = self.unconditional(kept)
            logabsdet = logabsdet + more
        return self._join(kept, moved), logabsdet

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] and log |det dx/dz| [B]."""
        kept, moved = self._split(z)
        logabsdet = z.new_zeros(len(z))
        if self.unconditional is not None:
            kept, logabsdet = self.unconditional.inverse(kept)
        moved, slopes = self.family.inverse(moved, self._raw(kept, context))
        return self._join(kept, moved), logabsdet + slopes.sum((1, 2, 3))


class CheckerboardCoupling(Bijection):
    """A coupling whose moved pixels pass a map each; the conditioner sees zeros in their place.

    Args:
        mask: boolean [C, H, W]; true coordinates are transformed.
        make_net: builds the conditioner, [B, C, H, W] to [B, P C, H, W].
        family: of the maps; the P numbers of one channel are adjacent.

    Raises ValueError for a mask that leaves nothing to transform or nothing to condition on.
    """

    def __init__(self, mask: Tensor, make_net: MakeNet, family: Univariate) -> None:
        super().__init__()
        if mask.dim() != 3 or mask.dtype != torch.bool or mask.all() or not mask.any():
            raise ValueError(
                "a coupling of pixels needs a boolean mask [C, H, W] with both kinds of pixels. "
                "Use checkerboard((C, H, W)), with H W >= 2"
            )
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("move", mask.flatten().nonzero()[:, 0], persistent=False)
        self.family = family
        self.fused = hasattr(family, "kernel")
        self.volume_preserving = getattr(family, "volume_preserving", False)
        self.transform_net = make_net(mask.shape[0], mask.shape[0] * family.parameters)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, C, H, W] and log |det dz/dx| [B]."""
        moved, slopes = self.family.forward(*self._moved(x, context))
        return self._put(x, moved), slopes.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] and log |det dx/dz| [B]."""
        moved, slopes = self.family.inverse(*self._moved(z, context))
        return self._put(z, moved), slopes.sum(1)

    def _moved(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The moved coordinates [B, n] and their raw parameters [B, n, P]."""
        if x.shape[1:] != self.mask.shape:
            expected = ", ".join(str(s) for s in self.mask.shape)
            raise ValueError(
                f"expected images of shape [B, {expected}], got {list(x.shape)}. Build the layer "
                "with a mask of the images' shape"
            )
        outputs = self.transform_net(x.masked_fill(self.mask, 0), context)
        raw = per_point(outputs, self.family.parameters).flatten(1, 3)
        return x.flatten(1).index_select(1, self.move), raw.index_select(1, self.move)

    def _put(self, x: Tensor, moved: Tensor) -> Tensor:
        return x.flatten(1).index_copy(1, self.move, moved).view(x.shape)


def per_point(outputs: Tensor, parameters: int, blocked: bool = False) -> Tensor:
    """A conditioner's outputs [B, P C, H, W] as raw parameters [B, C, H, W, P]."""
    b, channels, h, w = outputs.shape
    if blocked:
        blocks = outputs.view(b, parameters, channels // parameters, h, w)
        return blocks.permute(0, 2, 3, 4, 1)
    return outputs.view(b, channels // parameters, parameters, h, w).permute(0, 1, 3, 4, 2)


@torch.no_grad()
def start_at_identity(layer: ChannelCoupling | CheckerboardCoupling) -> None:
    """Zero the last convolution's weights (Glow); its bias is then the family's identity.

    A family that does not hold the identity starts at raw parameters of zero.
    """
    last, family = layer.transform_net.final_layer, layer.family
    raw = family.identity()
    if raw is None:
        raw = torch.zeros(family.parameters)
    channels = last.out_channels // family.parameters
    nn.init.zeros_(last.weight)
    blocked = getattr(layer, "blocked", False)
    last.bias.copy_(raw.repeat_interleave(channels) if blocked else raw.repeat(channels))
