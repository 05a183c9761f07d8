"""What is read off the times: exponents, floors, files, the comparison of two profiles."""

from __future__ import annotations

import csv
import io
import math
import random
from collections import Counter
from pathlib import Path

import pytest
from profile_rows import profile, row, versus

from bench.errors import BenchError, UsageError
from bench.profile import rows as files
from bench.profile.ceilings import place
from bench.profile.compare import Change, between, broadened, compare, confirmed, wholes
from bench.profile.comparing import sentence, verdicts, worse
from bench.profile.controls import widen
from bench.profile.fits import fits
from bench.profile.rows import Profile

EXPONENTS = {"flat": 0.0, "linear": 1.0, "quadratic": 2.0, "cubic": 3.0}


@pytest.mark.parametrize("exponent", EXPONENTS.values(), ids=EXPONENTS)
def test_the_exponent_of_a_power_law_is_found(exponent: float) -> None:
    timed = [row(3.0 * dim**exponent, dim=dim) for dim in (4, 8, 16, 32, 64)]
    (fit,) = fits([*timed, row(1e9, dim=128, control=True)])
    assert fit.over == "dim"
    assert fit.sizes == [4, 8, 16, 32, 64]
    assert fit.exponent == pytest.approx(exponent, abs=1e-6)
    assert fit.last == pytest.approx(exponent, abs=1e-6)
    assert fit.low - 1e-9 <= fit.exponent <= fit.high + 1e-9


def test_a_launch_bound_start_shows_in_the_interval_and_not_in_the_last_exponent() -> None:
    (fit,) = fits([row(50 + dim**2, dim=dim) for dim in (2, 4, 8, 16, 512, 1024)])
    assert fit.last == pytest.approx(2, abs=0.01)
    assert fit.high - fit.low > 0.3


def test_two_sizes_make_no_exponent() -> None:
    assert fits([row(1.0, dim=4), row(2.0, dim=8)]) == []


#: what a kernel must move and compute -> what bounds it at 10 GB/s, 100 GFLOP/s, 1 us a launch
FLOORS = {"bytes": (1e6, 1e3, 100.0), "flops": (1e3, 1e8, 1000.0), "launch": (8.0, 8.0, 1.0)}


@pytest.mark.parametrize(("name", "work"), FLOORS.items(), ids=FLOORS)
def test_the_floor_is_what_takes_longest(name: str, work: tuple[float, float, float]) -> None:
    bytes_, flops, floor = work
    found = row(4 * floor, must_bytes=bytes_, must_flops=flops)
    place(found, profile().ceilings)
    assert found.floor_by == name
    assert found.floor_us == pytest.approx(floor)
    assert found.share == pytest.approx(0.25)
    assert found.cached is (bytes_ < 2**22)


#: name -> ratios over the baseline in the old and the new profile, half-widths, verdict
CHANGES: dict[str, tuple[float, float, float, Change]] = {
    "the same": (4.0, 4.02, 0.01, "same"),
    "a tenth slower": (4.0, 4.0 / 1.1, 0.01, "slower"),
    "a tenth slower, noisy": (4.0, 4.0 / 1.1, 0.03, "slower"),
    "a tenth faster": (4.0, 4.4, 0.02, "faster"),
    "two percent": (4.0, 4.08, 0.01, "same"),
    "too noisy to tell": (4.0, 4.3, 0.2, "unclear"),
}


@pytest.mark.parametrize(("old", "new", "width", "change"), CHANGES.values(), ids=CHANGES)
def test_a_row_is_judged_by_its_ratio_to_the_baseline(
    old: float, new: float, width: float, change: Change
) -> None:
    before = profile(row(100, baseline=True), row(25, mode="fused", ratio=versus(old, width)))
    # a machine that is three times slower today changes no verdict
    after = profile(row(300, baseline=True), row(75, mode="fused", ratio=versus(new, width)))
    (found,) = compare(before, after)
    assert found.change == change
    assert found.ratio == pytest.approx(new / old)


def test_rows_of_one_profile_alone_and_wrong_ones_are_named() -> None:
    old = profile(row(ratio=versus(2.0)), row(dim=8, ratio=versus(2.0)))
    wrong = row(dim=8, status="wrong", device_us=None, reason="off")
    new = profile(wrong, row(dim=16, ratio=versus(2.0)))
    found = compare(old, new)
    assert {c.row.dim: c.change for c in found} == {64: "gone", 8: "wrong", 16: "new"}
    assert worse(found, [])


