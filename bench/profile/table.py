"""The profile as a table for people: one line per implementation at the reference size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from bench.profile.rows import BRUTE, NO_INVERSE, Ceilings, Profile, Row, Versus

PEERS = {"nflows", "normflows", "zuko"}
Line = dict[str, Any]
Who = tuple[str, str, str, str]


def summary(profile: Profile) -> list[Line]:
    """One line per kernel, implementation, mode and dtype; sizes are those of the largest pass.

    Columns: `error` (largest of all passes, in the row's dtype), `us` (forward, device microseconds
    per call), `x` (times faster than the baseline: forward, inverse, forward and backward),
    `logdet` (what it adds to the map's time, percent), `D^` (cost exponent over the dimension,
    between the two largest), `brute` (times faster than brute force), `ops` and `syncs` (of a
    forward pass), `floor` (share of what the machine's ceilings allow, percent).
    """
    groups: dict[Who, list[Row]] = defaultdict(list)
    for row in profile.rows:
        if not row.control:
            groups[row.kernel, row.implementation, row.mode, row.dtype].append(row)
    exponents = {
        (f.kernel, f.implementation, f.mode, f.dtype): f.last
        for f in reversed(profile.fits)
        if f.over == "dim" and f.way == "forward"
    }
    return [_line(who, rows, exponents.get(who)) for who, rows in groups.items()]


def _line(who: Who, rows: list[Row], exponent: float | None) -> Line:
    at = {way: _at(rows, way) for way in ("forward", "inverse", "backward")}
    forward = at["forward"]
    bad = next((r for r in rows if r.status != "ok" and r.reason != NO_INVERSE), None)
    shown = forward or next((r for r in at.values() if r is not None), rows[0])
    line: Line = {
        "kernel": who[0],
        "implementation": who[1] + ("*" if forward is not None and forward.baseline else ""),
        "mode": who[2],
        "status": bad.status if bad else "ok",
        "D": shown.dim,
        "batch": shown.batch,
        "error": max((e for r in rows for e in _errors(r)), default=None),
        "us": None if forward is None or forward.device_us is None else forward.device_us.p50,
    }
    for way, name in (("forward", "x"), ("inverse", "x inv"), ("backward", "x grad")):
        row = at[way]
        line[name] = None if row is None else _times(row)
    added = None if forward is None else forward.logdet_added
    line["logdet"] = None if added is None else f"+{100 * max(0.0, added):.0f}%"
    line["D^"] = None if exponent is None else f"{exponent:.1f}"
    brute = [r for r in rows if r.brute is not None]
    best = max(brute, key=lambda r: r.dim, default=None)
    line["brute"] = None if best is None or best.brute is None else times(best.brute)
    line["ops"] = None if forward is None else forward.operations
    line["syncs"] = None if forward is None else forward.synchronisations
    share = None if forward is None else forward.share
    line["floor"] = None if share is None else f"{100 * share:.0f}%"
    line["reason"] = bad.reason if bad else None
    return line


def _at(rows: Iterable[Row], way: str) -> Row | None:
    """The timed row of a pass that was measured in detail, else the largest one."""
    timed = [r for r in rows if r.way == way and r.device_us is not None]
    detailed = [r for r in timed if r.operations is not None or r.mode in ("compiled", "graph")]
    if detailed:
        return min(detailed, key=lambda r: r.dim)
    return max(timed, key=lambda r: (r.dim, r.batch), default=None)


def _errors(row: Row) -> Iterable[float]:
    if row.error is None or row.implementation == BRUTE:
        return []
    return [e for e in (row.error.value, row.error.logdet, row.error.gradient) if e is not None]


def _times(row: Row) -> str | None:
    if row.baseline:
        return "1"
    return None if row.ratio is None else times(row.ratio)


def times(versus: Versus) -> str:
    """`3.9`, or `3.9?` where the interval is missing or wider than a fifth."""
    text = f"{versus.value:.3g}"
    if versus.low is None or versus.high is None or versus.high > 1.2 * versus.low:
        return f"{text}?"
    return text


def listing(profile: Profile) -> list[Line]:
    """One line per measurement."""
    return [
        {
            "kernel": r.kernel,
            "implementation": r.implementation + ("*" if r.baseline else ""),
            "mode": r.mode,
            "pass": r.way,
            "D": r.dim,
            "batch": r.batch,
            "dtype": r.dtype,
            "status": "A/A" if r.control else r.status,
            "error": max(_errors(r), default=None),
            "p20": None if r.device_us is None else r.device_us.p20,
            "p50": None if r.device_us is None else r.device_us.p50,
            "p80": None if r.device_us is None else r.device_us.p80,
            "n": None if r.device_us is None else r.device_us.n,
            "wall": None if r.wall_us is None else r.wall_us.p50,
            "x": None if r.ratio is None else r.ratio.value,
            "low": None if r.ratio is None else r.ratio.low,
            "high": None if r.ratio is None else r.ratio.high,
            "reason": r.reason,
        }
        for r in profile.rows
    ]


def refused(profile: Profile) -> list[str]:
    """One sentence for each implementation that got no time, unless it just has no inverse."""
    found: dict[tuple[str, ...], str] = {}
    for r in profile.rows:
        who = f"{r.status}: {r.kernel}, {r.implementation} {r.mode}"
        if r.status in ("wrong", "error"):
            found.setdefault((who, r.way), f"{who}, {r.way}, D={r.dim}: {r.reason}")
        elif r.status == "missing" and r.reason != NO_INVERSE:
            found.setdefault((who,), f"{who}: {r.reason}")
    return list(found.values())


def faulty(profile: Profile) -> bool:
    """Whether something is wrong that is not another library's known business."""
    bad = {r.implementation for r in profile.rows if r.status in ("wrong", "error")}
    return not bad <= PEERS


def controls(profile: Profile) -> str:
    """What the A/A rows say, in one sentence."""
    ratios = [r.ratio for r in profile.rows if r.control and r.ratio and r.ratio.low is not None]
    if not ratios:
        return "no A/A control was timed often enough for an interval"
    hold = sum(r.low <= 1 <= r.high for r in ratios if r.low is not None and r.high is not None)
    off = sorted(abs(r.value - 1) for r in ratios)
    wider = f"; intervals were widened {profile.widened:.2g} times for it"
    return (
        f"A/A: {hold} of {len(ratios)} intervals hold 1; "
        f"half of the ratios are within {100 * off[(len(off) - 1) // 2]:.1f} % of it, "
        f"nine in ten within {100 * off[9 * (len(off) - 1) // 10]:.1f} %"
        + (wider if profile.widened > 1 else "")
    )


def headline(profile: Profile) -> str:
    """Where and how, in two sentences."""
    c, environment = profile.ceilings, profile.environment
    machine = environment.device if profile.device.startswith("cuda") else environment.cpu
    wrong = sum(r.status == "wrong" for r in profile.rows)
    return (
        f"{len(profile.rows)} rows of {len({r.kernel for r in profile.rows})} kernels in "
        f"{profile.seconds:.0f} s on {machine}, {profile.threads} thread(s), torch "
        f"{environment.torch}"
        + (f": {reached(c)}" if c is not None else "")
        + (f"; {wrong} rows are wrong and have no time" if wrong else "")
    )


def reached(found: Ceilings) -> str:
    """The machine's ceilings in words."""
    return (
        f"copies {found.bytes_per_second / 1e9:.3g} GB/s, products "
        f"{found.flops_per_second / 1e9:.3g} GFLOP/s, smallest operation {found.launch_us:.2g} us"
    )
