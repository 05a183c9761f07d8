"""The page's section on log-det kernels: there with a profile, and without one no byte of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import synthetic
from test_page import Reader
from whole_profile import PATHS, whole  # noqa: E402

from bench.profile.rows import Errors, Profile, write  # noqa: E402
from bench.report import page  # noqa: E402
from bench.report.board import Board, make_board  # noqa: E402
from bench.report.build import build  # noqa: E402
from bench.report.kernels import takeaway  # noqa: E402

SUITE = synthetic.default_suite()[:1]
KERNELS = ("alpha", "beta", "gamma")
HOSTILE = "<img src=x onerror=alert(1)>\"&'|`]("
TITLES = 12  #: columns


def written(root: Path, given: Profile | None) -> Path:
    """results/ of a small suite with this profile, every leaderboard written."""
    results = root / "results"
    plugins = synthetic.write(results, SUITE, artifacts=False)
    if given is not None:
        write(given, results / "profile" / "profile.json")
    build(root, results, plugins)
    return results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("profiled"), whole(*KERNELS))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("bare"), None)


@pytest.fixture(scope="module")
def html(results: Path) -> str:
    return (results / "leaderboard.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def board(bare: Path) -> Board:
    return make_board(bare, synthetic.registry(SUITE))


def table(html: str) -> list[list[str]]:
    """Texts of the section's table, row by row."""
    body = re.search(r'<table class="lb kern".*?<tbody>(.*?)</tbody>', html, re.S)
    assert body
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body[1], re.S)
    return [
        [re.sub(r"<[^>]*>", "", cell) for cell in re.split(r"<t[hd][^>]*>", row)[1:]]
        for row in rows
    ]


def test_without_a_profile_no_byte_is_added(bare: Path, results: Path, html: str) -> None:
    plain = (bare / "leaderboard.html").read_text(encoding="utf-8")
    assert "kernels" not in plain
    assert ".kern" not in plain
    assert "og-det kernels" not in plain + (bare / "leaderboard.md").read_text()
    assert len(html) > len(plain)
    (bare / "profile").mkdir(exist_ok=True)  # pictures alone, no profile.json
    build(bare.parent, bare, synthetic.registry(SUITE))
    assert (bare / "leaderboard.html").read_text(encoding="utf-8") == plain


def test_two_builds_are_the_same(tmp_path: Path, html: str) -> None:
    again = written(tmp_path, whole(*KERNELS))
    assert (again / "leaderboard.html").read_text(encoding="utf-8") == html


def test_one_line_per_kernel_implementation_and_mode(html: str) -> None:
    lines = table(html)
    assert len(lines) == len(KERNELS) * len(PATHS)
    assert {len(line) for line in lines} == {TITLES}
    assert [line[0] for line in lines] == [k for k in KERNELS for _ in PATHS]
    fastest_first = ["in-house fused", "in-house", "textbook", "nflows baseline"]
    assert [line[1] for line in lines] == fastest_first * len(KERNELS)


def test_the_numbers_of_a_line(html: str) -> None:
    fused = table(html)[0]
    assert fused[2:] == [
        "2.0e−06", "20.0", "9.00 [8.18, 9.90]", "9.00 [8.18, 9.90]", "9.00 [8.18, 9.90]", "20 %",
        "0.2 fit 0.2", "50.0", "5", "0",
    ]  # fmt: skip
    textbook = table(html)[2]
    assert textbook[5] == "–"  # has no inverse
    assert table(html)[3][4:7] == ["1 baseline"] * 3


def test_a_wrong_row_says_so_and_has_no_time(board: Board) -> None:
    given = whole("alpha")
    wrong = {
        "status": "wrong", "reason": "the value is off", "device_us": None, "ratio": None,
        "error": Errors(value=0.5, logdet=0.0),
    }  # fmt: skip
    rows = [
        r.model_copy(update=wrong) if r.mode == "fused" and r.way == "inverse" else r
        for r in given.rows
    ]
    html = page.render(board, "", given.model_copy(update={"rows": rows}))
    assert table(html)[0][5] == "wrong"
    assert table(html)[0][2] == "5.0e−01"
    assert "wrong: alpha, in-house fused, inverse, D=64: the value is off" in html


