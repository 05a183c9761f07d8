"""Real sequences in the order of time: speech in mu-law levels, and two series of nature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench import dataset
from bench.contract import Splits
from bench.datasets._sound import Recording, recordings, windows
from bench.datasets.fetch import local
from bench.datasets.fetch.sound_files import SPOKEN_DIGITS, SPOKEN_DIGITS_SAMPLE
from bench.errors import BenchError, MissingError

SOUND = 512  #: samples in a window: 64 ms
WEEKS, YEARS = 52, 12  #: changes of CO2, and numbers of sunspots, in a window
CO2_VALID, CO2_TEST = 1988, 1994  #: years with which these splits begin
SUNSPOTS_VALID, SUNSPOTS_TEST = 60, 61  #: years of these splits, the last of the series

#: series of statsmodels -> bytes of its table, and their sha256
TABLES = {
    "co2": (33974, "16695fa2786e53414e5a6b54767a3fdf5de99cfbc68617f69d1362d92776a92f"),
    "sunspots": (2944, "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b"),
}
#: data set -> split -> which of the 50 recordings of a digit by a speaker
INDICES: dict[str, dict[str, range]] = {
    "spoken-digits": {"train": range(10, 50), "valid": range(5, 10), "test": range(5)},
    "spoken-digits-sample": {"train": range(5, 9), "valid": range(9, 10), "test": range(5)},
}


def spoken(name: str) -> dict[str, list[Recording]]:
    """Whole recordings of spoken-digits or spoken-digits-sample: split -> those in it."""
    archive = {"spoken-digits": SPOKEN_DIGITS, "spoken-digits-sample": SPOKEN_DIGITS_SAMPLE}[name]
    (held,) = local(name)
    indices = INDICES[name]
    every = recordings(archive, held, sorted(i for part in indices.values() for i in part))
    return {part: [r for r in every if r.index in which] for part, which in indices.items()}


def _spoken_windows(parts: Mapping[str, Iterable[Recording]]) -> Splits:
    made = {}
    for part, sounds in parts.items():
        made[part], made[f"{part}_labels"] = windows(sounds, SOUND)
    return Splits(**made)


@dataset(
    "spoken-digits",
    kind="sequence",
    shape=[512],
    levels=256,
    classes=10,
    source="Jackson et al.: Free Spoken Digit Dataset 1.0.10, 3000 recordings at 8 kHz",
    licence="CC BY-SA 4.0",
    split="recordings 0-4 of each digit and speaker test (the official split), 5-9 valid, others "
    "train",
    faults=[
        "The same six speakers are in all splits.",
        "Windows of one recording depend on each other, so error bars over windows are too small.",
    ],
)
def spoken_digits() -> Splits:
    """Windows of 512 samples (64 ms) in 256 mu-law levels, labelled by the digit spoken.

    Windows stand end to end from a recording's first sample, never across two recordings; what
    remains at its end is left out. 15234 / 1914 / 1867 windows.
    """
    return _spoken_windows(spoken("spoken-digits"))


@dataset(
    "spoken-digits-sample",
    kind="sequence",
    shape=[512],
    levels=256,
    classes=10,
    source="the first ten of fifty recordings of each digit and speaker of spoken-digits",
    licence="CC BY-SA 4.0",
    split="recordings 0-4 of each digit and speaker test (the official split), 5-8 train, 9 valid",
    faults=[
        "The same six speakers are in all splits.",
        "Windows of one recording depend on each other, so error bars over windows are too small.",
    ],
)
def spoken_digits_sample() -> Splits:
    """A tenth of the train recordings of spoken-digits, under its own name, and all of its test.

    1513 / 401 / 1867 windows. No figure on it is one on spoken-digits.
    """
    return _spoken_windows(spoken("spoken-digits-sample"))


def series(name: str) -> NDArray[np.float64]:
    """The columns of a table that comes with statsmodels, [N, 2]: time and value, NaN for a gap.

    Reads the file without importing the package. Raises MissingError without the package, and
    BenchError where the table is another one.
    """
    size, sha256 = TABLES[name]
    remedy = "pip install 'statsmodels==0.14.*'"
    package = find_spec("statsmodels")
    if package is None or package.origin is None:
        raise MissingError(f"{name} comes with statsmodels, which is not installed: {remedy}")
    file = Path(package.origin).parent / "datasets" / name / f"{name}.csv"
    body = file.read_bytes() if file.is_file() else b""
    if (got := hashlib.sha256(body).hexdigest()) != sha256:
        raise BenchError(
            f"{file} is not the known table ({len(body)} bytes of sha256 {got}, not {size} of "
            f"{sha256}): {remedy}"
        )
    return np.genfromtxt(BytesIO(body), delimiter=",", skip_header=1)


def _sliding(values: Tensor, length: int, stride: int = 1) -> Tensor:
    """Windows [N, length] of a series [T] without those that hold a NaN; the last ends with it."""
    every = values.flip(0).unfold(0, length, stride).flip(0, 1)
    return every[~every.isnan().any(1)].contiguous()


@dataset(
    "co2",
    kind="sequence",
    shape=[52],
    requires=["statsmodels"],
    source="Keeling and Whorf 2004: CO2 at Mauna Loa, weekly 1958-2001 (statsmodels 0.14)",
    licence="public domain, as statsmodels states",
    split="by the year of a change: before 1988 train, 1988-1993 valid, from 1994 test",
    faults=[
        "Values are multiples of 0.1 ppm, so a density can gain without bound by spikes on that "
        "grid.",
        "Only 8 windows are test, and the growth of CO2 is not quite the same in all splits.",
    ],
)
def co2() -> Splits:
    """Windows of 52 weekly changes of the concentration of CO2 in the air, ppm: a year's season.

    The density of the changes is that of the 52 concentrations given the one before them. Windows
    begin every week in train and valid; those of test do not overlap. A change from or to one of
    the 59 missing weeks is missing, and a window with one is left out. 1030 / 262 / 8 windows.
    """
    day, level = torch.from_numpy(series("co2")).T
    change = (10 * level).round().diff() / 10  # the nearest float64 to each multiple of 0.1
    year = day[1:].div(10000, rounding_mode="floor")
    return Splits(
        _sliding(change[year < CO2_VALID], WEEKS),
        _sliding(change[(year >= CO2_VALID) & (year < CO2_TEST)], WEEKS),
        _sliding(change[year >= CO2_TEST], WEEKS, stride=WEEKS),
    )


@dataset(
    "sunspots",
    kind="sequence",
    shape=[12],
    requires=["statsmodels"],
    source="National Geophysical Data Center: sunspots by year, 1700-2008 (statsmodels 0.14)",
    licence="public domain, as statsmodels states",
    split="by the year: 1700-1887 train, 1888-1947 valid, 1948-2008 test",
    faults=[
        "A quarter of the values are whole numbers, so a density can gain without bound by spikes.",
        "Only 5 windows are test.",
    ],
)
def sunspots() -> Splits:
    """Windows of 12 years, about one cycle of 11, of the mean number of sunspots.

    Windows begin every year in train and valid; those of test do not overlap, and leave out its
    first year. 177 / 49 / 5 windows.
    """
    number = torch.from_numpy(series("sunspots"))[:, 1]
    train_valid, test = number[:-SUNSPOTS_TEST], number[-SUNSPOTS_TEST:]
    return Splits(
        _sliding(train_valid[:-SUNSPOTS_VALID], YEARS),
        _sliding(train_valid[-SUNSPOTS_VALID:], YEARS),
        _sliding(test, YEARS, stride=YEARS),
    )
