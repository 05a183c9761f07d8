"""Profiles log-det kernels: accuracy first, then time against a baseline (docs/profiling.md).

`Case`, `Maps`, `Size` and `of_module` are what a plugin needs; the rest is behind `bench profile`.
They are imported, and torch with them, at first use: what reads profiles needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.profile.case import Case as Case
    from bench.profile.case import Maps as Maps
    from bench.profile.case import Size as Size
    from bench.profile.case import of_module as of_module

__all__ = ["Case", "Maps", "Size", "of_module"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from bench.profile import case

        return getattr(case, name)
    raise AttributeError(f"module 'bench.profile' has no attribute '{name}'")
