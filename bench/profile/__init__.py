"""Profiles log-det kernels: accuracy first, then time against a baseline (docs/profiling.md).

`Case`, `Maps`, `Size` and `of_module` are what a plugin needs; the rest is behind `bench profile`.
"""

from bench.profile.case import Case, Maps, Size, of_module

__all__ = ["Case", "Maps", "Size", "of_module"]
