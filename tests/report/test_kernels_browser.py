"""The section on log-det kernels in headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

import test_browser as chromium  # noqa: E402
from test_kernels_section import KERNELS, TITLES, written  # noqa: E402
from whole_profile import PATHS, whole  # noqa: E402

pytestmark = chromium.pytestmark
NAME = "Log-det kernels"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("profiled"), whole(*KERNELS)) / "leaderboard.html"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = chromium.start(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


@pytest.fixture
def opened(driver: Any, page: Path) -> Any:
    """The page, freshly loaded at 1280 px in the light theme."""
    chromium.shape(driver, 1280, "light")
    driver.get("about:blank")
    driver.get(page.as_uri())
    return driver


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (375, "light")])
def test_accessible_and_no_sideways_scroll(opened: Any, width: int, theme: str) -> None:
    chromium.shape(opened, width, theme)
    opened.execute_script(chromium.UNROLL)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    source = chromium.axe_source()
    opened.set_script_timeout(120)
    opened.execute_script(chromium.EXPAND)
    opened.execute_script(source)
    axe = chromium.AXE.replace("document, {", "'#kernels', {")
    assert opened.execute_async_script(axe) == {"bad": [], "passed": 1}


def test_sorts_by_number_and_keeps_its_columns(opened: Any) -> None:
    for column in (2, 3):
        chromium.press(opened, NAME, column)
        shown = chromium.column(opened, NAME, column)
        found = [float(t.replace(",", "").replace("\N{MINUS SIGN}", "-")) for t in shown]
        assert found == sorted(found)
        assert len(found) == len(KERNELS) * len(PATHS)
    heads = "return [...document.querySelectorAll('.kern thead th')].map(e => e.offsetWidth > 0)"
    assert opened.execute_script(heads) == [True] * TITLES


def test_the_filter_finds_its_rows(opened: Any) -> None:
    chromium.find(opened, "#q").send_keys("beta fused")
    visible = "return document.querySelectorAll('.kern tbody tr:not([hidden])').length"
    assert opened.execute_script(visible) == 1
    assert chromium.find(opened, "#shown").text.startswith("1 of ")


def test_nothing_is_logged(opened: Any) -> None:
    assert opened.get_log("browser") == []
