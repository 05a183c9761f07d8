"""Records on disk: round trip, damage, newer schemas, a full disk."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench import records
from bench.errors import BenchError, UsageError
from bench.records import CellKey, Check, Cost, CostRecord, Estimate, Gap, Record, Score, Times

NAN, INF = float("nan"), float("inf")


def full_record(value: float = -1.25) -> Record:
    """A record with something in every part; `value` stands wherever a score can be."""
    return Record(
        cell=CellKey(dataset="rings", model="m", suite="tiny", settings={"x": [value, {"y": 1}]}),
        status="ok",
        seeds=[records.SeedScore(seed=0, nats=value, steps=3, kept_step=2)],
        score=Score(
            nats=Estimate(mean=value, se_test=0.01, se_seeds=None),
            truth_nats=-1.0,
            gap_nats=Gap(mean=value, se=0.5),
        ),
        checks=[
            Check(name="sum", verdict="pass", statistic=value, threshold=1e-6, n=4, detail="ü")
        ],
    )


def full_cost() -> CostRecord:
    times = Times(p20=1.0, p50=2.0, p80=3.0, n=9)
    cost = Cost(
        parameters=7,
        log_prob_us=times,
        sampling=[records.Throughput(batch=1, samples_per_second=1e6)],
        converted=records.Converted(log_prob_ratio=2.0, log_prob_interval=(1.9, 2.1)),
    )
    return CostRecord(cost=cost, finished="2026-01-01T00:00:00+00:00")


def test_a_record_reads_back_as_written(tmp_path: Path) -> None:
    file = records.record_path(tmp_path, "rings", "m")
    records.write(file, full_record())
    assert records.read(file) == full_record()


def test_a_cost_record_reads_back_as_written_and_absent_is_empty(tmp_path: Path) -> None:
    file = records.cost_path(tmp_path, "rings", "m")
    assert records.read_cost(file) == CostRecord()
    records.write(file, full_cost())
    assert records.read_cost(file) == full_cost()


def test_equal_records_have_equal_bytes(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    records.write(a, full_record())
    records.write(b, records.read(a))
    assert a.read_bytes() == b.read_bytes()
    assert a.read_text().endswith("}\n")


@pytest.mark.parametrize("value", [NAN, INF, -INF], ids=str)
def test_what_is_not_finite_is_null_at_any_depth_and_reads_back(
    value: float, tmp_path: Path
) -> None:
    file = tmp_path / "r.json"
    records.write(file, full_record(value))
    data = json.loads(file.read_text(), parse_constant=lambda word: pytest.fail(word))
    assert data["score"]["nats"]["mean"] is None
    assert data["cell"]["settings"]["x"] == [None, {"y": 1}]
    back = records.read(file)
    assert back.score is not None
    assert back.score.gap_nats is not None
    assert back.score.gap_nats.mean is None
    assert back.checks[0].statistic is None


def _changed(**values: Any) -> str:
    return json.dumps({**full_record().model_dump(mode="json"), **values})


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "Expecting value"),
    "half": (_changed().encode()[:200], "damaged"),
    "merge conflict": (b"<<<<<<< HEAD\n{}\n", "Expecting value"),
    "no object": (b"[]", "damaged"),
    "not text": (b"\xff\xfe\x00", "damaged"),
    "unknown field": (_changed(colour="red").encode(), "colour"),
    "unknown status": (_changed(status="fine").encode(), "status"),
    "no cell": (_changed(cell=None).encode(), "cell"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_record_is_one_sentence_with_the_remedy(case: str, tmp_path: Path) -> None:
    content, word = DAMAGED[case]
    file = tmp_path / "r.json"
    file.write_bytes(content)
    with pytest.raises(records.DamagedRecord) as caught:
        records.read(file)
    text = str(caught.value)
    assert text.startswith(f"{file} is damaged (")
    assert text.endswith("Delete it and run: dvc repro")
    assert word in text
    assert "\n" not in text


def test_a_newer_schema_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text(_changed(schema_version=records.SCHEMA + 1, new_field=1))
    with pytest.raises(UsageError, match=r"has schema 2, .*reads up to 1\. Update .* or delete"):
        records.read(file)


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "r.json"
    records.write(file, full_record())
    old = file.read_bytes()

    def full(self: Path, *args: Any, **kwargs: Any) -> None:
        if step == "write_bytes":
            self.touch()  # a full disk may still have room for the name
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(
        *((Path, "write_bytes") if step == "write_bytes" else (os, "replace")), full
    )
    with pytest.raises(BenchError, match=r"could not be written: No space left.*Free space"):
        records.write(file, full_record(2.0))
    assert file.read_bytes() == old
    assert [f.name for f in tmp_path.iterdir()] == ["r.json"]


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("")
    with pytest.raises(BenchError, match="could not be written"):
        records.write(records.record_path(tmp_path, "rings", "m"), full_record())
