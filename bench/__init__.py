"""A benchmark of density models whose likelihoods are checked before they are ranked.

`model`, `dataset`, `check`, `kernel` and `implementation` mark plugins; `load`, `evaluate` and
`compare` are for scripts and notebooks. Importing this package loads no torch: the last three are
imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.contract import check as check
from bench.contract import dataset as dataset
from bench.contract import implementation as implementation
from bench.contract import kernel as kernel
from bench.contract import model as model

if TYPE_CHECKING:
    from bench.api import compare as compare
    from bench.api import evaluate as evaluate
    from bench.api import load as load

__version__ = "0.1.0"
__all__ = [
    "check",
    "compare",
    "dataset",
    "evaluate",
    "implementation",
    "kernel",
    "load",
    "model",
]


def __getattr__(name: str) -> Any:
    if name in ("load", "evaluate", "compare"):
        from bench import api

        return getattr(api, name)
    raise AttributeError(f"module 'bench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
