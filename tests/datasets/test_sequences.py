"""Real sequences: bytes, windows and splits, by reading the same files another way."""

from __future__ import annotations

import io
import math
import os
import random
import subprocess
import sys
import tarfile
import wave
from importlib.util import spec_from_file_location
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench import load
from bench.contract import Splits
from bench.datasets import _sound, sequences
from bench.datasets._sound import Recording, mu_law, recordings, samples, windows
from bench.datasets.fetch import Archive, File
from bench.errors import BenchError, MissingError

SPLITS = ("train", "valid", "test")


def wav(values: NDArray[np.int16], channels: int = 1, width: int = 2, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setparams((channels, width, rate, 0, "NONE", ""))
        sound.writeframes(values.astype("<i2").tobytes())
    return out.getvalue()


def tone(length: int, seed: int) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-(2**15), 2**15, length, dtype=np.int16)


def level(sample: int) -> int:
    s = sample / 32768
    q = math.copysign(math.log(1 + 255 * abs(s)) / math.log(256), s)
    return math.floor((q + 1) / 2 * 256)


def test_mu_law_is_its_formula_for_every_sample() -> None:
    every = np.arange(-(2**15), 2**15).astype(np.int16)
    levels = mu_law(every)
    differs = levels != [level(int(s)) for s in every]
    assert differs.sum() == 0
    assert (np.diff(levels.astype(int)) >= 0).all()
    assert (levels[0], levels[2**15], levels[-1]) == (0, 128, 255)
    assert len(np.unique(levels)) == 256


def test_samples_are_what_was_written() -> None:
    values = tone(1000, 0)
    assert (samples(io.BytesIO(wav(values)), "a.wav") == values).all()


BAD = {
    "stereo": (wav(tone(100, 0), channels=2), "has 2 channels of 16 bits at 8000 Hz, not 1 of 16"),
    "8 bit": (wav(tone(100, 0), width=1), "has 1 channels of 8 bits"),
    "16 kHz": (wav(tone(100, 0), rate=16000), "at 16000 Hz, not 1 of 16 at 8000"),
    "cut": (wav(tone(100, 0))[:-50], "has 150 bytes of 100 samples of 2 bytes"),
    "cut head": (wav(tone(100, 0))[:30], "is no wav file that can be read"),
    "page": (b"<!doctype html>" + bytes(100), "is no wav file that can be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_another_sound_is_refused_in_one_sentence(case: str) -> None:
    body, words = BAD[case]
    with pytest.raises(BenchError, match=words) as caught:
        samples(io.BytesIO(body), "0_theo_7.wav")
    assert str(caught.value).startswith("0_theo_7.wav ")
    assert "\n" not in str(caught.value)


def packed(held: Path, without: str = "") -> tuple[Archive, dict[str, NDArray[np.int16]]]:
    """An archive of every digit by every speaker, index 0 and 1, in no order; and its samples."""
    names = [f"{d}_{s}_{i}.wav" for d in range(10) for s in _sound.SPEAKERS for i in (0, 1, 11)]
    sounds = {name: tone(20 + k, k) for k, name in enumerate(names)}
    random.Random(0).shuffle(names)
    with tarfile.open(held, "w:gz") as tar:
        for name in names:
            if name != without:
                info = tarfile.TarInfo(f"all/recordings/{name}")
                info.size = len(body := wav(sounds[name]))
                tar.addfile(info, io.BytesIO(body))
    file = File("toy", held.name, None, None, "CC0", first_use=True)
    return Archive(file, members="all/recordings/{name}"), sounds


def test_recordings_are_in_order_whatever_the_archives(tmp_path: Path) -> None:
    archive, sounds = packed(tmp_path / "toy.tar.gz")
    read = recordings(archive, tmp_path / "toy.tar.gz", range(2))
    assert [(r.digit, r.speaker, r.index) for r in read] == [
        (d, s, i) for d in range(10) for s in _sound.SPEAKERS for i in (0, 1)
    ]
    for r in read:
        assert (r.levels == mu_law(sounds[f"{r.digit}_{r.speaker}_{r.index}.wav"])).all()


def test_an_archive_that_lacks_a_recording_is_refused(tmp_path: Path) -> None:
    archive, _ = packed(tmp_path / "toy.tar.gz", without="3_lucas_1.wav")
    with pytest.raises(BenchError, match=r"toy.tar.gz lacks all/recordings/3_lucas_1.wav$"):
        recordings(archive, tmp_path / "toy.tar.gz", range(2))


def test_windows_stand_end_to_end_and_never_cross_recordings() -> None:
    lengths = (7, 8, 3, 25)
    sounds = [
        Recording(d, "theo", 0, (100 * d + np.arange(n)).astype(np.uint8))
        for d, n in enumerate(lengths)
    ]
    x, digits = windows(sounds, 4)
    assert digits.tolist() == [0] + [1] * 2 + [3] * 6
    expected = [s.levels[i : i + 4] for s in sounds for i in range(0, len(s.levels) - 3, 4)]
    assert (x.numpy() == np.stack(expected)).all()


def test_no_recording_is_in_two_splits() -> None:
    for parts in sequences.INDICES.values():
        every = [i for part in parts.values() for i in part]
        assert len(set(every)) == len(every)
        assert parts["test"] == range(5)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not os.environ.get("BENCH_DATA_MIRROR"):
        pytest.skip("needs the files: set BENCH_DATA_MIRROR")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))


