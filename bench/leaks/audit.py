"""Makes the reports; as a program, those that it is asked for on its standard input.

    {"results": folder, "jobs": [{"dataset": name, "sizes": {...}, "inputs": digest}, ...]}

It answers in lines of JSON: "ready", then for each data set [name, null] or [name, what is wrong].
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import cast

from bench.contract import Density
from bench.datasets import PARTS, digest, load_splits
from bench.errors import BenchError
from bench.leaks.columns import columns
from bench.leaks.findings import findings
from bench.leaks.preview import preview
from bench.leaks.report import DataReport, report_path, rounded, write
from bench.leaks.rows import nearest, repeats
from bench.registry import DatasetEntry, discover
from bench.settings import Sizes


def audit(entry: DatasetEntry, sizes: Sizes, inputs: str = "") -> DataReport:
    """The report of one data set. Raises what loading it raises.

    Args:
        entry: the data set.
        sizes: points drawn where its law is known.
        inputs: digest of what the report is made of (bench.leaks.refresh).
    """
    splits, truth = load_splits(entry, sizes)
    known = cast("Density | None", truth) if entry.context_dim == 0 else None
    found = DataReport(
        dataset=entry.name,
        kind=entry.kind,
        shape=list(entry.shape),
        levels=entry.levels,
        context_dim=entry.context_dim,
        dtype=str(splits.train.dtype).removeprefix("torch."),
        sizes={part: len(getattr(splits, part)) for part in PARTS},
        truth=entry.truth,
        entropy=None if truth is None else float(truth.entropy),
        digest=digest(splits),
        inputs=inputs,
        rows=repeats(splits, known),
        nearest=nearest(splits),
        columns=columns(splits),
        preview=preview(entry, splits),
    )
    report = rounded(found)
    return report.model_copy(update={"findings": findings(report)})


def main() -> None:
    """Read the request, write the reports, answer."""
    import torch

    torch.set_num_threads(1)
    # what a plugin prints must not stand between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    registry, results = discover(), Path(request["results"])
    print(json.dumps("ready"), file=answers, flush=True)
    for job in request["jobs"]:
        try:
            entry = registry.dataset(job["dataset"])
            report = audit(entry, Sizes(**job["sizes"]), job["inputs"])
            write(report_path(results, entry.name), report)
            wrong = None
        except BenchError as error:
            wrong = str(error)
        print(json.dumps([job["dataset"], wrong]), file=answers, flush=True)


if __name__ == "__main__":
    main()
