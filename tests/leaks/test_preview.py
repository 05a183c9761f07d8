"""The few training points that a report keeps: of each kind, and close to what they stand for."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.contract import Splits
from bench.leaks.preview import PIXELS, preview
from bench.leaks.report import Preview
from bench.registry import DatasetEntry

RNG = np.random.default_rng(0)


def entry(kind: str, shape: tuple[int, ...], levels: int | None = None, **more: int):
    return DatasetEntry("x", Path("x.py"), "x", kind, shape, levels, **more)


def values(made: Preview) -> np.ndarray:
    raw = zlib.decompress(base64.b64decode(made.values))
    return np.frombuffer(raw, np.uint8).reshape(made.shape)


def of(x: np.ndarray, made: DatasetEntry, context: np.ndarray | None = None) -> Preview:
    points = torch.from_numpy(x)
    given = [None if context is None else torch.from_numpy(context)] * 3
    return preview(made, Splits(points, points, points, *given))


def test_grey_images_are_the_rows_they_are_taken_from() -> None:
    x = RNG.integers(0, 256, (40, 1, 6, 5))
    made = of(x, entry("discrete", (1, 6, 5), 256))
    assert (made.form, made.shape) == ("greys", [10, 6, 5])
    expected = np.round(x[::4, 0] / 255 * 15)
    np.testing.assert_array_equal(values(made), expected)


def test_colours_are_six_values_of_each() -> None:
    x = RNG.integers(0, 256, (10, 3, 4, 4))
    made = of(x, entry("discrete", (3, 4, 4), 256))
    red, green, blue = (np.round(x[:, c] / 255 * 5) for c in range(3))
    assert made.form == "colours"
    np.testing.assert_array_equal(values(made), 36 * red + 6 * green + blue)


def test_large_images_are_fewer() -> None:
    made = of(RNG.integers(0, 2, (40, 1, 100, 50)), entry("binary", (1, 100, 50), 2))
    assert made.shape == [2, 100, 50]
    assert of(RNG.random((9, 1, 8, 8)), entry("continuous", (1, 8, 8))).shape == [9, 8, 8]
    assert np.prod(made.shape) <= PIXELS


def test_symbols_are_rows_of_levels() -> None:
    x = RNG.integers(0, 4, (240, 7))
    made = of(x, entry("sequence", (7,), 4))
    assert (made.form, made.shape) == ("symbols", [24, 7])
    np.testing.assert_array_equal(values(made), x[::10] * 5)
    assert of(RNG.integers(0, 2, (30, 900)), entry("binary", (900,), 2)).shape == [24, 512]


@pytest.mark.parametrize("levels", [None, 256], ids=["real", "mu-law"])
def test_sequences_are_curves(levels: int | None) -> None:
    x = RNG.integers(0, 256, (30, 20)) if levels else RNG.standard_normal((30, 20))
    made = of(x, entry("sequence", (20,), levels))
    (low, high), chosen = made.ranges[0], x[::10]
    assert (made.form, made.shape) == ("curves", [3, 20])
    drawn = low + values(made) / 255 * (high - low)
    np.testing.assert_allclose(drawn, chosen, atol=(high - low) / 509)


def test_bars_are_a_histogram() -> None:
    x = RNG.standard_normal((50_000, 1))
    made = of(x, entry("continuous", (1,)))
    (low, high), heights = made.ranges[0], values(made).astype(float)
    centres = low + (np.arange(60) + 0.5) / 60 * (high - low)
    assert made.form == "bars"
    assert heights.max() == 255
    np.testing.assert_allclose(heights / 255, np.exp(-(centres**2) / 2), atol=0.1)


def test_the_plane_has_x_to_the_right_and_y_upwards() -> None:
    x = np.stack([RNG.uniform(0, 1, 100_000), RNG.uniform(5, 6, 100_000)], 1)
    x = x[(x[:, 0] < 0.5) | (x[:, 1] > 5.5)]  # nothing at the lower right
    made = of(x, entry("continuous", (2,)))
    seen = values(made)
    half = made.shape[0] // 2
    assert made.form == "plane"
    assert made.ranges[0][0] < 0.1 < 0.9 < made.ranges[0][1] < 4 < made.ranges[1][0]
    assert seen[: half - 2, half + 2 :].max() == 0
    assert seen[half + 2 : -4, 4:-4].min() > 0
    assert seen[4:-4, 4 : half - 2].min() > 0


def test_a_point_given_one_context_is_on_the_plane_of_both() -> None:
    c = RNG.uniform(-1, 1, (5000, 1))
    made = of(c**2, entry("continuous", (1,), context_dim=1), c)
    assert made.form == "plane"
    assert made.ranges[0][0] < -0.9 < -0.1 < made.ranges[1][0]


def test_correlations_are_in_steps_of_a_fifteenth() -> None:
    z = RNG.standard_normal((5000, 3))
    x = np.stack([z[:, 0], -z[:, 0], z[:, 1], 3 + 0 * z[:, 2], z[:, 0] + z[:, 1]], 1)
    made = of(x, entry("continuous", (5,)))
    seen = values(made).astype(int) - 15
    assert made.form == "correlations"
    expected = [15, -15, 0, 0, 15 / np.sqrt(2)]
    np.testing.assert_allclose(seen[0], expected, atol=1)
    assert seen[0, 3] == 0
    np.testing.assert_array_equal(seen, seen.T)
    wide = of(RNG.standard_normal((50, 300)), entry("continuous", (300,)))
    assert wide.shape == [64, 64]


CONSTANT = {
    "line": (np.zeros((50, 1)), entry("continuous", (1,))),
    "plane": (np.ones((50, 2)), entry("continuous", (2,))),
    "many": (np.ones((50, 4)), entry("continuous", (4,))),
    "images": (np.ones((50, 1, 4, 4)), entry("continuous", (1, 4, 4))),
    "curves": (np.ones((50, 6)), entry("sequence", (6,))),
    "two rows": (np.array([[0, 1], [1, 0]]), entry("binary", (2,), 2)),
}


@pytest.mark.parametrize("name", CONSTANT)
@pytest.mark.filterwarnings("error")
def test_constants_and_few_rows_are_no_accident(name: str) -> None:
    made = of(*CONSTANT[name])
    assert np.isfinite(np.array(made.ranges)).all()
    assert values(made).size
