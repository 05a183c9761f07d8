"""What pictures and page read from a profile: reference sizes, baselines, the best own path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from bench.profile.rows import BRUTE, NO_INVERSE, Fit, Profile, Row

OWN = "in-house"
Path = tuple[str, str]  #: implementation, mode
Line = list[Row]  #: of one implementation and mode, over D


def by_kernel(profile: Profile) -> dict[str, list[Row]]:
    """The rows of each kernel, by name, without controls; of the profile's first dtype alone."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in profile.rows:
        if not row.control and row.dtype == profile.rows[0].dtype:
            groups[row.kernel].append(row)
    return dict(sorted(groups.items()))


def reference(rows: Iterable[Row], way: str) -> list[Row]:
    """The timed rows of a pass at its reference size: the least measured in detail, else the
    largest. Brute force, which runs on fewer points, is not among them.
    """
    timed = [r for r in rows if r.way == way and r.device_us and r.implementation != BRUTE]
    detailed = [(r.dim, -r.batch) for r in timed if r.operations is not None]
    if detailed:
        dim, batch = min(detailed)
        return [r for r in timed if (r.dim, r.batch) == (dim, -batch)]
    size = max(((r.dim, r.batch) for r in timed), default=None)
    return [r for r in timed if (r.dim, r.batch) == size]


def label(row: Row) -> str:
    """What a legend calls the row."""
    return "baseline" if row.baseline else f"in-house, {row.mode}"


def own(row: Row) -> bool:
    """Whether the implementation is one of this package."""
    return row.implementation.startswith(OWN)


def best(rows: Iterable[Row]) -> Row | None:
    """The fastest timed row of this package, of those that are no baseline."""
    return min((r for r in rows if own(r) and r.device_us and not r.baseline), key=us, default=None)


def baseline(rows: Iterable[Row]) -> Row | None:
    """The row that the others' ratios refer to."""
    return next((r for r in rows if r.baseline and r.device_us), None)


def added(rows: Sequence[Row]) -> list[Row]:
    """The fastest row of this package and the baseline, of those whose log-determinant was timed
    against the map alone; forward, at the reference size.
    """
    timed = [r for r in reference(rows, "forward") if r.logdet_added is not None]
    return [r for r in (best(timed), baseline(timed)) if r]


def extra(row: Row) -> float:
    """What the log-determinant adds; what is below zero is noise."""
    return max(0.0, row.logdet_added or 0.0)


def untimed(rows: Iterable[Row], way: str) -> str:
    """Why this package has no ratio in a pass; '' where the pass was not asked for."""
    found = [r for r in rows if own(r) and r.way == way]
    if any(r.baseline for r in found):
        return "no other to compare with"
    for row in found:
        if row.status != "ok":
            return NO_INVERSE if row.reason == NO_INVERSE else f"{row.status}: no time"
    return ""


def sizes(rows: Iterable[Row]) -> str:
    """'D = 64', 'D = 16 to 64'."""
    dims = sorted({r.dim for r in rows})
    return f"D = {dims[0]}" + (f" to {dims[-1]}" if len(dims) > 1 else "")


def us(row: Row) -> float:
    """Median device microseconds per call of a timed row."""
    assert row.device_us is not None
    return row.device_us.p50


def over_dim(rows: Sequence[Row]) -> dict[Path, Line]:
    """The forward pass over D by implementation and mode, smallest D first, all at the batch with
    most dimensions (of equals the largest), brute force at its own.
    """
    timed = [r for r in rows if r.way == "forward" and r.device_us]
    lines: dict[Path, Line] = {}
    for chosen in (
        [r for r in timed if r.implementation != BRUTE],
        [r for r in timed if r.implementation == BRUTE],
    ):
        dims: dict[int, set[int]] = defaultdict(set)
        for row in chosen:
            dims[row.batch].add(row.dim)
        at = max(dims, key=lambda batch: (len(dims[batch]), batch), default=None)
        for row in sorted(chosen, key=lambda r: r.dim):
            if row.batch == at:
                lines.setdefault((row.implementation, row.mode), []).append(row)
    return lines


def lines_of(rows: list[Row]) -> list[Line]:
    """The lines of a panel: brute force, the baseline, then every mode of this package."""
    lines = over_dim(rows)
    base = [w for w in lines if face(lines[w]).baseline]
    order = [w for w in lines if w[0] == BRUTE] + base
    order += [w for w in lines if own(lines[w][0]) and w not in order]
    return [lines[w] for w in order]


def face(line: Line) -> Row:
    """The row of a line that says who it is: the baseline can be another one at other sizes."""
    return next((r for r in line if r.operations is not None), line[-1])


def exponent(profile: Profile, row: Row) -> Fit | None:
    """The cost exponent over D of the row's line."""
    wanted = (row.kernel, row.implementation, row.mode, row.way, row.batch, row.dtype, "dim")
    for fit in profile.fits:
        if (fit.kernel, fit.implementation, fit.mode, fit.way, fit.at, fit.dtype, fit.over) == (
            wanted
        ):
            return fit
    return None


def machine(profile: Profile) -> str:
    """'AMD EPYC, 1 thread, torch 2.13.0, 2026-11-21'."""
    environment = profile.environment
    if profile.device.startswith("cuda"):
        parts = [environment.device]
    else:
        threads = "1 thread" if profile.threads == 1 else f"{profile.threads} threads"
        parts = [environment.cpu or "unknown CPU", threads]
    return ", ".join([*parts, f"torch {environment.torch}", profile.started[:10]])
