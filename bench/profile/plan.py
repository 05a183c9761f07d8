"""What a run of `bench profile` sweeps: groups of calls that are timed side by side."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.errors import UsageError, unknown
from bench.profile.candidates import Modes
from bench.profile.rows import WAYS, Way
from bench.registry import KernelEntry, Registry

REFERENCE = 64  #: the dimension at which everything is measured, or the largest below it
BRUTE_BATCH = 16  #: points for which the brute force is affordable
BRUTE_DIM = 64
BRUTE_SIZE = 256  #: coordinates of a point, where they are more than D
LARGE = 4  #: times the kernel's batch: with it and BRUTE_BATCH three sizes for an exponent


@dataclass(frozen=True)
class Options:
    """What was asked for; None leaves the choice to the kernel."""

    kernels: tuple[str, ...] = ()
    implementations: tuple[str, ...] = ()
    dims: tuple[int, ...] | None = None
    batches: tuple[int, ...] | None = None
    dtypes: tuple[str, ...] = ("float32",)
    ways: tuple[Way, ...] = WAYS  # type: ignore[assignment]
    modes: Modes = field(default_factory=Modes)
    seconds: float = 100.0  #: of the whole run, about
    threads: int = 1


@dataclass(frozen=True)
class Group:
    """One size and pass of a kernel; all its implementations are timed interleaved."""

    entry: KernelEntry
    dim: int
    batch: int
    dtype: str
    way: Way
    brute: bool = False  #: with the brute force
    detailed: bool = False  #: with the map alone, counts, memory and an A/A control

    @property
    def words(self) -> str:
        """For a line of progress."""
        return f"{self.entry.name}  {self.way}  D={self.dim}  batch {self.batch}  {self.dtype}"


def plan(found: Registry, options: Options) -> list[Group]:
    """All groups, kernel by kernel. Raises UsageError for unknown kernels and implementations."""
    groups = []
    for entry in chosen(found, options):
        dims = sorted(options.dims or entry.dims)
        reference = max((d for d in dims if d <= REFERENCE), default=dims[0])
        for dtype in options.dtypes:
            first = Group(entry, reference, entry.batch, dtype, "forward")
            groups += _of_kernel(first, dims, options)
    return groups


def chosen(found: Registry, options: Options) -> list[KernelEntry]:
    """The kernels by name, all where none is named."""
    names = options.kernels or tuple(sorted(found.kernels))
    known = {i.name for i in found.implementations.values()} | {"textbook"}
    for name in options.implementations:
        if name not in known:
            raise unknown("implementation", name, known, "bench list kernels")
    entries = [found.kernel(name) for name in names]
    if not entries:
        raise UsageError("no kernel was found. Reinstall the package")
    return entries


def _of_kernel(first: Group, dims: list[int], options: Options) -> list[Group]:
    """The default sweep around the reference size; the full product where batches are named."""
    if options.batches is not None:
        return [
            replace(first, dim=d, batch=b, way=w, brute=_brutal(first, d, b, w), detailed=True)
            for w in options.ways
            for d in dims
            for b in options.batches
        ]
    groups = []
    if "forward" in options.ways:
        groups += [replace(first, dim=d, detailed=d >= first.dim) for d in dims]
        small = replace(first, batch=min(BRUTE_BATCH, first.batch), brute=True)
        groups += [replace(small, dim=d) for d in dims if d <= BRUTE_DIM]
        groups.append(replace(first, batch=LARGE * first.batch))
    groups += [replace(first, way=w, detailed=True) for w in options.ways if w != "forward"]
    return groups


def _brutal(first: Group, dim: int, batch: int, way: Way) -> bool:
    return way == "forward" and dim <= BRUTE_DIM and batch <= BRUTE_BATCH
