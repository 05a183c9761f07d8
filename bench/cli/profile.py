"""`bench profile`: log-det kernels side by side, accuracy before time."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import output
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.profile.compare import Compared, Whole
    from bench.profile.plan import Options
    from bench.profile.rows import Profile, Row

SECONDS = 100.0  #: of the default sweep
INTERVAL = 10.0  #: seconds between lines of progress where no terminal is
FRAME = 0.2  #: between redrawings on one


class Pass(StrEnum):
    """What is timed."""

    forward = "forward"
    inverse = "inverse"
    backward = "backward"


class Mode(StrEnum):
    """How an implementation runs."""

    eager = "eager"
    fused = "fused"
    triton = "triton"
    compiled = "compiled"
    graph = "graph"


class Dtype(StrEnum):
    """Of all tensors."""

    float32 = "float32"
    float64 = "float64"


def kernel_names() -> list[str]:
    """For completion: every kernel's name."""
    from bench import registry

    return sorted(registry.discover().kernels)


def command(
    kernels: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KERNEL]...", autocompletion=kernel_names, help="Default: all."),
    ] = None,
    implementation: Annotated[
        list[str] | None,
        typer.Option("-i", "--implementation", help="Only these and the baseline; repeatable."),
    ] = None,
    dim: Annotated[list[int] | None, typer.Option(min=1, help="Dimensions D; repeatable.")] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Points per call; repeatable.")
    ] = None,
    dtype: Annotated[list[Dtype] | None, typer.Option(help="Default: float32.")] = None,
    way: Annotated[
        list[Pass] | None, typer.Option("--pass", help="Default: all; repeatable.")
    ] = None,
    mode: Annotated[list[Mode] | None, typer.Option(help="Only these; repeatable.")] = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="torch.compile beside eager: minutes.")
    ] = False,
    graph: Annotated[bool, typer.Option("--graph", help="CUDA graphs beside eager.")] = False,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="cpu or cuda[:N].")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Of torch, on a CPU.")] = 1,
    seconds: Annotated[float, typer.Option(min=1.0, help="Of the whole run, about.")] = SECONDS,
    json: Annotated[Path | None, typer.Option("--json", help="Write the profile.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the rows, tidy.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write results/profile/, pictures too.")
    ] = False,
    trace: Annotated[
        Path | None, typer.Option(help="Write a profiler trace of one call each instead.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="OLD.json", help="Compare with a profile; exit 1 where slower."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--with", metavar="NEW.json", help="Compare this one instead of a new run."),
    ] = None,
    static: Annotated[
        bool,
        typer.Option("--static", help="Compile the Triton kernels ahead of time; needs no GPU."),
    ] = False,
    rows: Annotated[bool, typer.Option("--rows", help="One line per measurement.")] = False,
    wide: output.Wide = False,
) -> None:
    """Profile log-det kernels: accuracy, then time.

    Errors are against float64, ratios against each kernel's baseline, marked *, in interleaved
    pairs. An implementation that computes something else gets no time; exit code 1 where it is
    not another library's.
    """
    if static:
        _static(kernels or [], json, wide)
        return
    if against is not None and compare is None:
        raise UsageError("--with goes with --compare OLD.json")
    from bench.profile import benchmarks

    old = None if compare is None else benchmarks.read(compare)
    if against is not None:
        _compared(old, benchmarks.read(against), None, wide)
        return
    options = _options(
        kernels, implementation, dim, batch, dtype, way, mode, device, compile, graph, threads,
        seconds,
    )  # fmt: skip
    if trace is not None:
        _trace(options, trace)
        return
    from bench.profile import sweep, table

    progress = _Progress()
    try:
        profile = sweep.run(options, progress)
    finally:
        progress.close()
    _write(profile, json, csv, write)
    if old is not None:
        _compared(old, profile, options, wide)
        return
    _print(profile, rows, wide)
    if table.faulty(profile):
        raise typer.Exit(1)


