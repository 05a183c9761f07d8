"""Measures one group: accuracy first, then all calls interleaved, then what is read off them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from bench import kernels
from bench.contract import TEXTBOOK
from bench.costs.graph import with_and_without
from bench.costs.memory import peak_bytes
from bench.jacobian import brute_force_logdet
from bench.kernels.library import took
from bench.profile import accuracy
from bench.profile.calls import Call, call, map_call, quiet
from bench.profile.candidates import PREPARED, Candidate, prepared
from bench.profile.case import Case, Maps
from bench.profile.clock import Measured, measure
from bench.profile.counts import count
from bench.profile.plan import BRUTE_SIZE, Group
from bench.profile.rows import BRUTE, NO_INVERSE, Errors, Row, Spread, Versus
from bench.timing import decide, paired_ratio, summarise

MESSAGE = 300  #: characters of an error that a row keeps
BACKWARD = 3  #: a forward and a backward pass move and compute about this many times the forward


@dataclass
class Timed:
    """A row that may have a time, and its calls."""

    row: Row
    call: Call
    map: Call | None = None  #: the value alone
    #: what `map` is compared with, where that is not the call itself: the same tape, played in full
    full: Call | None = None


class Bench:
    """Measures groups on one device; remembers which implementations are right in float64."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.double: dict[tuple[str, str, str, str, int], Errors] = {}

    def rows(
        self, group: Group, case: Case, small: Case, who: Iterable[Candidate], seconds: float
    ) -> list[Row]:
        """The rows of one group.

        Args:
            group: the size and pass.
            case: the kernel at this size.
            small: the same at few points, for the check in float64.
            who: the implementations, the definition among them.
            seconds: time for each call.
        """
        dtype = getattr(torch, group.dtype)
        with quiet():
            truth = accuracy.Truth(case, dtype, self.device, group.way == "backward")
            own = self._own(case, truth, group)
            rows, timed = [], []
            for candidate in who:
                row = self._row(group, candidate, case)
                rows.append(row)
                entrant = self._admitted(row, candidate, truth, own, small)
                if entrant is not None:
                    timed.append(entrant)
            if group.brute and case.x[0].numel() <= BRUTE_SIZE:
                timed.append(self._brute(group, case, truth))
                rows.append(timed[-1].row)
            self._time(group, timed, rows, seconds)
            if group.detailed:
                for entrant in timed:
                    self._count(entrant)
        return rows

    def _row(self, group: Group, candidate: Candidate, case: Case) -> Row:
        times = BACKWARD if group.way == "backward" else 1
        size = getattr(torch, group.dtype).itemsize
        return Row(
            kernel=group.entry.name,
            implementation=candidate.name,
            mode=candidate.mode,
            way=group.way,
            dim=group.dim,
            batch=group.batch,
            dtype=group.dtype,
            must_bytes=times * size * (case.numbers + group.batch),
            must_flops=times * case.flops,
            source=candidate.source or None,
        )

    def _own(self, case: Case, truth: accuracy.Truth, group: Group) -> Errors:
        """Errors of the definition in the dtype: what rounding alone does."""
        found = truth.inputs.case
        maps = case.reference(**found.parameters)
        way = group.way
        if way == "inverse" and maps.inverse is None:
            way = "forward"
        return truth.errors(maps, way)

    def _admitted(
        self, row: Row, candidate: Candidate, truth: accuracy.Truth, own: Errors, small: Case
    ) -> Timed | None:
        """The implementation with its call, if it is there, runs and computes the kernel."""
        if candidate.build is None:
            row.status, row.reason = "missing", candidate.reason
            return None
        inputs = truth.inputs
        try:
            maps = candidate.build(**inputs.case.parameters)
            found = call(maps, inputs, row.way, candidate.mode)
            if found is None:
                row.status, row.reason = "missing", NO_INVERSE
                return None
            took("eager")
            with found.set():
                row.error = truth.errors(maps, row.way)
                ran = kernels.path()
            if candidate.mode in ("fused", "triton") and ran != candidate.mode:
                row.status, row.reason = "missing", f"the {candidate.mode} path does not serve it"
                return None
            row.error_double = self._in_double(row, candidate, small)
        except Exception as error:  # another library's fault is a row, not the end of the run
            row.status, row.reason = "error", said(error)
            return None
        row.error_reference = own
        row.reason = accuracy.refusal(row.error, own, row.error_double, truth.dtype) or None
        if row.reason:
            row.status = "wrong"
            return None
        return self._timed(row, found, maps, truth)

    def _in_double(self, row: Row, candidate: Candidate, small: Case) -> Errors:
        """Errors in float64, once for each implementation, mode, pass and dimension."""
        key = (row.kernel, row.implementation, row.mode, row.way, row.dim)
        if key not in self.double:
            assert candidate.build is not None
            mode = "eager" if candidate.mode in PREPARED else candidate.mode
            self.double[key] = accuracy.in_double(
                small, candidate.build, mode, row.way, self.device
            )
        return self.double[key]

    def _timed(self, row: Row, found: Call, maps: Maps, truth: accuracy.Truth) -> Timed | None:
        """The row with its calls; None where what its mode makes of the call is not the call."""
        timed = Timed(row, found)
        if row.mode in PREPARED:
            try:
                with found.set():
                    run, row.compile_seconds = prepared(found.run, row.mode)
                    row.reason = accuracy.drift(run(), found.run(), row, truth.dtype) or None
            except Exception as error:  # the compiler's fault is a row too
                row.status, row.reason = "error", said(error)
                return None
            if row.reason:
                row.status = "wrong"
                return None
            timed.call = Call(run, found.mode, found.recorded)
        if row.way != "forward":
            return timed
        if row.mode not in PREPARED:
            timed.map = map_call(maps, truth.inputs, found.mode)
        if timed.map is None and row.mode == "eager":
            try:
                with found.set():
                    full, part = with_and_without(maps.forward, truth.inputs.case.x)
            except Exception:  # no tape can be made of it, or the log-determinant is free
                return timed
            timed.full, timed.map = Call(full, found.mode), Call(part, found.mode)
        return timed

    def _brute(self, group: Group, case: Case, truth: accuracy.Truth) -> Timed:
        """The slogdet of the definition's Jacobian at the same points."""
        inputs = truth.inputs.case
        forward = case.reference(**inputs.parameters).forward
        row = self._row(group, Candidate(BRUTE, "eager", case.reference), case)
        row.must_bytes = row.must_flops = None
        if not case.estimate:
            logdet = brute_force_logdet(forward, inputs.x)[1]
            row.error = Errors(value=0.0, logdet=accuracy.distance(logdet, truth.logdet))
        return Timed(row, Call(lambda: brute_force_logdet(forward, inputs.x)))

    def _time(self, group: Group, timed: list[Timed], rows: list[Row], seconds: float) -> None:
        """Interleave all calls of the group and fill in times and ratios."""
        if not timed:
            return
        first = self._first(group, timed)
        calls = [t.call for t in timed]
        control = None
        if group.detailed:
            control = Row(**{**first.row.model_dump(), "control": True})
            calls.append(Call(first.call.run, first.call.mode, first.call.recorded))
        extra = [c for t in timed if group.detailed and t.map for c in (t.map, t.full or t.call)]
        extra = [c for c in extra if c not in calls]
        measured = dict(
            zip(
                map(id, [*calls, *extra]),
                measure([*calls, *extra], seconds, self.device),
                strict=True,
            )
        )
        base = measured[id(first.call)]
        brute = next((measured[id(t.call)] for t in timed if t.row.implementation == BRUTE), None)
        for entrant in timed:
            found = measured[id(entrant.call)]
            fill(entrant.row, found)
            entrant.row.baseline = entrant is first
            if entrant is not first:
                entrant.row.ratio = versus(base, found)
            if brute is not None and entrant.row.implementation != BRUTE:
                entrant.row.brute = versus(brute, found)
            if group.detailed and entrant.map is not None:
                whole = measured[id(entrant.full or entrant.call)]
                added(entrant.row, measured[id(entrant.map)], whole)
        if control is not None:
            fill(control, measured[id(calls[-1])])
            control.ratio = versus(base, measured[id(calls[-1])])
            rows.append(control)

    def _first(self, group: Group, timed: list[Timed]) -> Timed:
        """The baseline, or the definition where it is not there."""
        eager = {t.row.implementation: t for t in timed if t.row.mode == "eager"}
        return eager.get(group.entry.baseline) or eager.get(TEXTBOOK) or timed[0]

    def _count(self, entrant: Timed) -> None:
        """Operations, synchronisations, bytes and memory of one call."""
        row, run = entrant.row, entrant.call
        if row.mode in PREPARED:
            return
        with run.set():
            found = count(run.run)
            row.operations, row.synchronisations = found.operations, found.synchronisations
            row.moved_bytes = float(found.bytes_read + found.bytes_written)
            row.peak_bytes = peak_bytes(run.run, self.device)


def said(error: Exception) -> str:
    """An error of another library in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:MESSAGE]}"


def fill(row: Row, found: Measured) -> None:
    """The row's times."""
    row.device_us = Spread.of(summarise(found.device))
    row.wall_us = Spread.of(summarise(found.wall))


def versus(reference: Measured, candidate: Measured) -> Versus:
    """Time of the reference over that of the candidate."""
    value, interval = paired_ratio(reference.device, candidate.device)
    low, high = interval or (None, None)
    n = len(candidate.device)
    return Versus(value=value, low=low, high=high, n=n, verdict=decide(interval))


def added(row: Row, map_only: Measured, whole: Measured) -> None:
    """The map's own time and what the log-determinant adds to it, from the same rounds."""
    bare, full = np.array(map_only.device), np.array(whole.device)
    row.map_us = 1e6 * float(np.median(bare))
    row.logdet_added = float(np.median(full / np.maximum(bare, 1e-9))) - 1
