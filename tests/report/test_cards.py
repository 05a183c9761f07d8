"""The data sets' cards on the page: what the terminal shows, with a picture, and not too big."""

from __future__ import annotations

import base64
import html
import io
import re
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import synthetic
import torch
from matplotlib.image import imread

from bench.contract import Splits
from bench.leaks.card import card
from bench.leaks.preview import preview
from bench.leaks.report import Preview
from bench.registry import DatasetEntry
from bench.report import datasets, page
from bench.report.board import Board, make_board
from bench.report.previews import CAPTIONS, picture
from bench.report.raster import palette

RNG = np.random.default_rng(0)


def kept(kind: str, shape: tuple[int, ...], levels: int | None = None) -> Preview:
    """Of 300 random points."""
    size = (300, *shape)
    x = RNG.integers(0, levels, size) if levels else RNG.standard_normal(size)
    points = torch.from_numpy(x)
    entry = DatasetEntry("x", Path("x.py"), "x", kind, shape, levels)
    return preview(entry, Splits(points, points, points))


FORMS = {
    "greys": kept("discrete", (1, 8, 6), 17),
    "colours": kept("discrete", (3, 8, 6), 256),
    "symbols": kept("binary", (30,), 2),
    "curves": kept("sequence", (40,)),
    "bars": kept("continuous", (1,)),
    "plane": kept("continuous", (2,)),
    "correlations": kept("continuous", (7,)),
}


@pytest.fixture(scope="module")
def board(built: Path) -> Board:
    return make_board(built, synthetic.registry(synthetic.default_suite()))


@pytest.mark.parametrize("form", CAPTIONS)
def test_every_form_becomes_a_picture_with_words(form: str) -> None:
    assert FORMS[form].form == form
    drawn, caption, layout = picture(FORMS[form], '<"a & b">')
    root = ElementTree.fromstring(drawn[:-1] + "/>" if drawn.startswith("<img") else drawn)
    words = root.get("alt") or root.get("aria-label")
    assert words == f'<"a & b">: {CAPTIONS[form]}'
    assert caption.startswith(CAPTIONS[form])
    assert layout in ("strip", "map", "line")
    assert len(drawn) < 16_000
    assert picture(FORMS[form], '<"a & b">')[0] == drawn


def pixels(form: str) -> np.ndarray:
    """The picture decoded, [H, W, 3] in 0..255."""
    encoded = re.search(r"base64,([^\"]+)", picture(FORMS[form], "x")[0])
    assert encoded
    image = imread(io.BytesIO(base64.b64decode(encoded[1])), format="png")
    return (image[..., :3] * 255).round().astype(int)


def raw(form: str) -> np.ndarray:
    kept = zlib.decompress(base64.b64decode(FORMS[form].values))
    return np.frombuffer(kept, np.uint8).reshape(FORMS[form].shape)


def test_tiles_stand_beside_each_other_in_their_colours() -> None:
    grey, colour = raw("greys"), raw("colours")
    seen = pixels("greys")
    assert seen.shape == (9, 70, 3)
    np.testing.assert_array_equal(seen[:8, 7:13, 0], np.round(grey[1] * 17))
    index = colour[2].astype(int)
    expected = np.stack([index // 36, index // 6 % 6, index % 6], -1) * 51
    np.testing.assert_array_equal(pixels("colours")[:8, 14:20], expected)


def test_the_plane_is_drawn_upwards_and_correlations_downwards() -> None:
    np.testing.assert_array_equal(pixels("plane"), palette("viridis", 64)[raw("plane")[::-1]])
    seen = pixels("correlations")
    np.testing.assert_array_equal(seen[0, 0], palette("RdBu_r", 31)[30])
    np.testing.assert_array_equal(seen, palette("RdBu_r", 31)[raw("correlations")])


def test_cards_are_those_of_the_terminal(board: Board) -> None:
    made = datasets.cards(board)
    assert list(made) == [view.name for view in board.views]
    for name, shown in made.items():
        of = card(board.entries[name], board.reports.get(name))
        assert shown["headline"] == of.headline
        assert shown["sections"] == [s for s in of.sections if s.title != "Findings"]
    assert made["odd"]["summary"] == "1,000 / 200 / 500 rows"
    assert made["claw"]["picture"] is None


def test_the_page_has_them_above_the_tables(board: Board) -> None:
    report = board.reports["odd"].model_copy(update={"preview": FORMS["plane"]})
    entry = replace(
        board.entries["odd"], source="<i>of</i> & on", faults=("A <b>fault</b>.",), about="A. | B."
    )
    full = replace(
        board,
        reports={**board.reports, "odd": report},
        entries={**board.entries, "odd": entry},
    )
    text = page.render(full, "")
    assert text.count('<details class="card">') == len(board.views)
    (section,) = re.findall(r'<section class="set" id="odd".*?</section>', text, re.S)
    assert section.index("<details") < section.index("<table")
    said = html.unescape(re.sub(r"<[^>]*>", " ", section))
    assert "<i>of</i> & on" in said
    assert "A <b>fault</b>." in said
    assert "<b>fault" not in section
    assert section.count("data:image/png") == 1
    assert "histogram of the training points" in said


def test_data_sets_without_a_plugin_have_none_and_cards_have_a_budget(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert datasets.cards(replace(board, entries={})) == {}
    assert "card" not in page.render(replace(board, entries={}), "").split("</style>")[1]
    monkeypatch.setattr(datasets, "CARDS", 1200)
    assert 0 < len(datasets.cards(board)) < len(board.views)