def _options(
    kernels: list[str] | None,
    implementation: list[str] | None,
    dim: list[int] | None,
    batch: list[int] | None,
    dtype: list[Dtype] | None,
    way: list[Pass] | None,
    mode: list[Mode] | None,
    device: str,
    compile: bool,
    graph: bool,
    threads: int,
    seconds: float,
) -> Options:
    """As the sweep takes them. Raises MissingError where the device is not there."""
    from bench.profile.candidates import Modes, present
    from bench.profile.plan import Options
    from bench.profile.rows import WAYS

    present(device)
    asked = [*([Mode.compiled] if compile else []), *([Mode.graph] if graph else [])]
    only = tuple(m.value for m in [*mode, *asked]) if mode else ()
    return Options(
        kernels=tuple(kernels or ()),
        implementations=tuple(implementation or ()),
        dims=tuple(dim) if dim else None,
        batches=tuple(batch) if batch else None,
        dtypes=tuple(d.value for d in dtype) if dtype else ("float32",),
        ways=tuple(w for w in WAYS if not way or w in [p.value for p in way]),  # type: ignore[misc]
        modes=Modes(device, compile or "compiled" in only, graph or "graph" in only, only),
        seconds=seconds,
        threads=threads,
    )


def _write(profile: Profile, json: Path | None, csv: Path | None, write: bool) -> None:
    from bench.atomic import write_bytes, write_text
    from bench.profile import rows as files

    if json is not None:
        files.write(profile, json)
        output.note(f"wrote {json}")
    if csv is not None:
        write_text(csv, files.as_csv(profile))
        output.note(f"wrote {csv}")
    if write:
        from bench import paths
        from bench.report.profile_pictures import pictures

        folder = paths.root() / "results" / "profile"
        files.write(profile, folder / "profile.json")
        write_text(folder / "profile.csv", files.as_csv(profile))
        for name, data in pictures(profile).items():
            write_bytes(folder / name, data)
        output.note(f"wrote {folder}")


def _print(profile: Profile, rows: bool, wide: bool) -> None:
    from bench.profile import table

    lines = table.listing(profile) if rows else table.summary(profile)
    output.emit(lines, wide=wide)
    for reason in table.refused(profile):
        output.note(reason)
    output.note(f"\n{table.headline(profile)}")
    output.note(table.controls(profile))


def _compared(old: Profile | None, new: Profile, options: Options | None, wide: bool) -> None:
    """Print the verdicts; what seems to have changed is measured again first, where it can be."""
    assert old is not None
    from bench.profile import comparing
    from bench.profile.compare import wholes

    found = comparing.verdicts(old, new)
    if options is not None:
        found = comparing.again(old, found, options, _Progress)
    judged = wholes(found)
    lines = [_line(w, w.kernel, w.implementation, w.mode) for w in judged if w.change != "same"]
    lines += [
        _line(c, c.row.kernel, c.row.implementation, c.row.mode, c.row)
        for c in found
        if c.change != "same"
    ]
    output.emit(lines, wide=wide)
    output.note(comparing.sentence(found, judged))
    if comparing.worse(found, judged):
        raise typer.Exit(1)


def _line(
    verdict: Compared | Whole, kernel: str, implementation: str, mode: str, row: Row | None = None
) -> dict[str, Any]:
    """A row's verdict, or that of all rows of an implementation."""
    return {
        "change": verdict.change,
        "kernel": kernel,
        "implementation": implementation,
        "mode": mode,
        "pass": "all" if row is None else row.way,
        "D": "all" if row is None else row.dim,
        "batch": "all" if row is None else row.batch,
        "old/new": verdict.ratio,
        "low": verdict.low,
        "high": verdict.high,
    }


def _static(kernels: list[str], json: Path | None, wide: bool) -> None:
    """Registers, stack, shared memory and instructions of every shipped Triton kernel."""
    from dataclasses import asdict

    from bench.profile.static import static_report

    rows = [asdict(r) for r in static_report(kernels=kernels)]
    if json is not None:
        from json import dumps

        from bench.atomic import write_text

        write_text(json, dumps({"schema": output.SCHEMA, "rows": rows}, indent=1) + "\n")
        output.note(f"wrote {json}")
    output.emit(rows, wide=wide)


def _trace(options: Options, file: Path) -> None:
    from bench.profile.trace import write

    write(options, file)
    output.note(f"wrote {file}. Open it at chrome://tracing or ui.perfetto.dev")


class _Progress:
    """One live line on a terminal; elsewhere a line every ten seconds; both on stderr."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.started = self.said = monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        now = monotonic()
        if now - self.said < (FRAME if self.live else INTERVAL):
            return
        self.said = now
        spent = now - self.started
        left = f"eta {spent * (total - done) / done:.0f} s" if done else "eta ?"
        line = f"{100 * done // max(total, 1)}%  group {done}/{total}  {what}  {left}"
        if self.live:
            print(f"\r\033[2K{line}", end="", file=sys.stderr, flush=True)
        else:
            output.note(line)

    def close(self) -> None:
        """Take the live line away."""
        if self.live:
            print("\r\033[2K", end="", file=sys.stderr, flush=True)
