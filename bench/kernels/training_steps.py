"""Speed of a training step against nflows and zuko: CPU time on one thread, interleaved.

A step is the loss of one batch, its gradient and fused Adam. The in-house flow is nflows' converted
(`from_nflows`): equal weights. Of zuko it is the nearest network: as many linear layers of the same
width and the same number of transforms, in couplings without skip connections.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import zuko
from torch import nn
from zuko.transforms import MonotonicRQSTransform

from bench import registry
from bench.flows import from_nflows
from bench.timing import host_watch, interleave, paired_ratio, summarise

BINS, BOUND = 8, 4.0
LR = 1e-4  #: low, so that the weights stay near the common start
SPLINE = {"univariate": MonotonicRQSTransform, "shapes": [(BINS,), (BINS,), (BINS - 1,)]}


class Case(NamedTuple):
    """One architecture and its sizes; two residual blocks."""

    model: str
    dim: int
    batch: int
    hidden: int
    layers: int

    @property
    def name(self) -> str:
        """As the table shows it."""
        return f"{self.model}, D={self.dim}, batch {self.batch}, {self.layers} x {self.hidden}"


CASES = (
    Case("realnvp", 43, 512, 256, 10),
    Case("nsf-coupling", 43, 512, 256, 10),
    Case("nsf-autoregressive", 43, 512, 256, 5),
    Case("maf", 43, 512, 512, 5),
    Case("realnvp", 2, 256, 64, 6),
    Case("nsf-coupling", 2, 256, 64, 4),
    Case("nsf-autoregressive", 2, 256, 64, 3),
    Case("maf", 2, 256, 64, 5),
)


def peer(case: Case) -> nn.Module:
    """zuko's flow of the same kind."""
    masked = {"hidden_features": [case.hidden] * 2, "residual": True}
    kinds: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
        "realnvp": (zuko.flows.NICE, {"hidden_features": [case.hidden] * 5}),
        "nsf-coupling": (zuko.flows.NICE, {"hidden_features": [case.hidden] * 5, **SPLINE}),
        "nsf-autoregressive": (zuko.flows.NSF, {"bins": BINS, **masked}),
        "maf": (zuko.flows.MAF, masked),
    }
    kind, settings = kinds[case.model]
    return kind(features=case.dim, transforms=case.layers, **settings)


def step(model: Any, x: torch.Tensor) -> Callable[[], float]:
    """A function that trains by one step and returns its loss, nats."""
    optimizer = torch.optim.Adam(model.parameters(), LR, fused=True)
    density = model.log_prob if hasattr(model, "log_prob") else lambda x: model().log_prob(x)

    def run() -> float:
        loss = -density(x).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def measure(case: Case, seconds: float) -> str:
    """One row: the times of nflows, zuko and ours, and two ratios with their intervals."""
    entry = registry.discover().model(f"{case.model}-nflows")
    build = registry.load_function(entry)
    theirs: Any = build(SimpleNamespace(dim=case.dim), hidden=case.hidden, layers=case.layers)
    x = torch.randn(case.batch, case.dim)
    ours = from_nflows(theirs)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), atol=1e-3, rtol=1e-4)
    runs = [step(model, x) for model in (theirs, peer(case), ours)]
    watch = host_watch(time.process_time)  # CPU time: other processes do not count
    times = interleave(runs, seconds=seconds, watch=watch)
    cells = [f"{1e3 * summarise(t).p50:.3g}" for t in times]
    for other in times[:2]:
        value, interval = paired_ratio(other, times[2])
        between = f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""
        cells.append(f"{value:.3g}{between}")
    return " | ".join([*cells, str(len(times[0]))])


def table(seconds: float, only: str = "") -> None:
    """Print the rows whose name contains `only`."""
    print("CPU milliseconds, medians; how many times faster than either [95 %]; n: rounds\n")
    print("| training step | nflows | zuko | ours | nflows/ours | zuko/ours | n |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        if only in case.name:
            print(f"| {case.name} | {measure(case, seconds)} |", flush=True)
