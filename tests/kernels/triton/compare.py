"""When a kernel's numbers are right, and tensors that find a kernel out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def poisoned(t: Tensor) -> Tensor:
    """A contiguous copy with NaN before and behind it."""
    buffer = torch.full((t.numel() + 128,), torch.nan, dtype=t.dtype)
    buffer[64 : 64 + t.numel()] = t.reshape(-1)
    return buffer[64 : 64 + t.numel()].view(t.shape)


def strided(t: Tensor) -> Tensor:
    """A copy with gaps of NaN between rows and between entries."""
    buffer = torch.full([2 * n for n in t.shape], torch.nan, dtype=t.dtype)
    buffer[tuple(slice(0, None, 2) for _ in t.shape)] = t
    return buffer[tuple(slice(0, None, 2) for _ in t.shape)]


def close_double(found: Sequence[Tensor], wanted: Sequence[Tensor], tolerance: float) -> None:
    """Errors relative to 1 + |wanted| below the tolerance."""
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype == torch.float64
        assert a.isfinite().all()
        if a.numel():
            error = ((a - b).abs() / (1 + b.abs())).max().item()
            assert error < tolerance, error


def no_worse(
    found: Sequence[Tensor], reference: Sequence[Tensor], exact: Sequence[Tensor], times: float = 3
) -> None:
    """The float32 error at most `times` the float32 reference's own, or a few roundings."""
    for a, b, c in zip(found, reference, exact, strict=True):
        assert a.dtype == b.dtype == torch.float32
        if a.numel():
            allowed = times * (b.double() - c).abs().max() + 4e-7 * (1 + c.abs().max())
            error = (a.double() - c).abs().max()
            assert error <= allowed, (error.item(), allowed.item())
