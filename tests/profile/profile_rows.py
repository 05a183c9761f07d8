"""Profiles made of chosen numbers, for what reads them."""

from __future__ import annotations

from typing import Any

from bench.profile.rows import Ceilings, Profile, Row, Spread, Versus
from bench.records import Environment

ENVIRONMENT: Any = {
    "torch": "2.13.0",
    "cuda": None,
    "device": "cpu",
    "cpu": "a processor",
    "cores": 2,
    "threads": 1,
    "python": "3.11",
    "packages": {},
    "platform": "x",
}


def row(microseconds: float = 100.0, **fields: Any) -> Row:
    """A timed row."""
    spread = Spread(p20=microseconds, p50=microseconds, p80=microseconds, n=50)
    given = {
        "kernel": "k",
        "implementation": "in-house",
        "mode": "eager",
        "way": "forward",
        "dim": 64,
        "batch": 256,
        "dtype": "float32",
        "device_us": spread,
        "wall_us": spread,
    }
    return Row(**{**given, **fields})


def versus(value: float, width: float = 0.01) -> Versus:
    """A ratio with an interval of this relative half-width."""
    low, high = value * (1 - width), value * (1 + width)
    return Versus(value=value, low=low, high=high, n=50, verdict="faster")


def profile(*rows: Row) -> Profile:
    """A profile of these rows."""
    ceilings = Ceilings(
        bytes_per_second=1e10, flops_per_second=1e11, launch_us=1.0, cache_bytes=2**20
    )
    return Profile(
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        device="cpu",
        threads=1,
        environment=Environment(**ENVIRONMENT),
        ceilings=ceilings,
        rows=list(rows),
    )
