"""Reports on synthetic data sets."""

from __future__ import annotations

from bench.leaks.report import Column, Columns, DataReport, Finding, Repeats, Rows
from bench.registry import DatasetEntry

FINDINGS = {
    "digits": (Finding(severity="note", text="0.2 % of the training rows repeat an earlier one."),),
    "odd": (
        Finding(severity="warning", text="column 1 lies on a grid."),
        Finding(severity="note", text="column 2 holds one value in up to 3 % of the rows."),
    ),
}


def data_report(data: DatasetEntry, *findings: Finding) -> DataReport:
    """A report: 3 of 500 test rows seen, and of the second column of continuous data one half."""
    continuous = data.kind == "continuous"
    seen = Repeats(n=500, count=3, share=0.006)
    columns = [
        Column(
            index=i,
            distinct=900,
            distinct_share=0.9,
            top_share=0.001,
            tied_test=0.5 * (i == 1),
            smallest_gap=1e-4,
            spacing=None,
            spacing_sd=None,
            gain=0.0,
        )
        for i in range(data.dim if continuous else 0)
    ]
    return DataReport(
        dataset=data.name,
        kind=data.kind,
        shape=list(data.shape),
        dtype="float64" if continuous else "int64",
        sizes={"train": 1000, "valid": 200, "test": 500},
        digest="d" * 64,
        inputs="1" * 64,
        rows=Rows(
            test_in_train=seen, valid_in_train=seen, repeated_in_train=0.0, repeated_in_test=0.0
        ),
        columns=Columns(each=columns),
        findings=list(findings),
    )
