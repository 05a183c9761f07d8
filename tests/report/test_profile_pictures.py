"""The pictures of a profile show its numbers, without controls, and are the same every time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from profile_rows import profile, row
from whole_profile import DIMS, PATHS, whole

matplotlib = pytest.importorskip("matplotlib")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.image import imread  # noqa: E402

from bench.profile import reading  # noqa: E402
from bench.profile.rows import Profile  # noqa: E402
from bench.report import profile_drawing as drawing  # noqa: E402
from bench.report import profile_pictures as pictures  # noqa: E402
from bench.report import profile_plots as plots  # noqa: E402

ALL = {"latency.png", "logdet-share.png", "roofline.png", "speedup.png"}
FEW = whole("alpha", "beta")
MANY = whole(*(f"kernel-of-a-long-name-{i}" for i in range(27)))
DROPPED: dict[str, tuple[str, Callable[[Profile], Any]]] = {
    "latency": ("device_us", pictures.latency),
    "roofline": ("must_flops", plots.roofline),
    "log-determinant": ("logdet_added", plots.logdet_share),
    "ratios": ("ratio", plots.speedup),
}


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    matplotlib.use("agg")
    yield
    plt.close("all")


def texts(figure: Any) -> list[str]:
    """Every text in the panels."""
    return [t.get_text() for axis in figure.axes for t in axis.texts]


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes]:
    return pictures.pictures(FEW)


def test_all_four_are_the_same_each_time(drawn: dict[str, bytes]) -> None:
    assert set(drawn) == ALL
    assert pictures.pictures(FEW) == drawn


def test_many_kernels_make_small_files() -> None:
    found = pictures.pictures(MANY)
    assert set(found) == ALL
    for data in found.values():
        assert len(data) < 200_000
        height, width, _ = imread(io.BytesIO(data), format="png").shape
        assert height > 400
        assert 800 < width < 1500


@pytest.mark.parametrize("name", DROPPED)
def test_a_picture_without_data_is_left_out(name: str) -> None:
    field, maker = DROPPED[name]
    assert maker(whole("alpha", **{field: None})) is None
    assert maker(whole("alpha")) is not None


def test_an_empty_profile_has_no_picture() -> None:
    assert pictures.pictures(profile()) == {}
    assert pictures.pictures(profile(row(device_us=None, status="wrong"))) == {}


def test_a_profile_without_ceilings_has_no_roofline() -> None:
    assert plots.roofline(FEW.model_copy(update={"ceilings": None})) is None


@pytest.mark.parametrize("modes", [("eager",), ("triton",), ("eager", "compiled", "graph")])
def test_any_set_of_modes_is_drawn(modes: tuple[str, ...]) -> None:
    rows = [
        row(
            100.0 + dim,
            kernel="k",
            mode=mode,
            dim=dim,
            implementation=who,
            baseline=who == "nflows",
        )
        for dim in (8, 16, 32)
        for who, mode in (("nflows", "eager"), *(("in-house", m) for m in modes))
    ]
    assert set(pictures.pictures(profile(*rows))) == {"latency.png"}
    labels = {t.get_text() for t in pictures.latency(profile(*rows)).legends[0].get_texts()}  # type: ignore[union-attr]
    assert labels == {"baseline", *(f"in-house, {m}" for m in modes)}


def test_controls_change_nothing(drawn: dict[str, bytes]) -> None:
    bare = FEW.model_copy(update={"rows": [r for r in FEW.rows if not r.control]})
    assert len(bare.rows) < len(FEW.rows)
    assert pictures.pictures(bare) == drawn


def test_latency_has_a_panel_of_medians_and_exponents_for_each_kernel() -> None:
    figure = pictures.latency(FEW)
    assert figure is not None
    panels = {a.get_title(loc="left"): a for a in figure.axes}
    assert list(panels) == ["alpha", "beta"]
    panel = panels["alpha"]
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
    drawn = {tuple(np.round(line.get_ydata(), 6)) for line in panel.lines}
    for who, _, at, exponent, _ in PATHS:
        wanted = tuple(round(at * (d / 64) ** exponent, 6) for d in DIMS)
        assert (wanted in drawn) == (who != "textbook")
        assert (f"{exponent:.1f}" in texts(figure)) == (who != "textbook")
    assert "256 points, baseline nflows" in texts(figure)
    assert len(drawn) == 4  # brute force too


def test_the_log_determinant_is_sorted_and_half_is_marked() -> None:
    pairs = {"cheap": 0.02, "dear": 4.0, "middle": 0.4, "noise": -0.1}
    rows = [
        row(kernel=k, logdet_added=v, operations=1, implementation=who, baseline=who == "nflows")
        for k, v in pairs.items()
        for who in ("in-house", "nflows")
    ]
    figure = plots.logdet_share(profile(*rows))
    assert figure is not None
    (axis,) = figure.axes
    names = [t.get_text() for t in axis.get_yticklabels()]
    assert names == ["noise", "cheap", "middle", "dear"]
    marked = [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == "--"]
    assert marked == [0.5]
    places = {x for line in axis.lines for x in line.get_xdata() if line.get_marker() == "o"}
    assert places == {0.0, 0.02, 0.4, 4.0}
    assert axis.get_xlim()[0] == 0
    assert 4 < axis.get_xlim()[1] < 10


def test_ratios_are_those_of_the_fastest_path_with_their_intervals() -> None:
    figure = plots.speedup(FEW)
    assert figure is not None
    assert [a.get_title() for a in figure.axes] == ["forward", "inverse", "forward and backward"]
    for axis in figure.axes:
        dots = [line for line in axis.lines if line.get_marker() == "D"]
        assert [line.get_xdata()[0] for line in dots] == pytest.approx([9.0, 9.0])
        bars = [tuple(line.get_xdata()) for line in axis.lines if len(line.get_xdata()) == 2]
        assert bars.count(pytest.approx((9 / 1.1, 9 * 1.1))) == 2
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        "alpha / nflows",
        "beta / nflows",
    ]


UNTIMED = {
    "no other to compare with": {"baseline": True},
    "wrong: no time": {"status": "wrong", "reason": "is off", "device_us": None},
    "has no inverse": {"status": "missing", "reason": "has no inverse", "device_us": None},
}


@pytest.mark.parametrize("said", UNTIMED)
def test_a_pass_without_a_ratio_says_why(said: str) -> None:
    rows = [r for r in whole("alpha").rows if r.way == "forward"]
    figure = plots.speedup(profile(*rows, row(kernel="alpha", way="inverse", **UNTIMED[said])))
    assert figure is not None
    assert [t for t in texts(figure) if t] == [said]


def test_another_baseline_in_a_pass_is_named() -> None:
    rows = [
        r.model_copy(update={"implementation": "zuko"}) if r.way == "inverse" and r.baseline else r
        for r in whole("alpha").rows
    ]
    figure = plots.speedup(profile(*rows))
    assert figure is not None
    assert [t for t in texts(figure) if t] == ["over zuko"]


def test_roofline_points_and_ceilings() -> None:
    figure = plots.roofline(FEW)
    assert figure is not None
    (axis,) = figure.axes
    marks = [line.get_xydata()[0] for line in axis.lines if len(line.get_xdata()) == 1]
    for microseconds in (20, 180):  # the fused path of alpha, its baseline
        assert any(m == pytest.approx([0.4, 8e4 / (microseconds * 1e-6)]) for m in marks)
    assert len(marks) == 4
    roof = np.array(axis.lines[0].get_xydata())
    assert roof[1] == pytest.approx([10.0, 1e11])
    assert roof[0, 1] == pytest.approx(1e10 * roof[0, 0])


def test_names_on_the_roofline_do_not_clash() -> None:
    figure = plots.roofline(MANY)
    assert figure is not None
    (axis,) = figure.axes
    boxes = [t.get_window_extent() for t in axis.texts]
    assert 3 <= len(boxes) <= 2 + 2 * plots.LABELS
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


SPREADS = {"apart": [1.0, 10.0, 100.0], "equal": [3.0, 3.0, 3.0], "mixed": [5.0, 1.0, 5.1, 5.05]}


@pytest.mark.parametrize("values", SPREADS.values(), ids=SPREADS)
def test_labels_are_moved_apart_and_no_further(values: list[float]) -> None:
    moved = drawing.spread(values, 1.5)
    assert np.argsort(moved, kind="stable").tolist() == np.argsort(values, kind="stable").tolist()
    ordered = np.sort(moved)
    assert (ordered[1:] / ordered[:-1] > 1.5 - 1e-9).all()
    assert np.mean(np.log(moved)) == pytest.approx(np.mean(np.log(values)))
    if values == SPREADS["apart"]:
        assert moved == pytest.approx(values)
    assert drawing.spread([], 2.0) == []


def test_the_encoding_keeps_the_picture() -> None:
    figure, axis = plt.subplots(figsize=(2, 2))
    axis.plot([0, 1], color="#0060a0")
    found = imread(io.BytesIO(drawing.png(figure.canvas)), format="png")[..., :3]  # type: ignore[arg-type]
    true = np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255  # type: ignore[attr-defined]
    assert found.shape == true.shape
    assert abs(found - true).max() < 0.2  # of rare colours only
    assert abs(found - true).mean() < 1e-3


TICKS = {1.0: "1 µs", 300.0: "300 µs", 2e4: "20 ms", 3e6: "3 s"}


@pytest.mark.parametrize("value", TICKS)
def test_ticks_of_time_have_a_unit(value: float) -> None:
    assert drawing.microseconds(value) == TICKS[value]


SIZES: dict[str, tuple[Callable[[], list[Any]], int]] = {
    "the least in detail": (lambda: whole("alpha").rows, 64),
    "else the largest": (lambda: whole("alpha", operations=None).rows, 128),
}


@pytest.mark.parametrize("case", SIZES)
def test_the_reference_size(case: str) -> None:
    make, dim = SIZES[case]
    found = reading.reference(make(), "forward")
    assert {(r.dim, r.batch) for r in found} == {(dim, 256)}
    assert "brute-force" not in {r.implementation for r in found}


def test_the_baseline_is_not_compared_with_itself() -> None:
    rows = [row(10.0, baseline=True, logdet_added=0.3), row(30.0, mode="fused", logdet_added=0.2)]
    assert reading.best(rows) is rows[1]
    assert reading.added(rows) == [rows[1], rows[0]]
    assert reading.best(rows[:1]) is None
