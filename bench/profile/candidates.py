"""Who takes part: the implementations of a kernel, each in its modes, and why one cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from bench import kernels, registry
from bench.contract import TEXTBOOK
from bench.errors import BenchError, MissingError, UsageError
from bench.kernels import triton
from bench.profile.case import Build, Case
from bench.registry import ImplementationEntry, KernelEntry, Registry

PREPARED = ("compiled", "graph")  #: modes that make something else of an eager call


@dataclass(frozen=True)
class Modes:
    """Which modes a run wants beside those of every implementation."""

    device: str = "cpu"
    compile: bool = False
    graph: bool = False
    only: tuple[str, ...] = ()  #: empty: all

    def of(self, modes: tuple[str, ...], baseline: bool = False) -> list[str]:
        """The modes in which an implementation runs here; a baseline always runs eagerly."""
        found = [m for m in modes if m != ("fused" if self.cuda else "triton") or m in self.only]
        found += ["compiled"] if self.compile and "eager" in modes else []
        found += ["graph"] if self.graph and self.cuda else []
        kept = [m for m in found if not self.only or m in self.only]
        return ["eager", *kept] if baseline and "eager" not in kept else kept

    @property
    def cuda(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")


@dataclass(frozen=True)
class Candidate:
    """One implementation in one mode."""

    name: str
    mode: str
    build: Build | None  #: None for a missing one
    reason: str = ""  #: why it is missing
    source: str = ""


def candidates(
    found: Registry, entry: KernelEntry, case: Case, modes: Modes, only: tuple[str, ...] = ()
) -> Iterator[Candidate]:
    """The definition first, then the implementations of the kernel by name.

    With `only` those of these names, and the baseline.
    """
    wanted = {*only, entry.baseline} if only else None
    if wanted is None or TEXTBOOK in wanted:
        for mode in modes.of(("eager",), entry.baseline == TEXTBOOK):
            yield Candidate(TEXTBOOK, mode, case.reference, source=digest(entry.file))
    for implementation in sorted(found.implementations.values(), key=lambda i: i.name):
        if implementation.kernel != entry.name:
            continue
        if wanted is not None and implementation.name not in wanted:
            continue
        build, reason = loaded(implementation)
        for mode in modes.of(implementation.modes, implementation.name == entry.baseline):
            said = reason or lacking(mode)
            yield Candidate(
                implementation.name,
                mode,
                None if said else build,
                said,
                digest(implementation.file),
            )


def loaded(entry: ImplementationEntry) -> tuple[Build | None, str]:
    """Its function, or None and why there is none."""
    try:
        return registry.load_function(entry), ""
    except BenchError as error:
        return None, str(error)


def lacking(mode: str) -> str:
    """Why a mode cannot run here; empty if it can."""
    if mode == "fused" and not kernels.available():
        return kernels.reason()
    if mode == "triton" and not triton.available():
        return "needs the package triton. Install it: pip install triton"
    return ""


def present(device: str) -> None:
    """Raise UsageError for a device of no known sort, MissingError where it is not there."""
    sort = device.partition(":")[0]
    if sort not in ("cpu", "cuda"):
        raise UsageError(f"no device '{device}'. Use cpu, cuda or cuda:N")
    if sort == "cuda" and not torch.cuda.is_available():
        raise MissingError(
            "this machine has no CUDA device that torch can use (bench doctor says more). Leave "
            "--device out, or use --static, which needs none"
        )


@cache
def digest(file: Path) -> str:
    """Twelve hex digits of a source file's SHA-256."""
    return sha256(file.read_bytes()).hexdigest()[:12]


def prepared(run: Callable[[], Any], mode: str) -> tuple[Callable[[], Any], float | None]:
    """The call as a mode of PREPARED runs it, and the seconds that compiling took."""
    if mode == "graph":
        return captured(run), None
    compiled = torch.compile(run, dynamic=False)
    start = time.perf_counter()
    compiled()
    return compiled, time.perf_counter() - start


def captured(run: Callable[[], Any]) -> Callable[[], Any]:
    """A CUDA graph of the call, replayed; warmed up on a side stream, as capture asks for."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = run()

    def replay() -> Any:
        graph.replay()
        return outputs

    return replay
