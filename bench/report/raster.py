"""Palette PNGs as data URIs: small, and the same bytes each time."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from bench.report.artifacts import Array

Palette = NDArray[np.uint8]


def palette(name: str, n: int) -> Palette:
    """n colours of a matplotlib colour map, uint8 [n, 3]."""
    from matplotlib import colormaps

    return (colormaps[name](np.linspace(0, 1, n))[:, :3] * 255).round().astype(np.uint8)


def data_uri(values: Array, top: float, colours: Palette) -> str:
    """A PNG of `values` [H, W] from 0 (first colour) to `top` (last); row 0 is at the top."""
    n = len(colours)
    scaled = np.nan_to_num(values / top if top > 0 else values * 0, nan=0.0, posinf=1.0)
    return uri(np.clip((scaled * n).astype(int), 0, n - 1).astype(np.uint8), colours)


def uri(index: NDArray[np.uint8], colours: Palette) -> str:
    """A PNG of colour indices [H, W]; row 0 is at the top."""
    return "data:image/png;base64," + base64.b64encode(png(index, colours)).decode("ascii")


def png(index: NDArray[np.uint8], colours: Palette) -> bytes:
    """Encode colour indices [H, W]; 4 bits a pixel where 16 colours are enough."""
    height, width = index.shape
    bits = 4 if len(colours) <= 16 else 8
    if bits == 4:
        padded = np.pad(index, ((0, 0), (0, width % 2)))
        index = ((padded[:, ::2] << 4) | padded[:, 1::2]).astype(np.uint8)
    lines = np.pad(index, ((0, 0), (1, 0)))  # filter type 0 before every line
    header = struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", colours.tobytes()),
        (b"IDAT", _packed(lines)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _packed(lines: NDArray[np.uint8]) -> bytes:
    return zlib.compress(np.ascontiguousarray(lines).tobytes(), 9)


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
