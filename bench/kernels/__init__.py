"""Fast kernels for flows on a CPU, usable alone: torch is all they need (docs/kernels.md).

A small C++ library is built on first use where a compiler is; without one, or where autograd's or
the compiler's machinery must see the operations, PyTorch does the same. `path()` tells which ran.
"""

from bench.kernels.library import available, path, reason, traced
from bench.kernels.masked import Network, Univariate
from bench.kernels.spline import rq_spline, rq_spline_packed
from bench.kernels.walk import MaskedInverse

__all__ = [
    "MaskedInverse",
    "Network",
    "Univariate",
    "available",
    "path",
    "reason",
    "rq_spline",
    "rq_spline_packed",
    "traced",
]
