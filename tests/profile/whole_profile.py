"""A profile as the default sweep leaves it, of chosen numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from profile_rows import profile, row

from bench.profile.fits import fits
from bench.profile.rows import NO_INVERSE, WAYS, Errors, Profile, Row, Spread, Verdict, Versus

DIMS = (4, 8, 16, 32, 64, 128)
#: implementation, mode, microseconds at D = 64, exponent over D, share of the log-determinant
PATHS = (
    ("textbook", "eager", 90.0, 0.5, 0.3),
    ("in-house", "eager", 70.0, 0.4, 0.1),
    ("in-house", "fused", 20.0, 0.2, 0.2),
    ("nflows", "eager", 180.0, 1.0, 0.6),
)


def whole(*kernels: str, **changes: Any) -> Profile:
    """Rows, controls and fits of these kernels; `changes` go to every row."""
    rows = [r for i, k in enumerate(kernels) for r in _kernel(k, 1 + i / 10)]
    made = profile(*(r.model_copy(update=changes) for r in rows))
    return made.model_copy(update={"fits": fits(made.rows)})


def _kernel(name: str, slow: float) -> Iterator[Row]:
    for dim in DIMS:
        yield from _group(name, dim, 256, "forward", slow, detailed=dim >= 64)
        if dim <= 64:
            yield from _group(name, dim, 16, "forward", slow / 4, brute=True)
    for way in WAYS[1:]:
        yield from _group(name, 64, 256, way, 2 * slow, detailed=True)


def _group(
    name: str,
    dim: int,
    batch: int,
    way: str,
    slow: float,
    brute: bool = False,
    detailed: bool = False,
) -> Iterator[Row]:
    base = 180.0 * slow * dim / 64
    for who, mode, at, exponent, share in PATHS:
        took = at * slow * (dim / 64) ** exponent
        given = {
            "kernel": name, "implementation": who, "mode": mode, "way": way, "dim": dim,
            "batch": batch, "error": Errors(value=1e-7, logdet=2e-6),
        }  # fmt: skip
        if who == "textbook" and way == "inverse":
            gone = {"status": "missing", "reason": NO_INVERSE, "device_us": None}
            yield row(**given, **gone)
            continue
        if detailed:
            given |= {"operations": 5, "synchronisations": 0, "share": 0.1, "logdet_added": share}
            given |= {"must_flops": 8e4 * slow, "must_bytes": 2e5}
        if who == "nflows":
            given["baseline"] = True
        else:
            given["ratio"] = versus(base / took)
        if brute:
            given["brute"] = versus(50.0)
        spread = Spread(p20=0.9 * took, p50=took, p80=1.2 * took, n=50)
        yield row(**given | {"device_us": spread})
        if who == "nflows" and detailed:
            yield row(2 * took, **given | {"control": True, "logdet_added": None})
    if brute:
        slogdet = {"kernel": name, "implementation": "brute-force", "dim": dim, "batch": batch}
        yield row(50 * base, **slogdet, ratio=versus(0.02))


def versus(value: float) -> Versus:
    """A ratio with an interval of ten percent to both sides."""
    verdict: Verdict = "faster" if value > 1.1 else "slower" if value < 0.9 else "unclear"
    return Versus(value=value, low=value / 1.1, high=value * 1.1, n=50, verdict=verdict)
