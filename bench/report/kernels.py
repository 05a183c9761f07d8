"""The page's section on log-det kernels: what `bench profile` found, a line per implementation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

from bench.profile.reading import (
    added,
    best,
    by_kernel,
    exponent,
    extra,
    machine,
    own,
    reference,
    sizes,
    us,
)
from bench.profile.rows import BRUTE, WAYS, Profile, Row, Versus
from bench.profile.table import refused
from bench.report import profile_charts, text
from bench.report.columns import Printed

#: title, what it means
COLUMNS = (
    ("kernel", "the kernel"),
    ("implementation", "who computes it, and how"),
    ("error", "largest of all passes, |found - float64| / (1 + |float64|)"),
    ("µs", "forward: device microseconds per call, median"),
    ("× forward", "times as fast as the baseline, with its 95 % interval"),
    ("× inverse", "the same of the inverse"),
    ("× backward", "the same of forward and all gradients together"),
    ("log-det adds", "to the time of the map alone, forward"),
    ("exponent", "time ~ D^exponent: between the two largest D; fitted over all"),
    ("× brute force", "times as fast as slogdet of autograd's Jacobian"),
    ("ops", "operations dispatched by a forward call"),
    ("syncs", "of them those that wait for the device"),
)
WORDS = {"forward": "kernels forward", "inverse": "inverse", "backward": "with gradients"}


def section(profile: Profile) -> dict[str, Any]:
    """What the template needs."""
    kernels = by_kernel(profile)
    lines = [line for rows in kernels.values() for line in _lines(profile, rows)]
    at = [r for rows in kernels.values() for r in reference(rows, "forward")]
    brute = {r.batch for rows in kernels.values() for r in rows if r.brute}
    return {
        "machine": machine(profile),
        "sizes": sizes(at) if at else "",
        "dtype": profile.rows[0].dtype if profile.rows else "",
        "brute": f"{max(brute):,} points" if brute else "",
        "takeaway": takeaway(kernels.values()),
        "refused": refused(profile),
        "columns": COLUMNS,
        "lines": lines,
        "panels": [Markup(svg) for svg in profile_charts.latency(profile)],
        "charts": [Markup(svg) for svg in profile_charts.overall(profile)],
    }


def takeaway(kernels: Iterable[Sequence[Row]]) -> str:
    """'The fastest in-house path is faster than the baseline on 14 of 20 kernels forward, ...'."""
    words, shares = [], []
    kernels = list(kernels)
    for way in WAYS:
        verdicts = [r.ratio.verdict for k in kernels if (r := best(reference(k, way))) and r.ratio]
        if verdicts:
            slower = f" ({n} slower)" if (n := verdicts.count("slower")) else ""
            words.append(f"{verdicts.count('faster')} of {len(verdicts)} {WORDS[way]}{slower}")
    shares = [pair[0].logdet_added or 0.0 for k in kernels if (pair := added(k)) and own(pair[0])]
    line = ""
    if words:
        line = f"The fastest in-house path is faster than the baseline on {', '.join(words)}."
    if shares:
        cheap = f"{sum(s < profile_charts.HALF for s in shares)} of {len(shares)}"
        line += f" Its log-determinant adds less than half of the map's time on {cheap}."
    return line.strip()


def _lines(profile: Profile, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A kernel's implementations, fastest first."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.implementation != BRUTE:
            groups[row.implementation, row.mode].append(row)
    at = {way: reference(rows, way) for way in WAYS}
    lines = []
    for who, of in groups.items():
        here = {w: next((r for r in at[w] if _who(r) == who), None) for w in WAYS}
        lines.append((us(r) if (r := here["forward"]) else float("inf"), _line(profile, of, here)))
    lines.sort(key=lambda pair: pair[0])
    for i, (_, line) in enumerate(lines):
        line["css"] = " ".join(c for c in (*line["css"], "" if i else "n") if c)
    return [line for _, line in lines]


def _who(row: Row) -> tuple[str, str]:
    return row.implementation, row.mode


def _line(profile: Profile, of: Sequence[Row], here: dict[str, Row | None]) -> dict[str, Any]:
    row = here["forward"]
    fit = exponent(profile, row) if row else None
    brute = max((r for r in of if r.brute), key=lambda r: r.dim, default=None)
    mode = "" if of[0].mode == "eager" else of[0].mode
    mode += ", baseline" * bool(row and row.baseline)
    cells: list[Printed] = [
        (of[0].implementation, mode.removeprefix(", ")),
        (_error(of), ""),
        (text.significant(us(row) if row else None), ""),
        *(_ratio(here[w], of, w) for w in WAYS),
        (_percent(row), ""),
        (text.fixed(fit.last, 1), f"fit {text.fixed(fit.exponent, 1)}") if fit else (text.NONE, ""),
        (text.significant(brute.brute.value) if brute and brute.brute else text.NONE, ""),
        (text.whole(row.operations if row else None), ""),
        (text.whole(row.synchronisations if row else None), ""),
    ]
    return {"kernel": of[0].kernel, "cells": cells, "css": [] if row else ["u"]}


def _ratio(row: Row | None, of: Sequence[Row], way: str) -> Printed:
    """Times as fast as the baseline; why not, where there is no time."""
    if row is None:
        said = next((r.status for r in of if r.way == way and r.status in ("wrong", "error")), "")
        return (said or text.NONE, "")
    return ("1", "baseline") if row.baseline else _versus(row.ratio)


def _versus(ratio: Versus | None) -> Printed:
    if ratio is None:
        return (text.NONE, "")
    if ratio.low is None or ratio.high is None:
        return (text.significant(ratio.value), "few pairs")
    ends = f"[{text.significant(ratio.low)}, {text.significant(ratio.high)}]"
    return (text.significant(ratio.value), ends)


def _percent(row: Row | None) -> str:
    if row is None or row.logdet_added is None:
        return text.NONE
    return text.percent(extra(row))


def _error(rows: Iterable[Row]) -> str:
    """The largest error of a correct or refused row."""
    found = [e for r in rows if r.error for e in (r.error.value, r.error.logdet, r.error.gradient)]
    worst = max((e for e in found if e is not None), default=None)
    return text.NONE if worst is None else f"{worst:.1e}".replace("-", text.MINUS)
