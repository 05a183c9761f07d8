"""The page as a parser sees it: self-contained, well-formed, escaped, small, repeatable."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic

from bench import records
from bench.registry import discover
from bench.report import build, page, pictures, raster, svg
from bench.report.board import make_board

VOID = {"meta", "link", "img", "input", "br", "hr"}
OPTIONAL = {"li", "td", "th", "tr", "thead", "tbody", "option", "p", "dt", "dd"}


class Reader(HTMLParser):
    """Collects tags with their attributes and checks that they nest."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of all elements of this name."""
        return [a for t, a in self.tags if t == tag]


@pytest.fixture(scope="module")
def html(built: Path) -> str:
    return (built / "leaderboard.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def dom(html: str) -> Reader:
    return Reader(html)


def payload(html: str) -> dict[str, Any]:
    """What the script unpacks on demand."""
    found = re.search(r'id="data">([^<]*)<', html)
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def test_elements_nest(dom: Reader) -> None:
    assert dom.open == []


def test_nothing_is_fetched(dom: Reader, html: str) -> None:
    for tag, attributes in dom.tags:
        for name in ("src", "href", "data", "poster", "srcset", "action"):
            value = attributes.get(name)
            if value is not None and tag != "a":
                assert value.startswith("data:"), (tag, name, value[:60])
            if value is not None and tag == "a":
                assert value.startswith("#") or value == "leaderboard.csv"
    assert "url(" not in html
    assert "@import" not in html
    assert not re.search(r"https?://", re.sub(r'xmlns="[^"]*"', "", html))


def test_policy_allows_this_style_and_script_alone(html: str, dom: Reader) -> None:
    policy = next(a["content"] for a in dom.all("meta") if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", html, re.S)
    script = re.search(r"<script>(.*?)</script>", html, re.S)
    assert style
    assert script
    assert page._hash(style[1]) in policy
    assert page._hash(script[1]) in policy
    assert not any("style" in a or any(k.startswith("on") for k in a) for _, a in dom.tags)


def test_ids_are_unique_and_links_have_targets(dom: Reader) -> None:
    ids = [a["id"] for _, a in dom.tags if "id" in a]
    assert [i for i, n in Counter(ids).items() if n > 1] == []
    wanted = {a["href"][1:] for a in dom.all("a") if (a["href"] or "").startswith("#")}  # type: ignore[index]
    wanted |= {a["aria-labelledby"] for _, a in dom.tags if "aria-labelledby" in a}
    assert wanted <= set(ids)


def test_accessible_names_and_scopes(dom: Reader) -> None:
    assert dom.all("html")[0]["lang"] == "en"
    assert all(a.get("scope") in ("row", "col") for a in dom.all("th"))
    assert all(a.get("alt") for a in dom.all("img"))
    figures = [a for a in dom.all("svg") if "role" in a]
    assert figures
    assert all(a["role"] == "img" and a.get("aria-label") for a in figures)
    labels = sum(t == "label" for t, _ in dom.tags)
    assert labels == len(dom.all("input")) + len(dom.all("select"))
    scrollable = [a for a in dom.all("div") if a.get("class") == "scroll"]
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrollable)


def test_every_planned_row_is_in_the_page(dom: Reader) -> None:
    rows = [a["data-r"] for a in dom.all("tr") if "data-r" in a]
    assert rows == [str(i) for i in range(41)]
    shown = "".join(dom.text)
    assert "stopped after 600 s" in shown
    assert "p log(p/q) − p + q" in shown


def test_the_download_is_the_csv_file(built: Path, html: str) -> None:
    data = payload(html)
    assert data["csv"] == (built / "leaderboard.csv").read_text()
    assert len(data["rows"]) == synthetic.planned()
    for name, entry in discover().checks.items():
        assert data["asked"][name] == [entry.question, entry.remedy]
    checks = data["rows"][0]["checks"]
    assert checks[0] == ["invariance", "pass", 1.3, 6.0, 4000, "E_q[r/q] = 1.003 ± 0.002"]


HOSTILE = "<img src=x onerror=alert(1)>\"&'|`]("


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    results = tmp_path / "results"
    claw = synthetic.default_suite()[0]
    specs = (replace(claw.specs[0], model=HOSTILE, implementation=HOSTILE), claw.specs[2])
    entry = replace(claw.entry, name="<b>" + HOSTILE)
    suite = (synthetic.Data(entry, specs, claw.entropy, claw.density), synthetic.default_suite()[1])
    plugins = synthetic.write(results, suite)
    file = records.record_path(results, entry.name, specs[1].model)
    record = records.read(file)
    record.status, record.reason = "error", "</script><script>alert(1)</script>"
    records.write(file, record)
    build.build(tmp_path, results, plugins)
    html = (results / "leaderboard.html").read_text()
    dom = Reader(html)
    assert dom.open == []
    assert all(a.get("src", "data:").startswith("data:") for a in dom.all("img"))  # type: ignore[union-attr]
    assert not any("onerror" in a for _, a in dom.tags)
    assert len(dom.all("script")) == 2
    assert not dom.all("b") or "<b>" + HOSTILE in "".join(dom.text)
    markdown = (results / "leaderboard.md").read_text()
    assert not re.search(r"(?<!\\)<", markdown)


def test_size_budgets(tmp_path: Path) -> None:
    results = tmp_path / "results"
    plugins = synthetic.write(results, synthetic.many(60))
    build.build(tmp_path, results, plugins)
    html = (results / "leaderboard.html").read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", html, re.S)
    assert script
    assert len(script[1].encode()) <= 8 * 1024
    assert len(html.encode()) <= 900 * 1000
    assert Reader(html).tags[-1][0] == "script"
    assert html.count("data-r=") == 720


def test_twenty_thousand_cells_stay_below_six_megabytes(tmp_path: Path) -> None:
    results = tmp_path / "results"
    plugins = synthetic.write(results, synthetic.many(1, rows=200, audits=1), artifacts=False)
    small = make_board(results, plugins)
    (view,), (audit,) = small.views, small.audits
    full = replace(
        small,
        views=tuple(replace(view, data=replace(view.data, name=f"set-{i}")) for i in range(94)),
        audits=tuple(replace(audit, data=replace(audit.data, name=f"truth-{i}")) for i in range(6)),
    )
    assert full.rows == 20_000
    html = page.render(full, "")
    assert html.count("data-r=") == 20_000
    assert len(html.encode()) <= 6_000_000


def test_png_decodes_to_what_was_encoded() -> None:
    from matplotlib.image import imread

    rng = np.random.default_rng(0)
    for colours, shape in ((16, (5, 7)), (64, (9, 4)), (2, (3, 3))):
        palette = raster.palette("viridis", colours)
        index = rng.integers(0, colours, shape).astype(np.uint8)
        pixels = imread(io.BytesIO(raster.png(index, palette)), format="png")
        np.testing.assert_array_equal((pixels[..., :3] * 255).round(), palette[index])


def test_divergence_is_never_negative_and_integrates_to_the_gap() -> None:
    x = np.linspace(-8, 8, 4001)
    p = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
    q = np.exp(-0.5 * (x - 0.5) ** 2) / np.sqrt(2 * np.pi)
    d = pictures.divergence(p, q)
    assert d.min() > -1e-15
    assert d.sum() * (x[1] - x[0]) == pytest.approx(0.125, abs=1e-9)
    assert np.isfinite(pictures.divergence(np.array([0.0, 1.0]), np.array([1.0, 0.0]))).all()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, -1.1), (0.0001, 0.0005), (10, 12345)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    values = svg.ticks(low, high)
    assert 2 <= len(values) <= 7
    assert all(low - 1e-9 <= v <= high + 1e-9 for v in values)


@pytest.mark.parametrize(("low", "high"), [(0.02, 300), (1, 2.5), (3, 90), (1.1, 1.2)])
def test_log_ticks_are_enough(low: float, high: float) -> None:
    assert len(svg.log_ticks(low, high)) >= 2


def test_labels_never_overlap() -> None:
    drawing = svg.Drawing(400, 300, "test")
    placed = [drawing.name(50 + 3 * i, 150, f"model-{i}") for i in range(12)]
    assert 2 <= sum(placed) < 12
    boxes = drawing.taken
    assert not any(svg._overlap(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