def spoken(name: str) -> dict[str, list[Recording]]:
    try:
        return sequences.spoken(name)
    except MissingError:
        pytest.skip(f"the mirror of BENCH_DATA_MIRROR does not hold {name}")


@pytest.mark.slow
@pytest.mark.usefixtures("mirror")
def test_the_sample_of_spoken_digits_by_the_libraries_alone() -> None:
    parts = spoken("spoken-digits-sample")
    archive = Path(os.environ["BENCH_DATA_MIRROR"], "fsdd", "fsdd-index-0-9.tar.xz")
    seen = {part: 0 for part in SPLITS}
    with tarfile.open(archive) as tar:
        for info in tar:
            digit, speaker, index = Path(info.name).stem.split("_")
            part = "test" if int(index) < 5 else "train" if int(index) < 9 else "valid"
            with wave.open(tar.extractfile(info)) as sound:
                values = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
            label = int(digit), speaker, int(index)
            (r,) = (r for r in parts[part] if (r.digit, r.speaker, r.index) == label)
            assert (r.levels == mu_law(values)).all()
            seen[part] += 1
    assert seen == {"train": 240, "valid": 60, "test": 300}
    splits = load("spoken-digits-sample")
    assert [len(getattr(splits, part)) for part in SPLITS] == [1513, 401, 1867]
    assert splits.test_labels is not None
    assert splits.test_labels.tolist() == [
        r.digit for r in parts["test"] for _ in range(len(r.levels) // 512)
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("mirror")
def test_spoken_digits_by_histograms_of_one_sample_and_of_two() -> None:
    """Every count plus one; the first sample of a recording by the histogram of one."""
    parts = spoken("spoken-digits")
    assert [len(parts[part]) for part in SPLITS] == [2400, 300, 300]
    every = [len(r.levels) for part in parts.values() for r in part]
    assert (min(every), max(every)) == (1148, 18262)
    fit, test = parts["train"] + parts["valid"], parts["test"]
    one, two = np.ones(256), np.ones((256, 256))
    for r in fit:
        one += np.bincount(r.levels, minlength=256)
        pairs = 256 * r.levels[:-1].astype(int) + r.levels[1:]
        two += np.bincount(pairs, minlength=256**2).reshape(256, 256)
    log_one = np.log2(one / one.sum())
    log_two = np.log2(two / two.sum(1, keepdims=True))
    count = sum(len(r.levels) for r in test)
    assert count == 1034030
    independent = -sum(log_one[r.levels].sum() for r in test) / count
    bigram = -sum(log_one[r.levels[0]] + log_two[r.levels[:-1], r.levels[1:]].sum() for r in test)
    assert independent == pytest.approx(7.186114, abs=5e-7)
    assert bigram / count == pytest.approx(5.452384, abs=5e-7)
    splits = load("spoken-digits")
    assert [len(getattr(splits, part)) for part in SPLITS] == [15234, 1914, 1867]
    assert torch.equal(splits.test, load("spoken-digits-sample").test)


def table(name: str) -> pd.DataFrame:
    import statsmodels

    return pd.read_csv(Path(statsmodels.__path__[0], "datasets", name, f"{name}.csv"))


def years_of(windows: Tensor, series: list[float], starts: list[int]) -> list[int]:
    """The year in which each window of a yearly series begins, found by its values."""
    found = []
    for row in windows.tolist():
        (start,) = (i for i in range(len(series)) if series[i : i + len(row)] == row)
        found.append(starts[start])
    return found


def test_sunspots_are_consecutive_years_of_one_split() -> None:
    data, splits = table("sunspots"), load("sunspots")
    years, values = data["YEAR"].astype(int).tolist(), data["SUNACTIVITY"].tolist()
    begin = {part: years_of(getattr(splits, part), values, years) for part in SPLITS}
    assert begin == {
        "train": list(range(1700, 1877)),
        "valid": list(range(1888, 1937)),
        "test": [1949, 1961, 1973, 1985, 1997],
    }


def test_co2_is_consecutive_weeks_of_one_split_without_a_gap() -> None:
    data = table("co2")
    date = pd.to_datetime(data["date"].astype(str))
    assert (date.diff()[1:] == pd.Timedelta(days=7)).all()
    assert int(data["co2"].isna().sum()) == 59
    expected: dict[str, list[tuple[float, ...]]] = {part: [] for part in SPLITS}
    for i in range(1, len(data) - 51):
        weeks = slice(i, i + 52)
        change = data["co2"].diff()[weeks].round(1)
        first, last = date[weeks].dt.year.iloc[[0, -1]]
        if change.isna().any():
            continue
        if last < 1988:
            expected["train"].append(tuple(change))
        elif first >= 1988 and last < 1994:
            expected["valid"].append(tuple(change))
        elif first >= 1994 and (len(data) - i) % 52 == 0:
            expected["test"].append(tuple(change))
    splits = load("co2")
    for part in SPLITS:
        assert [tuple(row) for row in getattr(splits, part).tolist()] == expected[part]
    assert [len(rows) for rows in expected.values()] == [1030, 262, 8]


def test_the_windows_of_test_do_not_overlap() -> None:
    for name, rows in (("co2", 416), ("sunspots", 60)):
        splits: Splits = load(name)
        flat = splits.test.flatten()
        assert len(flat) == rows
    level = sequences.series("co2")[:, 1]
    torch.testing.assert_close(
        load("co2").test.flatten().cumsum(0), torch.from_numpy(level[-416:] - level[-417])
    )


AUTOREGRESSIONS = {0: -5.934347, 1: -5.092486, 2: -4.769698, 9: -4.506287}


@pytest.mark.parametrize("order", AUTOREGRESSIONS)
def test_sunspots_by_least_squares_on_the_years_before(order: int) -> None:
    """Gaussian of the residuals' own variance; nats a value of the last 61 years."""
    x = torch.from_numpy(sequences.series("sunspots")[:, 1])
    past = x.unfold(0, order + 1, 1)  # [T - order, order + 1], the value itself last
    design = torch.cat([torch.ones(len(past), 1, dtype=torch.float64), past[:, :-1]], 1)
    fit, test = slice(None, -61), slice(-61, None)
    weights = torch.linalg.lstsq(design[fit], past[fit, -1:]).solution
    square = (past[:, -1] - (design @ weights)[:, 0]).square()
    variance = square[fit].mean()
    nats = -((2 * math.pi * variance).log() + square[test] / variance) / 2
    assert float(nats.mean()) == pytest.approx(AUTOREGRESSIONS[order], abs=5e-7)


def test_a_series_is_read_without_importing_its_package() -> None:
    code = (
        "import sys; from bench.datasets.sequences import series; "
        "assert series('co2').shape == (2284, 2); assert 'statsmodels' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_table_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "statsmodels" / "__init__.py"
    spec = spec_from_file_location("statsmodels", package)
    monkeypatch.setattr(sequences, "find_spec", lambda name: spec)
    with pytest.raises(BenchError, match=r"co2.csv is not the known table \(0 bytes of sha256 "):
        sequences.series("co2")
    folder = package.parent / "datasets" / "sunspots"
    folder.mkdir(parents=True)
    (folder / "sunspots.csv").write_bytes(b'"YEAR","SUNACTIVITY"\n1700,6\n')
    with pytest.raises(BenchError, match=r"not 2944 of f678[0-9a-f]+\): pip install") as caught:
        sequences.series("sunspots")
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match="sunspots comes with statsmodels, which is not inst"):
        sequences.series("sunspots")
