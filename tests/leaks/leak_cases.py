"""Splits with planted leaks, ties and dependences, and an entry to audit them by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from bench.contract import Density, Splits
from bench.leaks import audit as module
from bench.leaks.report import DataReport
from bench.registry import DatasetEntry
from bench.settings import Sizes

ROOT = Path(__file__).resolve().parents[2]


def normal(n: int, seed: int, dim: int = 3) -> Tensor:
    """Standard normal rows, float64 [n, dim]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=generator, dtype=torch.float64)


def bits(n: int, seed: int, dim: int = 12, share: float = 0.3) -> Tensor:
    """Independent bits, int64 [n, dim]."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(n, dim, generator=generator) < share).long()


def three(draw: Callable[..., Tensor], n: int = 1000, seed: int = 0, **options: float) -> Splits:
    """n training rows and test rows, n / 4 validation rows, independent."""
    return Splits(*(draw(m, 3 * seed + k, **options) for k, m in enumerate((n, n // 4, n))))


def report_on(splits: Splits, truth: Density | None = None) -> DataReport:
    """The report of these splits, as if a plugin had brought them."""
    continuous = splits.train.is_floating_point()
    entry = DatasetEntry(
        name="planted",
        file=Path("planted.py"),
        function="planted",
        kind="continuous" if continuous else "binary",
        shape=tuple(splits.train.shape[1:]),
        truth=truth is not None,
        context_dim=0 if splits.train_context is None else splits.train_context.shape[1],
    )
    with mock.patch.object(module, "load_splits", return_value=(splits, truth)):
        return module.audit(entry, Sizes())


def warned(report: DataReport) -> list[str]:
    """The sentences of its warnings."""
    return [f.text for f in report.findings if f.severity == "warning"]


def noted(report: DataReport) -> list[str]:
    """The sentences of its notes."""
    return [f.text for f in report.findings if f.severity == "note"]
