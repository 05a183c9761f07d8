"""Orders of an image's pixels: row by row, and the eight snakes."""

from __future__ import annotations

import torch
from torch import Tensor


def raster(height: int, width: int) -> Tensor:
    """Position of each pixel in the order of reading, int64 [H, W]."""
    return torch.arange(height * width).reshape(height, width)


def rows(height: int, width: int) -> Tensor:
    """The row of each pixel: pixels of one row share a position, int64 [H, W]."""
    return torch.arange(height)[:, None].expand(height, width).contiguous()


def snakes(height: int, width: int) -> Tensor:
    """Positions in the eight S-shaped orders, int64 [8, H, W].

    From each corner along the rows, then from each corner along the columns, turning round at every
    edge, so that each pixel is a neighbour of the one before it (arXiv 2006.12486, section 3.2).
    """
    found = []
    for flat, turned in ((_snake(height, width), False), (_snake(width, height), True)):
        for flips in ((), (1,), (0,), (0, 1)):
            flipped = flat.flip(flips)
            found.append(flipped.T if turned else flipped)
    return torch.stack(found)


def _snake(height: int, width: int) -> Tensor:
    """From the top left corner to the right, the next row back, and so on, int64 [H, W]."""
    positions = raster(height, width)
    positions[1::2] = positions[1::2].flip(1)
    return positions