def test_charts_are_named_and_match(html: str) -> None:
    section = html[html.index('id="kernels"') : html.index('id="environment"')]
    labels = re.findall(r'<svg role="img"[^>]*aria-label="([^"]*)"', section)
    assert len(labels) == len(KERNELS) + 4
    assert labels[0].startswith(
        "alpha, time of a forward call: brute force 9,000".replace(",0", "0")[:38]
    )
    assert "in-house, fused 23 µs at D = 128" in labels[0]
    share, *ratios = labels[len(KERNELS) :]
    assert "half of the map&#x27;s time on 3 of 3 kernels" in share
    assert all("faster than the baseline on 3 of 3 kernels" in r for r in ratios)
    assert section.count('class="br"') == len(KERNELS)


def test_where_and_when_it_was_measured(html: str, results: Path) -> None:
    where = "a processor, 1 thread, torch 2.13.0, 2026-01-01"
    assert where in html
    line = f"Profile of 3 log-det kernels: [profile/](profile/), on {where}."
    assert line in (results / "leaderboard.md").read_text()


def test_the_takeaway_counts_verdicts() -> None:
    rows = whole("alpha").rows
    slow = [
        r.model_copy(update={"ratio": r.ratio and r.ratio.model_copy(update={"verdict": "slower"})})
        for r in whole("beta").rows
    ]
    assert takeaway([rows, slow]) == (
        "The fastest in-house path is faster than the baseline on 1 of 2 kernels forward "
        "(1 slower), 1 of 2 inverse (1 slower), 1 of 2 with gradients (1 slower). Its "
        "log-determinant adds less than half of the map's time on 2 of 2."
    )
    assert takeaway([]) == ""


@pytest.mark.parametrize("text", ["{", '{"schema_version": 99}', "[]"])
def test_a_file_that_is_no_profile_is_named_in_the_page(tmp_path: Path, text: str) -> None:
    results = tmp_path / "results"
    plugins = synthetic.write(results, SUITE, artifacts=False)
    (results / "profile").mkdir()
    (results / "profile" / "profile.json").write_text(text)
    build(tmp_path, results, plugins)
    for name in ("leaderboard.html", "leaderboard.md"):
        found = (results / name).read_text()
        assert "profile/profile.json is " in found
        assert str(tmp_path) not in found
    assert Reader((results / "leaderboard.html").read_text()).open == []


def test_the_page_stays_self_contained_and_well_formed(html: str) -> None:
    dom = Reader(html)
    assert dom.open == []
    ids = [a["id"] for _, a in dom.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert "#kernels" in [a["href"] for a in dom.all("a")]
    assert all(a.get("scope") in ("row", "col") for a in dom.all("th"))
    assert all(a.get("aria-label") for a in dom.all("svg") if "role" in a)
    assert not any("style" in a or any(k.startswith("on") for k in a) for _, a in dom.tags)
    assert "url(" not in html
    assert not re.search(r"https?://", re.sub(r'xmlns="[^"]*"', "", html))
    script = re.search(r"<script>(.*?)</script>", html, re.S)
    assert script
    assert len(script[1].encode()) <= 8 * 1024


def test_hostile_names_stay_text(board: Board) -> None:
    given = whole(HOSTILE)
    wrong = {"implementation": HOSTILE, "status": "wrong", "reason": HOSTILE, "device_us": None}
    given.rows.append(given.rows[0].model_copy(update=wrong))
    html = page.render(board, "", given)
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") > len(PATHS)
    dom = Reader(html)
    assert dom.open == []
    assert all((a.get("src") or "data:").startswith("data:") for a in dom.all("img"))
    assert not any("onerror" in a for _, a in dom.tags)


def test_thirty_kernels_add_less_than_200_kilobytes(board: Board) -> None:
    given = whole(*(f"kernel-of-a-name-{i}" for i in range(30)))
    added = len(page.render(board, "", given).encode()) - len(page.render(board, "").encode())
    assert 20_000 < added < 200_000