def runs(factors: dict[str, float], scatter: float, seed: int) -> Profile:
    """A profile of several kernels, 12 rows each, whose ratios scatter between runs.

    The rows' own intervals are a fifth of that. `factors`: a kernel's change of speed.
    """
    generator = random.Random(seed)
    rows = [
        row(
            kernel=f"kernel-{k}",
            dim=dim,
            ratio=versus(
                3.0 * factors.get(f"kernel-{k}", 1.0) * math.exp(generator.gauss(0, scatter)),
                scatter / 5,
            ),
        )
        for k in range(10)
        for dim in range(1, 13)
    ]
    return profile(*rows)


@pytest.mark.parametrize("seed", range(5))
def test_two_runs_of_the_same_code_are_the_same_though_they_scatter(seed: int) -> None:
    found = compare(runs({}, 0.03, seed), runs({}, 0.03, seed + 100))
    assert Counter(c.change for c in found)["same"] < 0.8 * len(found)  # by their own intervals
    extra = between(found)
    assert 0.03 < extra < 0.06  # both runs scatter
    judged = broadened(found, extra)
    assert Counter(c.change for c in judged)["same"] >= 0.95 * len(found)
    assert {w.change for w in wholes(judged)} == {"same"}
    assert not worse(judged, wholes(judged))


@pytest.mark.parametrize("seed", range(5))
def test_a_kernel_that_became_a_tenth_slower_is_found_among_scattering_rows(seed: int) -> None:
    slowed = runs({"kernel-3": 1 / 1.1}, 0.03, seed + 100)
    found = verdicts(runs({}, 0.03, seed), slowed)
    assert {w.kernel for w in wholes(found) if w.change == "slower"} == {"kernel-3"}
    assert worse(found, wholes(found))


def test_a_profile_of_one_kernel_that_slowed_down_is_no_scatter() -> None:
    old, new = (
        profile(*[r for r in runs(f, 0.01, seed).rows if r.kernel == "kernel-0"])
        for f, seed in (({}, 1), ({"kernel-0": 1 / 1.1}, 2))
    )
    (whole,) = wholes(verdicts(old, new))
    assert whole.change == "slower"
    assert whole.rows == 12
    assert "1 slower" in sentence(verdicts(old, new), [whole])


def test_a_second_measurement_confirms_or_clears_a_change() -> None:
    old = profile(row(ratio=versus(4.0)))
    slower, same = (
        compare(old, profile(row(ratio=versus(value))))[0] for value in (4.0 / 1.1, 4.0)
    )
    assert slower.change == "slower"
    assert confirmed(slower, slower).change == "slower"
    assert confirmed(slower, same).change != "slower"


def test_a_profile_survives_its_file(tmp_path: Path) -> None:
    given = profile(
        row(ratio=versus(2.0), error=files.Errors(value=1e-7, logdet=1e30)),
        row(status="missing", reason="not here", device_us=None, wall_us=None),
    )
    file = tmp_path / "p.json"
    files.write(given, file)
    found = files.read(file)
    assert [r.key for r in found.rows] == [r.key for r in given.rows]
    assert found.rows[0].ratio == given.rows[0].ratio
    lines = list(csv.DictReader(io.StringIO(files.as_csv(given))))
    assert len(lines) == 2
    assert float(lines[0]["device_us_p50"]) == 100
    assert lines[1]["device_us_p50"] == ""


BROKEN = {
    "nothing": (None, UsageError, "Write one: bench profile --json"),
    "no JSON": ("{", BenchError, "is no profile"),
    "another file": ('{"schema_version": 1, "a": 2}', BenchError, "is no profile"),
    "a later schema": ('{"schema_version": 99}', UsageError, "schema 99"),
}


@pytest.mark.parametrize(("text", "error", "words"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_profile_is_refused(
    tmp_path: Path, text: str | None, error: type[BenchError], words: str
) -> None:
    file = tmp_path / "p.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(error, match=words):
        files.read(file)


def test_intervals_are_widened_until_the_controls_hold_one() -> None:
    generator = random.Random(0)
    # ratios that scatter by 3 % with intervals that claim 1 %
    controls = [
        row(control=True, ratio=versus(math.exp(generator.gauss(0, 0.03)), 0.01))
        for _ in range(200)
    ]
    judged_row = row(ratio=versus(1.04, 0.01))
    factor = widen([*controls, judged_row])
    assert 4 < factor < 8
    held = [r.ratio.low <= 1 <= r.ratio.high for r in controls]  # type: ignore[union-attr,operator]
    assert 0.94 <= sum(held) / len(held) <= 0.96
    assert judged_row.ratio is not None
    assert judged_row.ratio.verdict == "unclear"
    assert widen([row(control=True, ratio=versus(1.5, 0.01))]) == 1.0  # too few to say


def test_honest_intervals_stay() -> None:
    controls = [row(control=True, ratio=versus(1.001, 0.01)) for _ in range(30)]
    assert widen(controls) == 1.0
    assert controls[0].ratio == versus(1.001, 0.01)
