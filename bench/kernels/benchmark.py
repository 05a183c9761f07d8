"""Speed against nflows at equal weights: CPU time on one thread, interleaved, both paths.

Needs the whole project and nflows; nothing else in the package does.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import (
    CompositeTransform,
    MaskedAffineAutoregressiveTransform,
    MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
)
from nflows.transforms.splines import unconstrained_rational_quadratic_spline
from torch import Tensor

from bench import kernels
from bench.flows import from_nflows
from bench.flows.autoregressive.degree_blocked import masked_inverse
from bench.kernels.eager import Shape
from bench.timing import Timing, host_watch, interleave, paired_ratio, summarise

Run = Callable[[], Any]
BINS, BOUND = 8, 3.0


def affine(dim: int, batch: int, hidden: int = 512) -> tuple[Run, Run]:
    """One MAF layer: nflows' inverse and ours."""
    return _layer(MaskedAffineAutoregressiveTransform(dim, hidden), dim, batch, 0)


def spline_layer(dim: int, batch: int, hidden: int = 256) -> tuple[Run, Run]:
    """One autoregressive rational-quadratic layer: nflows' inverse and ours."""
    theirs = MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
        dim, hidden, num_bins=BINS, tails="linear", tail_bound=BOUND
    )
    return _layer(theirs, dim, batch, BINS)


def _layer(theirs: Any, dim: int, batch: int, bins: int) -> tuple[Run, Run]:
    flow = Flow(CompositeTransform([theirs]), StandardNormal([dim])).eval()
    ours: Any = from_nflows(flow).bijection
    net, map_ = ours.parts[0].autoregressive_net, kernels.Univariate(bins, Shape(BOUND))
    z = torch.randn(batch, dim)

    def new() -> tuple[Tensor, Tensor]:
        return masked_inverse(net, map_, z)

    torch.testing.assert_close(new(), _quiet(lambda: theirs.inverse(z)), atol=1e-3, rtol=1e-3)
    return lambda: _quiet(lambda: theirs.inverse(z)), new


def spline(inverse: bool, backward: bool) -> tuple[Run, Run]:
    """16384 x 32 splines of 8 bins, parameters [*, 23] as a conditioner gives them."""
    x, raw = torch.randn(16384, 32), torch.randn(16384, 32, 3 * BINS - 1)
    x.requires_grad_(backward), raw.requires_grad_(backward)

    def old() -> Any:
        parts = raw.split((BINS, BINS, BINS - 1), -1)
        return unconstrained_rational_quadratic_spline(x, *parts, inverse, tail_bound=BOUND)

    def new() -> Any:
        return kernels.rq_spline_packed(x, raw, Shape(BOUND), inverse=inverse)

    def graded(run: Run) -> Run:
        def both() -> None:
            value, logs = run()
            torch.autograd.grad(value.sum() + logs.sum(), (x, raw))

        return both

    return (graded(old), graded(new)) if backward else (lambda: _quiet(old), new)


CASES: dict[str, Callable[[], tuple[Run, Run]]] = {
    "spline forward, 16384 x 32": lambda: spline(False, False),
    "spline inverse": lambda: spline(True, False),
    "spline forward and backward": lambda: spline(False, True),
    "spline inverse and backward": lambda: spline(True, True),
    "MAF sampling, D=6, batch 1024": lambda: affine(6, 1024),
    "MAF sampling, D=21, batch 1024": lambda: affine(21, 1024),
    "MAF sampling, D=43, batch 1024": lambda: affine(43, 1024),
    "MAF sampling, D=63, batch 1024": lambda: affine(63, 1024),
    "MAF sampling, D=784, batch 64": lambda: affine(784, 64),
    "MAF sampling, D=43, batch 1": lambda: affine(43, 1),
    "spline AR sampling, D=21, batch 1024": lambda: spline_layer(21, 1024),
    "spline AR sampling, D=43, batch 1024": lambda: spline_layer(43, 1024),
}


def _quiet(run: Run) -> Any:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run()


@contextmanager
def _switched(value: str) -> Iterator[None]:
    before = os.environ.get("BENCH_FUSED")
    os.environ["BENCH_FUSED"] = value
    try:
        yield
    finally:
        os.environ.pop("BENCH_FUSED")
        if before is not None:
            os.environ["BENCH_FUSED"] = before


def measure(old: Run, new: Run, seconds: float) -> str:
    """One row: nflows' time, then per path time, ratio and interval."""

    def eager() -> Any:
        with _switched("0"):
            return new()

    runs = [old, eager, new] if kernels.available() else [old, eager]
    watch = host_watch(time.process_time)  # CPU time: other processes do not count
    times = interleave(runs, seconds=seconds, watch=watch)
    cells = [_shown(summarise(times[0]))]
    for own in times[1:]:
        value, interval = paired_ratio(times[0], own)
        between = f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""
        cells.append(f"{_shown(summarise(own))} | {value:.3g}{between}")
    return " | ".join([*cells, *["not available"] * (2 - len(times[1:])), str(len(times[0]))])


def _shown(t: Timing) -> str:
    return " / ".join(f"{1e3 * p:.3g}" for p in (t.p20, t.p50, t.p80))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="per function and row")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument(
        "--training", action="store_true", help="training steps, against zuko too (needs zuko)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread")
    print(f"fused: {'yes' if kernels.available() else 'no: ' + kernels.reason()}")
    if options.training:
        from bench.kernels.training_steps import table

        table(options.seconds, options.only)
        return
    print("CPU milliseconds p20 / p50 / p80; ratio to nflows [95 %]; last column: rounds\n")
    print("| case | nflows | eager | ratio | fused | ratio | n |\n|---|---|---|---|---|---|---|")
    for name, case in CASES.items():
        if options.only in name:
            print(f"| {name} | {measure(*case(), options.seconds)} |", flush=True)
