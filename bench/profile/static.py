"""Registers, stack and instructions of the Triton kernels, compiled ahead of time without a GPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from bench.errors import BenchError, MissingError
from bench.kernels import triton
from bench.kernels.triton.shipped import Shipped
from bench.profile import sass

TARGETS = (80, 90, 100)  #: A100, H100, B200


@dataclass(frozen=True)
class StaticRow:
    """One kernel for one architecture; counts are of the code, not of what runs."""

    kernel: str
    purpose: str
    target: int  #: 90 for sm_90
    registers: int  #: per thread
    stack: int  #: bytes per thread
    spills: int  #: LDL and STL
    shared: int  #: bytes per program
    instructions: int
    mufu: int  #: exp2, reciprocal, square root
    ldg: int
    stg: int
    shfl: int
    bar: int
    triton: str
    ptxas: str


def static_report(targets: Sequence[int] = TARGETS, kernels: Sequence[str] = ()) -> list[StaticRow]:
    """A row per kernel of `bench.kernels.triton` and target, from the release's own compiler.

    Args:
        targets: compute capabilities, 90 for sm_90.
        kernels: parts of names, of which one must occur; all kernels if there are none.

    Compiles in a child process where this one interprets. Raises MissingError without triton, and
    BenchError for a kernel that does not compile.
    """
    if not triton.available():
        raise MissingError(
            "compiling kernels ahead of time needs triton: pip install 'density-bench[gpu]'"
        )
    if os.environ.get("TRITON_INTERPRET"):
        return _child(targets, kernels)
    wanted = [s for s in all_shipped() if not kernels or any(k in s.name for k in kernels)]
    with ThreadPoolExecutor() as pool:  # reading takes longer than compiling, which is cached
        rows = [
            pool.submit(_row, shipped, target, compiled(shipped, target))
            for shipped in wanted
            for target in targets
        ]
    return [row.result() for row in rows]


def all_shipped() -> Iterator[Shipped]:
    """What the modules of `bench.kernels.triton` ship, by file."""
    for module in iter_modules(triton.__path__):
        yield from getattr(import_module(f"{triton.__name__}.{module.name}"), "SHIPPED", ())


def compiled(shipped: Shipped, target: int) -> Any:
    """Triton's compiled kernel. Raises BenchError where it does not compile."""
    from triton import compile
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = list(shipped.signature)
    source = ASTSource(
        fn=shipped.kernel,
        signature=dict(shipped.signature),
        constexprs=dict(shipped.constants),
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in shipped.divisible},
    )
    options = {"num_warps": shipped.warps, "enable_fp_fusion": True}
    try:
        return compile(source, target=GPUTarget("cuda", target, 32), options=options)
    except Exception as error:
        raise BenchError(f"{shipped.name} does not compile for sm_{target}: {error}") from error


def _row(shipped: Shipped, target: int, kernel: Any) -> StaticRow:
    from triton import __file__, __version__
    from triton.backends.nvidia.compiler import get_ptxas_version

    code = sass.read(kernel.asm["cubin"], Path(__file__).parent / "backends/nvidia/bin")
    count = code.opcodes
    release = re.search(r"release ([\d.]+)", get_ptxas_version(target))
    return StaticRow(
        kernel=shipped.name,
        purpose=shipped.purpose,
        target=target,
        registers=code.registers,
        stack=code.stack,
        spills=count["LDL"] + count["STL"],
        shared=kernel.metadata.shared,
        instructions=code.instructions,
        mufu=count["MUFU"],
        ldg=count["LDG"],
        stg=count["STG"],
        shfl=count["SHFL"],
        bar=count["BAR"],
        triton=__version__,
        ptxas=release[1] if release else "",
    )


def _child(targets: Sequence[int], kernels: Sequence[str]) -> list[StaticRow]:
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "bench.profile.static", json.dumps([*targets])]
    found = subprocess.run(
        [*command, json.dumps([*kernels])], env=environment, capture_output=True, text=True
    )
    if found.returncode:
        raise BenchError(f"compiling in a child process failed: {found.stderr.strip()[-2000:]}")
    return [StaticRow(**row) for row in json.loads(found.stdout)]


if __name__ == "__main__":
    print(json.dumps([asdict(row) for row in static_report(*map(json.loads, sys.argv[1:]))]))
