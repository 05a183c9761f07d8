"""The Triton kernels compiled ahead of time, against a budget."""

from __future__ import annotations

import os
import sys

import pytest
from interpreted import needs_triton

from bench.errors import MissingError
from bench.kernels import triton
from bench.profile import static
from bench.profile.static import TARGETS, StaticRow, static_report

#: purpose -> registers of the splines of 8 and of 16 bins, float32, at most
REGISTERS = {"forward": (40, 60), "inverse": (40, 60), "backward": (80, 128)}
#: instructions of the splines of 8 and of 16 bins, float32, at most
INSTRUCTIONS = {"forward": (340, 560), "inverse": (360, 570), "backward": (610, 1020)}
#: MUFU: an exponential per logit and per knot's derivative, the rest reciprocals and roots
MUFU = {"forward": 2, "inverse": 4, "backward": 8}


@pytest.fixture(scope="module")
def rows() -> list[StaticRow]:
    return static_report()


@needs_triton
def test_no_kernel_spills_or_waits_for_its_own_stack(rows):
    assert {row.target for row in rows} == set(TARGETS)
    assert [(row.kernel, row.target) for row in rows if row.stack or row.spills] == []


@needs_triton
def test_splines_are_within_their_budget(rows):
    splines = [
        row for row in rows if row.kernel.startswith("rq-spline") and "f64" not in row.kernel
    ]
    assert {row.purpose for row in splines} == set(REGISTERS)
    for row in splines:
        bins = int(row.kernel.rsplit("-", 1)[1])
        which = (8, 16).index(bins)
        assert row.registers <= REGISTERS[row.purpose][which], row
        assert row.instructions <= INSTRUCTIONS[row.purpose][which], row
        assert row.mufu <= 2 * bins + 2 + MUFU[row.purpose], row
        # every parameter once; nothing that one thread asks of another
        backward = row.purpose == "backward"
        assert row.ldg == 2 * bins + 3 + 2 * backward, row
        assert row.stg == (3 * bins if backward else 2), row
        assert (row.shfl, row.bar, row.shared) == (0, 0, 0), row


@needs_triton
def test_every_kernel_has_a_name_and_a_purpose_of_its_own(rows):
    assert len({(row.kernel, row.target) for row in rows}) == len(rows)
    assert {row.purpose for row in rows} == {"forward", "inverse", "backward"}
    assert all(row.triton and row.ptxas and row.instructions > 50 for row in rows)


@needs_triton
def test_an_interpreting_process_compiles_in_another(rows, monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    name = "rq-spline-forward-8"
    wanted = [row for row in rows if name in row.kernel and row.target == TARGETS[0]]
    assert static_report(TARGETS[:1], [name]) == wanted
    assert os.environ["TRITON_INTERPRET"] == "1"
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(static.BenchError, match="child process"):
        static_report()


def test_without_triton_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(triton, "available", lambda: False)
    with pytest.raises(MissingError, match=r"pip install 'density-bench\[gpu\]'"):
        static_report()
