"""What was found in a user's file: the facts to look at before an entry is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.adding.propose import Proposal
from bench.datasets.own.entries import in_words, place
from bench.datasets.own.raw import Array
from bench.datasets.own.schema import PARTS, OwnEntry
from bench.declared import shown

FEW = 12  #: names that are written out


def card(name: str, proposal: Proposal, entry: Path) -> dict[str, Any]:
    """Fact -> value, in the order in which a person reads them; `entry` is the entry file."""
    own = proposal.own
    parts = {part: getattr(proposal.splits, part).numpy() for part in PARTS}
    n = sum(map(len, parts.values()))
    facts: dict[str, Any] = {
        "name": name,
        "format": own.format,
        "files": [f.url or shown(place(entry, str(f.path))) for f in own.files.values()],
        "sha256": list(dict.fromkeys(f.sha256 for f in own.files.values())),
        "rows": f"{n}: " + ", ".join(f"{len(x)} {part}" for part, x in parts.items()),
        "split": in_words(own.split),
        "kind": own.kind,
        "shape": own.shape,
    }
    arrays = list(parts.values())
    return facts | _values(own, arrays) | _missing(proposal) | _ties(own, arrays)


def _values(own: OwnEntry, parts: list[Array]) -> dict[str, Any]:
    low, high = min(x.min().item() for x in parts), max(x.max().item() for x in parts)
    facts: dict[str, Any] = {"range": f"{low:g}..{high:g}"}
    if own.levels is not None:
        known = np.unique(np.concatenate([np.unique(x) for x in parts]))
        reduced = f", made of {own.read.reduced_from}" if own.read.reduced_from else ""
        facts["levels"] = f"{own.levels}{reduced}, of which {len(known)} occur"
    if own.read.alphabet:
        facts["alphabet"] = repr(own.read.alphabet)
    if own.read.channels:
        facts["channels"] = f"{own.read.channels} in the file"
    for what, names in (("columns", own.read.columns), ("context", own.read.context)):
        if names:
            facts[what] = _named(names)
    if own.read.classes:
        facts["classes"] = _named([str(c) for c in own.read.classes])
    return facts


def _missing(proposal: Proposal) -> dict[str, Any]:
    found = [f"{proposal.lacking} values"] if proposal.lacking else ["none"]
    found += [f"{proposal.dropped} rows left out"] if proposal.dropped else []
    dropped = proposal.dropped_columns
    found += [f"columns left out: {_named(dropped)}"] if dropped else []
    return {"missing": "; ".join(found)}


def _ties(own: OwnEntry, parts: list[Array]) -> dict[str, Any]:
    """Repeated points, and columns that a density can spike on."""
    n = sum(map(len, parts))
    seen = {hash(row.tobytes()) for x in parts for row in x}
    facts: dict[str, Any] = {"repeated rows": n - len(seen)}
    if own.integral:
        return facts
    flat = [x.reshape(len(x), -1) for x in parts]
    of = range(flat[0].shape[1])
    names = own.read.columns or [f"coordinate {i}" for i in of]
    distinct = [len(np.unique(np.concatenate([x[:, i] for x in flat]))) for i in of]
    tied = {name: k for name, k in zip(names, distinct, strict=False) if k < n}
    facts["ties"] = _tied(tied, len(distinct))
    if fixed := [name for name, k in tied.items() if k == 1]:
        facts["constant"] = f"{_named(fixed)}: leave them out, a density can gain without bound"
    return facts


def _tied(tied: dict[str, int], of: int) -> str:
    if not tied:
        return "none: every column holds as many values as there are rows"
    fewest = min(tied, key=lambda name: tied[name])
    return f"in {len(tied)} of {of} columns; {fewest} holds the fewest values, {tied[fewest]}"


def _named(names: list[str]) -> str:
    more = f", ... ({len(names)})" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more
